import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.spelling import LONGEST, spell, unspell


@given(st.binary(min_size=16, max_size=16), st.integers(min_value=1, max_value=25))
def test_what_is_spelled_can_be_typed(entropy: bytes, characters: int) -> None:
    """Read back as itself, in small letters, with blanks and with letters that look alike too."""
    code = spell(entropy, characters)
    plain = code.replace("-", "")
    assert len(plain) == characters
    for typed in (code, code.lower(), f"  {plain} ", code.replace("-", " – ")[:LONGEST]):
        if len(typed) == LONGEST:
            continue
        assert unspell(typed, characters) == plain
    assert unspell(code.replace("0", "o").replace("1", "l"), characters) == plain


def test_groups_of_four() -> None:
    """As they are read aloud; the last one may be shorter."""
    assert spell(b"\xff" * 8, 12) == "ZZZZ-ZZZZ-ZZZZ"
    assert spell(bytes(8), 10) == "0000-0000-00"


def test_too_little_entropy_is_refused() -> None:
    """Characters that nothing random is behind are not shown."""
    with pytest.raises(ValueError):
        spell(bytes(7), 12)


@pytest.mark.parametrize(
    "typed",
    ["", "000-0000-0000", "0000-0000-0000-0", "UUUU-0000-0000", " " * 41, "\ud800" * 12],
)
def test_what_is_no_code_is_nothing(typed: str) -> None:
    """Other lengths, letters that are not ours, and whatever else somebody sends."""
    assert unspell(typed, 12) is None
