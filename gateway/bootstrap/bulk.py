"""Many certificates revoked at once: chosen first, shown, and then revoked in slices.

One transaction for all of them would keep every sign-in waiting. Each slice is one, so none
is left half done; the audit log says before the first what is going to be done, and with the last
that it was, so a line of the first kind without one of the second tells of a command that was
killed. The same command does the rest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ca.ledger import CertificateRecord, CertificateState
from ca.trust import RevocationReason
from gateway.bootstrap.certificates import (
    AUTHORITY_SECONDS,
    Revocation,
    find_certificate,
    list_them,
)
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.serials import meant_by
from gateway.core.audit import AuditKind
from gateway.core.foreign import ForeignState, Presented
from gateway.core.ports import StoreUnavailable
from policies.values import suggest

AT_ONCE: Final = 500
"""How many of each kind are revoked in one transaction: others wait a fraction of a second."""


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

    @property
    def is_wide(self) -> bool:
        """Whether more is said than whose they are, and on which device."""
        return any(one is not None for one in (self.group, self.issued_before, self.issuer))

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


@dataclass(frozen=True, slots=True)
class Choice:
    """What a revocation means: certificates of ours, and those of other CAs that it blocks."""

    records: tuple[CertificateRecord, ...]
    foreign: tuple[Presented, ...]

    @property
    def people(self) -> list[str]:
        """Whose they are, by name."""
        theirs = {one.user for one in self.foreign if one.user}
        return sorted({one.username for one in self.records} | theirs)

    def __len__(self) -> int:
        """Count them."""
        return len(self.records) + len(self.foreign)

    def slices(self) -> Iterator["Choice"]:
        """Yield all of it, in parts of which each is one transaction."""
        for start in range(0, max(len(self.records), len(self.foreign)), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            yield Choice(self.records[part], self.foreign[part])


async def choose(command: Command, selection: Selection, reason: RevocationReason) -> Choice:
    """Return all that is revoked or blocked for *reason* when *selection* is.

    Raises `CommandRefused` for a user, group or issuer that is not there.
    """
    records = await chosen(command, selection)
    if reason is RevocationReason.KEY_COMPROMISE:
        records += await sharing_keys(command, records)
    return Choice(tuple(records), tuple(await _chosen_foreign(command, selection, reason)))


async def choose_one(
    command: Command, serial: str, trust: str | None, reason: RevocationReason
) -> Choice:
    """Return what is revoked or blocked for *reason* when *serial* is, whether that is new or not.

    Raises `CommandRefused` where it means none, or several.
    """
    meant = await meant_by(command, serial, trust)
    if meant.foreign:
        return Choice((), meant.foreign)
    records = [meant.ours or await find_certificate(command, serial)]
    if reason is RevocationReason.KEY_COMPROMISE:
        records += await sharing_keys(command, records)
    return Choice(tuple(records), ())


async def sharing_keys(
    command: Command, records: Sequence[CertificateRecord]
) -> list[CertificateRecord]:
    """Return what else is revoked when the keys of *records* are compromised; in slices."""
    known = {(one.issuer, one.serial) for one in records}
    found: list[CertificateRecord] = []
    # All that somebody has is looked at for each slice with one of theirs.
    ordered = sorted(records, key=lambda one: one.username)
    for start in range(0, len(ordered), AT_ONCE):
        others = await command.store.sharing_keys(ordered[start : start + AT_ONCE])
        new = [one for one in others if (one.issuer, one.serial) not in known]
        known |= {(one.issuer, one.serial) for one in new}
        found += new
    return found


async def chosen(command: Command, selection: Selection) -> list[CertificateRecord]:
    """Return which of ours *selection* means: what is neither revoked nor over, oldest first.

    All that somebody has, or has on a device, is revoked in one step and whether it is over or
    not. Raises `CommandRefused` for a user, group or issuer that is not there.
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
        and (one.not_after > now or not selection.is_wide)
        and (people is None or one.username in people)
        and selection.issuer in {None, one.issuer}
        and (selection.issued_before is None or one.reserved_at < selection.issued_before)
    ]


async def _chosen_foreign(
    command: Command, selection: Selection, reason: RevocationReason
) -> list[Presented]:
    """Return which of other CAs *selection* means; when they were issued is not ours to say."""
    narrower = (selection.device, selection.issued_before, selection.issuer)
    if any(one is not None for one in narrower):
        return []
    people = await _people(command, selection)
    return [
        one
        for one in await command.store.presented(state=ForeignState.ACCEPTED)
        if one.user
        and (people is None or one.user in people)
        and selection.user in {None, one.user}
        and not one.is_blocked_for(reason)
    ]


async def revoke_all(
    command: Command,
    choice: Choice,
    selection: Selection,
    reason: RevocationReason,
    patience: float = AUTHORITY_SECONDS,
) -> Revocation:
    """Revoke and block *choice*, which *selection* has chosen, and see to it that the lists say so.

    Nothing else, whatever fits by now: it was asked for these. When there are none nothing is told.
    When the store fails in between, `CommandRefused` says how many are revoked, for good.
    """
    if not choice:
        # What begins and never ends would stand for a command that was killed.
        return Revocation((), (), None)
    done = await _in_slices(command, choice, str(selection), reason)
    new = {one.serial for one in done.records}
    already = tuple(one for one in choice.records if one.serial not in new)
    # Whoever lists the last one lists those before it too.
    marks = {(one.issuer, one.crl_partition): one for one in done.records}
    problem = await list_them(command, [*marks.values()], patience)
    return Revocation(done.records, already, problem, done.foreign)


async def _in_slices(
    command: Command, choice: Choice, wanted: str, reason: RevocationReason
) -> Choice:
    """Revoke and block *choice*, tell of it, and return what of it is new."""
    plan = {"wanted": wanted, "certificates": str(len(choice))}
    await command.record(AuditKind.BULK_REVOCATION, detail=plan | {"stage": "begun"})
    new = Choice((), ())
    done = 0
    parts = [*choice.slices()]
    for part in parts:
        last = plan | {"stage": "finished"} if part is parts[-1] else None
        try:
            revoked, blocked = await command.store.revoke_chosen(
                [one.serial for one in part.records],
                [one.verdict.fingerprint for one in part.foreign],
                reason=reason,
                by=command.by,
                finished=last,
            )
        except StoreUnavailable as error:
            raise CommandRefused(
                f"{done} of {len(choice)} certificates are revoked, then {error}; "
                "the same command does the rest"
            ) from error
        new = Choice((*new.records, *revoked), (*new.foreign, *blocked))
        done += len(part)
        if len(parts) > 1:
            command.say(f"revoked {done} of {len(choice)}")
    return new


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
