"""An application that does what the path tells it to: answers, and every way of not answering.

`/DEED/STAMP/SIZE`: what comes for a stamp must be that person's and carry its stamp in the
head and in the body, else it is kept in `mixed`.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import h11

from tests.soak.stamps import Stamp, difference, read_stamp

STAMP_FIELD = "X-Stamp"
_READ = 64 * 1024
_UNREAD_SECONDS = 0.01
_EVENT_SECONDS = 0.05
_FOREIGN = b"HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\nthis is nobody's answer..\n"


@dataclass(eq=False)
class Call:
    """One request that has come, its head read and nothing of its body."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    http: h11.Connection
    stamp: Stamp
    size: int
    fields: dict[bytes, bytes]

    async def event(self) -> object:
        """Return the next thing that h11 reads, or None where there is nothing more."""
        while (event := self.http.next_event()) is h11.NEED_DATA:
            data = await self.reader.read(_READ)
            self.http.receive_data(data)
        return event

    async def body(self) -> bytes:
        """Read the whole body."""
        parts = []
        while isinstance(event := await self.event(), h11.Data):
            parts.append(bytes(event.data))
        return b"".join(parts)

    def head(self, framing: str, *, more: str = "") -> bytes:
        """Return a head with the stamp in it."""
        fields = f"{STAMP_FIELD}: {self.stamp}\r\n{more}{framing}\r\n\r\n"
        return b"HTTP/1.1 200 OK\r\n" + fields.encode("ascii")

    def sized(self) -> bytes:
        """Return the plain answer."""
        return self.head(f"Content-Length: {self.size}") + self.stamp.body(self.size)


Deed = Callable[[Call], Awaitable[bool]]
"""Answers a call; says whether the connection goes on."""


async def _length(call: Call) -> bool:
    call.writer.write(call.sized())
    return True


async def _head_only(call: Call) -> bool:
    call.writer.write(call.head(f"Content-Length: {call.size}"))
    return True


async def _bodiless(call: Call) -> bool:
    fields = f"HTTP/1.1 204 No Content\r\n{STAMP_FIELD}: {call.stamp}\r\n\r\n"
    call.writer.write(fields.encode("ascii"))
    return True


async def _chunked(call: Call) -> bool:
    call.writer.write(call.head("Transfer-Encoding: chunked"))
    body = call.stamp.body(call.size)
    step = 1 + call.stamp.number % 5000
    for begin in range(0, len(body), step):
        piece = body[begin : begin + step]
        call.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await call.writer.drain()
    call.writer.write(b"0\r\n\r\n")
    return True


async def _until_close(call: Call) -> bool:
    call.writer.write(call.head("Connection: close") + call.stamp.body(call.size))
    return False


async def _interim(call: Call) -> bool:
    call.writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
    await asyncio.sleep(0)
    return await _length(call)


async def _excess(call: Call) -> bool:
    call.writer.write(call.sized() + _FOREIGN)
    return True


async def _early(call: Call) -> bool:
    answer = call.head(f"Connection: close\r\nContent-Length: {call.size}")
    call.writer.write(answer + call.stamp.body(call.size))
    await call.writer.drain()
    await asyncio.sleep(_UNREAD_SECONDS)
    return False


async def _reset(call: Call) -> bool:
    call.writer.transport.abort()
    return False


async def _hang_up(call: Call) -> bool:
    del call
    return False


async def _half_head(call: Call) -> bool:
    call.writer.write(call.head(f"Content-Length: {call.size}")[:40])
    return False


