"""A load generator: large bodies down and up, fast or slow, over keep-alive connections.

Bodies are decrypted and counted, and never kept. Says so when its connections are open, and
begins with the next line that it is sent, or with the end of what it is sent.
"""

import argparse
import asyncio
import json
import socket
import ssl
import sys
import time
from typing import Final

import uvloop

from tests.bench.load import client_context, load_parser, request_bytes

PIECE: Final = 65536
_RECEIVE_BUFFER: Final = 256 * 1024


class Connection:
    """One connection, read and written without asyncio's streams, which would copy once more."""

    def __init__(
        self, sock: socket.socket, tls: ssl.SSLObject, bios: tuple[ssl.MemoryBIO, ...]
    ) -> None:
        """*bios*: what comes in, and what goes out."""
        self._sock = sock
        self._tls = tls
        self._incoming, self._outgoing = bios
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(cls, context: ssl.SSLContext, host: str, port: int) -> "Connection":
        """Connect and shake hands."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        bios = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(*bios, server_hostname=host)
        self = cls(sock, tls, bios)
        await self._loop.sock_connect(sock, ("127.0.0.1", port))
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                await self._fill()
            else:
                await self._flush()
                return self

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._loop.sock_sendall(self._sock, self._outgoing.read())

    async def _fill(self) -> None:
        data = await self._loop.sock_recv(self._sock, 4 * PIECE)
        if not data:
            raise SystemExit("the server has closed the connection")
        self._incoming.write(data)

    async def send(self, data: bytes) -> None:
        """Send *data*."""
        self._tls.write(data)
        await self._flush()

    async def receive(self) -> bytes:
        """Return what comes next."""
        while True:
            try:
                return self._tls.read(PIECE)
            except ssl.SSLWantReadError:
                await self._fill()

    async def answer(self, pause: float = 0.0) -> int:
        """Read one answer to its end and return the length of its body; *pause* between pieces."""
        head = b""
        while b"\r\n\r\n" not in head:
            head += await self.receive()
        head, _, body = head.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"not an answer of the application: {head[:300]!r}")
        length = next(
            int(line.partition(b":")[2])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        left, since = length - len(body), 0
        while left > 0:
            got = len(await self.receive())
            left, since = left - got, since + got
            if pause and since >= PIECE:
                since = 0
                await asyncio.sleep(pause)
        return length


async def run(options: argparse.Namespace) -> dict[str, float]:
    """Make the load and return what was counted."""
    context = client_context(options.ca, options.certificate, options.key)
    path = f"/bytes/{options.octets}"
    request = request_bytes(options.host, options.port, path, options.cookie, None)
    if options.up:
        request = request.replace(b"GET", b"POST", 1)[:-2]
        request += b"Content-Length: %d\r\n\r\n" % options.octets
    piece = b"x" * PIECE

    async def one(connection: Connection) -> None:
        for _ in range(options.each):
            await connection.send(request)
            for begin in range(0, options.octets if options.up else 0, PIECE):
                await connection.send(piece[: options.octets - begin])
            await connection.answer(options.pause)

    connections = [
        await Connection.open(context, options.host, options.port)
        for _ in range(options.connections)
    ]
    print("open", flush=True)
    sys.stdin.readline()
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for connection in connections:
            group.create_task(one(connection))
    seconds = time.perf_counter() - begun
    return {"bodies": options.connections * options.each, "seconds": seconds}


def main() -> None:
    """Read the options, make the load, print what was counted as JSON."""
    parser = load_parser(__doc__)
    for name in ("--octets", "--connections", "--each"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--up", action="store_true", help="send bodies instead of asking for them")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds, behind each 64 KiB")
    print(json.dumps(uvloop.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
