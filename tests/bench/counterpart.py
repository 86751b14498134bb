"""Load and application in one process: what stands on both sides of a server under test.

While a load runs the process looks for what has come without ever going to sleep. Whoever writes
to a process that sleeps has to wake it, and the system charges that to the writer: the slower the
server, the more often its counterparts sleep, and the more it would be charged for them. Across a
network nobody wakes anybody.

It is told what to do by lines of JSON, and answers each by the seconds that it took (`steady`).
"""

import argparse
import json
import select
import socket
import ssl
import sys
import time
from collections.abc import Callable
from email.utils import formatdate
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Protocol

from tests.bench.load import client_context, request_bytes

CONNECTIONS: Final = 32


class Unlike(StrEnum):
    """In what no request is like another."""

    NOTHING = "nothing"
    FIELD = "field"
    """One field of which nobody asks anything."""
    COOKIES = "cookies"
    """And the field in which the session is looked for."""


UNLIKE_PATH: Final = "/unlike/1k.txt"
"""No two answers to requests for it have the same head."""

_BODY: Final = b"x" * 1024
_UNLIKE: Final = f"GET {UNLIKE_PATH} ".encode()
_HEAD_END: Final = b"\r\n\r\n"
_AT_ONCE: Final = 65536
_STAND_IN: Final = 1234567890
_HEAD: Final = """HTTP/1.1 200 OK\r
Server: nginx/1.22.1\r
Date: {date}\r
Content-Type: text/plain\r
Content-Length: 1024\r
Last-Modified: Sun, 22 Nov 2026 05:27:08 GMT\r
Connection: keep-alive\r
Accept-Ranges: bytes\r
"""
"""What nginx says before a file; the date is another one each second."""


class Speaker(Protocol):
    """One socket of this process."""

    def ready(self) -> None:
        """Take what has come."""
        ...


class Watch:
    """All sockets of this process."""

    def __init__(self) -> None:
        """Begin without any."""
        self._poll = select.epoll()
        self._speakers: dict[int, Speaker] = {}

    def add(self, sock: socket.socket, speaker: Speaker) -> None:
        """Tell *speaker* whenever something has come for *sock*."""
        sock.setblocking(False)
        self._speakers[sock.fileno()] = speaker
        self._poll.register(sock.fileno(), select.EPOLLIN)

    def end(self, sock: socket.socket) -> None:
        """Close *sock*."""
        self._poll.unregister(sock.fileno())
        del self._speakers[sock.fileno()]
        sock.close()

    def until(self, done: Callable[[], bool]) -> None:
        """Let everybody speak until *done*, without ever sleeping."""
        poll, speakers = self._poll.poll, self._speakers
        while not done():
            for descriptor, _ in poll(0):
                speaker = speakers.get(descriptor)
                if speaker is not None:
                    speaker.ready()


