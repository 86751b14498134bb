"""Issuing, revoking and publishing, for the command: in the order in which they take effect."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from ca.authority import Authority, Enrolled, Order
from ca.csr import LONGEST, CertificateRequest, read_csr
from ca.errors import FileRefused, SignerBusy
from ca.keys import read_handed_in
from ca.kinds import KeyKind
from ca.ledger import CertificateRecord, CertificateState
from ca.lists import CRLRecord
from ca.serials import parse_serial
from ca.targets import Target
from ca.trust import RevocationReason
from gateway.bootstrap.applications import refuse_unknown_application
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.published import PublishedList, published_lists
from gateway.bootstrap.serials import Meant, meant_by, number_of
from gateway.bootstrap.signing import (
    active_issuer,
    list_address,
    open_authority,
    publication_of,
    signing_issuers,
)
from gateway.bootstrap.trust_lists import ForeignAge, age_of
from gateway.core.foreign import ForeignList, Presented
from gateway.core.people import Person
from policies.values import suggest

AUTHORITY_SECONDS = 10.0
"""How long a command that may not sign waits for the running authority to do it."""

_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate that somebody is to get, in the new *file*. *apps* None opens all of them.

    *days* None lasts as long as the settings say.
    *kind* and *target* are for a key that is made here.
    """

    user: str
    device: str
    days: int | None
    apps: tuple[str, ...] | None
    file: Path
    kind: KeyKind = KeyKind.P256
    target: Target = Target.MODERN


@dataclass(frozen=True, slots=True)
class Revocation:
    """What a command revoked: by itself, and before it; and whether a CRL says so yet.

    *unpublished* is why no CRL lists them yet, and None when one does. *blocked* are certificates
    of other CAs: they open nothing here any more, and only those CAs can revoke them elsewhere.
    """

    revoked: tuple[CertificateRecord, ...]
    already: tuple[CertificateRecord, ...]
    unpublished: str | None
    blocked: tuple[Presented, ...] = ()

    def raise_unless_published(self) -> None:
        """Raise `CommandRefused`, which says what holds already, unless a CRL is published."""
        refuse_unpublished("revoked, and its connections are cut", self.unpublished)


def refuse_unpublished(done: str, unpublished: str | None) -> None:
    """Raise `CommandRefused` where no list says what was *done*: because of *unpublished*."""
    if unpublished is not None:
        raise CommandRefused(
            f"{done}; but the revocation list that says so to everybody else is still to come: "
            f"{unpublished}; it comes when the authority runs, or with pusterla crl publish"
        )


async def issue_certificate(command: Command, wanted: Wanted, passphrase: str) -> Enrolled:
    """Issue a certificate and write it, with its new key, to the new file *wanted* names.

    Raises `CommandRefused`, and what `Authority.enrol_to_file` raises.
    """
    person, order = await order_of(command, wanted)
    return await authority_of(command, await active_issuer(command.store)).enrol_to_file(
        order,
        name=person.name,
        path=wanted.file,
        passphrase=passphrase,
        now=command.clock(),
        kind=wanted.kind,
        target=wanted.target,
    )


async def certify_request(
    command: Command, wanted: Wanted, request: Path
) -> tuple[Enrolled, CertificateRequest]:
    """Certify the key of the request in the file *request*, and write the certificate.

    Returns what was asked for too, which tells what was left out. Raises `CommandRefused`,
    `RequestRefused`, and what `Authority.enrol_request` raises.
    """
    asked = read_csr(read_handed_in(request, LONGEST), str(request))
    _, order = await order_of(command, wanted)
    authority = authority_of(command, await active_issuer(command.store))
    enrolled = await authority.enrol_request(order, asked, path=wanted.file, now=command.clock())
    return enrolled, asked


