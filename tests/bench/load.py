"""A load generator: a fixed number of keep-alive GETs over mTLS, as a browser sends them.

Run as a program of its own, on a processor of its own. It is no measure of
speed itself: what counts is the processor time that the server spends
meanwhile, see `run`.
"""

import argparse
import asyncio
import json
import socket
import ssl
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import uvloop

BROWSER_FIELDS = (
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("Accept-Language", "it-IT,it;q=0.8,en-US;q=0.5,en;q=0.3"),
    ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("DNT", "1"),
    ("Connection", "keep-alive"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Priority", "u=0, i"),
)
"""With Host and Cookie, the thirteen fields of a browser."""


class Client(asyncio.Protocol):
    """One connection that asks again as soon as it is answered."""

    def __init__(
        self, ask: Callable[[], bytes | None], size: list[int], done: Callable[[], None]
    ) -> None:
        """*ask* gives the next request, or None at the end; *size* holds a response's length."""
        self._ask = ask
        self._size = size
        self._done = done
        self._got = 0
        self._over = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        """Count the response; its length is learnt from the first one."""
        if not self._size:
            if not data.startswith(b"HTTP/1.1 200"):
                sys.exit(f"not an answer of the application: {data[:300]!r}")
            head, _, _ = data.partition(b"\r\n\r\n")
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    self._size.append(len(head) + 4 + int(line.partition(b":")[2]))
        self._got += len(data)
        if self._got >= self._size[0]:
            if self._got != self._size[0]:
                sys.exit("the responses differ in length")
            self._got = 0
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, or fail where the end came too early."""
        if not self._over:
            sys.exit(f"closed by the server before all was asked: {exc}")
        self._done()

    def _next(self) -> None:
        assert self._transport is not None
        request = self._ask()
        if request is None:
            self._over = True
            self._transport.close()
        else:
            self._transport.write(request)


def request_bytes(
    host: str, port: int, path: str, cookie: str, number: int | None, *, visit: bool = False
) -> bytes:
    """Return a request; with *number* its fields are like those of no other request.

    With *visit* its cookies too: one of the application's counts every page, as some do.
    """
    if visit:
        cookie += f"; visit={number}"
    fields = [("Host", f"{host}:{port}"), *BROWSER_FIELDS, ("Cookie", cookie)]
    if number is not None:
        fields.append(("If-None-Match", f'"{number}"'))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


def client_context(ca: Path, certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a context of TLS 1.3 that shows *certificate*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(ca)
    context.load_cert_chain(certificate, key)
    return context


async def run(options: argparse.Namespace) -> dict[str, float]:
    """Make the load and return what was counted."""
    context = client_context(options.ca, options.certificate, options.key)
    plain = request_bytes(options.host, options.port, options.path, options.cookie, None)
    left = options.requests

    def ask() -> bytes | None:
        nonlocal left
        left -= 1
        if left < 0:
            return None
        return plain

    loop = asyncio.get_running_loop()
    ended = asyncio.Semaphore(0)
    size: list[int] = []
    begun = time.perf_counter()
    for _ in range(options.connections):
        sock = socket.create_connection(("127.0.0.1", options.port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        await loop.create_connection(
            lambda: Client(ask, size, ended.release),
            sock=sock,
            ssl=context,
            server_hostname=options.host,
        )
    for _ in range(options.connections):
        await ended.acquire()
    return {"seconds": time.perf_counter() - begun, "requests": options.requests}


def load_parser(purpose: str | None) -> argparse.ArgumentParser:
    """Return a parser of what `BenchSite.load_arguments` says; a program adds its own."""
    parser = argparse.ArgumentParser(description=purpose)
    for name in ("--host", "--cookie"):
        parser.add_argument(name, required=True)
    for name in ("--ca", "--certificate", "--key"):
        parser.add_argument(name, type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    return parser


def main() -> None:
    """Read the options, make the load, print what was counted as JSON."""
    parser = load_parser(__doc__)
    parser.add_argument("--path", required=True)
    for name in ("--connections", "--requests"):
        parser.add_argument(name, type=int, required=True)
    print(json.dumps(uvloop.run(run(parser.parse_args()))))


if __name__ == "__main__":
    main()
