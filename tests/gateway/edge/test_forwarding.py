import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.cookies import COOKIE_NAME
from gateway.edge.forwarding import (
    certificate_lines,
    claimed_fields,
    field_lines,
    forwarded_fields,
    interim_block,
    request_tail,
    response_block,
)
from gateway.edge.heads import RequestHead, parse_request, parse_response

OURS = b"X-Forwarded-User: anna\r\n"


def head(*lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = b"wiki.x") -> RequestHead:
    """Read a request's head with *lines*."""
    read = parse_request(b"\r\n".join([line, b"Host: " + host, *lines, b"", b""]))
    assert isinstance(read, RequestHead), read
    return read


def tail(
    *lines: bytes, line: bytes = b"GET / HTTP/1.1", user_header: str | None = None
) -> list[bytes]:
    """Return the lines that go upstream behind the request line, but for Host, ours and the end."""
    first, *rest = request_tail(head(*lines, line=line), OURS, user_header).split(b"\r\n")
    assert first == b"Host: wiki.x"
    assert rest[-2:] == [b"", b""]
    assert rest.count(OURS.strip()) == 1
    return [line for line in rest[:-2] if line != OURS.strip()]


def block(
    *lines: bytes,
    line: bytes = b"HTTP/1.1 200 OK",
    method: bytes = b"GET",
    http_1_1: bool = True,
    keep_alive: bool = True,
    ours: bool = False,
) -> list[bytes]:
    """Return the lines of the head that goes to the client."""
    response = parse_response(b"\r\n".join([line, *lines, b"", b""]), method)
    written = response_block(response, http_1_1=http_1_1, keep_alive=keep_alive, ours=ours)
    assert written.endswith(b"\r\n\r\n")
    return written[:-4].split(b"\r\n")


@pytest.mark.parametrize(
    "address, authority, forwarded",
    [
        ("192.0.2.7", "wiki.x", "for=192.0.2.7;host=wiki.x;proto=https"),
        ("192.0.2.7", "wiki.x:8443", 'for=192.0.2.7;host="wiki.x:8443";proto=https'),
        ("2001:db8::7", "[::1]:8443", 'for="[2001:db8::7]";host="[::1]:8443";proto=https'),
    ],
)
def test_where_a_request_came_from_is_said_twice(
    address: str, authority: str, forwarded: str
) -> None:
    """By RFC 7239, which quotes what has a colon, and by the older fields."""
    assert forwarded_fields(address, authority).decode() == (
        f"Forwarded: {forwarded}\r\nX-Forwarded-For: {address}\r\n"
        f"X-Forwarded-Host: {authority}\r\nX-Forwarded-Proto: https\r\n"
    )


def test_the_certificate_and_its_issuers_are_byte_sequences() -> None:
    """RFC 9440, section 2: base64 between colons, the chain as a list; without one no field."""
    assert certificate_lines(b"\x30\x01", (b"\x30\x02", b"\x30\x03")) == (
        b"Client-Cert: :MAE=:\r\nClient-Cert-Chain: :MAI=:, :MAM=:\r\n"
    )
    assert certificate_lines(b"\x30\x01", ()) == b"Client-Cert: :MAE=:\r\n"


@given(st.text())
def test_no_value_of_ours_begins_a_line(text: str) -> None:
    """Whatever a person is called, their field is one line of ASCII."""
    line = field_lines(("X-Forwarded-User", text))
    assert line.startswith(b"X-Forwarded-User: ")
    assert line.endswith(b"\r\n")
    assert line.isascii()
    assert all(octet >= 0x20 for octet in line[:-2])


def test_ordinary_fields_pass_as_they_were_sent() -> None:
    """In their order and spelling."""
    lines = [b"Accept:  text/html ", b"X-b: 1", b"x-B: 2", b"Authorization: Basic eA=="]
    assert tail(*lines) == lines


