"""An application that keeps every byte it was sent and answers what the test tells it to.

What it is sent is also read by h11, as strictly as h11 does: whatever that
cannot read is in `complaints`.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import h11

from tests.gateway.edge.waiting import until

READ = 64 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as the application saw it; names in lower case, in their order."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """Return every value of the field *name*."""
        return [value for key, value in self.fields if key == name.lower()]


@dataclass(eq=False)
class Line:
    """One connection to the application."""

    recorder: "Recorder"
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    received: bytearray = field(default_factory=bytearray)
    ended: bool = False
    _http: h11.Connection = field(default_factory=lambda: h11.Connection(h11.SERVER))

    async def read(self) -> bytes:
        """Read what comes next; empty at the end."""
        try:
            data = await self.reader.read(READ)
        except ConnectionError:
            data = b""
        self.received += data
        self.ended = self.ended or not data
        return data

    async def head(self) -> Seen | None:
        """Read the head of the next request, and nothing of its body yet."""
        event = await self._event()
        if not isinstance(event, h11.Request):
            return None
        fields = tuple((name.decode(), value.decode("latin-1")) for name, value in event.headers)
        return Seen(event.method.decode(), event.target.decode(), fields, b"")

    async def body(self) -> bytes | None:
        """Read a body to its end; None where it has none."""
        body = b""
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
        return body if isinstance(event, h11.EndOfMessage) else None

    async def request(self) -> Seen | None:
        """Read one whole request; None where there is no further one."""
        head = await self.head()
        body = None if head is None else await self.body()
        if head is None or body is None:
            return None
        seen = Seen(head.method, head.target, head.fields, body)
        self.recorder.requests.append(seen)
        return seen

    def next_request(self) -> None:
        """Make ready for a further request: what was read already belongs to it."""
        trailing = self._http.trailing_data[0]
        self._http = h11.Connection(h11.SERVER)
        if trailing:
            self._http.receive_data(trailing)

    def send(self, data: bytes) -> None:
        """Send *data* as it is."""
        self.writer.write(data)

    def close(self) -> None:
        """Close."""
        self.writer.close()

    def reset(self) -> None:
        """Break the connection off."""
        self.writer.transport.abort()

    async def wait_ended(self) -> None:
        """Wait until the other side has ended the connection; what still comes is kept."""
        while await self.read():
            pass

    async def _event(self) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                self._http.receive_data(await self.read())
        except h11.RemoteProtocolError as error:
            if not self.ended:
                self.recorder.complaints.append(f"{error}: {bytes(self.received)!r}")
            return None
        return event


Script = Callable[[Line], Awaitable[None]]


async def polite(line: Line) -> None:
    """Answer every request with its own target, and keep the connection."""
    while (seen := await line.request()) is not None:
        content = b"" if seen.method == "HEAD" else seen.target.encode()
        line.send(ok(content, length=len(seen.target)))
        line.next_request()


def ok(content: bytes, *fields: bytes, length: int | None = None) -> bytes:
    """Return a whole response that carries *content*."""
    octets = len(content) if length is None else length
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % octets, *fields]
    return b"\r\n".join([*lines, b"", content])


def saying(response: bytes) -> Script:
    """Return a script that answers every request with the bytes of *response*."""

    async def script(line: Line) -> None:
        while await line.request() is not None:
            line.send(response)
            line.next_request()

    return script


def bound_socket(
    send: int | None = None, receive: int | None = None, *, port: int = 0
) -> socket.socket:
    """Return a socket on a free port, or on *port*, with buffers of about that size."""
    bound = socket.socket()
    for option, size in ((socket.SO_SNDBUF, send), (socket.SO_RCVBUF, receive)):
        if size is not None:
            bound.setsockopt(socket.SOL_SOCKET, option, size)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


class Recorder:
    """The application. *script* is what it does with each further connection."""

    def __init__(self) -> None:
        self.script: Script = polite
        self.lines: list[Line] = []
        self.requests: list[Seen] = []
        self.complaints: list[str] = []
        self.failures: list[Exception] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(
        self,
        path: Path | None = None,
        *,
        buffers: int | None = None,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Listen on a free port or on *port*, with *tls* perhaps, or on the unix socket *path*."""
        if path is not None:
            self._server = await asyncio.start_unix_server(self._accept, path)
            return
        listening = bound_socket(receive=buffers, port=port)
        self.port = listening.getsockname()[1]
        self._server = await asyncio.start_server(self._accept, sock=listening, ssl=tls)

    async def close(self) -> None:
        """Stop listening, and close every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in [*self._tasks]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for line in self.lines:
            line.reset()

    @property
    def received(self) -> bytes:
        """Every byte that it was ever sent, of one connection after the other."""
        return b"".join(bytes(line.received) for line in self.lines)

    @property
    def open_lines(self) -> list[Line]:
        """The connections that nobody has ended."""
        return [
            line for line in self.lines if not line.ended and not line.writer.transport.is_closing()
        ]

    async def line(self, number: int = 0) -> Line:
        """Return the connection *number*, once it is there."""
        await until(lambda: len(self.lines) > number)
        return self.lines[number]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        line = Line(self, reader, writer)
        self.lines.append(line)
        with suppress(asyncio.CancelledError):
            await self._play(line)

    async def _play(self, line: Line) -> None:
        try:
            await self.script(line)
        except ConnectionError:
            line.ended = True
        except Exception as error:  # noqa: BLE001 - a script's own assertion is told to the test
            self.failures.append(error)
            line.reset()
