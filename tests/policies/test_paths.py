"""Patterns of paths: strict for what lets in, on the safe side for what keeps out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.paths import PathPattern, loosened, parse_path_pattern


@pytest.mark.parametrize(
    "pattern, path, meant",
    [
        ("/", "/", True),
        ("/", "/x", False),
        ("/admin", "/admin", True),
        ("/admin", "/admin/", False),
        ("/admin", "/administration", False),
        ("/admin/**", "/admin", True),
        ("/admin/**", "/admin/", True),
        ("/admin/**", "/admin/x/y", True),
        ("/admin/**", "/administration", False),
        ("/**", "/", True),
        ("/**", "/x/y", True),
        ("/*/edit", "/page/edit", True),
        ("/*/edit", "/a/b/edit", False),
        ("/*/edit", "//edit", True),
        ("/files/*.pdf", "/files/a.pdf", True),
        ("/files/*.pdf", "/files/a.pdf.exe", False),
        ("/files/*.pdf", "/files/a/b.pdf", False),
        ("/Admin", "/admin", False),
        ("/caff\N{LATIN SMALL LETTER E WITH GRAVE}", "/caff%C3%A8", True),
        ("/a%2fb", "/a%2Fb", True),
        ("/%61", "/a", True),
        ("/a.c", "/abc", False),
    ],
)
def test_a_pattern_means_what_is_forwarded(pattern: str, path: str, *, meant: bool) -> None:
    """As it is written, in the one form that paths have here."""
    assert parse_path_pattern(pattern).matches(path) is meant


@pytest.mark.parametrize(
    "path",
    [
        "/admin",
        "/ADMIN/x",
        "//admin",
        "/admin//x",
        "/admin;v=1/x",
        "/admin%2Fx",
        "/%61dmin",
        "/%2561dmin",
        "/admin%3Bx",
        "//%41DMIN;a",
    ],
)
def test_what_keeps_out_is_not_got_around(path: str) -> None:
    """By none of the spellings that some application takes for the same."""
    assert parse_path_pattern("/admin/**").may_match(path)
    assert not parse_path_pattern("/admin/**").may_match("/wiki/admin")


PARTS = st.text(st.sampled_from("abAB.*%2F;/-"), max_size=12)


@given(PARTS, PARTS)
def test_what_is_meant_may_be_meant(pattern: str, path: str) -> None:
    """So turning an allow rule into a deny rule keeps out all that it let in."""
    try:
        parsed = parse_path_pattern("/" + pattern)
    except ValueError:
        return
    if parsed.matches("/" + path):
        assert parsed.may_match("/" + path)
    assert parse_path_pattern(parsed.text) == parsed


@given(st.text(max_size=40))
def test_a_loosened_path_is_as_loose_as_it_gets(path: str) -> None:
    """But for what was encoded more than three times."""
    if "%" not in path:
        assert loosened(loosened(path)) == loosened(path)


@pytest.mark.parametrize(
    "text, said",
    [
        ("admin", "it begins with '/'"),
        ("", "it begins with '/'"),
        ("/a b", "write %20 for a blank"),
        ("/a\\b", "holds what no path does"),
        ("/a?x=1", "only the path is looked at"),
        ("/a**", "'**' stands at the end alone"),
        ("/**/edit", "'**' stands at the end alone"),
        ("/*a*", "one '*' a segment"),
        ("/a%2", "two hexadecimal digits"),
        ("/a/../b", "are resolved before"),
        ("/" + "a" * 1024, "at most 1024"),
    ],
)
def test_what_is_no_pattern_is_said(text: str, said: str) -> None:
    """With the way out."""
    with pytest.raises(ValueError) as caught:
        parse_path_pattern(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "wide, narrow, covered",
    [
        ("/**", "/admin/x", True),
        ("/admin/**", "/admin", True),
        ("/admin/**", "/admin/*/x", True),
        ("/admin/**", "/admin/**", True),
        ("/admin/**", "/administration", False),
        ("/admin", "/admin/**", False),
        ("/*", "/a", False),
    ],
)
def test_one_pattern_may_cover_another(wide: str, narrow: str, *, covered: bool) -> None:
    """As far as that can be seen from their texts."""
    assert PathPattern(wide).covers(PathPattern(narrow)) is covered


def test_a_long_path_is_looked_at_quickly() -> None:
    """There is no pattern over which one could brood."""
    pattern = parse_path_pattern("/" + "/".join(["*a"] * 50) + "/**")
    assert not pattern.may_match("/" + "a" * 8000 + "/" + "ab/" * 2000)


@pytest.mark.parametrize(
    "text,example,open_ended",
    [
        ("/admin/**", "/admin", False),
        ("/**", "/", False),
        ("/a/b", "/a/b", False),
        ("/u/*/f*", "/u/x/fx", True),
        ("/u/*/**", "/u/x", True),
    ],
)
def test_a_pattern_has_an_example(text: str, example: str, *, open_ended: bool) -> None:
    """A path that it means, which can be linked to where no segment of it was made up."""
    pattern = parse_path_pattern(text)
    assert (pattern.example, pattern.is_open_ended) == (example, open_ended)
    assert pattern.matches(pattern.example)
