"""Browsers and programs of many people, asking for everything at once and looking at what comes.

Each request says beforehand how it must end; whatever ends otherwise is kept in `surprises`,
and an answer with anything of somebody else in it in `mixed`.
"""

import asyncio
import socket
import ssl
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

import h11

from tests.bench.load import client_context
from tests.bench.sites import BenchSite, Stick
from tests.soak.application import STAMP_FIELD
from tests.soak.stamps import Stamp, difference

_READ = 32 * 1024
_PATIENCE_SECONDS = 20.0
_SIZES = (0, 1, 31, 1024, 20_000, 150_000)
_LONG_ENOUGH_TO_CUT = 31
_ON_ONE_CONNECTION = 25

WHOLE = "200"
CUT_SHORT = "200, cut short"
ENDED = "ended"
LEFT = "left by us"

ENDINGS = {
    "length": WHOLE,
    "head": WHOLE,
    "bodiless": "204",
    "chunked": WHOLE,
    "until-close": WHOLE,
    "interim": WHOLE,
    "excess": WHOLE,
    "upload": WHOLE,
    "early": WHOLE,
    "reset": "502",
    "hang-up": "502",
    "half-head": "502",
    "half-body": CUT_SHORT,
    "half-chunk": CUT_SHORT,
    "garbage": "502",
    "two-lengths": "502",
    "stall": "504",
    "stall-in-the-middle": LEFT,
    "events": LEFT,
    "tunnel": WHOLE,
}
"""How a request for each deed must end."""

_OFTEN = ("length", "length", "length", "chunked", "upload", "head", "tunnel")
_CUT = frozenset({"half-body", "half-chunk"})
_SLOW = frozenset({"stall"})


@dataclass(eq=False)
class Tally:
    """What all visitors have seen."""

    endings: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    _number: int = 0

    def stamp(self, user: str) -> Stamp:
        """Return a stamp that nobody had before."""
        self._number += 1
        return Stamp(user, self._number)

    def note(self, deed: str, ending: str, wanted: str) -> None:
        """Count how a request ended."""
        self.endings[f"{deed}: {ending}"] += 1
        if ending != wanted:
            self.surprises.append(f"{deed} ended with {ending!r}, not with {wanted!r}")


@dataclass(eq=False)
class Line:
    """A connection to the gateway."""

    site: BenchSite
    user: str
    stick: Stick
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def head(self, method: str, deed: str, stamp: Stamp, size: int, more: str = "") -> bytes:
        """Return a request's head."""
        host = f"{self.site.app_host}:{self.site.port}"
        return (
            f"{method} /{deed}/{stamp}/{size} HTTP/1.1\r\nHost: {host}\r\n"
            f"Cookie: {self.stick.cookies}\r\nAccept: */*\r\n{STAMP_FIELD}: {stamp}\r\n"
            # Believed, it would make somebody else of the caller.
            f"X-Forwarded-User: person-99\r\n{more}\r\n"
        ).encode("ascii")

    async def ended(self) -> None:
        """Return when the gateway has ended the connection."""
        with suppress(OSError):
            while await self.reader.read(_READ):
                pass

    def drop(self) -> None:
        """Break the connection off."""
        self.writer.transport.abort()


