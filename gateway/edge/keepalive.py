"""Probes on connections that nothing moves on, so that an end without a word is noticed.

A machine that loses its power or its network sends no FIN. On a WebSocket or an event stream that
is silent nobody would miss it before the session ends, and what it held would stay taken.

TCP_USER_TIMEOUT is left alone. It would also bound how long sent bytes may stay unacknowledged,
for which the kernel gives up after a quarter of an hour by itself (tcp(7), tcp_retries2); but it
ends connections too whose other side is there and takes nothing for a while, and who may do that,
and for how long, is for `response_taken`, `request_body` and the application to say.
"""

import socket
from typing import Final, Protocol

IDLE_SECONDS: Final = 60
INTERVAL_SECONDS: Final = 15
PROBES: Final = 4
"""How many of them without an answer end the connection: two minutes after its last byte."""

OPTIONS: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, INTERVAL_SECONDS),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES),
)


class Socket(Protocol):
    """What a transport shows of its socket, or a socket itself."""

    def setsockopt(self, level: int, option: int, value: int, /) -> None:
        """Set an option."""
        ...


def keep_probing(tcp: Socket) -> None:
    """Have the kernel see whether the other side of *tcp* is still there.

    What a listening socket accepts takes this over from it (Linux).
    """
    for level, option, value in OPTIONS:
        tcp.setsockopt(level, option, value)
