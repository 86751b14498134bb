"""Hold and release, for the command: certificates that open nothing for a while.

What was signed in with them ends with the hold, for whoever has the stick meanwhile may have the
cookies too; after the release the same certificate works, and the person signs in again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ca.ledger import CertificateRecord, CertificateState
from gateway.bootstrap.certificates import (
    AUTHORITY_SECONDS,
    fitting,
    list_them,
    refuse_unpublished,
)
from gateway.bootstrap.command import Command, CommandRefused

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

    *unpublished* is why no CRL says so yet, and None when one does.
    """

    records: tuple[CertificateRecord, ...]
    done: str
    unpublished: str | None

    def raise_unless_published(self) -> None:
        """Raise `CommandRefused`, which says what holds already, unless a CRL is published."""
        refuse_unpublished(self.done, self.unpublished)


async def hold_certificates(
    command: Command,
    *,
    serial: str | None,
    user: str | None,
    device: str | None,
    patience: float = AUTHORITY_SECONDS,
) -> Changed:
    """Put what fits on hold, cut it, and see to it that a CRL says so.

    Raises `CommandRefused` when nothing that fits can be put on hold.
    """
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
    patience: float = AUTHORITY_SECONDS,
) -> Changed:
    """End the hold of what fits, and see to it that the lists drop it.

    Raises `CommandRefused` when nothing that fits is on hold.
    """
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
