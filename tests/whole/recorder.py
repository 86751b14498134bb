"""An HTTP application that keeps every byte it was ever sent.

It speaks through h11, a second opinion on what the gateway writes: whatever h11 cannot read
is kept in `complaints`, and each test ends by looking that there are none.

    GET  /bytes?n=N          N bytes of `BLOB`, with Content-Length
    GET  /chunked?n=N        the same, chunked
    GET  /until-close?n=N    the same, ended by closing
    GET  /endless            a line with the time each few milliseconds, for ever
    GET  /hold?token=T       the first half of `HELD` at once, the rest after `release(T)`
    GET  /events?token=T     Server-Sent Events, one now and one after `release(T)`
    GET  /silence            accepts the request and never answers
    GET  /empty              204
    GET  /cookies            sets two cookies, and tries to set the gateway's
    GET  /flood              as much as is taken, for ever; `flooded` counts it
    POST /early              answers before it has read the body, and closes
    POST /stall              reads nothing of the body, and never answers
    *    anything else       a report of the request, as JSON
"""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any
from urllib.parse import parse_qs, urlsplit

import h11

from gateway.core.cookies import COOKIE_NAME

BLOB = Random(2).randbytes(12 * 1024 * 1024)
HELD = b"the first half and the second half"
HALF = len(HELD) // 2
PADDING = b"x" * 1000
PAUSE = 0.005
READ = 64 * 1024
_UNREAD = {"/early", "/stall"}

Answer = h11.Response | h11.Data | h11.EndOfMessage