async def dial(site: BenchSite, user: str, stick: Stick) -> Line:
    """Open a connection with *stick*."""
    sock = socket.create_connection(("127.0.0.1", site.port), timeout=_PATIENCE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setblocking(False)
    context: ssl.SSLContext = client_context(site.root, stick.certificate, stick.key)
    reader, writer = await asyncio.open_connection(
        sock=sock, ssl=context, server_hostname=site.app_host, limit=_READ
    )
    return Line(site, user, stick, reader, writer)


class Answer:
    """One response, read by h11."""

    def __init__(self, method: str, trailing: bytes = b"") -> None:
        """Await the response to a request with *method*; *trailing* has come already."""
        self._http = h11.Connection(h11.CLIENT)
        self._http.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        self._http.send(h11.EndOfMessage())
        if trailing:
            self._http.receive_data(trailing)
        self.status = 0
        self.stamp = ""
        self.body = b""
        self.whole = False
        self.goes_on = False

    @property
    def trailing(self) -> bytes:
        """What has come behind the response."""
        return bytes(self._http.trailing_data[0])

    async def read(self, line: Line, *, pause: float = 0.0, enough: int = 1 << 30) -> "Answer":
        """Read until the end, or until *enough* of the body is there, a *pause* before each read."""
        parts: list[bytes] = []
        got = 0
        try:
            while got < enough:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    if pause:
                        await asyncio.sleep(pause)
                    async with asyncio.timeout(_PATIENCE_SECONDS):
                        self._http.receive_data(await line.reader.read(_READ))
                elif isinstance(event, h11.Response):
                    self.status = event.status_code
                    fields = dict(event.headers)
                    self.stamp = fields.get(STAMP_FIELD.lower().encode(), b"").decode()
                elif isinstance(event, h11.Data):
                    parts.append(bytes(event.data))
                    got += len(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    self.whole = True
                    break
                elif isinstance(event, h11.ConnectionClosed):
                    break
        except (OSError, h11.RemoteProtocolError):
            # Broken off, or ended in the middle: then it is not whole.
            pass
        self.body = b"".join(parts)
        self.goes_on = self.whole and self._http.their_state is h11.DONE
        return self

    @property
    def ending(self) -> str:
        """How it ended, in the words of `ENDINGS`."""
        if not self.status:
            return ENDED
        return f"{self.status}" if self.whole else f"{self.status}, cut short"


class Visitor:
    """One person's connections, one behind the other, each with requests of all kinds."""

    def __init__(
        self, site: BenchSite, number: int, tally: Tally, random: Random, sizes: int
    ) -> None:
        """*number* is the person's; *sizes* multiplies what is large."""
        self._site = site
        self._user = f"person-{number}"
        self._stick = site.sticks[number]
        self._tally = tally
        self._random = random
        self._sizes = sizes

    async def visit(self, leave: asyncio.Event) -> None:
        """Go on until told to *leave*."""
        while not leave.is_set():
            line = await dial(self._site, self._user, self._stick)
            try:
                for _ in range(self._random.randrange(1, _ON_ONE_CONNECTION)):
                    if leave.is_set() or not await self._ask(line):
                        break
            finally:
                line.drop()

    async def _ask(self, line: Line) -> bool:
        """Make one request, or several; return whether the connection goes on."""
        random = self._random
        match random.randrange(12):
            case 0:
                return await self._pipeline(line)
            case 1:
                return await self._read_slowly(line)
            case 2:
                return await self._ambiguous(line)
        deed = random.choice(_OFTEN if random.random() < 0.6 else tuple(ENDINGS))
        if deed in _SLOW and random.random() < 0.8:
            deed = "length"
        match deed:
            case "tunnel":
                return await self._tunnel(line)
            case "upload" | "early":
                return await self._upload(line, deed)
            case "stall-in-the-middle" | "events":
                return await self._leave(line, deed)
            case _:
                return await self._get(line, deed)

    def _compare(self, deed: str, answer: Answer, stamp: Stamp, size: int) -> None:
        self._tally.note(deed, answer.ending, ENDINGS[deed])
        if answer.status not in {200, 204, 101}:
            return
        if answer.stamp != str(stamp):
            self._tally.mixed.append(f"{deed} of {stamp} answered as {answer.stamp!r}")
        expected = stamp.body(size)
        if not answer.whole:
            expected = expected[: len(answer.body)]
        if answer.body != expected:
            self._tally.mixed.append(f"{deed} of {stamp}: {difference(expected, answer.body)}")

    async def _get(self, line: Line, deed: str) -> bool:
        size = self._random.choice(_SIZES)
        if deed in _CUT:
            size = max(size, _LONG_ENOUGH_TO_CUT)
        stamp = self._tally.stamp(self._user)
        method = "HEAD" if deed == "head" else "GET"
        line.writer.write(line.head(method, deed, stamp, size))
        answer = await Answer(method).read(line)
        self._compare(deed, answer, stamp, 0 if deed in {"head", "bodiless"} else size)
        return answer.goes_on

    async def _upload(self, line: Line, deed: str) -> bool:
        size = self._random.choice(_SIZES)
        stamp = self._tally.stamp(self._user)
        body = stamp.body(size)
        chunked = self._random.random() < 0.5
        framing = "Transfer-Encoding: chunked\r\n" if chunked else f"Content-Length: {size}\r\n"
        line.writer.write(line.head("POST", deed, stamp, size, framing))
        step = self._random.choice((1000, 16_000, 200_000))
        with suppress(OSError):
            for begin in range(0, size, step):
                piece = body[begin : begin + step]
                line.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                await line.writer.drain()
            if chunked:
                line.writer.write(b"0\r\n\r\n")
        answer = await Answer("POST").read(line)
        self._compare(deed, answer, stamp, size)
        return answer.goes_on and deed == "upload"

    async def _leave(self, line: Line, deed: str) -> bool:
        """Go away in the middle of an answer."""
        stamp = self._tally.stamp(self._user)
        line.writer.write(line.head("GET", deed, stamp, 20_000))
        enough = 1024 if deed == "events" else 9_000
        answer = await Answer("GET").read(line, enough=enough)
        self._tally.note(deed, LEFT if answer.status == 200 else answer.ending, LEFT)
        expected = stamp.body(256) * 100 if deed == "events" else stamp.body(20_000)
        if answer.status == 200 and answer.body != expected[: len(answer.body)]:
            self._tally.mixed.append(f"{deed} of {stamp}: {answer.body[:80]!r}")
        return False

    async def _read_slowly(self, line: Line) -> bool:
        size = 300_000 * self._sizes
        stamp = self._tally.stamp(self._user)
        line.writer.write(line.head("GET", "length", stamp, size))
        answer = await Answer("GET").read(line, pause=0.005)
        self._compare("length", answer, stamp, size)
        return answer.goes_on

    async def _pipeline(self, line: Line) -> bool:
        asked = [(self._tally.stamp(self._user), self._random.choice(_SIZES)) for _ in range(4)]
        requests = [line.head("GET", "length", stamp, size) for stamp, size in asked]
        line.writer.write(b"".join(requests))
        trailing, goes_on = b"", True
        for stamp, size in asked:
            answer = await Answer("GET", trailing).read(line)
            self._compare("length", answer, stamp, size)
            trailing, goes_on = answer.trailing, answer.goes_on
            if not goes_on:
                break
        return goes_on

    async def _ambiguous(self, line: Line) -> bool:
        """Send what has two readings: refused, and the rest of it never read as a request."""
        stamp = self._tally.stamp(self._user)
        hidden = line.head("GET", "length", self._tally.stamp("person-99"), 5)
        framing = f"Content-Length: {len(hidden)}\r\nTransfer-Encoding: chunked\r\n"
        line.writer.write(line.head("POST", "upload", stamp, 0, framing) + b"0\r\n\r\n" + hidden)
        answer = await Answer("POST").read(line)
        self._tally.note("ambiguous", answer.ending, "400")
        return False

    async def _tunnel(self, line: Line) -> bool:
        stamp = self._tally.stamp(self._user)
        more = (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
        line.writer.write(line.head("GET", "tunnel", stamp, 0, more))
        ending, said = ENDED, stamp.body(self._random.choice(_SIZES))
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                head = await line.reader.readuntil(b"\r\n\r\n")
                ending = head[9:12].decode()
                line.writer.write(said)
                heard = await line.reader.readexactly(len(said))
        except (OSError, asyncio.IncompleteReadError):
            self._tally.note("tunnel", ending, WHOLE)
            return False
        if f"{STAMP_FIELD}: {stamp}".encode() not in head or heard != said:
            self._tally.mixed.append(f"tunnel of {stamp}: {head!r} {difference(said, heard)}")
        self._tally.note("tunnel", WHOLE if ending == "101" else ending, WHOLE)
        return False
