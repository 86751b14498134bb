"""The server name and the protocols in a ClientHello, read before OpenSSL sees it.

The public host must not ask for a certificate and every other host must, and
OpenSSL takes that decision from the context a connection begins with: swapping
the context later does not change it. So the name is read here first. OpenSSL's
own reading is compared afterwards (`gateway.edge.tls`); where the two differ,
the handshake is refused.

And whoever speaks none of our protocols gets the alert for that (RFC 7301,
section 3.2): Python's `ssl` has OpenSSL go on in silence.
"""

from dataclasses import dataclass
from typing import Final

RECORD_HEADER: Final = 5
RECORD_MAXIMUM: Final = 2**14
_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME: Final = 0
_PROTOCOLS: Final = 16  # application_layer_protocol_negotiation
_HOST_NAME: Final = 0


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The first record is not all there yet."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What the ClientHello asks for, as far as we can read it."""

    name: str | None
    """The server name; None where there is none."""
    protocols: frozenset[bytes] = frozenset()
    """Those of ALPN; none where the extension is not there."""


def read_hello(data: bytes) -> Incomplete | Hello:
    """Read SNI (RFC 6066, section 3) and ALPN (RFC 7301, section 3.1) of the ClientHello in *data*.

    Looks at the first TLS record only. Whatever is not a well-formed ClientHello (RFC 8446,
    section 4.1.2) within it gives `Hello(None)`: OpenSSL will say what is wrong with it.
    """
    if len(data) < RECORD_HEADER:
        plausible = not data or data[0] == _HANDSHAKE
        return Incomplete() if plausible else Hello(None)
    length = int.from_bytes(data[3:5])
    if data[0] != _HANDSHAKE or length > RECORD_MAXIMUM:
        return Hello(None)
    if len(data) < RECORD_HEADER + length:
        return Incomplete()
    try:
        return _read_message(_Reader(data[RECORD_HEADER : RECORD_HEADER + length]))
    except (EOFError, UnicodeDecodeError):
        return Hello(None)


def _read_message(message: "_Reader") -> Hello:
    if message.number(1) != _CLIENT_HELLO:
        return Hello(None)
    hello = _Reader(message.take(message.number(3)))
    hello.take(2 + 32)  # legacy_version, random
    hello.vector(1)  # legacy_session_id
    hello.vector(2)  # cipher_suites
    hello.vector(1)  # legacy_compression_methods
    extensions = _Reader(hello.vector(2))
    found: dict[int, bytes] = {}
    while extensions.left:
        kind, body = extensions.number(2), extensions.vector(2)
        if kind in {_SERVER_NAME, _PROTOCOLS}:
            found.setdefault(kind, body)
    return Hello(_server_name(found.get(_SERVER_NAME)), _protocols(found.get(_PROTOCOLS)))


def _server_name(body: bytes | None) -> str | None:
    if body is None:
        return None
    names = _Reader(_Reader(body).vector(2))
    name_type, name = names.number(1), names.vector(2)
    return name.decode("ascii").lower() if name_type == _HOST_NAME else None


def _protocols(body: bytes | None) -> frozenset[bytes]:
    found: set[bytes] = set()
    if body is not None:
        names = _Reader(_Reader(body).vector(2))
        while names.left:
            found.add(names.vector(1))
    return frozenset(found)


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
