"""The server name in a ClientHello, read before OpenSSL sees it.

The public host must not ask for a certificate and every other host must, and
OpenSSL takes that decision from the context a connection begins with: swapping
the context later does not change it. So the name is read here first. OpenSSL's
own reading is compared afterwards (`gateway.edge.tls`); where the two differ,
the handshake is refused.
"""

from dataclasses import dataclass
from typing import Final

RECORD_HEADER: Final = 5
RECORD_MAXIMUM: Final = 2**14
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_HOST_NAME: Final = 0


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The first record is not all there yet."""


@dataclass(frozen=True, slots=True)
class ServerName:
    """What the ClientHello asks for; None where it names nothing we can read."""

    name: str | None


def read_server_name(data: bytes) -> Incomplete | ServerName:
    """Read the SNI (RFC 6066, section 3) of the ClientHello (RFC 8446, section 4.1.2) in *data*.

    Looks at the first TLS record only. Whatever is not a well-formed ClientHello
    within it gives `ServerName(None)`: OpenSSL will say what is wrong with it.
    """
    if len(data) < RECORD_HEADER:
        plausible = not data or data[0] == _HANDSHAKE
        return Incomplete() if plausible else ServerName(None)
    length = int.from_bytes(data[3:5])
    if data[0] != _HANDSHAKE or length > RECORD_MAXIMUM:
        return ServerName(None)
    if len(data) < RECORD_HEADER + length:
        return Incomplete()
    try:
        return ServerName(_server_name(_Reader(data[RECORD_HEADER : RECORD_HEADER + length])))
    except (EOFError, UnicodeDecodeError):
        return ServerName(None)


def _server_name(message: "_Reader") -> str | None:
    if message.number(1) != _CLIENT_HELLO:
        return None
    hello = _Reader(message.take(message.number(3)))
    hello.take(2 + 32)  # legacy_version, random
    hello.vector(1)  # legacy_session_id
    hello.vector(2)  # cipher_suites
    hello.vector(1)  # legacy_compression_methods
    extensions = _Reader(hello.vector(2))
    while extensions.left:
        kind = extensions.number(2)
        body = _Reader(extensions.vector(2))
        if kind == _SERVER_NAME:
            names = _Reader(body.vector(2))
            name_type, name = names.number(1), names.vector(2)
            return name.decode("ascii").lower() if name_type == _HOST_NAME else None
    return None


class _Reader:
    """Takes numbers and length-prefixed vectors (RFC 8446, section 3.4) off a message."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise EOFError
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size))

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))
