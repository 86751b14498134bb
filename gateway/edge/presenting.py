"""Certificates of CAs that are not ours: shown to the verifier, and waited for until it has judged.

The edge neither validates their paths nor holds the lists of other CAs. It writes a certificate
that nobody knows yet into the store, and hears by the change feed that there is a verdict.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from cryptography import x509

from gateway.core.people import Fingerprint, Holder
from gateway.core.ports import EdgeStore, StoreUnavailable

PATIENCE_SECONDS: Final = 5.0
"""How long a verdict is waited for; whoever comes again waits again."""
CERTIFICATE_BYTES: Final = 16 * 1024
"""What a certificate may have: the largest of real life have a third of it."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Which certificates, of those that OpenSSL lets in, another CA than ours has issued.

    *names* are the subjects of our CAs (DER); a site without trusts asks nobody (*trusted*).
    """

    trusted: bool = False
    names: frozenset[bytes] = frozenset()

    def issued(self, certificate: bytes) -> bool:
        """Say whether *certificate* (DER) is for the verifier to judge."""
        if not self.trusted or not certificate or len(certificate) > CERTIFICATE_BYTES:
            return False
        try:
            issuer = x509.load_der_x509_certificate(certificate).issuer.public_bytes()
        except (ValueError, x509.InvalidVersion):
            # OpenSSL reads some that others do not; nobody could judge it.
            return False
        return issuer not in self.names


class Presenting:
    """The certificates of one worker that wait for a verdict."""

    def __init__(self, store: EdgeStore) -> None:
        """Wait for nothing yet."""
        self._store = store
        self._waiting: dict[Fingerprint, set[asyncio.Event]] = {}

    async def judged(
        self,
        fingerprint: Fingerprint,
        certificate: bytes,
        ask: Callable[[], Awaitable[Holder | None]],
    ) -> Holder:
        """Let *certificate* be judged; return what *ask* says of it afterwards.

        Raises `StoreUnavailable` where there is no verdict in time.
        """
        with self._listening(fingerprint) as told, suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._store.present(fingerprint, certificate)
                while (holder := await ask()) is None:
                    await told.wait()
                    told.clear()
                return holder
        raise StoreUnavailable(
            f"certificate {fingerprint} of another CA was not judged within "
            f"{PATIENCE_SECONDS:.0f} s; see that the verifier runs, and what it says"
        )

    @contextmanager
    def _listening(self, fingerprint: Fingerprint) -> Iterator[asyncio.Event]:
        told = asyncio.Event()
        waiting = self._waiting.setdefault(fingerprint, set())
        waiting.add(told)
        try:
            yield told
        finally:
            waiting.discard(told)
            if not waiting:
                self._waiting.pop(fingerprint, None)

    def tell(self, fingerprints: Iterable[str] | None = None) -> None:
        """Wake those who wait for one of *fingerprints*; None: everybody."""
        if not self._waiting:
            return
        for key in [*self._waiting] if fingerprints is None else fingerprints:
            for told in self._waiting.get(Fingerprint(key), ()):
                told.set()