class Application:
    """Answers every request with 1 KiB, as an nginx that serves a file does."""

    def __init__(self, watch: Watch, port: int) -> None:
        """Listen on *port* of loopback."""
        self._watch = watch
        self._sock = socket.create_server(("127.0.0.1", port), backlog=1024)
        watch.add(self._sock, self)
        self._second = 0
        self._head = b""
        self._answers = 0

    def ready(self) -> None:
        """Take a connection."""
        sock, _ = self._sock.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watch.add(sock, _Served(self, self._watch, sock))

    def answer(self, request: bytes) -> bytes:
        """Return the answer to *request*."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._head = _HEAD.format(date=formatdate(second, usegmt=True)).encode()
        if request.startswith(_UNLIKE):
            self._answers += 1
            return b"%bX-Unlike: %032d\r\n\r\n%b" % (self._head, self._answers, _BODY)
        return b"%b\r\n%b" % (self._head, _BODY)


class _Served:
    """One connection of the application."""

    def __init__(self, application: Application, watch: Watch, sock: socket.socket) -> None:
        self._application = application
        self._watch = watch
        self._sock = sock
        self._buffer = b""

    def ready(self) -> None:
        """Answer a request, or close."""
        data = self._sock.recv(_AT_ONCE)
        if not data:
            self._watch.end(self._sock)
            return
        data = self._buffer + data
        if data.endswith(_HEAD_END):
            _send(self._sock, self._application.answer(data))
            data = b""
        self._buffer = data


class Load:
    """Connections of one client, each of which asks again as soon as it is answered."""

    def __init__(self, watch: Watch, told: dict[str, Any]) -> None:
        """Open the connections; *told* is what `steady` says."""
        self._watch = watch
        host, port, path, cookie = (told[name] for name in ("host", "port", "path", "cookie"))
        self._plain = request_bytes(host, port, path, cookie, None)
        unlike = Unlike(told["unlike"])
        visit = unlike is Unlike.COOKIES
        marked = request_bytes(host, port, path, cookie, _STAND_IN, visit=visit)
        self._marked = b""
        if unlike is not Unlike.NOTHING:
            self._marked = marked.replace(b"%", b"%%").replace(b"%d" % _STAND_IN, b"%(number)d")
        # Unlike those of all loads before.
        self._number = time.time_ns()
        self.left = 0
        self.done = 0
        context = client_context(*(Path(told[name]) for name in ("ca", "certificate", "key")))
        self._clients = [_Client(self, context, told) for _ in range(CONNECTIONS)]
        for client in self._clients:
            watch.add(client.sock, client)

    def run(self, requests: int) -> float:
        """Ask so many *requests* and return the seconds that passed until all were answered."""
        self.done, self.left = 0, requests
        begun = time.perf_counter()
        for client in self._clients:
            client.ask()
        self._watch.until(lambda: self.done == requests)
        return time.perf_counter() - begun

    def next(self) -> bytes:
        """Return the next request, or nothing where all are asked."""
        if not self.left:
            return b""
        self.left -= 1
        if not self._marked:
            return self._plain
        self._number += 1
        return self._marked % {b"number": self._number}

    def close(self) -> None:
        """End all connections."""
        for client in self._clients:
            self._watch.end(client.sock)


class _Client:
    """One connection of the load, over TLS."""

    def __init__(self, load: Load, context: ssl.SSLContext, told: dict[str, Any]) -> None:
        self._load = load
        self.sock = socket.create_connection(("127.0.0.1", told["port"]))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=told["host"])
        while True:
            try:
                self._tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.sock.sendall(self._outgoing.read())
                self._incoming.write(self.sock.recv(_AT_ONCE))
        self.sock.sendall(self._outgoing.read())
        self._size = self._got = 0

    def ask(self) -> None:
        request = self._load.next()
        if request:
            self._tls.write(request)
            _send(self.sock, self._outgoing.read())

    def ready(self) -> None:
        """Count what has come; the length of an answer is learnt from the first one."""
        data = self.sock.recv(_AT_ONCE)
        if not data:
            raise SystemExit("closed by the server before all was asked")
        self._incoming.write(data)
        while self._incoming.pending:
            try:
                piece = self._tls.read(_AT_ONCE)
            except ssl.SSLWantReadError:
                return
            if not self._size:
                self._size = _size(piece)
            self._got += len(piece)
        if self._got == self._size:
            self._got = 0
            self._load.done += 1
            self.ask()
        elif self._got > self._size:
            raise SystemExit("the responses differ in length")


def _size(piece: bytes) -> int:
    head, end, _ = piece.partition(_HEAD_END)
    if not piece.startswith(b"HTTP/1.1 200") or not end:
        raise SystemExit(f"not an answer of the application: {piece[:300]!r}")
    return len(head) + len(end) + len(_BODY)


def _send(sock: socket.socket, data: bytes) -> None:
    if sock.send(data) != len(data):
        raise SystemExit("the server takes no more")


def serve(port: int) -> None:
    """Do as told, until there is nobody any more who could tell."""
    watch = Watch()
    Application(watch, port)
    load: Load | None = None
    print(0, flush=True)
    for line in sys.stdin:
        told, seconds = json.loads(line), 0.0
        if "host" in told:
            load = Load(watch, told)
        elif load is not None and "requests" in told:
            seconds = load.run(told["requests"])
        elif load is not None:
            load.close()
        print(seconds, flush=True)


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    serve(parser.parse_args().port)


if __name__ == "__main__":
    main()
