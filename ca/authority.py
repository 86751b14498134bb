"""The authority: the order of effects, written once.

Issuing: reserve the serial and write the intent (commit) -> sign -> record the certificate
(commit) -> hand it out. A crash at any step leaves at most a serial that is reserved and unused,
never a certificate in somebody's hands that the ledger does not know.

Publishing: hold the signer's lock -> read entries and last number -> sign -> record (commit). A
crash leaves the last CRL in force. To revoke needs no key and is the ledger's alone.
"""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger
from ca.bundle import build_bundle, friendly_name, refuse_unfit
from ca.errors import IssuanceRefused
from ca.hierarchy import Entropy
from ca.identity import Identity, alternative_names_of, subject_of
from ca.issue import Issuer, der, fingerprint, issue
from ca.keys import NewFile, SignerLock
from ca.kinds import KeyKind, PublicKey, make_key
from ca.ledger import CertificateRecord, CRLRecord, RevocationOutcome
from ca.profiles import IssueRequest, Profile
from ca.serials import OCTETS, serial_from, serial_text
from ca.status import build_crl
from ca.trust import RevocationReason

Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
"""Opens a transaction that commits when the block ends well, and is undone otherwise."""

CRL_LIFETIME = timedelta(days=7)
_CLOCK_SLACK = timedelta(minutes=5)


class Witness(Protocol):
    """Told of every change inside the transaction that makes it: for a feed, an audit log."""

    async def issued(self, connection: AsyncConnection, record: CertificateRecord) -> None:
        """A certificate is being recorded."""
        ...

    async def revoked(self, connection: AsyncConnection, outcome: RevocationOutcome) -> None:
        """A certificate that could not be handed out is being revoked."""
        ...

    async def published(self, connection: AsyncConnection, crl: CRLRecord) -> None:
        """A CRL is being recorded."""
        ...


class Nobody:
    """A witness that takes no notice."""

    async def issued(self, connection: AsyncConnection, record: CertificateRecord) -> None:
        """Take no notice."""

    async def revoked(self, connection: AsyncConnection, outcome: RevocationOutcome) -> None:
        """Take no notice."""

    async def published(self, connection: AsyncConnection, crl: CRLRecord) -> None:
        """Take no notice."""


