"""A load generator: full handshakes with a client certificate, each on a connection of its own.

A connection is closed in order once its handshake is done, and counts when the
server has closed it too, so everything that the server does for it is in the
figure. The first connection asks for something, to see that the client is let in.
"""

import argparse
import json
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor

from tests.bench.load import client_context, load_parser, request_bytes


def dial(context: ssl.SSLContext, host: str, port: int) -> ssl.SSLSocket:
    """Open a connection, without resuming any other one."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return context.wrap_socket(sock, server_hostname=host)


def ask(connection: ssl.SSLSocket, request: bytes) -> bytes:
    """Send *request* and return the head of the answer, and what came with it."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = connection.recv(65536)
        if not data:
            raise SystemExit(f"closed instead of answering {request[:80]!r}: {answer!r}")
        answer += data
    return answer


def main() -> None:
    """Read the options, shake hands, print what was counted as JSON."""
    parser = load_parser(__doc__)
    for name in ("--count", "--threads"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--ask", action="store_true", help="make one request on each connection")
    options = parser.parse_args()
    context = client_context(options.ca, options.certificate, options.key)
    request = request_bytes(options.host, options.port, "/1k.txt", options.cookie, None)
    with dial(context, options.host, options.port) as connection:
        answer = ask(connection, request)
        if not answer.startswith(b"HTTP/1.1 200"):
            sys.exit(f"not an answer of the application: {answer[:300]!r}")
    with ThreadPoolExecutor(options.threads) as pool:
        share = options.count // options.threads
        work = [
            pool.submit(_shake, context, options, share, request) for _ in range(options.threads)
        ]
        print(json.dumps({"handshakes": sum(one.result() for one in work)}))


def _shake(context: ssl.SSLContext, options: argparse.Namespace, count: int, request: bytes) -> int:
    for _ in range(count):
        with dial(context, options.host, options.port) as connection:
            if options.ask:
                ask(connection, request)
            # Ends our half without a word of TLS; then all that is awaited is the server's end.
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    return count


if __name__ == "__main__":
    main()
