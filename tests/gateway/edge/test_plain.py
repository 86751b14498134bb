from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Limits
from gateway.edge import plain
from gateway.edge.forwarding import response_block
from gateway.edge.heads import (
    RequestHead,
    ResponseHead,
    UpstreamGarbled,
    parse_request,
    parse_response,
)
from gateway.edge.plain import (
    read_plain_response,
    read_request_lines,
    read_response,
    understand,
)

LIMITS = Limits()
BROWSER = (
    b"GET /page?x=1 HTTP/1.1\r\nHost: wiki.x:8443\r\nUser-Agent: Mozilla/5.0 (X11)\r\n"
    b"Accept: text/html\r\nCookie: __Host-pusterla=abc; theme=dark\r\n"
    b"X-Forwarded-User: admin\r\nTE: trailers\r\nConnection: keep-alive\r\n\r\n"
)
NGINX = (
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nContent-Type: text/plain\r\n"
    b"Content-Length: 1024\r\nX-Forwarded-For: a\r\nConnection: keep-alive\r\n\r\n"
)
HOW = [
    {"http_1_1": http_1_1, "keep_alive": keep_alive, "ours": ours}
    for http_1_1 in (False, True)
    for keep_alive in (False, True)
    for ours in (False, True)
]
"""All kinds of clients that a head may go to."""


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    """Begin and end without memory of answers."""
    for memory in (plain._answers, plain._framings, plain._seen):
        memory.clear()
    yield
    for memory in (plain._answers, plain._framings, plain._seen):
        memory.clear()


def read_plain_request(head: bytes, limits: Limits) -> RequestHead | None:
    """Read a head as a connection does that knows nothing of it yet."""
    lines = read_request_lines(head, limits)
    return None if lines is None else understand(lines)


FIELD_PARTS = (
    "kind",
    "name",
    "odd",
    "said",
    "special",
    "to_application",
    "to_client",
    "value",
    "wire",
)


def told(head: RequestHead | ResponseHead | Refusal | None) -> Any:
    """Return everything that *head* says, in a form that can be compared."""
    if head is None or isinstance(head, Refusal):
        return head
    names = [name for name in head.__slots__ if name not in {"blocks", "ends", "telling"}]
    values = {name: getattr(head, name) for name in names}
    for name in {"fields", "odd"} & values.keys():
        values[name] = [[getattr(field, part) for part in FIELD_PARTS] for field in values[name]]
    return values


def test_a_browsers_head_is_plain() -> None:
    """The usual request needs no llhttp, and is read as llhttp's lines are."""
    found = read_plain_request(BROWSER, LIMITS)
    assert found is not None
    assert told(found) == told(parse_request(BROWSER))


def test_an_applications_usual_head_is_plain() -> None:
    """With a length, in chunks, or until the connection closes."""
    for framing in (b"Content-Length: 1024", b"Transfer-Encoding: chunked", b"X: y"):
        head = NGINX.replace(b"Content-Length: 1024", framing)
        found = read_plain_response(head)
        assert found is not None
        assert told(found) == told(parse_response(head, b"GET"))


@pytest.mark.parametrize(
    "line",
    [
        b"POST /page HTTP/1.1",
        b"GET /page HTTP/1.0",
        b"GET /a/../b HTTP/1.1",
        b"GET /%61 HTTP/1.1",
        b"GET  /page HTTP/1.1",
        b"GET https://wiki.x:8443/ HTTP/1.1",
        b"GET /" + b"a" * LIMITS.target_bytes + b" HTTP/1.1",
        b"\r\nGET / HTTP/1.1",
    ],
)
def test_another_request_line_is_not_plain(line: bytes) -> None:
    """Whatever needs thought gets it elsewhere."""
    assert read_plain_request(BROWSER.replace(b"GET /page?x=1 HTTP/1.1", line), LIMITS) is None


@pytest.mark.parametrize(
    "line",
    [
        *(b"Content-Length: 0", b"Transfer-Encoding: chunked", b"Expect: 100-continue"),
        *(b"Upgrade: websocket", b"Connection: close", b"Connection: keep-alive", b"Host: wiki.x"),
        *(
            b" folded",
            b"X : y",
            b": y",
            b"X",
            b"",
            b"X: a\rb",
            b"X: a\nb",
            b"X: a\x00b",
            b"\xe9: y",
        ),
        b"\r\n".join([b"X: y"] * LIMITS.head_fields),
    ],
)
def test_a_field_that_frames_or_is_malformed_is_not_plain(line: bytes) -> None:
    """Nor a second Host or Connection, nor too many fields; and that again when it is known."""
    head = BROWSER.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n")
    for _ in range(3):
        assert read_plain_request(head, LIMITS) is None


@pytest.mark.parametrize(
    "change",
    [
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b" 200 OK", b" 200"),
        (b" 200 ", b" 101 "),
        (b" 200 ", b" 103 "),
        (b" 200 ", b" 204 "),
        (b" 200 ", b" 304 "),
        (b" 200 ", b" 600 "),
        (b": keep-alive", b": close"),
        (b": keep-alive", b": x-a"),
        (b": 1024", b": 1024\r\nContent-Length: 1024"),
        (b": 1024", b": 1024\r\nTransfer-Encoding: chunked"),
        (b": 1024", b": +1"),
        (b": 1024", b": 1024\r\n folded"),
        (b"OK", b"O\nK"),
    ],
)
def test_another_answer_is_not_plain(change: tuple[bytes, bytes]) -> None:
    """What has no body, closes, upgrades or could be cut at two places is llhttp's."""
    assert read_plain_response(NGINX.replace(*change)) is None


