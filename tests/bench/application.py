"""An application to be measured through: bodies of any size, streams and WebSockets, no frills.

GET /bytes/N            N octets, as fast as they are taken
GET /stream/MS/SIZE     SIZE octets every MS milliseconds, for ever
GET, Upgrade: websocket 101, and then silence
POST                    the body is read to its end, then 200
"""

import argparse
import asyncio
from base64 import b64encode
from hashlib import sha1
from typing import cast

import uvloop

PIECE = b"x" * 65536
_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_FOR_EVER = 10**12


class Application(asyncio.Protocol):
    """One connection of the gateway."""

    def __init__(self) -> None:
        """Begin unconnected."""
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._reading = 0
        self._writing = 0
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take a request's head, or a piece of its body."""
        if self._reading:
            self._reading -= len(data)
            if self._reading <= 0:
                self._answer(b"Content-Length: 2\r\n", b"ok")
            return
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end:
            self._head = b""
            self._serve(head, rest)

    def _serve(self, head: bytes, rest: bytes) -> None:
        line, *others = head.split(b"\r\n")
        method, target, _ = line.split(b" ")
        split = (other.partition(b":") for other in others)
        fields = {name.lower(): value.strip() for name, _, value in split}
        parts = target.split(b"/")
        if fields.get(b"upgrade") == b"websocket":
            key = fields[b"sec-websocket-key"] + _WEBSOCKET
            accept = b64encode(sha1(key, usedforsecurity=False).digest())
            self._write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n" % accept
            )
        elif method == b"POST":
            self._reading = int(fields[b"content-length"]) - len(rest)
            if not self._reading:
                self._answer(b"Content-Length: 2\r\n", b"ok")
        elif parts[1] == b"bytes":
            self._writing = int(parts[2])
            self._answer(b"Content-Length: %d\r\n" % self._writing, b"")
            self._go_on()
        elif parts[1] == b"stream":
            self._answer(b"Content-Length: %d\r\n" % _FOR_EVER, b"")
            self._drip(int(parts[2]) / 1000, PIECE[: int(parts[3])])
        else:
            self._answer(b"Content-Length: 1024\r\n", PIECE[:1024])

    def _answer(self, fields: bytes, body: bytes) -> None:
        self._write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n%b\r\n%b" % (fields, body))

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def _go_on(self) -> None:
        while self._writing > 0 and not self._paused:
            self._write(PIECE[: self._writing])
            self._writing -= len(PIECE)

    def _drip(self, seconds: float, piece: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if not self._paused:
            self._write(piece)
        asyncio.get_running_loop().call_later(seconds, self._drip, seconds, piece)

    def pause_writing(self) -> None:
        """Wait until the other side has taken what is there."""
        self._paused = True

    def resume_writing(self) -> None:
        """Go on."""
        self._paused = False
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget what was to be sent."""
        del exc
        self._transport, self._writing = None, 0


async def serve(port: int) -> None:
    """Serve on *port* of loopback, for ever."""
    server = await asyncio.get_running_loop().create_server(
        Application, "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    uvloop.run(serve(parser.parse_args().port))


if __name__ == "__main__":
    main()
