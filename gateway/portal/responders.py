"""The keys with which the portal answers OCSP: one at a time, in memory only, certified for days.

A key is made when the process starts, and another when a quarter of its certificate's life is
over. The authority, which alone has the CA's key, certifies it by way of the store. So there is
no key in a file, none outlives its process, and each portal has its own.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.ledger import IssuerState
from ca.ocsp import IssuerId, Responder, issuer_ids
from ca.responders import Request
from gateway.core.ports import StoreUnavailable
from gateway.store import Store, StoreError

LOOK_SECONDS: Final = 60.0
"""How often it looks whether a key is to be followed by another."""
WAIT_SECONDS: Final = 0.25
"""How soon it looks for a certificate that it has asked for; twice as long each time."""

ASK_AGAIN: Final = timedelta(hours=1)
"""When a request that nobody has answered is made once more, with another key."""

log = logging.getLogger("pusterla.ocsp")


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A key that waits to be certified."""

    key: ec.EllipticCurvePrivateKey
    digest: str
    asked_at: datetime


class Responders:
    """Who answers for which issuer, now."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        """Answer for all issuers in *store*."""
        self._store = store
        self._clock = clock
        self._issuers: dict[IssuerId, str] = {}
        self._serving: dict[str, Responder] = {}
        self._waiting: dict[str, _Candidate] = {}

    def issuer_of(self, named: IssuerId) -> str | None:
        """Return the issuer that a request names, None when it is none of ours."""
        return self._issuers.get(named)

    def responder(self, issuer: str) -> Responder | None:
        """Return who answers for *issuer*; None as long as nobody may."""
        found = self._serving.get(issuer)
        return None if found is None or not _is_valid(found, self._clock()) else found

    async def follow(self) -> None:
        """Keep keys and certificates fresh, for ever."""
        wait = WAIT_SECONDS
        while True:
            try:
                await self.look()
            except (StoreError, StoreUnavailable) as error:
                log.error("no OCSP responder's key could be looked after: %s", error)
            wait = min(LOOK_SECONDS, wait * 2) if self._waiting else LOOK_SECONDS
            await asyncio.sleep(wait)
            if not self._waiting:
                wait = WAIT_SECONDS

    async def look(self) -> None:
        """Ask for what is missing, and take what has come."""
        issuers = await self._store.issuers()
        self._issuers = {
            named: issuer.name
            for issuer in issuers
            for named in issuer_ids(x509.load_der_x509_certificate(issuer.der))
        }
        for issuer in issuers:
            if issuer.state is IssuerState.RETIRED:
                self._waiting.pop(issuer.name, None)
                continue
            if self._is_due(issuer.name):
                await self._ask(issuer.name)
            if issuer.name in self._waiting:
                await self._take(issuer.name)

    def _is_due(self, issuer: str) -> bool:
        waiting = self._waiting.get(issuer)
        if waiting is not None:
            # The request may be lost: taken out unanswered, or not in a store that was restored.
            return self._clock() >= waiting.asked_at + ASK_AGAIN
        found = self._serving.get(issuer)
        if found is None or not _is_valid(found, self._clock()):
            # Not yet is as bad as no more: a clock was wrong when it was certified.
            return True
        begin, end = found.certificate.not_valid_before_utc, found.certificate.not_valid_after_utc
        return self._clock() >= begin + (end - begin) / 4

    async def _ask(self, issuer: str) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        digest = sha256(public).hexdigest()
        await self._store.ask_for_responder(Request(issuer, digest, public))
        self._waiting[issuer] = _Candidate(key, digest, self._clock())

    async def _take(self, issuer: str) -> None:
        candidate = self._waiting[issuer]
        der = await self._store.responder_certificate(issuer, candidate.digest)
        if der is None:
            return
        certificate = x509.load_der_x509_certificate(der)
        self._serving[issuer] = Responder(issuer, certificate, candidate.key)
        del self._waiting[issuer]
        log.info("answers OCSP for %s until %s", issuer, certificate.not_valid_after_utc)


def _is_valid(responder: Responder, now: datetime) -> bool:
    certificate = responder.certificate
    return certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
