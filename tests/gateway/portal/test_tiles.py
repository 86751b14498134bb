"""What there is for somebody, and how it is found again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.portal.tiles import CLOSED, Tile, folded, search
from policies.model import Reason


def tile(title: str, description: str = "") -> Tile:
    """Make a tile that opens."""
    return Tile(title, description, "wiki.example", "", "")


def test_every_reason_has_its_sentence() -> None:
    """A reason that somebody adds is said on tiles too."""
    assert set(CLOSED) == {None, *Reason}


@pytest.mark.parametrize(
    "text,plain",
    [
        ("Caffè", "caffe"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("ﬁle", "file"),
        ("Ñ", "n"),
    ],
)
def test_capitals_and_accents_make_no_difference(text: str, plain: str) -> None:
    """Nor do typographic variants."""
    assert folded(text) == plain


@given(st.text(), st.text())
def test_a_title_is_found_by_itself(title: str, other: str) -> None:
    """Whatever letters it has, and by any of its words."""
    assert search([tile(title)], title)
    for word in f"{title} {other}".split():
        assert search([tile(title, other)], word)


@given(st.lists(st.text()), st.text())
def test_nothing_wanted_is_everything(titles: list[str], wanted: str) -> None:
    """And what is found was there, in its order."""
    tiles = [tile(title) for title in titles]
    assert search(tiles, "") == search(tiles, "  ") == tiles
    found = search(tiles, wanted)
    assert [one for one in tiles if one in found] == found
