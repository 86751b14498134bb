"""Serial numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.serials import OCTETS, parse_serial, serial_from, serial_text


@given(st.binary(min_size=OCTETS, max_size=OCTETS))
def test_every_serial_is_positive_and_of_one_width(octets: bytes) -> None:
    """Whatever the random octets: positive in DER, 16 octets, 32 digits, and read back."""
    serial = serial_from(octets)
    assert 0 < serial < 1 << 127
    assert len(serial_text(serial)) == 2 * OCTETS
    assert parse_serial(serial_text(serial)) == serial_text(serial)


def test_randomness_is_kept() -> None:
    """All but the two highest bits come from the octets."""
    assert serial_from(bytes(16)) == 1 << 126
    assert serial_from(b"\xff" * 16) == (1 << 127) - 1


@pytest.mark.parametrize("octets", [b"", bytes(8), bytes(17)])
def test_too_few_octets_are_refused(octets: bytes) -> None:
    """A serial from less (or more) randomness than agreed is a mistake of the caller."""
    with pytest.raises(ValueError, match="16 random octets"):
        serial_from(octets)


@pytest.mark.parametrize(
    "text", ["4a0f", "4A:0F", " 4a 0f\n", "0x4A0F", "00004a0f", "4a:0f", "0X4a0f"]
)
def test_serials_are_read_as_tools_show_them(text: str) -> None:
    """Colons, spaces, capitals and leading zeros make no difference."""
    assert parse_serial(text) == "4a0f"


@pytest.mark.parametrize("text", ["", "0x", "4g", "-4a", "4a" * 21, "stick-1", "٣"])
def test_what_is_no_serial(text: str) -> None:
    """Anything else is none, not an error deep inside."""
    assert parse_serial(text) is None