# What makes trouble for parsers, and what plain reading could be wrong about.
PIECES = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b"\r\r\n", b" ", b"\t", b":", b"\x00", b"\x0b", b"\x7f", b"\xff"),
        *(b",", b";", b"#", b"?", b"%41", b"/./", b"/.pusterla/", b'"', b"\\", b"|", b"{"),
        *(b"Host: wiki.x\r\n", b"Host:\r\n", b"Connection: close\r\n", b"Connection: x, y\r\n"),
        *(b"connection:keep-alive\r\n", b"Connection: keep-alive \r\n", b"Upgrade: h2c\r\n"),
        *(b"Content-Length: 5\r\n", b"content-length: 005\r\n", b"Content-Length: 5, 5\r\n"),
        *(b"Content-Length:\r\n", b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: x\r\n"),
        *(b"Transfer-Encoding: chunked, x\r\n", b"Expect: 100-continue\r\n", b"Trailer: x\r\n"),
        *(
            b"Proxy-Connection: close\r\n",
            b"Keep-Alive: timeout=5\r\n",
            b"X_Y: z\r\n",
            b" fold\r\n",
        ),
        *(
            b"Cookie: a\r\n",
            b"Cookie: __Host-pusterla=b\r\n",
            b"X:\r\n",
            b"X: a  \r\n",
            b"X:\xe9\r\n",
        ),
        *(b"Set-Cookie: __Host-pusterla=b\r\n", b"Set-Cookie: a=b\r\n", b"HTTP/1.0", b"HTTP/1.1"),
    ]
)


@st.composite
def mutated(draw: st.DrawFn, head: bytes) -> bytes:
    """Draw *head* with a few bytes replaced, up to the first empty line."""
    for _ in range(draw(st.integers(0, 3))):
        # Mostly where a line begins, since that is where pieces make sense.
        starts = [place + 2 for place in range(len(head) - 1) if head[place : place + 2] == b"\r\n"]
        start = draw(st.sampled_from(starts) | st.integers(0, len(head)))
        end = min(len(head), start + draw(st.sampled_from([0, 0, 0, 1, 2, 7])))
        head = head[:start] + draw(PIECES | st.binary(max_size=2)) + head[end:]
    head += b"\r\n\r\n"
    return head[: head.find(b"\r\n\r\n") + 4]


@given(mutated(BROWSER))
def test_a_plain_reading_is_llhttps_reading(head: bytes) -> None:
    """Whatever is read without llhttp, llhttp reads alike: nothing is refused less or more."""
    for _ in range(3):
        found = read_plain_request(head, LIMITS)
        if found is not None:
            assert told(found) == told(parse_request(head))


@given(mutated(NGINX), st.sampled_from([b"GET", b"HEAD", b"POST"]))
def test_a_plain_answer_is_llhttps_answer(head: bytes, method: bytes) -> None:
    """And so is what is remembered of it, the third time."""
    try:
        parsed = parse_response(head, method)
    except UpstreamGarbled:
        assert read_plain_response(head) is None
        for _ in range(3):
            with pytest.raises(UpstreamGarbled):
                read_response(head, method)
        return
    for _ in range(3):
        found = read_response(head, method)
        assert told(found) == told(parsed)
        for how in HOW:
            assert response_block(found, **how) == response_block(parsed, **how)


# Memory ---------------------------------------------------------------------


def test_an_answer_that_came_twice_is_remembered() -> None:
    """Its head, and the block that goes to the client, each kind of client its own."""
    first, second, third = (read_response(NGINX, b"GET") for _ in range(3))
    assert first is not second
    assert second is third
    for how in HOW:
        assert response_block(third, **how) == response_block(first, **how)
        assert response_block(third, **how) is response_block(third, **how)


def test_an_answer_to_head_is_not_that_to_get() -> None:
    """The same bytes, but no body behind them."""
    for _ in range(3):
        assert told(read_response(NGINX, b"GET")) == told(parse_response(NGINX, b"GET"))
        assert told(read_response(NGINX, b"HEAD")) == told(parse_response(NGINX, b"HEAD"))


@pytest.mark.parametrize("more", [b"Set-Cookie: a=b", b"X: " + b"y" * 1024])
def test_no_cookie_and_nothing_long_is_remembered(more: bytes) -> None:
    """What is somebody's, or large, is read anew."""
    head = NGINX.replace(b"\r\n\r\n", b"\r\n" + more + b"\r\n\r\n")
    assert len({id(answer) for answer in [read_response(head, b"GET") for _ in range(4)]}) > 3


def test_memory_of_answers_is_bounded() -> None:
    """However many differ."""
    for number in range(2000):
        head = NGINX.replace(b"nginx", str(number).encode()).replace(b"1024", b"%d" % number)
        for _ in range(2):
            read_response(head, b"GET")
    assert 0 < len(plain._answers) <= 256
    assert 0 < len(plain._framings) <= 256
    assert len(plain._seen) <= 256
