"""A little DER."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.der import INTEGER, OCTET_STRING, SEQUENCE, elements, encode, encode_integer


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_what_is_made_can_be_split(contents: list[bytes]) -> None:
    """Values come back in their order, whatever their length."""
    row = b"".join(encode(OCTET_STRING, content) for content in contents)
    assert list(elements(row)) == [(OCTET_STRING, content) for content in contents]
    assert list(elements(encode(SEQUENCE, row))) == [(SEQUENCE, row)]


@pytest.mark.parametrize(
    "number, der",
    [
        (0, "020100"),
        (127, "02017f"),
        (128, "02020080"),
        (256, "02020100"),
        (200_000, "0203030d40"),
    ],
)
def test_integers(number: int, der: str) -> None:
    """A number takes as few octets as it can, and never looks negative (X.690, 8.3)."""
    assert encode_integer(number).hex() == der
    ((tag, content),) = elements(bytes.fromhex(der))
    assert (tag, int.from_bytes(content)) == (INTEGER, number)


@pytest.mark.parametrize("size, head", [(127, "047f"), (128, "048180"), (65536, "0483010000")])
def test_long_lengths(size: int, head: str) -> None:
    """From 128 octets on the length says first how long it is itself (X.690, 8.1.3)."""
    assert encode(OCTET_STRING, bytes(size)).startswith(bytes.fromhex(head))
