"""The authority: the order of effects, written once.

Issuing: reserve the serial and write the intent (commit) -> sign -> record the certificate
(commit) -> hand it out. A crash at any step leaves at most a serial that is reserved and unused,
never a certificate in somebody's hands that the ledger does not know.

Publishing is `ca.publishing`'s. To revoke needs no key and is the ledger's alone.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from sqlalchemy.ext.asyncio import AsyncConnection

from ca import ledger, renewals, responders
from ca.bundle import build_bundle, friendly_name, refuse_unfit
from ca.csr import CertificateRequest
from ca.errors import IssuanceRefused
from ca.hierarchy import Entropy
from ca.identity import Identity, alternative_names_of, authority_name, subject_of
from ca.issue import Issuer, der, fingerprint, issue
from ca.keys import PUBLIC, NewFile, SignerLock, pem_of
from ca.kinds import PUBLIC_KEYS, KeyKind, PublicKey, kind_of, make_key
from ca.ledger import CertificateRecord, RevocationOutcome
from ca.lists import CRLRecord
from ca.profiles import RESPONDER, IssueRequest, Profile, make_profile
from ca.publishing import Begin, Publication, Publisher
from ca.renewals import Renewal
from ca.serials import OCTETS, serial_from, serial_text
from ca.targets import Target
from ca.trust import RevocationReason


class Witness(Protocol):
    """Told of every change inside the transaction that makes it: for a feed, an audit log."""

    async def issued(self, connection: AsyncConnection, record: CertificateRecord) -> None:
        """A certificate is being recorded."""
        ...

    async def certified(
        self, connection: AsyncConnection, issuer: str, certificate: x509.Certificate
    ) -> None:
        """A certificate of an OCSP responder is being recorded."""
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

    async def certified(
        self, connection: AsyncConnection, issuer: str, certificate: x509.Certificate
    ) -> None:
        """Take no notice."""

    async def revoked(self, connection: AsyncConnection, outcome: RevocationOutcome) -> None:
        """Take no notice."""

    async def published(self, connection: AsyncConnection, crl: CRLRecord) -> None:
        """Take no notice."""


RESPONDER_TITLE = "OCSP responder"


@dataclass(frozen=True, slots=True)
class Order:
    """A certificate that somebody is to get.

    *scope* names the applications it opens, None for all. *lifetime* None asks for the longest
    that the profile allows. *renewal* says whose place it takes.
    """

    user: str
    device: str
    email: str | None = None
    scope: tuple[str, ...] | None = None
    lifetime: timedelta | None = None
    renewal: Renewal | None = None


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A certificate that is signed and recorded, and the chain above it, the nearest first."""

    record: CertificateRecord
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]


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
        publication: Publication,
        witness: Witness | None = None,
        read: Begin | None = None,
    ) -> None:
        """Take what it works with; *profile* is that of client certificates, *host* the site's.

        *read* opens transactions that only read; None: *begin* does.
        """
        self._begin = begin
        self._issuer = issuer
        self._profile = profile
        self._host = host
        self._entropy = entropy
        self._witness = witness or Nobody()
        self._publication = publication
        self._publisher = Publisher(
            begin=begin,
            read=read or begin,
            issuer=issuer,
            lock=lock,
            witness=self._witness,
            publication=publication,
        )

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """What stands above every certificate that it issues, the nearest first."""
        return self._issuer.chain

    async def enrol(
        self, order: Order, public_key: PublicKey, now: datetime, *, handed_in: bool = False
    ) -> Enrolled:
        """Issue a certificate for *public_key* as *order* says, and record it.

        That the one who orders holds the private key, and may order this, is for the caller to
        know. Raises `IdentityRefused` or `IssuanceRefused`, with nothing written, when the order
        cannot be met, and `LedgerError` when the user was revoked while this was signed. A key
        that was *handed_in* may be somebody else's by now: then too `IssuanceRefused` is raised;
        and where it is reported as compromised meanwhile, also the serial is revoked.
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
        partition, point = self._publication.point(self._issuer.name, request.serial)
        profile = replace(self._profile, distribution_points=(point,))
        profile.refuse_unfit(request)
        validity = profile.validity(order.lifetime, self._issuer.certificate, now)
        serial = serial_text(request.serial)
        async with self._begin() as connection:
            if handed_in:
                owner = await ledger.claim_key(connection, _spki(public_key), order.user)
                if owner != order.user:
                    raise IssuanceRefused([_claimed(owner, order.user)])
            if order.renewal is not None:
                await renewals.refuse_unfit(connection, order.renewal, now)
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
                crl_partition=partition,
            )
        certificate = issue(self._issuer, profile, request, now)
        async with self._begin() as connection:
            faults: list[str] = []
            if handed_in:
                # That nobody else gets one for this key was settled before anything was signed.
                known = await ledger.find_by_key(connection, _spki(public_key), order.user)
                faults = [*_history_faults(known, order.user)]
            if faults:
                await self._take_back(connection, serial, now)
            else:
                record = await self._record(connection, order, serial, certificate, now)
        if faults:
            raise IssuanceRefused(faults)
        return Enrolled(record, certificate, self._issuer.chain)

    async def _record(
        self,
        connection: AsyncConnection,
        order: Order,
        serial: str,
        certificate: x509.Certificate,
        now: datetime,
    ) -> CertificateRecord:
        record = await ledger.record_certificate(
            connection,
            issuer=self._issuer.name,
            serial=serial,
            fingerprint=fingerprint(certificate),
            der=der(certificate),
            now=now,
        )
        if order.renewal is not None:
            record = await renewals.succeed(connection, order.renewal, record, now)
        await self._witness.issued(connection, record)
        return record

    async def enrol_to_file(
        self,
        order: Order,
        *,
        name: str,
        path: Path,
        passphrase: str,
        now: datetime,
        kind: KeyKind = KeyKind.P256,
        target: Target = Target.MODERN,
    ) -> Enrolled:
        """Make a key of *kind*, enrol it, and write both to the new file *path*; forget the key.

        *name* is the person's full name, *target* what is to open the PKCS#12 file. That is made
        first, so that a place that cannot be written costs no certificate. If it cannot be filled
        after all, the certificate, which nobody can use, is revoked again. Raises `FileRefused`
        or `BundleRefused`, and what `enrol` raises; the file is then gone.
        """
        friendly = friendly_name(name, order.device)
        refuse_unfit(friendly, passphrase, kind, target)
        with NewFile(path) as file:
            key = await asyncio.to_thread(make_key, kind)

            def bundle(enrolled: Enrolled) -> bytes:
                chain = enrolled.chain
                return build_bundle(friendly, key, enrolled.certificate, chain, passphrase, target)

            return await self._enrol_into(file, bundle, order, key.public_key(), now)

    async def enrol_request(
        self, order: Order, asked: CertificateRequest, *, path: Path, now: datetime
    ) -> Enrolled:
        """Enrol the key of *asked*, and write certificate and chain to the new PEM file *path*.

        As with `enrol_to_file`, a certificate that could not be written is revoked again. Raises
        `IssuanceRefused` for a key that was revoked as compromised, since whoever has it would be
        back, and for one that is somebody else's, who would be let in under two names.
        """
        async with self._begin() as connection:
            known = await ledger.find_by_key(connection, _spki(asked.public_key))
        if reasons := [*_history_faults(known, order.user)]:
            raise IssuanceRefused(reasons)
        with NewFile(path, PUBLIC) as file:

            def pem(enrolled: Enrolled) -> bytes:
                return pem_of([enrolled.certificate, *enrolled.chain])

            return await self._enrol_into(file, pem, order, asked.public_key, now, handed_in=True)

    async def _enrol_into(
        self,
        file: NewFile,
        content: Callable[[Enrolled], bytes],
        order: Order,
        public_key: PublicKey,
        now: datetime,
        *,
        handed_in: bool = False,
    ) -> Enrolled:
        enrolled = await self.enrol(order, public_key, now, handed_in=handed_in)
        try:
            file.write(await asyncio.to_thread(content, enrolled))
        except BaseException:
            # Whatever happened, also a cancelled task: nobody has this certificate.
            async with self._begin() as connection:
                await self._take_back(connection, enrolled.record.serial, now)
            raise
        return enrolled

    async def _take_back(self, connection: AsyncConnection, serial: str, now: datetime) -> None:
        outcome = await ledger.revoke(
            connection,
            serials=[serial],
            reason=RevocationReason.CESSATION_OF_OPERATION,
            now=now,
        )
        await self._witness.revoked(connection, outcome)

    async def certify_responders(self, now: datetime) -> tuple[x509.Certificate, ...]:
        """Certify those who ask to answer OCSP for this issuer, and return the certificates.

        In the order of all issuing: the serial is written, then comes the signature. A request
        that cannot be met is taken out, and keeps nobody else from being served. One that could
        not be signed now waits for the next time.
        """
        async with self._begin() as connection:
            waiting = await responders.unanswered(connection, self._issuer.name)
        signed = [await self._certify(one, now) for one in waiting]
        return tuple(certificate for certificate in signed if certificate is not None)

    async def _certify(self, asked: responders.Request, now: datetime) -> x509.Certificate | None:
        key = _public_key(asked.public_key)
        if key is None:
            async with self._begin() as connection:
                await responders.refuse(connection, asked)
            return None
        request = IssueRequest(
            subject=authority_name(self._host, RESPONDER_TITLE),
            public_key=key,
            serial=serial_from(self._entropy(OCTETS)),
        )
        profile = make_profile(RESPONDER)
        serial = serial_text(request.serial)
        async with self._begin() as connection:
            if not await responders.reserve(connection, asked, serial):
                return None
        try:
            certificate = issue(self._issuer, profile, request, now)
            async with self._begin() as connection:
                await responders.record(
                    connection, asked, serial, der(certificate), certificate.not_valid_after_utc
                )
                await self._witness.certified(connection, self._issuer.name, certificate)
        except BaseException:
            # Nobody has a certificate, and whoever asked still waits for one.
            async with self._begin() as connection:
                await responders.release(connection, asked, serial)
            raise
        return certificate

    async def publish(self, now: datetime) -> tuple[CRLRecord, ...]:
        """Sign and record every list there is to be, due or not; see `Publisher.publish`."""
        return await self._publisher.publish(now)

    async def publish_if_due(self, now: datetime) -> tuple[CRLRecord, ...]:
        """Sign and record the lists that are due; see `Publisher.publish_if_due`."""
        return await self._publisher.publish_if_due(now)

    async def publish_deltas_if_due(self, now: datetime) -> tuple[CRLRecord, ...]:
        """Sign and record the delta lists that are due, while others may be signing."""
        return await self._publisher.publish_deltas_if_due(now)


def _history_faults(known: Iterable[CertificateRecord], user: str) -> Iterator[str]:
    """Say why a key with these certificates is not certified once more, for *user*."""
    for record in known:
        if record.reason is RevocationReason.KEY_COMPROMISE:
            yield (
                f"the key of this request is compromised: certificate {record.serial} was revoked"
                " for that; a new key is to be made, and a request with it"
            )
        elif record.username != user:
            yield (
                f"the key of this request is {record.username}'s, as certificate {record.serial}"
                f" says: {user} makes a key of their own"
            )


def _claimed(owner: str, user: str) -> str:
    return f"the key of this request was handed in for {owner}: {user} makes a key of their own"


def _spki(public_key: PublicKey) -> bytes:
    return public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _public_key(spki: bytes) -> PublicKey | None:
    """Read a public key (DER); None for what is none, or of no kind of ours."""
    try:
        key = load_der_public_key(spki)
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key if isinstance(key, PUBLIC_KEYS) and kind_of(key) is not None else None
