"""What the authority does, told in the feed and the audit log.

`ca` knows nothing of either: it calls its witness inside the transaction that
records a certificate or a CRL, so both become durable together.
"""

from collections.abc import Callable
from datetime import datetime

from cryptography.x509 import Certificate
from sqlalchemy.ext.asyncio import AsyncConnection

from ca.ledger import CertificateRecord, RevocationOutcome
from ca.lists import CRLRecord
from ca.scopes import ListName
from gateway.core.audit import AuditKind
from gateway.core.changes import ChangeKind
from gateway.store import renewing
from gateway.store.steps import Step


class StoreWitness:
    """Tells of what the authority does on behalf of *by*; fits `ca.authority.Witness`."""

    def __init__(self, clock: Callable[[], datetime], by: str) -> None:
        self._clock = clock
        self._by = by

    async def issued(self, connection: AsyncConnection, record: CertificateRecord) -> None:
        """Tell of a certificate that was recorded."""
        step = Step(connection, self._clock(), self._by)
        step.note(
            AuditKind.CERTIFICATE_ISSUED,
            user=record.username,
            serial=record.serial,
            device=record.device,
            not_after=record.not_after.isoformat(),
            scope="every application" if record.scope is None else " ".join(record.scope),
            **({} if record.renews is None else {"renews": record.renews}),
        )
        # Whoever has asked for it in vain must ask again.
        if record.fingerprint is not None:
            step.change(ChangeKind.CERTIFICATE, record.fingerprint)
        await step.tell()

    async def certified(
        self, connection: AsyncConnection, issuer: str, certificate: Certificate
    ) -> None:
        """Tell of an OCSP responder's certificate."""
        step = Step(connection, self._clock(), self._by)
        step.note(
            AuditKind.CERTIFICATE_ISSUED,
            serial=f"{certificate.serial_number:x}",
            issuer=issuer,
            not_after=certificate.not_valid_after_utc.isoformat(),
            purpose="OCSP responder",
        )
        await step.tell()

    async def revoked(self, connection: AsyncConnection, outcome: RevocationOutcome) -> None:
        """Tell of certificates that were revoked, and end the sessions bound to them."""
        step = Step(connection, self._clock(), self._by)
        await step.follow_revocation(outcome.newly)
        await step.tell()

    async def published(self, connection: AsyncConnection, crl: CRLRecord) -> None:
        """Tell of a CRL that was recorded."""
        step = Step(connection, self._clock(), self._by)
        step.note(
            AuditKind.CRL_PUBLISHED,
            issuer=crl.issuer,
            list=str(ListName(crl.issuer, crl.scope, crl.kind)),
            number=str(crl.number),
            next_update=crl.next_update.isoformat(),
        )
        step.change(ChangeKind.CRL, crl.issuer)
        await step.tell()


class SettlingWitness(StoreWitness):
    """Settles a request in the transaction that records the certificate that was signed for it."""

    chain: bytes = b""
    """What stands above the certificate, the nearest first, in PEM."""

    def __init__(self, clock: Callable[[], datetime], by: str, renewal_id: str) -> None:
        super().__init__(clock, by)
        self._renewal_id = renewal_id

    async def issued(self, connection: AsyncConnection, record: CertificateRecord) -> None:
        """Tell of the certificate, and settle the request; raises `LedgerError` if it is over."""
        now = self._clock()
        await renewing.settle(connection, self._renewal_id, record, self.chain, now)
        await super().issued(connection, record)