def test_claims_nominated_and_hop_by_hop_fields_do_not_pass() -> None:
    """Neither who somebody is, nor what is between two neighbours."""
    lines = [
        *(b"X-Forwarded-User: root", b"x_forwarded_user: root", b"Forwarded: for=::1"),
        *(b"Connection: x-mine, close", b"X-Mine: 1", b"TE: gzip", b"Keep-Alive: 5"),
        *(b"Upgrade: h2c", b"HTTP2-Settings: x", b"Pusterla-Assertion: x", b"Trailer: x"),
    ]
    assert tail(*lines) == []


def test_a_client_cannot_take_our_fields_out_by_nominating_them() -> None:
    """Connection names fields of the client's own message."""
    lines = tail(b"Connection: X-Forwarded-User, Host, Content-Length", b"Content-Length: 3")
    assert lines == [b"Content-Length: 3"]


@pytest.mark.parametrize("line", [b"X-Who: root", b"x_who: root", b"X.WHO: root"])
def test_the_applications_own_user_header_does_not_pass(line: bytes) -> None:
    """In no spelling."""
    assert tail(line, user_header="X-Who") == []
    assert tail(line) == [line]


def test_claims_are_named() -> None:
    """For the audit log: what the client said, and not what is merely hop-by-hop."""
    request = head(b"X-Forwarded-User: a", b"X_Who: b", b"TE: trailers", b"Accept: c")
    assert claimed_fields(request) == "x-forwarded-user"
    assert claimed_fields(request, "X-Who") == "x-forwarded-user x_who"
    assert claimed_fields(head()) == ""


@pytest.mark.parametrize(
    "sent, passed",
    [
        (f"a=b; {COOKIE_NAME}=x; c=d", ["Cookie: a=b; c=d"]),
        (f"{COOKIE_NAME}=x", []),
        (f"a=b;{COOKIE_NAME}=x;{COOKIE_NAME}=y", ["Cookie: a=b"]),
        (f" {COOKIE_NAME} =x; a=b", ["Cookie: a=b"]),
        ("a=b;  c=d", ["Cookie: a=b;  c=d"]),
        (f"x{COOKIE_NAME}=x", [f"Cookie: x{COOKIE_NAME}=x"]),
    ],
)
def test_our_cookie_does_not_pass(sent: str, passed: list[str]) -> None:
    """And the application's own are untouched."""
    assert [line.decode() for line in tail(b"Cookie: " + sent.encode())] == passed


@pytest.mark.parametrize(
    "line, lines, framing",
    [
        (b"GET / HTTP/1.1", [], []),
        (b"POST / HTTP/1.1", [], [b"Content-Length: 0"]),
        (b"PUT / HTTP/1.1", [b"Content-Length: 0"], [b"Content-Length: 0"]),
        (b"POST / HTTP/1.1", [b"Content-Length: 005"], [b"Content-Length: 5"]),
        (b"GET / HTTP/1.1", [b"Content-Length: 5"], [b"Content-Length: 5"]),
        (b"POST / HTTP/1.1", [b"Transfer-Encoding: Chunked"], [b"Transfer-Encoding: chunked"]),
        (
            b"PUT / HTTP/1.1",
            [b"Expect: 100-Continue", b"Content-Length: 5"],
            [b"Expect: 100-continue", b"Content-Length: 5"],
        ),
        (
            b"PUT / HTTP/1.0",
            [b"Expect: 100-continue", b"Content-Length: 5"],
            [b"Content-Length: 5"],
        ),
        (b"GET / HTTP/1.1", [b"Expect: 100-continue"], []),
        (
            b"GET / HTTP/1.1",
            [b"TE: gzip;q=0.5, Trailers", b"Connection: TE"],
            [b"TE: trailers", b"Connection: TE"],
        ),
        (b"GET / HTTP/1.1", [b"TE: gzip", b"Connection: TE"], []),
        (
            b"GET / HTTP/1.1",
            [b"Connection: keep-alive, Upgrade", b"Upgrade: WebSocket", b"Sec-WebSocket-Key: x"],
            [b"Sec-WebSocket-Key: x", b"Connection: Upgrade", b"Upgrade: websocket"],
        ),
    ],
)
def test_a_request_is_framed_anew(line: bytes, lines: list[bytes], framing: list[bytes]) -> None:
    """By what was understood and not by what was written."""
    assert tail(*lines, line=line) == framing


