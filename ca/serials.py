"""Serial numbers: made from random octets, written as text, read back."""

import re

OCTETS = 16
"""How many random octets a serial needs. RFC 5280 (4.1.2.2) allows 20 octets, signed."""

_TEXT = re.compile(r"[0-9a-f]{1,40}")


def serial_from(octets: bytes) -> int:
    """Make a serial number from 16 *octets* of a cryptographic random source.

    The two highest bits are set to 01, so the number is positive and exactly 16 octets long in
    DER; 126 random bits remain, and every serial has the same width as text.
    """
    if len(octets) != OCTETS:
        message = f"a serial is made from {OCTETS} random octets, not {len(octets)}"
        raise ValueError(message)
    return int.from_bytes(bytes([octets[0] & 0x3F | 0x40]) + octets[1:])


def serial_text(serial: int) -> str:
    """Write *serial* as the ledger does: lower-case hexadecimal, no separators."""
    return format(serial, "x")


def parse_serial(text: str) -> str | None:
    """Read a serial as people copy it from browsers and tools; None when it is none.

    Upper case, colons, spaces, a leading `0x` and leading zeros are forgiven: `4A:0F` and
    `0x4a0f` are the same serial, and both are answered in the ledger's form, `4a0f`.
    """
    plain = text.strip().lower().removeprefix("0x").replace(":", "").replace(" ", "")
    if not _TEXT.fullmatch(plain):
        return None
    return serial_text(int(plain, 16))
