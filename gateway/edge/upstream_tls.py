"""TLS to applications: whom we believe, under which name, and what we show of ourselves.

The other end is always verified: chain, dates and name. Nothing here switches that off.
"""

import ssl
import stat
from pathlib import Path
from typing import Final

from gateway.core.site import Upstream, UpstreamTLS

_ALPN: Final = ["http/1.1"]

Signature = tuple[tuple[int, int, int], ...]


class UpstreamContext:
    """The TLS context of one application's upstreams.

    Its files are read when a connection is made and they have changed since the
    last one, so a certificate that was renewed is shown from then on.
    """

    def __init__(self, settings: UpstreamTLS) -> None:
        """Read nothing yet."""
        self._settings = settings
        self._signature: Signature | None = None
        self._context: ssl.SSLContext | None = None

    def name(self, upstream: Upstream) -> str:
        """Return the name that is asked for (SNI) and that the certificate must carry."""
        return self._settings.name or upstream.host

    def current(self) -> ssl.SSLContext:
        """Return the context as the files are now; raise `OSError` that names the file."""
        signature = self._sign()
        if self._context is None or signature != self._signature:
            self._context, self._signature = self._make(), signature
        return self._context

    def _sign(self) -> Signature:
        settings = self._settings
        found = []
        for path in (settings.ca, settings.certificate, settings.key):
            if path is not None:
                status = Path(path).stat()
                found.append((status.st_mtime_ns, status.st_size, status.st_ino))
        return tuple(found)

    def _make(self) -> ssl.SSLContext:
        settings = self._settings
        # Verifies the chain and the name unless it is told not to, which it never is.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(_ALPN)
        if settings.ca is None:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        else:
            try:
                context.load_verify_locations(cafile=settings.ca)
            except ssl.SSLError as error:
                raise OSError(f"{settings.ca}: not a CA certificate in PEM: {error}") from error
        if settings.certificate is not None:
            self._show(context, settings.certificate, settings.key)
        return context

    @staticmethod
    def _show(context: ssl.SSLContext, certificate: str, key: str | None) -> None:
        secret = key or certificate
        if stat.S_IMODE(Path(secret).stat().st_mode) & stat.S_IRWXO:
            raise OSError(f"{secret}: everybody can read this key: chmod o= {secret}")
        try:
            # Never asked for at a terminal: a key with a password is of no use here.
            context.load_cert_chain(certificate, key, password=_no_password)
        except ssl.SSLError as error:
            raise OSError(
                f"{certificate}, {secret}: no certificate with its key: {error}"
            ) from error


def _no_password() -> str:
    raise OSError("the key is encrypted: give one without a password")