@pytest.mark.parametrize(
    "lines, how, framing",
    [
        ([b"Content-Length: 5"], {}, [b"Content-Length: 5"]),
        (
            [b"Content-Length: 5"],
            {"keep_alive": False},
            [b"Content-Length: 5", b"Connection: close"],
        ),
        (
            [b"Content-Length: 5"],
            {"http_1_1": False},
            [b"Content-Length: 5", b"Connection: keep-alive"],
        ),
        ([b"Transfer-Encoding: chunked"], {}, [b"Transfer-Encoding: chunked"]),
        ([b"Connection: close"], {}, [b"Transfer-Encoding: chunked"]),
        ([], {"http_1_1": False, "keep_alive": False}, [b"Connection: close"]),
        (
            [b"Transfer-Encoding: chunked"],
            {"http_1_1": False, "keep_alive": False},
            [b"Connection: close"],
        ),
        ([], {"line": b"HTTP/1.1 204 No Content"}, []),
        ([b"Content-Length: 5"], {"line": b"HTTP/1.1 304 Not Modified"}, []),
        ([b"Content-Length: 5"], {"method": b"HEAD"}, [b"Content-Length: 5"]),
        ([b"Transfer-Encoding: chunked"], {"method": b"HEAD"}, []),
        (
            [b"Upgrade: websocket", b"Connection: Upgrade"],
            {"line": b"HTTP/1.1 101 Switching Protocols"},
            [b"Connection: Upgrade", b"Upgrade: websocket"],
        ),
    ],
)
def test_a_response_is_framed_for_its_client(
    lines: list[bytes], how: dict[str, bytes | bool], framing: list[bytes]
) -> None:
    """A body of unknown length is chunked, or lasts until an HTTP/1.0 connection closes."""
    assert block(*lines, **how)[1:] == framing  # type: ignore[arg-type]


def test_a_response_keeps_its_status_and_fields() -> None:
    """All but what is between two neighbours."""
    lines = block(
        *(b"X-A: 1", b"Connection: x-b", b"X-B: 2", b"Keep-Alive: 5", b"Content-Length: 0"),
        line=b"HTTP/1.0 404 Not Here",
    )
    assert lines == [b"HTTP/1.1 404 Not Here", b"X-A: 1", b"Content-Length: 0"]


def test_an_interim_response_has_fields_and_no_framing() -> None:
    """RFC 8297: what the application hints at, without what is between neighbours."""
    head = parse_response(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nConnection: X\r\nX: y\r\n"
        b"Keep-Alive: timeout=5\r\nSet-Cookie: __Host-pusterla=x\r\n\r\n",
        b"GET",
    )
    expected = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n"
    assert interim_block(head) == expected + b"\r\n"
    own = b"Set-Cookie: __Host-pusterla=x\r\n"
    assert interim_block(head, ours=True) == expected + own + b"\r\n"


@pytest.mark.parametrize("spelling", [b"Set-Cookie: ", b"set-cookie:", b"SET-COOKIE:\t "])
def test_only_the_portal_sets_our_cookie(spelling: bytes) -> None:
    """An application's attempt goes nowhere; its own cookies do."""
    line = spelling + COOKIE_NAME.encode() + b"=x; Path=/; Secure"
    assert line not in block(line, b"Content-Length: 0")
    assert line in block(line, b"Content-Length: 0", ours=True)
    own = b"Set-Cookie: mine=1"
    assert own in block(own, b"Content-Length: 0")
