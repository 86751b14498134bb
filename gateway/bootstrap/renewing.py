"""Renewing, for the command: a new certificate for the same person, device and applications.

The old one goes on for an overlap; then the authority's process supersedes it (`superseding`).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from ca import renewals
from ca.authority import Enrolled, Order
from ca.csr import LONGEST, CertificateRequest, read_csr
from ca.errors import IssuanceRefused, LedgerError
from ca.keys import read_handed_in
from ca.kinds import KeyKind
from ca.ledger import CertificateRecord
from ca.targets import Target
from gateway.bootstrap.certificates import (
    authority_of,
    find_certificate,
    fitting,
    lifetime_of,
    list_certificates,
)
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.renewal_orders import order_of_renewal
from gateway.bootstrap.signing import active_issuer
from gateway.core.people import Person


@dataclass(frozen=True, slots=True)
class Wish:
    """A certificate that is to be renewed: that of *user* on *device*, or the one with *serial*.

    The new one lasts *days*, None for what the settings say, and goes to the new *file*; the old
    one goes on for *overlap*, but not beyond its own end. *kind* and *target* are for a key that is made here.
    """

    user: str
    device: str | None
    serial: str | None
    overlap: timedelta
    days: int | None
    file: Path
    kind: KeyKind = KeyKind.P256
    target: Target = Target.MODERN


@dataclass(frozen=True, slots=True)
class Renewed:
    """The new certificate, and the *old* one as it stands now."""

    enrolled: Enrolled
    old: CertificateRecord


async def find_renewable(command: Command, wish: Wish) -> CertificateRecord:
    """Return the one certificate that *wish* means, or raise `CommandRefused` with every reason."""
    person = await command.person(wish.user)
    if not person.enabled:
        raise CommandRefused(f"{person.user} is disabled: pusterla user enable {person.user} first")
    found = await _named(command, wish)
    reasons = {one.serial: await _why_not(command, one) for one in found}
    good = [one for one in found if reasons[one.serial] is None]
    if len(good) == 1:
        return good[0]
    if good:
        serials = ", ".join(one.serial for one in good)
        raise CommandRefused(
            f"{wish.user} has several certificates on {wish.device}: name one with --serial:"
            f" {serials}"
        )
    raise CommandRefused(
        "nothing was renewed: "
        + "; ".join(
            f"{one.serial} of {one.username} on {one.device} {reasons[one.serial]}" for one in found
        )
    )


async def renew_to_file(command: Command, wish: Wish, passphrase: str) -> Renewed:
    """Renew with a new key, and write both to a new PKCS#12 file, which is handed over.

    Raises `CommandRefused`, and what `Authority.enrol_to_file` raises.
    """
    old = await find_renewable(command, wish)
    person = await command.person(wish.user)
    order = renewal_order(command, wish, person, old)
    with overtaken():
        enrolled = await authority_of(command, await active_issuer(command.store)).enrol_to_file(
            order,
            name=person.name,
            path=wish.file,
            passphrase=passphrase,
            now=command.clock(),
            kind=wish.kind,
            target=wish.target,
        )
    return Renewed(enrolled, await find_certificate(command, old.serial))


async def renew_for_request(
    command: Command, wish: Wish, request: Path
) -> tuple[Renewed, CertificateRequest]:
    """Renew for the key of the request in the file *request*, the person's old one or another.

    Returns what was asked for too, which tells what was left out. Raises as `renew_to_file` does,
    and `RequestRefused`.
    """
    asked = read_csr(read_handed_in(request, LONGEST), str(request))
    old = await find_renewable(command, wish)
    order = renewal_order(command, wish, await command.person(wish.user), old)
    authority = authority_of(command, await active_issuer(command.store))
    with overtaken():
        enrolled = await authority.enrol_request(order, asked, path=wish.file, now=command.clock())
    return Renewed(enrolled, await find_certificate(command, old.serial)), asked


@contextmanager
def overtaken() -> Iterator[None]:
    """Turn what the ledger says of a renewal that came second into `CommandRefused`."""
    try:
        yield
    except LedgerError as error:
        raise CommandRefused(f"nothing was renewed: {error}") from error


def renewal_order(command: Command, wish: Wish, person: Person, old: CertificateRecord) -> Order:
    """Order what takes the place of *old*, or raise `CommandRefused`."""
    lifetime = lifetime_of(command, wish.days)
    try:
        return order_of_renewal(person, old, lifetime, wish.overlap, command.clock())
    except IssuanceRefused as error:
        raise CommandRefused(
            f"{error}: more --days than {lifetime.days}, or less --overlap"
        ) from error


async def _named(command: Command, wish: Wish) -> Sequence[CertificateRecord]:
    if wish.serial is None:
        return await fitting(command, None, wish.user, wish.device)
    record = await find_certificate(command, wish.serial)
    if record.username != wish.user or wish.device not in {None, record.device}:
        raise CommandRefused(f"{record.serial} is of {record.username} on {record.device}")
    return [record]


async def _why_not(command: Command, record: CertificateRecord) -> str | None:
    return renewals.why_not(record, await command.store.successors(record), command.clock())


@dataclass(frozen=True, slots=True)
class Expiring:
    """A certificate that ends soon; *successor* is the serial of what takes its place, if any."""

    record: CertificateRecord
    successor: str | None


async def expiring(command: Command, user: str | None, within: timedelta) -> list[Expiring]:
    """Return what ends *within* so much time and still opens something, the first to end first."""
    now, found = await list_certificates(command, user)
    usable = [one for one in found if renewals.opens_something(one, now)]
    successors = {
        (one.renews_issuer, one.renews): one.serial for one in usable if one.renews is not None
    }
    return [
        Expiring(one, successors.get((one.issuer, one.serial)))
        for one in sorted(usable, key=lambda one: one.not_after)
        if one.not_after <= now + within
    ]
