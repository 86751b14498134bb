"""A web server that answers, for each path, with what a test says: also what none should send."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import count


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    header: Mapping[str, str]
    body: bytes


Answer = Callable[[Asked, asyncio.StreamWriter], Awaitable[None]]


@dataclass(slots=True)
class Web:
    """A running server: what it answers to each path, and what it was asked."""

    scheme: str
    port: int
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        """Return the URL of *path* here."""
        return f"{self.scheme}://{host}:{self.port}{path}"


@asynccontextmanager
async def open_web(context: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    """Run a server on loopback; with *context*, by https."""
    web = Web("http" if context is None else "https", 0)
    open_here: dict[asyncio.Task[None] | None, asyncio.StreamWriter] = {}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_here[asyncio.current_task()] = writer
        # RuntimeError is what uvloop says of a connection that was closed.
        with suppress(ConnectionError, asyncio.IncompleteReadError, RuntimeError):
            asked = await _read(reader)
            web.asked.append(asked)
            await web.answers.get(asked.target, answer(b"", status=404))(asked, writer)
            await writer.drain()
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()
        del open_here[asyncio.current_task()]

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        for writer in open_here.values():
            writer.transport.abort()
        await asyncio.gather(*filter(None, open_here))


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    header = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(header.get("content-length", "0")))
    return Asked(method, target, header, body)


def answer(body: bytes, status: int = 200, **header: str) -> Answer:
    """Make an answer of *body*; underscores in the names of *header* are written as hyphens."""

    async def write(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, {"Content-Length": str(len(body)), **_named(header)}) + body)

    return write


def unending(piece: bytes, *, announced: int | None = None) -> Answer:
    """Make an answer that goes on until the other end hangs up."""

    async def write(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, {} if announced is None else {"Content-Length": str(announced)}))
        for _turn in count():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return write


def dripping(piece: bytes, pause: float) -> Answer:
    """Make an answer that goes on, a piece after each *pause* in seconds."""

    async def write(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, {}))
        for _turn in count():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)

    return write


def silent(*, after: bytes = b"") -> Answer:
    """Make an answer that says *after* and then no more, and stays connected."""

    async def write(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(after)
        await writer.wait_closed()

    return write


def broken_off(body: bytes, announced: int) -> Answer:
    """Make an answer that ends before the length that it announces."""

    async def write(_: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(200, {"Content-Length": str(announced)}) + body)

    return write


def _named(header: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in header.items()}


def _head(status: int, header: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} So", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in header.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