@dataclass(frozen=True, slots=True)
class Order:
    """A certificate that somebody is to get.

    *scope* names the applications it opens, None for all. *lifetime* None asks for the longest
    that the profile allows.
    """

    user: str
    device: str
    email: str | None = None
    scope: tuple[str, ...] | None = None
    lifetime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A certificate that is signed and recorded, and the chain above it, the nearest first."""

    record: CertificateRecord
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]


class Due(StrEnum):
    """Why a CRL is to be signed now."""

    NONE_YET = "there is no CRL yet"
    UNLISTED = "a revocation is not listed yet"
    AGE = "a quarter of the CRL's life is over"
    FUTURE = "the CRL begins in the future: a clock was or is wrong"


def why_due(last: CRLRecord | None, *, unlisted: bool, now: datetime) -> Due | None:
    """Say why the next CRL is to be signed at *now*, or None when *last* will do.

    A quarter of the life leaves three more for whatever keeps the next one from being signed.
    """
    if last is None:
        return Due.NONE_YET
    if unlisted:
        return Due.UNLISTED
    if last.this_update > now + _CLOCK_SLACK:
        return Due.FUTURE
    if now >= due_at(last):
        return Due.AGE
    return None


def due_at(last: CRLRecord) -> datetime:
    """Return when *last* is to be followed by the next CRL, if nothing is revoked before."""
    return last.this_update + (last.next_update - last.this_update) / 4


class Authority:
    """Issues and publishes in the name of one issuing CA; the only part that needs its key."""

    def __init__(
        self,
        *,
        begin: Begin,
        issuer: Issuer,
        profile: Profile,
        host: str,
        lock: SignerLock,
        entropy: Entropy,
        witness: Witness | None = None,
        crl_lifetime: timedelta = CRL_LIFETIME,
    ) -> None:
        """Take what it works with; *profile* is that of client certificates, *host* the site's."""
        self._begin = begin
        self._issuer = issuer
        self._profile = profile
        self._host = host
        self._lock = lock
        self._entropy = entropy
        self._witness = witness or Nobody()
        self._crl_lifetime = crl_lifetime

    async def enrol(self, order: Order, public_key: PublicKey, now: datetime) -> Enrolled:
        """Issue a certificate for *public_key* as *order* says, and record it.

        That the one who orders holds the private key, and may order this, is for the caller to
        know. Raises `IdentityRefused` or `IssuanceRefused`, with nothing written, when the order
        cannot be met, and `LedgerError` when the user was revoked while this was signed.
        """
        identity = Identity(order.user, order.device, self._host, order.email)
        if order.scope is not None and (not order.scope or "" in order.scope):
            raise IssuanceRefused(["a scope names at least one application; leave it out for all"])
        request = IssueRequest(
            subject=subject_of(identity),
            public_key=public_key,
            serial=serial_from(self._entropy(OCTETS)),
            alternative_names=alternative_names_of(identity),
            lifetime=order.lifetime,
        )
        self._profile.refuse_unfit(request)
        validity = self._profile.validity(order.lifetime, self._issuer.certificate, now)
        serial = serial_text(request.serial)
        async with self._begin() as connection:
            await ledger.reserve_serial(
                connection,
                issuer=self._issuer.name,
                serial=serial,
                username=order.user,
                device=order.device,
                scope=order.scope,
                not_before=validity.not_before,
                not_after=validity.not_after,
                now=now,
            )
        certificate = issue(self._issuer, self._profile, request, now)
        async with self._begin() as connection:
            record = await ledger.record_certificate(
                connection,
                issuer=self._issuer.name,
                serial=serial,
                fingerprint=fingerprint(certificate),
                der=der(certificate),
                now=now,
            )
            await self._witness.issued(connection, record)
        return Enrolled(record, certificate, self._issuer.chain)

    async def enrol_to_file(
        self,
        order: Order,
        *,
        name: str,
        path: Path,
        passphrase: str,
        now: datetime,
        kind: KeyKind = KeyKind.P256,
    ) -> Enrolled:
        """Make a key of *kind*, enrol it, and write both to the new PKCS#12 file *path*; forget the key.

        *name* is the person's full name. The file is made first, so that a place that cannot be
        written costs no certificate. If it cannot be filled after all, the certificate, which
        nobody can use, is revoked again. Raises `FileRefused` or `BundleRefused`, and what
        `enrol` raises; the file is then gone.
        """
        friendly = friendly_name(name, order.device)
        refuse_unfit(friendly, passphrase)
        with NewFile(path) as file:
            key = await asyncio.to_thread(make_key, kind)
            enrolled = await self.enrol(order, key.public_key(), now)
            try:
                bundle = await asyncio.to_thread(
                    build_bundle, friendly, key, enrolled.certificate, enrolled.chain, passphrase
                )
                file.write(bundle)
            except BaseException:
                # Whatever happened, also a cancelled task: nobody has this certificate's key.
                await self._take_back(enrolled.record, now)
                raise
        return enrolled

    async def _take_back(self, record: CertificateRecord, now: datetime) -> None:
        async with self._begin() as connection:
            outcome = await ledger.revoke(
                connection,
                serials=[record.serial],
                reason=RevocationReason.CESSATION_OF_OPERATION,
                now=now,
            )
            await self._witness.revoked(connection, outcome)

    async def publish(self, now: datetime) -> CRLRecord:
        """Sign and record a CRL of all that is revoked now, due or not.

        Raises `SignerBusy` when another signer does not come to an end.
        """
        async with self._lock.hold():
            return await self._publish(now)

    async def publish_if_due(self, now: datetime) -> CRLRecord | None:
        """Publish when a revocation waits for it or the last CRL is no longer young.

        Returns None when nothing was due, or somebody else has published meanwhile.
        """
        if await self._due(now) is None:
            return None
        async with self._lock.hold():
            return None if await self._due(now) is None else await self._publish(now)

    async def _due(self, now: datetime) -> Due | None:
        async with self._begin() as connection:
            last = await ledger.latest_crl(connection, self._issuer.name)
            waiting = await ledger.unlisted_revocations(connection, self._issuer.name)
        return why_due(last, unlisted=bool(waiting), now=now)

    async def _publish(self, now: datetime) -> CRLRecord:
        """Sign the next CRL; the caller holds the lock, so the number is nobody else's."""
        async with self._begin() as connection:
            last = await ledger.latest_crl(connection, self._issuer.name)
            entries = await ledger.revoked_entries(connection, self._issuer.name)
        number = 1 if last is None else last.number + 1
        this_update = now.replace(microsecond=0)
        next_update = this_update + self._crl_lifetime
        crl = await asyncio.to_thread(
            build_crl,
            self._issuer,
            entries,
            number=number,
            this_update=this_update,
            next_update=next_update,
        )
        record = CRLRecord(
            self._issuer.name, number, this_update, next_update, crl.public_bytes(Encoding.DER)
        )
        async with self._begin() as connection:
            await ledger.record_crl(connection, record, entries)
            await self._witness.published(connection, record)
        return record
