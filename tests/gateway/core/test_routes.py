"""Host and path in one form: what is refused, what is respelt, and how long it takes."""

import re
import time
from string import ascii_letters, digits
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from yarl import URL

from gateway.core.routes import Target, normalise_host, normalise_target

SIZE = 64 * 1024

UNRESERVED = (ascii_letters + digits + "-._~").encode()
BARE = b'|^`{}"<>[]'
CONTROLS_AND_BACKSLASH = bytes([*range(0x20), 0x5C, 0x7F])
ENCODED = bytes(sorted(set(range(256)) - set(UNRESERVED) - set(CONTROLS_AND_BACKSLASH)))

# Pieces of which attackers build paths.
PIECES = [
    *(b"/", b"//", b".", b"..", b"%2e", b"%2E", b"%2f", b"%2F", b";", b"%3b", b"%3B", b"a", b"=1"),
    *(b"%61", b"%25", b"%252e", b"%5c", b"\\", b"%00", b"%7F", b"%", b"%4", b"|", b"%7C", b"#"),
    *(b"?", b" ", b"\t", b"\n", b"\r\n", b"\x00", b"\xc3\xa8", b"%C3%A8", b"%c0%af", b"@", b":"),
]


def path_of(raw: bytes) -> bytes | None:
    """Return the normal form of the path *raw*."""
    target = normalise_target(raw)
    return None if target is None else target.path


@pytest.mark.parametrize(
    "raw, form",
    [
        (b"/", b"/"),
        (b"/a/b.html", b"/a/b.html"),
        (b"/a/", b"/a/"),
        (b"/.well-known/jwks.json", b"/.well-known/jwks.json"),
        (b"/...", b"/..."),
        (b"/a..b", b"/a..b"),
        (b"/%7Eanna/%61%2D%5F%2e", b"/~anna/a-_."),
        (b"/a%2fb", b"/a%2Fb"),
        (b"/%c3%a8", b"/%C3%A8"),
        (b"/%252e%252e/", b"/%252e%252e/"),
        (b"/a//b", b"/a//b"),
        (b"//b", b"//b"),
        (b"/a;v=1,2/b", b"/a;v=1,2/b"),
        (b"/a/./b/../c", b"/a/c"),
        (b"/a/%2e/b/%2E%2e/c", b"/a/c"),
        (b"/a/b/..", b"/a/"),
        (b"/a/.", b"/a/"),
        (b"/.", b"/"),
        (b"/a//../b", b"/a/b"),
        (b"/%2epusterla/enter", b"/.pusterla/enter"),
        (b"/x/../.pusterla/enter", b"/.pusterla/enter"),
        (b"/[a]|{b}", b"/%5Ba%5D%7C%7Bb%7D"),
    ],
)
def test_a_path_has_one_form(raw: bytes, form: bytes) -> None:
    """Unreserved characters are decoded, the rest is encoded, dot segments are gone."""
    assert path_of(raw) == form


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"*",
        b"a/b",
        b"https://wiki.example/",
        b"wiki.example:443",
        b"/..",
        b"/../etc/passwd",
        b"/a/../../b",
        b"/%2e%2e/b",
        b"/.%2e/b",
        b"/a%00",
        b"/a%0d%0aHost:%20b",
        b"/a%7f",
        b"/a%5cb",
        b"/a%5Cb",
        b"/a\\b",
        b"/a b",
        b"/a\tb",
        b"/a\r\nHost: b",
        b"/a\n",
        b"/a\x00",
        b"/\xc3\xa8",
        b"/a#b",
        b"/a%",
        b"/a%4",
        b"/a%zz",
        b"/%%32%65",
    ],
)
def test_a_path_without_a_form_is_refused(raw: bytes) -> None:
    """Other forms of a target, climbing above the root, controls, backslashes, broken encoding."""
    assert normalise_target(raw) is None


@pytest.mark.parametrize(
    "raw",
    [
        b"/p/..%2Fadmin",
        b"/p/..%2f..%2fadmin",
        b"/p%2F..%2Fadmin",
        b"/p%2F..",
        b"/p%2f%2e%2e",
        b"/p/.%2Fadmin",
        b"/p/..;/admin",
        b"/p/..;a=1/admin",
        b"/p/..%3B/admin",
        b"/p/.;/admin",
        b"/p/%2e%2e%3b",
    ],
)
def test_a_path_that_climbs_in_another_reading_is_refused(raw: bytes) -> None:
    """Servers that decode `%2F` first, or drop the parameters of a segment, would climb."""
    assert normalise_target(raw) is None


