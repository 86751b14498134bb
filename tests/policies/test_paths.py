"""Patterns of paths: strict for what lets in, on the safe side for what keeps out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.routes import normalise_target
from policies.paths import PathPattern, parse_path_pattern, readings


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
        "/admin;%2561/x",
        "/%252561dmin",
        "/x/%252e%252e/admin",
        "/x/%252e%252e%252fadmin",
        "/x%25252f..%25252fadmin",
        "/x/.%252e;v=1/admin",
        "/x/%252e%252e%253Badmin",
        "/x%255c..%255cadmin",
        "/%252e/admin",
        "/a%252f%252e%252e%252fadmin",
    ],
)
def test_what_keeps_out_is_not_got_around(path: str) -> None:
    """By none of the spellings that some application takes for the same."""
    assert parse_path_pattern("/admin/**").may_match(path)
    assert not parse_path_pattern("/admin/**").may_match("/wiki/admin")


@pytest.mark.parametrize(
    "pattern, path, meant",
    [
        ("/admin", "/admin/", True),
        ("/admin", "/Admin//", True),
        ("/admin", "/admin;x/", True),
        ("/admin", "/admin%2F", True),
        ("/admin/", "/admin", True),
        ("/admin", "/admin/x", False),
        ("/admin", "/administration/", False),
        ("/admin", "/%252561dmin;%2Fx", True),
        ("/", "/", True),
        ("/", "//", True),
        ("/", "/x/", False),
        ("/*/edit", "/a/edit/", True),
        ("/files/*", "/FILES//", True),
        ("/a;x", "/a;y", True),
        ("/admin/**", "/x/%252ehidden", False),
        ("/admin/**", "/caff%C3%A8/100%25", False),
    ],
)
def test_what_keeps_out_goes_by_the_slash_at_the_end_as_little_as_applications(
    pattern: str, path: str, *, meant: bool
) -> None:
    """Most serve the same with and without it; what has one reading is not kept out besides."""
    assert parse_path_pattern(pattern).may_match(path) is meant


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


PATTERNS = st.sampled_from(["/ab", "/ab/", "/ab/**", "/a/*", "/*/b", "/a-b/**", "/", "/a%2Fb"])
PLAIN = st.text(st.sampled_from("abAB/;-"), max_size=10)


def encoded(path: str, places: frozenset[int]) -> str:
    """Encode the characters of *path* at *places*, a `%` among them."""
    return "".join(
        f"%{ord(each):02X}" if place in places and place else each
        for place, each in enumerate(path)
    )


@given(PATTERNS, PLAIN, st.lists(st.frozensets(st.integers(1, 30)), max_size=3))
def test_more_encoding_opens_nothing(pattern: str, rest: str, times: list[frozenset[int]]) -> None:
    """Up to three times over: what may be meant is, however much of it is encoded."""
    path, parsed = "/" + rest, parse_path_pattern(pattern)
    meant = parsed.may_match(path)
    for places in times:
        path = encoded(path, places)
        if meant:
            assert parsed.may_match(path)


@given(
    PATTERNS,
    st.text(st.sampled_from("ab/."), max_size=8),
    st.text(st.sampled_from("ab/"), max_size=4),
    st.integers(1, 2),
)
def test_a_path_that_climbs_later_gets_nowhere(
    pattern: str, before: str, behind: str, times: int
) -> None:
    """It leads wherever somebody resolves it to, so whatever keeps out keeps it out."""
    for dots in ("..", "."):
        hidden = dots.replace(".", "%" + "25" * times + "2E")
        target = normalise_target(f"/{before}/{hidden}/{behind}".encode())
        if target is not None:
            assert parse_path_pattern(pattern).may_match(target.path.decode())


@given(PATTERNS, PARTS)
def test_a_slash_at_the_end_opens_nothing(pattern: str, rest: str) -> None:
    """Nor do capitals."""
    path, parsed = "/" + rest, parse_path_pattern(pattern)
    if parsed.may_match(path):
        assert parsed.may_match(path + "/")
        assert parsed.may_match(path.upper())


def test_a_path_with_one_reading_is_read_once() -> None:
    """As nearly all are; one that climbs has none that could be told."""
    assert readings("/Wiki/page") == frozenset({"/wiki/page"})
    assert readings("/a;b/c%2Fd") == frozenset({"/a/c/d", "/a/c%2fd", "/a;b/c/d", "/a;b/c%2fd"})
    assert readings("/a/%252E%252E/b") is None


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
        ("/a/%2e%2E/b", "are resolved before"),
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
