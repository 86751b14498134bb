"""The PROXY protocol, version 2, as a balancer in front of us speaks it: who the client is.

After haproxy's proxy-protocol.txt, sections 2.2 to 2.4. Version 1, a line of
text, is refused: it has no length, and nobody needs it any more. Whom to
believe is not decided here.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from struct import Struct, error
from typing import Final

HEADER_MAXIMUM: Final = 4096
"""In bytes. A balancer that adds what it knows of a TLS connection needs some hundreds."""
SIGNATURE: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED: Final = Struct("!BBH")
_INET: Final = Struct("!4s4sHH")
_INET6: Final = Struct("!16s16sHH")
_UNIX_OCTETS: Final = 216
_EXTRA: Final = Struct("!BH")
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_UNSPECIFIED: Final = 0x00
_TCP_OVER_INET: Final = 0x11
_TCP_OVER_INET6: Final = 0x21
_UNIX_STREAM: Final = 0x31
_CHECKSUM: Final = 0x03
_CHECKSUM_OCTETS: Final = 4
_CASTAGNOLI: Final = 0x82F63B78  # RFC 3720, appendix B.4, reflected


class ProxyHeaderBroken(Exception):
    """What the connection begins with is no header of version 2; says why."""


@dataclass(frozen=True, slots=True)
class Incomplete:
    """The header is not all there yet."""


@dataclass(frozen=True, slots=True)
class Header:
    """A whole header: its *length* in bytes, and the client that it names.

    *address* is None where it names none: the balancer speaks for itself (LOCAL),
    or for somebody without an address.
    """

    length: int
    address: str | None = None
    port: int = 0


def read_header(data: bytes) -> Incomplete | Header:
    """Read the header with which *data* begins, or raise `ProxyHeaderBroken`."""
    begin = data[: len(SIGNATURE)]
    if not SIGNATURE.startswith(begin):
        raise ProxyHeaderBroken("no signature of version 2")
    fixed = len(SIGNATURE) + _FIXED.size
    if len(data) < fixed:
        return Incomplete()
    command, family, length = _FIXED.unpack_from(data, len(SIGNATURE))
    if command not in {_LOCAL, _PROXY}:
        raise ProxyHeaderBroken(f"version and command {command:#04x}")
    whole = fixed + length
    if whole > HEADER_MAXIMUM:
        raise ProxyHeaderBroken(f"{whole} bytes long")
    if len(data) < whole:
        return Incomplete()
    header = data[:whole]
    if command == _LOCAL:
        # What follows is to be passed over, whatever it is.
        return Header(whole)
    try:
        address, port, behind = _read_client(family, header, fixed)
        _look_through(header, behind)
    except error as short:
        raise ProxyHeaderBroken("shorter than what it holds") from short
    return Header(whole, address, port)


def plain_address(text: str) -> str:
    """Return *text* as IPv4 where it is an IPv4 address in IPv6 (RFC 4291, section 2.5.5.2)."""
    if not text.startswith("::ffff:"):
        return text
    mapped = IPv6Address(text).ipv4_mapped
    return text if mapped is None else str(mapped)


def _read_client(family: int, header: bytes, at: int) -> tuple[str | None, int, int]:
    """Return address and port of the client, and where the extras begin."""
    if family == _TCP_OVER_INET:
        source, _, port, _ = _INET.unpack_from(header, at)
        return str(IPv4Address(source)), port, at + _INET.size
    if family == _TCP_OVER_INET6:
        source, _, port, _ = _INET6.unpack_from(header, at)
        return plain_address(str(IPv6Address(source))), port, at + _INET6.size
    if family == _UNIX_STREAM:
        return None, 0, at + _UNIX_OCTETS
    if family == _UNSPECIFIED:
        # The bytes behind it mean nothing, so there are no extras either.
        return None, 0, len(header)
    raise ProxyHeaderBroken(f"family and transport {family:#04x}")


def _look_through(header: bytes, at: int) -> None:
    """See that the extras (TLVs) end where the header ends, and that a checksum is right."""
    while at != len(header):
        # Also where the addresses reach beyond the end.
        kind, length = _EXTRA.unpack_from(header, at)
        at += _EXTRA.size
        if at + length > len(header):
            raise ProxyHeaderBroken("an extra that is longer than the header")
        if kind == _CHECKSUM:
            if length != _CHECKSUM_OCTETS:
                raise ProxyHeaderBroken("a checksum of another size")
            said = header[at : at + length]
            blank = header[:at] + bytes(length) + header[at + length :]
            if checksum(blank) != int.from_bytes(said):
                raise ProxyHeaderBroken("a wrong checksum")
        at += length


def checksum(data: bytes) -> int:
    """Return the CRC32c of *data* (RFC 3720, appendix B.4)."""
    crc = 0xFFFFFFFF
    for octet in data:
        crc = _TABLE[(crc ^ octet) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _entry(octet: int) -> int:
    for _ in range(8):
        octet = (octet >> 1) ^ (_CASTAGNOLI if octet & 1 else 0)
    return octet


_TABLE: Final = tuple(_entry(octet) for octet in range(256))
