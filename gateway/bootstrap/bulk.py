"""Many certificates revoked at once: chosen first, shown, and then revoked in slices.

One transaction for all of them would keep every sign-in waiting. Each slice is one, so none
is left half done; the audit log says before the first what is going to be done, and with the last
that it was, so a line of the first kind without one of the second tells of a command that was
killed. The same command does the rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ca.ledger import CertificateRecord, CertificateState
from ca.trust import RevocationReason
from gateway.bootstrap.certificates import (
    AUTHORITY_SECONDS,
    Revocation,
    block_here,
    list_them,
)
from gateway.bootstrap.command import Command, CommandRefused
from gateway.core.audit import AuditKind
from gateway.core.foreign import Presented
from gateway.core.ports import StoreUnavailable
from policies.values import suggest

AT_ONCE: Final = 500
"""How many are revoked in one transaction: others wait a fraction of a second."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which certificates are meant: those that fit every criterion that is not None.

    *group* means those of the people who are in it now, *issued_before* a moment that does not
    count itself.
    """

    user: str | None = None
    device: str | None = None
    group: str | None = None
    issued_before: datetime | None = None
    issuer: str | None = None

    def __str__(self) -> str:
        """Name the criteria, for people and the audit log."""
        named = {
            "user": self.user,
            "device": self.device,
            "group": self.group,
            "issued-before": None if self.issued_before is None else self.issued_before.isoformat(),
            "issuer": self.issuer,
        }
        return " ".join(f"{name}={value}" for name, value in named.items() if value is not None)


async def chosen(command: Command, selection: Selection) -> list[CertificateRecord]:
    """Return what *selection* means and what is neither revoked nor over, oldest first.

    Raises `CommandRefused` for a user, group or issuer that is not there.
    """
    people = await _people(command, selection)
    if selection.issuer is not None:
        known = [issuer.name for issuer in await command.store.issuers()]
        _refuse_unknown("issuing CA", selection.issuer, known)
    now = command.clock()
    return [
        one
        for one in await command.store.certificates(user=selection.user, device=selection.device)
        if one.state is not CertificateState.REVOKED
        and one.not_after > now
        and (people is None or one.username in people)
        and selection.issuer in {None, one.issuer}
        and (selection.issued_before is None or one.reserved_at < selection.issued_before)
    ]


async def revoke_all(
    command: Command,
    records: Sequence[CertificateRecord],
    selection: Selection,
    reason: RevocationReason,
    patience: float = AUTHORITY_SECONDS,
) -> Revocation:
    """Revoke *records*, which *selection* has chosen, and see to it that the lists say so.

    Certificates of other CAs that the people in its group have shown are blocked here too.
    When there are none nothing is told. When the store fails in between, `CommandRefused` says how many are revoked, for good.
    """
    blocked = await _block_group(command, selection, reason)
    if not records:
        # What begins and never ends would stand for a command that was killed.
        return Revocation((), (), None, blocked)
    plan = {"wanted": str(selection), "certificates": str(len(records))}
    await command.record(AuditKind.BULK_REVOCATION, detail=plan | {"stage": "begun"})
    revoked: list[CertificateRecord] = []
    for start in range(0, len(records), AT_ONCE):
        part = records[start : start + AT_ONCE]
        done = start + len(part)
        last = plan | {"stage": "finished"} if done == len(records) else None
        try:
            revoked += await command.store.revoke_serials(
                [one.serial for one in part], reason=reason, by=command.by, finished=last
            )
        except StoreUnavailable as error:
            raise CommandRefused(
                f"{len(revoked)} of {len(records)} certificates are revoked, then {error}; "
                "the same command does the rest"
            ) from error
        if len(records) > AT_ONCE:
            command.say(f"revoked {done} of {len(records)}")
    new = {one.serial for one in revoked}
    already = tuple(one for one in records if one.serial not in new)
    # Whoever lists the last one lists those before it too.
    marks = {(one.issuer, one.crl_partition): one for one in revoked}
    problem = await list_them(command, [*marks.values()], patience)
    return Revocation(tuple(revoked), already, problem, blocked)


async def _block_group(
    command: Command, selection: Selection, reason: RevocationReason
) -> tuple[Presented, ...]:
    """Block what other CAs have issued to a group; to whom and when they did is not ours to say."""
    narrower = (selection.device, selection.issued_before, selection.issuer)
    if selection.group is None or any(one is not None for one in narrower):
        return ()
    people = await _people(command, selection) or set()
    if selection.user is not None:
        people &= {selection.user}
    blocked: list[Presented] = []
    for user in sorted(people):
        blocked += await block_here(command, None, user, None, reason)
    return tuple(blocked)


async def _people(command: Command, selection: Selection) -> set[str] | None:
    if selection.user is not None and not await command.store.certificates(user=selection.user):
        # Certificates outlive people, so this is asked only when there are none.
        await command.person(selection.user)
    if selection.group is None:
        return None
    everybody = await command.store.people()
    _refuse_unknown("group", selection.group, {name for one in everybody for name in one.groups})
    return {person.user for person in everybody if selection.group in person.groups}


def _refuse_unknown(what: str, name: str, known: Sequence[str] | set[str]) -> None:
    if name not in known:
        hint = suggest(name, sorted(known)) or f"; there is {', '.join(sorted(known)) or 'none'}"
        raise CommandRefused(f"no {what} {name!r}{hint}")