@given(st.lists(st.sampled_from(PIECES), max_size=12).map(lambda pieces: b"/" + b"".join(pieces)))
@example(b"/.//a")
@example(b"/a/..//b")
@example(b"/..%2F")
def test_an_accepted_target_has_one_reading(raw: bytes) -> None:
    """The form stays as it is, and no later decoding or splitting finds a way up in it."""
    target = normalise_target(raw)
    if target is None:
        return
    assert normalise_target(target.wire) == target
    assert target.path.startswith(b"/")
    assert not re.search(rb"[^!-~]|[\\#?]", target.path)
    decoded = unquote_to_bytes(target.path)
    assert not set(decoded) & set(CONTROLS_AND_BACKSLASH)
    for text in (target.path, decoded):
        segments = text.split(b"/")
        assert not {b".", b".."} & set(segments)
        assert not {b".", b".."} & {segment.partition(b";")[0] for segment in segments}


@given(st.binary(max_size=64).map(lambda data: b"/" + data))
def test_any_bytes_are_refused_or_have_one_form(raw: bytes) -> None:
    """Whatever is sent, the answer is None or a form that stays as it is."""
    target = normalise_target(raw)
    assert target is None or normalise_target(target.wire) == target


Meaning = list[list[tuple[str, int]]]

letters = st.one_of(
    st.tuples(st.just("plain"), st.sampled_from(UNRESERVED)),
    st.tuples(st.just("reserved"), st.sampled_from(b"!$&'()*+,;=:@")),
    st.tuples(st.just("encoded"), st.sampled_from(ENCODED)),
)
meanings = st.lists(st.lists(letters, max_size=4), min_size=1, max_size=4)


def expected_form(meaning: Meaning) -> bytes:
    """Write *meaning* in the one way."""
    return b"".join(
        b"/" + b"".join(b"%%%02X" % o if kind == "encoded" else bytes([o]) for kind, o in segment)
        for segment in meaning
    )


