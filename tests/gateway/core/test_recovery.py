import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.recovery import (
    CODE_BYTES,
    CODES,
    code_digest,
    new_codes,
    plain_code,
)
from gateway.core.spelling import LONGEST

SIZE = CODES * CODE_BYTES
KEY = b"k" * 32


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_what_is_made_can_be_typed(entropy: bytes) -> None:
    """Every code is read back as itself, in small letters and with blanks too."""
    for code in new_codes(entropy):
        plain = plain_code(code)
        assert plain == code.replace("-", "")
        assert plain_code(f" {code.lower().replace('-', ' ')} ") == plain


@given(st.binary(min_size=SIZE, max_size=SIZE))
def test_nothing_of_the_entropy_is_lost(entropy: bytes) -> None:
    """The 80 bits of each code can be had from it again."""
    alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    for number, code in enumerate(new_codes(entropy)):
        value = 0
        for letter in code.replace("-", ""):
            value = value * 32 + alphabet.index(letter)
        start = number * CODE_BYTES
        assert value.to_bytes(CODE_BYTES) == entropy[start : start + CODE_BYTES]


def test_a_code_has_four_groups() -> None:
    """That is how it stands on paper."""
    assert new_codes(bytes(SIZE))[0] == "0000-0000-0000-0000"
    assert new_codes(b"\xff" * SIZE)[-1] == "ZZZZ-ZZZZ-ZZZZ-ZZZZ"


@pytest.mark.parametrize("size", [0, SIZE - 1, SIZE + 1])
def test_too_little_entropy_is_refused(size: int) -> None:
    """A code of fewer bits is none."""
    with pytest.raises(ValueError):
        new_codes(bytes(size))


def test_letters_that_look_like_digits_are_read_as_those() -> None:
    """Whoever reads O for 0, I or L for 1, and a dash of any length is understood."""
    assert plain_code("oiIL–lO00 0000-0000") == "0111100000000000"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "123456",
        "0000-0000-0000-000",
        "0000-0000-0000-0000-0",
        "UUUU-0000-0000-0000",
        "000é-0000-0000-0000",
        "\u0660\u0660\u0660\u0660-0000-0000-0000",
        "\ud800" * 16,
        " " * (LONGEST + 1),
        "0000000000000000" + " " * LONGEST,
    ],
)
def test_what_is_no_code_is_nothing(typed: str) -> None:
    """A one-time code is none of ours, and neither is what somebody made up."""
    assert plain_code(typed) is None


def test_a_digest_is_of_one_person_under_one_key() -> None:
    """Another owner, key or code: another digest; and it does not show the code."""
    mine = code_digest(KEY, "anna", "0" * 16)
    assert mine == code_digest(KEY, "anna", "0" * 16)
    others = {
        code_digest(KEY, "bruno", "0" * 16),
        code_digest(b"l" * 32, "anna", "0" * 16),
        code_digest(KEY, "anna", "0" * 15 + "1"),
        code_digest(KEY, "anna0", "0" * 15),
    }
    assert mine not in others
    assert len(others) == 4
    assert len(mine) == 64
