"""As much DER as is needed to look at, and to make, what the library does not show.

For bytes that the library has read or written before, so nothing here defends against malformed
input; single-octet tags only (ITU-T X.690, section 8.1).
"""

from collections.abc import Iterator

INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
_LONG_FORM = 0x80


def elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Split *der*, a row of values, into tags and contents."""
    while der:
        length, start = der[1], 2
        if length & _LONG_FORM:
            start += length & ~_LONG_FORM
            length = int.from_bytes(der[2:start])
        yield der[0], der[start : start + length]
        der = der[start + length :]


def encode(tag: int, *contents: bytes) -> bytes:
    """Make one value of *tag* around *contents*."""
    content = b"".join(contents)
    length = len(content)
    if length < _LONG_FORM:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes([tag, _LONG_FORM | len(octets)]) + octets + content


def encode_integer(number: int) -> bytes:
    """Make an INTEGER of *number*, which is not negative."""
    return encode(INTEGER, number.to_bytes(number.bit_length() // 8 + 1))
