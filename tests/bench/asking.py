"""Asks one after the other over one kept connection, and says how long the answers took.

Run as a program of its own, on a processor of its own, until its standard input ends. A server
that stands still for a moment is seen as one answer that took so long.
"""

import argparse
import json
import select
import socket
import ssl
import sys
import time
from typing import Final

from tests.bench.load import client_context, load_parser, request_bytes
from tests.bench.measuring import percentile

PAUSE_SECONDS: Final = 0.001
_AT_ONCE: Final = 65536


def main() -> None:
    """Read the options, ask until nobody wants to know more, and print JSON."""
    parser = load_parser(__doc__)
    parser.add_argument("--path", required=True)
    options = parser.parse_args()
    request = request_bytes(options.host, options.port, options.path, options.cookie, None)
    with _connected(options) as connection:
        # What is done with the first request only is not what is measured.
        _ask(connection, request)
        print("begun", flush=True)
        took = []
        while not select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
            begun = time.perf_counter()
            _ask(connection, request)
            took.append((time.perf_counter() - begun) * 1e3)
    found = {"requests": len(took), "p99": percentile(took, 0.99), "worst": max(took)}
    print(json.dumps(found))


def _connected(options: argparse.Namespace) -> ssl.SSLSocket:
    sock = socket.create_connection(("127.0.0.1", options.port))
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    context = client_context(options.ca, options.certificate, options.key)
    return context.wrap_socket(sock, server_hostname=options.host)


def _ask(connection: ssl.SSLSocket, request: bytes) -> None:
    connection.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        sys.exit(f"not an answer of the application: {head[:300]!r}")
    lines = head.lower().split(b"\r\n")
    (length,) = (int(one[15:]) for one in lines if one.startswith(b"content-length:"))
    got = len(body)
    while got < length:
        got += len(_more(connection))


def _more(connection: ssl.SSLSocket) -> bytes:
    data = connection.recv(_AT_ONCE)
    if not data:
        sys.exit("closed by the server")
    return data


if __name__ == "__main__":
    main()