@dataclass(frozen=True, slots=True)
class Received:
    """One request as the application saw it; names in lower case, in their order."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """Return every value of the field *name*."""
        return [value for key, value in self.fields if key == name.lower()]

    def report(self) -> bytes:
        """Say as JSON what was received."""
        return json.dumps(
            {
                "method": self.method,
                "target": self.target,
                "fields": self.fields,
                "length": len(self.body),
                "sha256": sha256(self.body).hexdigest(),
            }
        ).encode()


@dataclass(slots=True)
class Connection:
    """One connection to the application, and every byte that came over it."""

    received: bytearray = field(default_factory=bytearray)
    ended: bool = False


class Recorder:
    """The application; *name* is for messages. Everything but `serve` is called from tests."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.port = 0
        self.connections: list[Connection] = []
        self.requests: list[Received] = []
        self.complaints: list[str] = []
        self.flooded = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        # Kept here: a task that waits for what nobody holds is thrown away.
        self._never = asyncio.Event()
        self._released: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    @property
    def upstream(self) -> str:
        """Where it listens, as the configuration says it."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def octets(self) -> int:
        """How many bytes it was ever sent."""
        return sum(len(connection.received) for connection in self.connections)

    def everything(self) -> bytes:
        """Return all bytes that it was ever sent, of one connection after the other."""
        return b"\n".join(bytes(connection.received) for connection in self.connections)

    def last(self, target: str) -> Received:
        """Return the newest request for *target*."""
        return next(one for one in reversed(self.requests) if one.target == target)

    def release(self, token: str) -> None:
        """Let the response that waits for *token* go on."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._released[token].set)

    async def serve(self) -> asyncio.Server:
        """Begin to listen on a free port."""
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection()
        self.connections.append(connection)
        with suppress(OSError):
            try:
                await self._converse(connection, reader, writer)
            except h11.RemoteProtocolError as error:
                # To break off is what the gateway is to do with half a request.
                if not str(error).startswith("peer closed connection"):
                    self.complaints.append(f"{self.name}: {error}")
            finally:
                connection.ended = True
                writer.close()

    async def _converse(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        http = h11.Connection(h11.SERVER)

        async def event() -> Any:
            while (found := http.next_event()) is h11.NEED_DATA:
                data = await reader.read(READ)
                connection.received += data
                http.receive_data(data)
            return found

        while isinstance(request := await event(), h11.Request):
            path = urlsplit(request.target.decode()).path
            whole = path not in _UNREAD
            received = await self._receive(request, event, whole=whole)
            page = _PAGES.get(path, Recorder._report)
            await self._answer(http, writer, page(self, received))
            if http.our_state is h11.MUST_CLOSE or not whole:
                return
            http.start_next_cycle()

    async def _receive(
        self, request: h11.Request, event: Callable[[], Awaitable[Any]], *, whole: bool
    ) -> Received:
        body = bytearray()
        while whole and isinstance(data := await event(), h11.Data):
            body += data.data
        fields = tuple((name.decode(), value.decode("latin-1")) for name, value in request.headers)
        received = Received(request.method.decode(), request.target.decode(), fields, bytes(body))
        self.requests.append(received)
        return received

    async def _answer(
        self,
        http: h11.Connection,
        writer: asyncio.StreamWriter,
        answers: AsyncIterator[Answer],
    ) -> None:
        async for answer in answers:
            if data := http.send(answer):
                writer.write(data)
            await writer.drain()
        if data := http.send(h11.EndOfMessage()):
            writer.write(data)
        await writer.drain()

    # Pages ------------------------------------------------------------------

    async def _report(self, received: Received) -> AsyncIterator[Answer]:
        report = received.report()
        yield _response(("Content-Type", "application/json"), ("Content-Length", len(report)))
        if received.method != "HEAD":
            yield h11.Data(report)

    async def _bytes(self, received: Received) -> AsyncIterator[Answer]:
        blob = BLOB[: int(_asked(received, "n"))]
        yield _response(("Content-Length", len(blob)))
        if received.method != "HEAD":
            yield h11.Data(blob)

    async def _chunked(self, received: Received) -> AsyncIterator[Answer]:
        yield _response(("Transfer-Encoding", "chunked"))
        blob = BLOB[: int(_asked(received, "n"))]
        for begin in range(0, len(blob), 50_000):
            yield h11.Data(blob[begin : begin + 50_000])

    async def _until_close(self, received: Received) -> AsyncIterator[Answer]:
        yield _response(("Connection", "close"))
        yield h11.Data(BLOB[: int(_asked(received, "n"))])

    async def _endless(self, received: Received) -> AsyncIterator[Answer]:
        yield _response(("Transfer-Encoding", "chunked"))
        while True:
            # The time, for a reader who wants to know that a piece was not sent long ago.
            yield h11.Data(b"%.6f %b\n" % (time.monotonic(), PADDING))
            await asyncio.sleep(PAUSE)

    async def _hold(self, received: Received) -> AsyncIterator[Answer]:
        yield _response(("Content-Length", len(HELD)))
        yield h11.Data(HELD[:HALF])
        await self._released[_asked(received, "token")].wait()
        yield h11.Data(HELD[HALF:])

    async def _events(self, received: Received) -> AsyncIterator[Answer]:
        yield _response(("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked"))
        yield h11.Data(b"data: one\n\n")
        await self._released[_asked(received, "token")].wait()
        yield h11.Data(b"data: two\n\n")

    async def _silence(self, received: Received) -> AsyncIterator[Answer]:
        await self._never.wait()
        yield _response()

    async def _flood(self, received: Received) -> AsyncIterator[Answer]:
        yield _response(("Transfer-Encoding", "chunked"))
        while True:
            yield h11.Data(BLOB[:READ])
            self.flooded += READ

    async def _empty(self, received: Received) -> AsyncIterator[Answer]:
        yield h11.Response(status_code=204, headers=[("X-Application", "recorder")])

    async def _cookies(self, received: Received) -> AsyncIterator[Answer]:
        yield _response(
            ("Set-Cookie", "flavour=oat; Path=/"),
            ("Set-Cookie", "size=large; Path=/cookies"),
            ("Set-Cookie", f"{COOKIE_NAME}=stolen; Path=/; Secure"),
            ("Content-Length", 0),
        )

    async def _early(self, received: Received) -> AsyncIterator[Answer]:
        yield _response(("Content-Length", 5), ("Connection", "close"))
        yield h11.Data(b"early")


def _response(*fields: tuple[str, str | int]) -> h11.Response:
    return h11.Response(status_code=200, headers=[(name, str(value)) for name, value in fields])


def _asked(received: Received, name: str) -> str:
    return parse_qs(urlsplit(received.target).query)[name][0]


Page = Callable[[Recorder, Received], AsyncIterator[Answer]]
_PAGES: Mapping[str, Page] = {
    "/bytes": Recorder._bytes,
    "/chunked": Recorder._chunked,
    "/until-close": Recorder._until_close,
    "/endless": Recorder._endless,
    "/hold": Recorder._hold,
    "/events": Recorder._events,
    "/silence": Recorder._silence,
    "/empty": Recorder._empty,
    "/cookies": Recorder._cookies,
    "/early": Recorder._early,
    "/flood": Recorder._flood,
    "/stall": Recorder._silence,
}
