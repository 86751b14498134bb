"""TLS to applications: whom we believe, under which name, and what we show of ourselves.

The other end is always verified: chain, dates and name. Nothing here switches that off.
The last words of an application whose connection breaks are heard here too.
"""

import asyncio
import os
import ssl
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, cast

from gateway.core.site import Upstream, UpstreamTLS

_ALPN: Final = ["http/1.1"]

LAST_WORDS: Final = 64 * 1024
"""How much is read, at the least, of what has come before a connection broke."""

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


async def connect_tls(
    upstream: Upstream, protocol: asyncio.BaseProtocol, context: ssl.SSLContext, name: str
) -> None:
    """Shake hands with *upstream* under *name*, and connect *protocol* to it.

    Raise `OSError`, of which `ssl.SSLCertVerificationError` says what is wrong with a
    certificate. Then, and when cancelled, everything is closed, and *protocol* was told nothing.
    """
    loop = asyncio.get_running_loop()
    raw, early = await loop.create_connection(_Early, upstream.host, upstream.port)
    try:
        early.check(raw)
        secure = await loop.start_tls(raw, early, context, server_hostname=name)
        early.check(secure)
    except BaseException:
        raw.abort()
        raise
    assert secure is not None  # noqa: S101 - it has been looked at
    raw.set_protocol(_Hearing(raw, secure))
    secure.set_protocol(protocol)
    protocol.connection_made(secure)


class _Early(asyncio.Protocol):
    """Whoever stands behind a connection until its handshake is known to be over."""

    def __init__(self) -> None:
        """Have heard nothing."""
        self._spoken = False

    def data_received(self, data: bytes) -> None:
        """Note that there are bytes, though nothing was asked."""
        del data
        self._spoken = True

    def check(self, transport: asyncio.Transport | None) -> None:
        """Raise `ConnectionError` unless *transport* is there, open, and has brought nothing.

        Bytes that came in the same read as the end of the server's handshake are not seen here.
        """
        if transport is None or transport.is_closing():
            raise ConnectionResetError("closed before it was asked anything")
        if self._spoken:
            raise ConnectionAbortedError("it sent bytes that nobody asked for")


class _Hearing(asyncio.BufferedProtocol):
    """Between a socket and the event loop's TLS, to which it gives what came before a break.

    An application that refuses a body answers and closes, which resets the connection. Whoever
    is still writing hears of that first, and reads no more; but the kernel still has the answer.
    """

    def __init__(self, raw: asyncio.Transport, secure: asyncio.Transport) -> None:
        """Stand before whom *raw* brings its bytes to, which makes of them those of *secure*."""
        self._raw = raw
        self._secure = secure
        self._tls = tls = cast("asyncio.BufferedProtocol", raw.get_protocol())
        # As they are, so that being here costs little: uvloop calls its own TLS without Python,
        # and us with it, twice a read. Of the processor time for 10 MiB from an application or
        # to it that is at most 2 to 3 in a hundred, and less than what varies between two runs.
        self.get_buffer = tls.get_buffer  # type: ignore[method-assign]
        self.buffer_updated = tls.buffer_updated  # type: ignore[method-assign]
        self.eof_received = tls.eof_received  # type: ignore[method-assign]
        self.pause_writing = tls.pause_writing  # type: ignore[method-assign]
        self.resume_writing = tls.resume_writing  # type: ignore[method-assign]

    def connection_lost(self, exc: Exception | None) -> None:
        """Read what is left where the connection broke, and pass on that it is lost."""
        if exc is not None:
            self._hear_out()
        self._tls.connection_lost(exc)

    def _hear_out(self) -> None:
        # Where a slow client has held reading, what is heard here would be kept for good.
        self._secure.resume_reading()
        # No bytes, but a reason to hand on what has come since, and not in the loop's next turn.
        self._tls.buffer_updated(0)
        # The transport closes it only when this call is over.
        descriptor = self._raw.get_extra_info("socket").fileno()
        heard = 0
        with suppress(OSError):
            while heard < LAST_WORDS:
                count = os.readv(descriptor, [self._tls.get_buffer(LAST_WORDS)])
                if not count:
                    return
                self._tls.buffer_updated(count)
                heard += count
