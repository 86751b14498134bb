"""Many connections held open by this process, and the moment at which each of them ends.

Handshakes are blocking and one after the other. From then on the bytes are not
decrypted: what is read is dropped, and what counts is whether the connection stands.
"""

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Self

from tests.bench.dials import ask, dial
from tests.bench.load import client_context, request_bytes
from tests.bench.sites import BenchSite, Stick

_WEBSOCKET = b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n"
_KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


class Crowd:
    """Connections to one site, watched by a thread of their own."""

    def __init__(self, site: BenchSite) -> None:
        """Begin without a connection."""
        self._site = site
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._open: dict[int, ssl.SSLSocket] = {}
        self._poll = select.epoll()
        self._ended: dict[int, float] = {}
        self._closing = threading.Event()
        self._watching = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        """Begin to watch."""
        self._watching.start()
        return self

    def __exit__(self, *exc: object) -> None:
        """Close everything."""
        self._closing.set()
        self._watching.join()
        for connection in self._open.values():
            connection.close()
        self._poll.close()

    def dial(self, stick: Stick, port: int) -> ssl.SSLSocket:
        """Open a connection with *stick*; it is the caller's until `hold`."""
        context = self._contexts.get(stick.serial)
        if context is None:
            context = client_context(self._site.root, stick.certificate, stick.key)
            self._contexts[stick.serial] = context
        return dial(context, self._site.app_host, port)

    def request(self, stick: Stick, port: int, path: str, *, websocket: bool = False) -> bytes:
        """Return a request of *stick*."""
        request = request_bytes(self._site.app_host, port, path, stick.cookies, None)
        if websocket:
            request = request.replace(b"Connection: keep-alive", b"Connection: Upgrade")
            request = request[:-2] + _WEBSOCKET % _KEY
        return request

    def begin(
        self, stick: Stick, port: int, path: str, *, websocket: bool = False
    ) -> ssl.SSLSocket:
        """Open a connection, ask for *path*, and return once the answer has begun."""
        connection = self.dial(stick, port)
        answer = ask(connection, self.request(stick, port, path, websocket=websocket))
        wanted = b"HTTP/1.1 101" if websocket else b"HTTP/1.1 200"
        if not answer.startswith(wanted):
            raise SystemExit(f"not what was asked for: {answer[:300]!r}")
        return connection

    def hold(self, connection: ssl.SSLSocket) -> int:
        """Watch *connection* from now on; return its number."""
        number = connection.fileno()
        connection.setblocking(False)
        self._open[number] = connection
        self._ended.pop(number, None)
        self._poll.register(number, select.EPOLLIN | select.EPOLLRDHUP)
        return number

    def ended(self, numbers: Iterable[int]) -> list[float]:
        """Return when those of *numbers* that have ended did so, by `time.perf_counter`."""
        return [self._ended[number] for number in numbers if number in self._ended]

    def await_end(self, numbers: list[int], seconds: float) -> list[float]:
        """Return when each of *numbers* ended; fail when one has not within *seconds*."""
        limit = time.perf_counter() + seconds
        while len(ended := self.ended(numbers)) < len(numbers):
            if time.perf_counter() > limit:
                raise SystemExit(f"{len(numbers) - len(ended)} connections live on")
            time.sleep(0.005)
        return ended

    def let_go(self, numbers: Iterable[int]) -> None:
        """Close and forget *numbers*."""
        for number in numbers:
            self._open.pop(number).close()
            self._ended.pop(number, None)

    def __len__(self) -> int:
        """Return how many connections stand."""
        return len(self._open) - len(self._ended)

    def _watch(self) -> None:
        waste = bytearray(1 << 20)
        gone = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
        while not self._closing.is_set():
            for number, events in self._poll.poll(0.05):
                if events & gone:
                    self._ended[number] = time.perf_counter()
                    self._poll.unregister(number)
                    continue
                connection = self._open.get(number)
                if connection is not None:
                    with contextlib.suppress(BlockingIOError, ConnectionError):
                        # Below TLS: nobody reads what is in it.
                        socket.socket.recv_into(connection, waste)
