"""Connections to applications: opened on demand, kept while they behave, thrown away otherwise."""

import asyncio
import logging
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from select import POLLERR, POLLHUP, POLLIN, POLLRDHUP, poll
from typing import Final, Protocol, TypeVar, cast

from gateway.core.site import Upstream
from gateway.edge.access_log import OTHER_SHOWN, quoted
from gateway.edge.keepalive import keep_probing
from gateway.edge.receiving import FOR_ANSWERS, RECEIVED
from gateway.edge.upstream_tls import LAST_WORDS, UpstreamContext, connect_tls

log = logging.getLogger("pusterla.edge")

P = TypeVar("P", bound=asyncio.BaseProtocol)

IDLE_MAXIMUM = 128
IDLE_SECONDS = 50.0
_NEWS: Final = POLLIN | POLLRDHUP
_ENDS: Final = POLLRDHUP | POLLHUP | POLLERR


class Customer(Protocol):
    """Whoever has taken a connection out of the pool."""

    def response_data(self, data: bytes | memoryview) -> None:
        """Take bytes from the application; *data* need not stay what it is."""
        ...

    def response_end(self, *, clean: bool) -> None:
        """Learn that the connection is over; not *clean*: it was broken, not closed."""
        ...

    def upstream_writable(self, writable: bool) -> None:  # noqa: FBT001 - what it says
        """Learn whether the application takes more bytes."""
        ...


class UpstreamConnection(asyncio.BufferedProtocol):
    """One connection to an application, used by one customer at a time."""

    __slots__ = (
        "_held",
        "_news",
        "_pool",
        "_said_goodbye",
        "customer",
        "idle_since",
        "shown",
        "transport",
        "trial",
        "used",
    )

    def __init__(self, pool: "Pool") -> None:
        """Begin unconnected, in the care of *pool*."""
        self._pool = pool
        self.customer: Customer | None = None
        self.transport: asyncio.Transport | None = None
        self.used = False
        self.trial = False
        """Whether its first request tells if the upstream is well again."""
        self._held = False
        self._news = poll()
        self.shown = pool.shown
        """Where it leads, as the access log has it."""
        self._said_goodbye = not pool.upstream.tls
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self.transport = cast("asyncio.Transport", transport)
        sock = transport.get_extra_info("socket")
        self._news.register(sock.fileno(), _NEWS)
        if self._pool.upstream.unix_path is None:
            keep_probing(sock)
        self._pool.count += 1

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read the application's bytes to."""
        del sizehint
        return FOR_ANSWERS

    def buffer_updated(self, nbytes: int) -> None:
        """Hand what was read to the customer; bytes that nobody asked for end the connection."""
        if self.customer is None:
            self.refuse_unasked()
        else:
            self.customer.response_data(RECEIVED[:nbytes])

    def refuse_unasked(self) -> None:
        """Close, since there are bytes that nobody asked for."""
        log.warning("%s sent bytes that nobody asked for; closed", self._pool.upstream)
        self.discard()

    def at_rest(self) -> bool:
        """Say whether nothing has come that was not read yet; else close.

        Whoever asked next would take bytes for the answer, and behind the application's end
        a request that may not be made twice would be lost.
        """
        news = self._news.poll(0)
        if not news:
            return True
        if news[0][1] & _ENDS:
            self.discard()
        else:
            self.refuse_unasked()
        return False

    def eof_received(self) -> None:
        """Take the application's end as the end of the connection.

        In TLS only a close_notify is one (RFC 8446, section 6.1): anybody on the way can
        close the connection, and cut an answer short that has no length.
        """
        transport = self.transport
        tls = None if transport is None else transport.get_extra_info("ssl_object")
        if tls is not None:
            with suppress(ssl.SSLError):
                self._said_goodbye = not tls.read(1)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the customer, or the pool that it has one fewer."""
        self._pool.count -= 1
        if exc is not None and self.customer is not None:
            words = self._last_words()
            self.transport = None
            if words:
                self.customer.response_data(words)
        customer, self.customer = self.customer, None
        if customer is None:
            self._pool.forget(self)
        else:
            customer.response_end(clean=exc is None and self._said_goodbye)

    def _last_words(self) -> bytes:
        """Return what had come before the connection broke and was not read yet.

        An application that refuses a body answers and closes, which resets the
        connection. Whoever is still writing hears of that first, and the transport
        reads no more; but the kernel still has the answer.
        """
        transport = self.transport
        if transport is None or self._pool.upstream.tls:
            # `upstream_tls` has seen to it.
            return b""
        # The transport closes it only when this call is over.
        descriptor = transport.get_extra_info("socket").fileno()
        words = b""
        with suppress(OSError):
            while len(words) < LAST_WORDS and (data := os.read(descriptor, LAST_WORDS)):
                words += data
        return words

    def pause_writing(self) -> None:
        """Pass backpressure on to whoever sends."""
        if self.customer is not None:
            self.customer.upstream_writable(False)

    def resume_writing(self) -> None:
        """Pass the end of backpressure on."""
        if self.customer is not None:
            self.customer.upstream_writable(True)

    @property
    def unsent(self) -> int:
        """How many bytes the application has not taken yet, of those that the kernel has not."""
        return 0 if self.transport is None else self.transport.get_write_buffer_size()

    def hold_reading(self, hold: bool) -> None:  # noqa: FBT001 - what it says
        """Stop or go on reading from the application."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return
        self._held = hold
        if hold:
            transport.pause_reading()
        else:
            transport.resume_reading()

    @property
    def upstream(self) -> Upstream:
        """Where it leads."""
        return self._pool.upstream

    def answered(self) -> None:
        """Note an answer on a connection that is not given back."""
        self._pool.note_answer()

    def unanswered(self, why: str) -> None:
        """Note that a request got no answer, or none that is one."""
        self._pool.note_unanswered(why)

    def abandoned(self) -> None:
        """Note that a request was given up before there was an answer, for the client's sake."""
        if self.trial and not self.used:
            self._pool.note_abandoned()

    def discard(self) -> None:
        """Close for good, without a word to the customer."""
        self.customer = None
        self._pool.forget(self)
        if self.transport is not None:
            self.transport.abort()

    def release(self) -> None:
        """Give the connection back; the response was read to its end and nothing was odd."""
        self.customer = None
        self.used = True
        if self._held:
            # A client that took no more has stopped it.
            self.hold_reading(False)
        self._pool.keep(self)