async def order_of(command: Command, wanted: Wanted) -> tuple[Person, Order]:
    """Turn a wish into an order and whose it is, or raise `CommandRefused`."""
    person = await command.person(wanted.user)
    if not person.enabled:
        raise CommandRefused(f"{person.user} is disabled: pusterla user enable {person.user} first")
    for app in wanted.apps or ():
        refuse_unknown_application(command.folder, app)
    return person, Order(
        user=person.user,
        device=wanted.device,
        email=person.email or None,
        scope=wanted.apps,
        lifetime=lifetime_of(command, wanted.days),
    )


def lifetime_of(command: Command, days: int | None) -> timedelta:
    """Return how long a certificate is to last: *days*, or as long as the settings say."""
    return command.site.certificates.lifetime if days is None else timedelta(days=days)


async def list_certificates(
    command: Command, user: str | None
) -> tuple[datetime, list[CertificateRecord]]:
    """Return the certificates, of *user* or of all, and when we looked.

    Those of somebody who has been removed are there too; a name that nobody
    has or had is `CommandRefused`.
    """
    found = await command.store.certificates(user=user)
    if user is not None and not found:
        await command.person(user)
    return command.clock(), found


async def find_certificate(command: Command, serial: str) -> CertificateRecord:
    """Return the certificate with *serial*, however it is spelt, or raise `CommandRefused`."""
    plain = parse_serial(serial)
    found = None if plain is None else await command.store.certificate(plain)
    if found is None:
        known = [record.serial for record in await command.store.certificates()]
        hint = suggest(serial, known) or "; `pusterla cert list` names them all"
        raise CommandRefused(f"no certificate with the serial {serial!r}{hint}")
    return found


async def revoke_certificates(
    command: Command,
    *,
    serial: str | None,
    user: str | None,
    device: str | None,
    reason: RevocationReason,
    trust: str | None = None,
    patience: float = AUTHORITY_SECONDS,
) -> Revocation:
    """Revoke what fits every criterion, and see to it that a CRL says so.

    When this returns, the revocation is durable and on its way to every edge.
    Whoever may not sign waits *patience* seconds for the running authority. Certificates of
    other CAs that fit are blocked here; they are for no device. A serial means one certificate,
    of *trust* if that is given; raises what `gateway.bootstrap.serials.meant_by` raises.
    """
    blocked: tuple[Presented, ...] = ()
    if serial is not None:
        meant = await meant_by(command, serial, trust)
        if meant.foreign:
            return Revocation((), (), None, await block_meant(command, meant, reason))
    elif user is not None and device is None:
        blocked = await block_here(command, user, reason)
    try:
        found = await fitting(command, serial, user, device)
    except CommandRefused:
        if blocked:
            return Revocation((), (), None, blocked)
        raise
    revoked = await command.store.revoke_certificates(
        serial=found[0].serial if serial is not None else None,
        user=user,
        device=device,
        reason=reason,
        by=command.by,
    )
    new = {record.serial for record in revoked}
    already = [record for record in found if record.serial not in new]
    outcome = await _published(command, revoked, already, patience)
    return replace(outcome, blocked=blocked)


async def block_here(
    command: Command, user: str, reason: RevocationReason
) -> tuple[Presented, ...]:
    """Block the certificates of other CAs that are *user*'s; return what is new."""
    return tuple(await command.store.block_presented(user=user, reason=reason, by=command.by))


async def block_meant(
    command: Command, meant: Meant, reason: RevocationReason
) -> tuple[Presented, ...]:
    """Block a certificate of another CA, in each of its writings; return what is new."""
    blocked = await command.store.block_presented(reason=reason, by=command.by, **number_of(meant))
    return tuple(blocked)


async def remove_person(command: Command, user: str) -> Revocation:
    """Take *user* out, revoke their certificates, and see to it that a CRL says so."""
    person = await command.person(user)
    before = await command.store.certificates(user=person.user)
    await command.store.remove_person(person.user, command.today(), by=command.by)
    open_ = [record for record in before if record.state is not CertificateState.REVOKED]
    return await _published(command, open_, [], AUTHORITY_SECONDS)


