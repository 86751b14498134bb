"""What a client has not taken yet: whether it takes anything at all can only be told from that.

The transport says it takes more only when its buffer is nearly empty, and the kernel
empties it by large pieces; a slow reader would be taken for one that does not read.
"""

import fcntl
import struct
import termios
from asyncio import WriteTransport
from typing import Final

_COUNT: Final = struct.Struct("i")


def untaken_octets(transport: WriteTransport) -> int:
    """Return how many bytes wait for the other side: in our buffer, and in the kernel's."""
    waiting = transport.get_write_buffer_size()
    sock = transport.get_extra_info("socket")
    if sock is not None:
        # SIOCOUTQ of tcp(7): what the other side has not acknowledged.
        answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(_COUNT.size))
        waiting += _COUNT.unpack(answer)[0]
    return waiting