class Pool:
    """The idle connections to one upstream."""

    def __init__(self, upstream: Upstream, tls: UpstreamContext) -> None:
        """Begin empty; *tls* is for an https upstream alone."""
        self.upstream = upstream
        self.tls = tls
        self.shown = quoted(str(upstream).encode(errors="surrogatepass"), OTHER_SHOWN)
        """Its name in the access log."""
        self.count = 0
        """How many connections are open, idle ones included."""
        self._idle: list[UpstreamConnection] = []
        self._closed = False
        self._tick = asyncio.get_running_loop().time()

    @property
    def busy(self) -> int:
        """How many connections are in use."""
        return self.count - len(self._idle)

    def note_answer(self) -> None:
        """Learn that the upstream has answered on a connection that does not come back."""

    def note_unanswered(self, why: str) -> None:
        """Learn that the upstream has not answered a request, and *why* that is said."""

    def note_abandoned(self) -> None:
        """Learn that a request on trial was given up, which says nothing of the upstream."""

    def take(self) -> UpstreamConnection | None:
        """Return the connection that was used last, or None where none is idle.

        The last one, so that in quiet times the others grow old and are closed.
        """
        while self._idle:
            connection = self._idle.pop()
            transport = connection.transport
            if transport is not None and not transport.is_closing() and connection.at_rest():
                return connection
        return None

    async def connect(self, seconds: float) -> UpstreamConnection:
        """Open a connection; raise `OSError` or `TimeoutError`."""
        return await self.open(lambda: UpstreamConnection(self), seconds)

    async def open(self, make: Callable[[], P], seconds: float) -> P:
        """Open a connection for the protocol that *make* makes; raise as `connect` does.

        In TLS `ssl.SSLCertVerificationError` says what is wrong with a certificate.
        """
        loop = asyncio.get_running_loop()
        upstream = self.upstream
        async with asyncio.timeout(seconds):
            if upstream.unix_path is not None:
                _, protocol = await loop.create_unix_connection(make, upstream.unix_path)
            elif upstream.tls:
                context, name = self.tls.current(), self.tls.name(upstream)
                protocol = make()
                await connect_tls(upstream, protocol, context, name)
            else:
                _, protocol = await loop.create_connection(make, upstream.host, upstream.port)
        return protocol

    def keep(self, connection: UpstreamConnection) -> None:
        """Take a connection back, unless there are plenty."""
        transport = connection.transport
        if transport is None or transport.is_closing():
            return
        if self._closed or len(self._idle) >= IDLE_MAXIMUM:
            transport.close()
            return
        connection.idle_since = self._tick
        self._idle.append(connection)

    def forget(self, connection: UpstreamConnection) -> None:
        """Strike out a connection that has ended while idle."""
        if connection in self._idle:
            self._idle.remove(connection)

    def sweep(self, tick: float) -> None:
        """Close what has been idle for long; *tick* is near enough the time until the next."""
        self._tick = tick
        while self._idle and self._idle[0].idle_since < tick - IDLE_SECONDS:
            transport = self._idle.pop(0).transport
            if transport is not None:
                transport.close()

    def close(self) -> None:
        """Close every idle connection; those in use are closed when they come back."""
        self._closed = True
        while (connection := self.take()) is not None:
            connection.discard()