@st.composite
def spellings(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """Draw a path's form, and one of the many ways to write the same path."""
    meaning = draw(meanings)
    form = expected_form(meaning)
    assume(not {b".", b".."} & set(re.split(b"/|%2F|;|%3B", form)))
    detours = st.sampled_from([b"", b"", b"/.", b"/%2e", b"/x/..", b"/%2f/.%2E", b"/a/b/../%2E."])
    raw = b""
    for segment in meaning:
        raw += draw(detours) + b"/"
        for kind, octet in segment:
            ways = [b"%%%02X" % octet, b"%%%02x" % octet]
            if kind == "plain" or octet in BARE:
                ways.append(bytes([octet]))
            if kind == "reserved":
                ways = [bytes([octet])]
            raw += draw(st.sampled_from(ways))
    return form, raw


@given(spellings())
def test_equal_meaning_is_equal_form(pair: tuple[bytes, bytes]) -> None:
    """However a path is written, its form is the one that its meaning has."""
    form, raw = pair
    assert path_of(raw) == form


@given(
    st.lists(
        st.sampled_from(["a", "b", "-", "~", "%61", "%7e", "%2F", "%c3%a8", "/", "/./", "/../"]),
        max_size=10,
    ).map(lambda pieces: "/" + "".join(pieces))
)
def test_another_normaliser_agrees(raw: str) -> None:
    """Where both have an answer, yarl's is the same."""
    form = path_of(raw.encode())
    # yarl climbs where we refuse.
    assert form in {None, URL("http://host" + raw).raw_path.encode()}


@pytest.mark.parametrize(
    "raw, query",
    [
        (b"/a", None),
        (b"/a?", b""),
        (b"/a?b=c&d", b"b=c&d"),
        (b"/a?b=100%&c=%zz", b"b=100%&c=%zz"),
        (b"/a?b=../../c", b"b=../../c"),
        (b"/a?b?c", b"b?c"),
        (b"/a?[b]={\"|^`'<>\\}", b"[b]={\"|^`'<>\\}"),
        (b"/./a?%2e/./", b"%2e/./"),
    ],
)
def test_a_query_is_kept_as_it_is(raw: bytes, query: bytes | None) -> None:
    """Only the path has a normal form; a query means what the application says."""
    target = normalise_target(raw)
    assert target == Target(b"/a", query)
    assert target.wire == (b"/a" if query is None else b"/a?" + query)


@pytest.mark.parametrize("query", [b"b c", b"b\n", b"b\r", b"b\x00", b"b\x7f", b"\xc3\xa8", b"b#c"])
def test_a_query_with_two_readings_is_refused(query: bytes) -> None:
    """Blanks, controls and other alphabets could end the line, and `#` the target."""
    assert normalise_target(b"/a?" + query) is None


@pytest.mark.parametrize(
    "value, host",
    [
        ("wiki.pusterla.example", "wiki.pusterla.example"),
        ("WIKI.Pusterla.Example", "wiki.pusterla.example"),
        ("wiki.pusterla.example.", "wiki.pusterla.example"),
        ("wiki.pusterla.example:8443", "wiki.pusterla.example"),
        ("wiki.pusterla.example.:8443", "wiki.pusterla.example"),
        ("localhost", "localhost"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("127.0.0.1:8443", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[2001:DB8::1]:8443", "[2001:db8::1]"),
        ("a" * 253, "a" * 253),
        ("a" * 253 + ".:65535", "a" * 253),
    ],
)
def test_a_host_has_one_form(value: str, host: str) -> None:
    """Lower case, without port, without the last dot."""
    assert normalise_host(value) == host


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        ":8443",
        ".wiki.example",
        "wiki..example",
        "wiki.example..",
        "-wiki.example",
        "wiki-.example",
        "wiki_1.example",
        "wiki.example:",
        "wiki.example:123456",
        "wiki.example:http",
        "wiki.example:80:80",
        "wiki.example/a",
        "anna@wiki.example",
        "wiki.example, crm.example",
        "wiki.example crm.example",
        " wiki.example",
        "wiki.example\n",
        "wiki.example\x00",
        "wiki%2eexample",
        "::1",
        "[::1",
        "[]",
        "[::1].",
        "[::1%25eth0]",
        "wiki.b\xfccher.example",
        "wi\u212ai.example",  # the sign of Kelvin: a "k" once it is lower-cased
        "wiki\uff0eexample",
        "wiki.example:\u0664\u0664\u0663",
        "a" * 254,
        "a" * 254 + ":443",
        "a" * SIZE,
    ],
)
def test_a_host_without_a_form_is_refused(value: str) -> None:
    """Names that are none, overlong ones, other alphabets, and more than one reading."""
    assert normalise_host(value) is None


@given(st.text(max_size=40) | st.text("aA1-.:[]\u212a", max_size=16))
def test_a_host_is_refused_or_has_one_form(value: str) -> None:
    """The form stays as it is, is ASCII in lower case, and is named by every spelling of it."""
    host = normalise_host(value)
    if host is None:
        return
    assert re.fullmatch(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]", host)
    assert host in value.lower()
    spellings = [host, host.upper(), host + ":8443"]
    assert [normalise_host(spelling) for spelling in spellings] == [host] * 3


@pytest.mark.parametrize(
    "nasty",
    [
        b"/a" * (SIZE // 2),
        b"/a." * (SIZE // 3) + b"\n",
        b"/" * SIZE + b"\n",
        b"/" + b"a" * SIZE + b" ",
        b"/" + b"a." * (SIZE // 2) + b"%",
        b"/%41" * (SIZE // 4) + b"%",
        b"/%2e%2F" * (SIZE // 7),
        b"/%2F." + b"." * SIZE,
        b"/a/.." * (SIZE // 5),
        b"/." * (SIZE // 2) + b"./",
        b"/a" * (SIZE // 4) + b"/.." * (SIZE // 6),
        b"/?" + b"?" * SIZE + b"\n",
    ],
)
def test_a_nasty_target_takes_no_time(nasty: bytes) -> None:
    """64 KiB are read in linear time; anything quadratic would take minutes."""
    began = time.process_time()
    normalise_target(nasty)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "nasty",
    [
        "a" * 252 + "!",
        "a" + "-" * 251,
        "a." * 126 + "!",
        "a-" * 126 + "!",
        "a-a." * 63 + "-",
        "[" + ":" * 250,
        "-" * SIZE,
    ],
)
def test_a_nasty_host_takes_no_time(nasty: str) -> None:
    """The length is bounded before a pattern is tried."""
    began = time.process_time()
    assert normalise_host(nasty) is None
    assert time.process_time() - began < 0.1