async def _half_body(call: Call) -> bool:
    answer = call.sized()
    call.writer.write(answer[: len(answer) - call.size // 2 - 1])
    await call.writer.drain()
    if call.stamp.number % 2:
        call.writer.transport.abort()
    return False


async def _half_chunk(call: Call) -> bool:
    piece = call.stamp.body(call.size)
    call.writer.write(
        call.head("Transfer-Encoding: chunked") + b"%x\r\n" % (len(piece) + 9) + piece
    )
    return False


async def _garbage(call: Call) -> bool:
    call.writer.write(os.urandom(64 + call.stamp.number % 1000))
    return False


async def _two_lengths(call: Call) -> bool:
    framing = f"Content-Length: {call.size}\r\nContent-Length: {call.size + 1}"
    call.writer.write(call.head(framing) + call.stamp.body(call.size))
    return True


async def _stall(call: Call) -> bool:
    await call.reader.read()
    return False


async def _stall_in_the_middle(call: Call) -> bool:
    answer = call.sized()
    call.writer.write(answer[: len(answer) - call.size // 2 - 1])
    return await _stall(call)


async def _events(call: Call) -> bool:
    call.writer.write(call.head("Transfer-Encoding: chunked"))
    piece = call.stamp.body(256)
    while not call.reader.at_eof():
        call.writer.write(b"100\r\n%b\r\n" % piece)
        await call.writer.drain()
        await asyncio.sleep(_EVENT_SECONDS)
    return False


async def _tunnel(call: Call) -> bool:
    answer = f"HTTP/1.1 101 Switching Protocols\r\n{STAMP_FIELD}: {call.stamp}\r\n"
    more = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
    call.writer.write((answer + more).encode("ascii"))
    early = call.http.trailing_data[0]
    call.writer.write(early)
    while data := await call.reader.read(_READ):
        call.writer.write(data)
        await call.writer.drain()
    return False


DEEDS: dict[str, Deed] = {
    "length": _length,
    "head": _head_only,
    "bodiless": _bodiless,
    "chunked": _chunked,
    "until-close": _until_close,
    "interim": _interim,
    "excess": _excess,
    "upload": _length,
    "early": _early,
    "reset": _reset,
    "hang-up": _hang_up,
    "half-head": _half_head,
    "half-body": _half_body,
    "half-chunk": _half_chunk,
    "garbage": _garbage,
    "two-lengths": _two_lengths,
    "stall": _stall,
    "stall-in-the-middle": _stall_in_the_middle,
    "events": _events,
    "tunnel": _tunnel,
}
_BODY_UNREAD = frozenset({"early"})
_FIRST_READ_TO_THE_END = frozenset({"upload"})


@dataclass(eq=False)
class Application:
    """The application of one run, and what it has noticed."""

    mixed: list[str] = field(default_factory=list)
    served: int = 0
    open: int = 0
    busy: int = 0
    """How many connections are in the middle of a request."""

    async def serve(self) -> asyncio.Server:
        """Listen on a free port of loopback."""
        return await asyncio.start_server(self._converse, "127.0.0.1", 0)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            with suppress(ConnectionError):
                await self._answer_all(reader, writer)
        finally:
            self.open -= 1
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        http = h11.Connection(h11.SERVER)
        goes_on = True
        while goes_on:
            try:
                while (event := http.next_event()) is h11.NEED_DATA:
                    http.receive_data(await reader.read(_READ))
            except h11.RemoteProtocolError as error:
                self.mixed.append(f"h11 cannot read what came: {error}")
                return
            if not isinstance(event, h11.Request):
                return
            self.busy += 1
            try:
                goes_on = await self._answer(event, reader, writer, http)
                await writer.drain()
            finally:
                self.busy -= 1
            # A new one, as h11 has seen nothing of the answers.
            trailing = http.trailing_data[0]
            http = h11.Connection(h11.SERVER)
            if trailing:
                http.receive_data(trailing)

    async def _answer(
        self,
        request: h11.Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        http: h11.Connection,
    ) -> bool:
        self.served += 1
        fields = dict(request.headers)
        _, deed, text, size = request.target.decode("ascii").split("/")
        call = Call(reader, writer, http, read_stamp(text), int(size), fields)
        for name, wanted in ((STAMP_FIELD.lower(), text), ("x-forwarded-user", call.stamp.user)):
            found = fields.get(name.encode(), b"").decode("latin-1")
            if found != wanted:
                self.mixed.append(f"{request.target!r} came with {name} {found!r}")
        if deed in _BODY_UNREAD:
            return await DEEDS[deed](call)
        body = await call.body()
        if deed in _FIRST_READ_TO_THE_END and body != call.stamp.body(call.size):
            self.mixed.append(f"body of {text}: {difference(call.stamp.body(call.size), body)}")
        return await DEEDS[deed](call)
