"""The authority wired to a site: who opens the CA's key does it here.

That is the authority's process, and the command where it issues, revokes or
publishes. Nothing in here is imported by edge or portal.
"""

import secrets
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from ca.authority import Authority
from ca.hierarchy import ISSUER_NAME, load_issuer
from ca.keys import SignerLock
from ca.ledger import CertificateRecord, CRLRecord, RevocationOutcome
from ca.profiles import CLIENT, Profile, make_profile
from gateway.bootstrap.folder import SiteFolder
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.changes import ChangeKind
from gateway.core.site import Site
from gateway.store import Store

HTTP_PORT = 80


class StoreWitness:
    """Writes what the authority does to feed and audit log, in the authority's own transaction."""

    def __init__(self, store: Store, clock: Callable[[], datetime], by: str) -> None:
        """*by* stands in the audit lines: who had it done."""
        self._store = store
        self._clock = clock
        self._by = by

    async def issued(self, connection: AsyncConnection, record: CertificateRecord) -> None:
        """A certificate is being recorded."""
        scope = "every application" if record.scope is None else " ".join(record.scope)
        await self._tell(connection, AuditKind.CERTIFICATE_ISSUED, record, scope=scope)

    async def revoked(self, connection: AsyncConnection, outcome: RevocationOutcome) -> None:
        """A certificate that could not be handed out is being revoked."""
        for record in outcome.newly:
            await self._tell(connection, AuditKind.CERTIFICATE_REVOKED, record)

    async def published(self, connection: AsyncConnection, crl: CRLRecord) -> None:
        """A CRL is being recorded."""
        detail = {"by": self._by, "issuer": crl.issuer, "number": str(crl.number)}
        event = AuditEvent(AuditKind.CRL_PUBLISHED, self._clock(), detail=detail)
        await self._store.append(connection, event)
        await self._store.announce(connection, (ChangeKind.CRL, crl.issuer))

    async def _tell(
        self,
        connection: AsyncConnection,
        kind: AuditKind,
        record: CertificateRecord,
        **detail: str,
    ) -> None:
        event = AuditEvent(
            kind,
            self._clock(),
            user=record.username,
            serial=record.serial,
            device=record.device,
            reason=record.reason or "",
            detail={"by": self._by, **detail},
        )
        await self._store.append(connection, event)
        if record.fingerprint is not None:
            await self._store.announce(connection, (ChangeKind.CERTIFICATE, record.fingerprint))


def open_authority(
    folder: SiteFolder, site: Site, store: Store, clock: Callable[[], datetime], by: str
) -> Authority:
    """Load the issuing CA's key and make its authority; raise `ca.errors.FileRefused`.

    Any number of processes may have one: whoever signs a CRL holds the lock of the folder.
    """
    return Authority(
        begin=store.begin,
        issuer=load_issuer(folder.ca),
        profile=client_profile(site),
        host=site.host,
        lock=SignerLock(folder.signer_lock),
        entropy=secrets.token_bytes,
        witness=StoreWitness(store, clock, by),
        crl_lifetime=site.crl_lifetime,
    )


def client_profile(site: Site) -> Profile:
    """Return the profile of client certificates: they say where their CRL and issuer are had."""
    return make_profile(
        replace(
            CLIENT,
            distribution_points=(crl_address(site),),
            issuer_urls=(_public_address(site, f"/ca/{ISSUER_NAME}.crt"),),
        )
    )


def crl_address(site: Site) -> str:
    """Return where everybody fetches the CRL."""
    return _public_address(site, f"/crl/{ISSUER_NAME}.crl")


def _public_address(site: Site, path: str) -> str:
    """Return the address of *path* on the public host, over plain http (see `ca.profiles`)."""
    port = "" if site.http_port == HTTP_PORT else f":{site.http_port}"
    return f"http://{site.public_host}{port}{path}"
