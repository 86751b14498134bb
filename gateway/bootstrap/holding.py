"""Hold and release, for the command: certificates that open nothing for a while.

What was signed in with them ends with the hold, for whoever has the stick meanwhile may have the
cookies too; after the release the same certificate works, and the person signs in again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from ca.ledger import CertificateRecord, CertificateState
from ca.trust import RevocationReason
from gateway.bootstrap.certificates import (
    AUTHORITY_SECONDS,
    block_here,
    block_meant,
    fitting,
    list_them,
    refuse_unpublished,
)
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.serials import Meant, meant_by, number_of
from gateway.core.foreign import Presented

_HELD = "on hold, and its connections are cut"
_RELEASED = "released, and lets in again here"
_WHY_NOT = {
    CertificateState.REVOKED: "is revoked, and that is for good",
    CertificateState.RESERVED: "was never finished",
    CertificateState.HELD: "is on hold already; `pusterla cert release` ends that",
    CertificateState.VALID: "is not on hold",
}


@dataclass(frozen=True, slots=True)
class Changed:
    """What a command has put on hold or released; and whether the lists say so yet.

    *unpublished* is why no CRL says so yet, and None when one does. *blocked* are certificates of
    other CAs, for which that holds at this site alone.
    """

    records: tuple[CertificateRecord, ...]
    done: str
    unpublished: str | None
    blocked: tuple[Presented, ...] = ()

    def raise_unless_published(self) -> None:
        """Raise `CommandRefused`, which says what holds already, unless a CRL is published."""
        refuse_unpublished(self.done, self.unpublished)


async def hold_certificates(
    command: Command,
    *,
    serial: str | None,
    user: str | None,
    device: str | None,
    trust: str | None = None,
    patience: float = AUTHORITY_SECONDS,
) -> Changed:
    """Put what fits on hold, cut it, and see to it that a CRL says so.

    A serial means one certificate, of *trust* if that is given. Raises `CommandRefused` when
    nothing that fits can be put on hold, and what `gateway.bootstrap.serials.meant_by` raises.
    """
    reason = RevocationReason.CERTIFICATE_HOLD
    blocked: tuple[Presented, ...] = ()
    if serial is not None:
        meant = await meant_by(command, serial, trust)
        if meant.foreign:
            held = await block_meant(command, meant, reason)
            return _unless_nothing(meant, held, _HELD, "is on hold or revoked here already")
    elif user is not None and device is None:
        blocked = await block_here(command, user, reason)
    try:
        changed = await _hold_ours(command, serial, user, device, patience)
    except CommandRefused:
        if blocked:
            return Changed((), _HELD, None, blocked)
        raise
    return replace(changed, blocked=blocked)


async def _hold_ours(
    command: Command, serial: str | None, user: str | None, device: str | None, patience: float
) -> Changed:
    found = await fitting(command, serial, user, device)
    now = command.clock()
    if all(one.state is CertificateState.VALID and one.not_after < now for one in found):
        raise CommandRefused(_each(found, dict.fromkeys(CertificateState, "has ended")))
    held = await command.store.hold_certificates(
        serial=None if serial is None else found[0].serial, user=user, device=device, by=command.by
    )
    if not held:
        # Asked again: another command may have been faster.
        raise CommandRefused(_each(await fitting(command, serial, user, device), _WHY_NOT))
    return Changed(tuple(held), _HELD, await list_them(command, held, patience))


async def release_certificates(
    command: Command,
    *,
    serial: str | None,
    user: str | None,
    device: str | None,
    trust: str | None = None,
    patience: float = AUTHORITY_SECONDS,
) -> Changed:
    """End the hold of what fits, and see to it that the lists drop it.

    A serial means one certificate, of *trust* if that is given. Raises `CommandRefused` when
    nothing that fits is on hold, and what `gateway.bootstrap.serials.meant_by` raises.
    """
    released: tuple[Presented, ...] = ()
    unblock = partial(command.store.unblock_presented, by=command.by)
    if serial is not None:
        meant = await meant_by(command, serial, trust)
        if meant.foreign:
            released = tuple(await unblock(**number_of(meant)))
            return _unless_nothing(meant, released, _RELEASED, "is not on hold here")
    elif user is not None and device is None:
        released = tuple(await unblock(user=user))
    try:
        changed = await _release_ours(command, serial, user, device, patience)
    except CommandRefused:
        if released:
            return Changed((), _RELEASED, None, released)
        raise
    return replace(changed, blocked=released)


def _unless_nothing(
    meant: Meant, changed: tuple[Presented, ...], done: str, why_not: str
) -> Changed:
    if not changed:
        verdict = meant.foreign[0].verdict
        raise CommandRefused(
            f"nothing was done: {verdict.serial} by the trust {verdict.trust} {why_not}"
        )
    return Changed((), done, None, changed)


async def _release_ours(
    command: Command, serial: str | None, user: str | None, device: str | None, patience: float
) -> Changed:
    found = await fitting(command, serial, user, device)
    released = await command.store.release_certificates(
        serial=None if serial is None else found[0].serial, user=user, device=device, by=command.by
    )
    if not released:
        raise CommandRefused(_each(await fitting(command, serial, user, device), _WHY_NOT))
    return Changed(tuple(released), _RELEASED, await list_them(command, released, patience))


def _each(found: Sequence[CertificateRecord], why: dict[CertificateState, str]) -> str:
    return "nothing was done: " + "; ".join(
        f"{one.serial} of {one.username} on {one.device} {why[one.state]}" for one in found
    )