@dataclass(frozen=True, slots=True)
class PublishedCRL:
    """A list that is published, where it is had, and when we looked."""

    found: PublishedList
    address: str
    now: datetime

    @property
    def record(self) -> CRLRecord:
        """Return what the ledger has of it, its bytes left out."""
        return self.found.record


async def publish(command: Command) -> list[PublishedCRL]:
    """Sign every CRL there is to be of all that is revoked now, needed or not."""
    await active_issuer(command.store)
    for name in await signing_issuers(command.store):
        await authority_of(command, name).publish(command.clock())
    return await published_crls(command)


async def published_crls(command: Command) -> list[PublishedCRL]:
    """Return the CRLs that are published, for each issuing CA that of everything first.

    Raises `CommandRefused` when there are none.
    """
    now, publication = command.clock(), publication_of(command.site)
    found = [
        PublishedCRL(each, address=list_address(command.site, each.name), now=now)
        for name in await signing_issuers(command.store)
        for each in await published_lists(command.store, publication, name, now)
    ]
    if not found:
        raise CommandRefused("no revocation list was ever published: pusterla crl publish")
    return found


@dataclass(frozen=True, slots=True)
class KnownList:
    """A list of another CA that this site goes by, or tries to get; and when we looked."""

    found: ForeignList
    now: datetime

    @property
    def age(self) -> ForeignAge:
        """Return how it is."""
        return age_of(self.found, self.now)


async def foreign_lists(command: Command) -> list[KnownList]:
    """Return the lists of other CAs."""
    now = command.clock()
    return [KnownList(one, now) for one in await command.store.foreign_lists()]


def authority_of(command: Command, name: str) -> Authority:
    """Open the key of the issuing CA *name*, or raise `ca.errors.FileRefused`."""
    return open_authority(
        command.folder, command.site, command.store, command.by, command.keys, name
    )


async def fitting(
    command: Command, serial: str | None, user: str | None, device: str | None
) -> list[CertificateRecord]:
    """Find the certificates that are named, or raise `CommandRefused` that helps to name it."""
    if serial is not None:
        return [await find_certificate(command, serial)]
    found = await command.store.certificates(user=user)
    if not found and user is not None:
        # Their certificates outlive people, so this is asked only when there are none.
        await command.person(user)
        raise CommandRefused(f"{user} has no certificates")
    chosen = [record for record in found if device in {None, record.device}]
    if not chosen:
        known = sorted({record.device for record in found})
        hint = suggest(device or "", known) or f"; there is {', '.join(known)}"
        raise CommandRefused(f"{user} has no certificate on a device {device!r}{hint}")
    return chosen


async def _published(
    command: Command,
    revoked: Sequence[CertificateRecord],
    already: Sequence[CertificateRecord],
    patience: float,
) -> Revocation:
    problem = await list_them(command, [*revoked, *already], patience)
    return Revocation(tuple(revoked), tuple(already), problem)


async def list_them(
    command: Command, records: Sequence[CertificateRecord], patience: float
) -> str | None:
    """Return None once a CRL tells the present status of *records*, or why none does."""
    try:
        mine = {record.issuer for record in records}
        for name in mine.intersection(await signing_issuers(command.store)):
            await authority_of(command, name).publish_if_due(command.clock())
    except (FileRefused, SignerBusy) as error:
        # Not everybody who may revoke may read the key. The authority may, if it runs.
        command.say("waiting for the authority to sign the revocation list ...")
        return None if await _listed_in_time(command, records, patience) else str(error)
    return None


async def _listed_in_time(
    command: Command, records: Sequence[CertificateRecord], patience: float
) -> bool:
    try:
        async with asyncio.timeout(patience):
            for record in records:
                while not await _is_listed(command, record.serial):  # noqa: ASYNC110 - in another process
                    await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        return False
    return True


async def _is_listed(command: Command, serial: str) -> bool:
    record = await command.store.certificate(serial)
    return record is not None and record.crl_number is not None
