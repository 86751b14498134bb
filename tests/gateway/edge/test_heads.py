import re
import string

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.refusal_kinds import Refusal
from gateway.core.routes import Target
from gateway.core.site import Limits
from gateway.edge.heads import (
    CHUNKED,
    NO_BODY,
    UNTIL_CLOSE,
    Length,
    Reached,
    RequestBody,
    RequestHead,
    ResponseBody,
    UpstreamGarbled,
    parse_request,
    parse_response,
)
from policies.parse import check_method

HOST = b"Host: wiki.x"
LIMITS = Limits()


def request(*lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = HOST) -> bytes:
    """Return a request's head with *lines*."""
    return b"\r\n".join([line, *([host] if host else []), *lines, b"", b""])


def read(*lines: bytes, line: bytes = b"GET / HTTP/1.1", host: bytes = HOST) -> RequestHead:
    """Read a head that is accepted."""
    head = parse_request(request(*lines, line=line, host=host))
    assert isinstance(head, RequestHead), head
    return head


def response(*lines: bytes, line: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Return a response's head with *lines*."""
    return b"\r\n".join([line, *lines, b"", b""])


# Requests -------------------------------------------------------------------


def test_a_browsers_head_has_its_one_reading() -> None:
    """Method, target, host, fields: all of it, and nothing more."""
    head = read(b"Accept: text/html", b"Cookie: a=b", b"accept: */*", line=b"GET /a/./b?c HTTP/1.1")
    assert (head.method, head.target, head.http_1_1) == (b"GET", Target(b"/a/b", b"c"), True)
    assert (head.host, head.authority) == ("wiki.x", "wiki.x")
    assert [field.wire for field in head.fields] == [
        b"Accept: text/html\r\n",
        b"Cookie: a=b\r\n",
        b"accept: */*\r\n",
    ]
    assert head.first(b"accept") == b"text/html"
    assert head.first(b"origin") is None
    assert (head.body, head.keep_alive, head.expects_continue) == (NO_BODY, True, False)
    assert not head.websocket
    assert head.nominated == frozenset()
    assert head.rememberable


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"\n\r\n" + request(), id="line feed and empty line before"),
        pytest.param(b"\r\r\n" + request(), id="carriage return and empty line before"),
        pytest.param(b"\n" + request(), id="line feed before"),
        pytest.param(b"\r\n\r\n", id="nothing"),
        pytest.param(request(line=b"GET  / HTTP/1.1"), id="two blanks"),
        pytest.param(request(line=b"GET / HTTP/1.1 "), id="blank behind"),
        pytest.param(request(line=b"GET /"), id="no version"),
        pytest.param(request(line=b"OPTIONS / RTSP/1.0"), id="RTSP"),
        pytest.param(request(line=b"SOURCE / ICE/1.0"), id="ICE"),
        pytest.param(request(line=b"GET / HTTP/0.9"), id="0.9"),
        pytest.param(request(line=b"GET / HTTP/1.2"), id="1.2"),
        pytest.param(request(line=b"GET / HTTP/2.0"), id="2.0"),
        pytest.param(request(line=b"PRI * HTTP/2.0", host=b""), id="preface of HTTP/2"),
        pytest.param(request(line=b"GET / http/1.1"), id="lower case"),
        pytest.param(request(line=b"GET /a#b HTTP/1.1"), id="fragment"),
        pytest.param(request(line=b"GET /\xc3\xa9 HTTP/1.1"), id="not ASCII"),
        pytest.param(request(line=b"GET /%00 HTTP/1.1"), id="encoded NUL"),
        pytest.param(request(line=b"GET a HTTP/1.1"), id="no slash"),
    ],
)
def test_a_request_line_with_another_reading_is_refused(head: bytes) -> None:
    """Only METHOD SP target SP HTTP/1.x, at the very beginning."""
    assert parse_request(head) is Refusal.BAD_REQUEST


@pytest.mark.parametrize(
    "method",
    [
        *(b"get", b"Get", b"G3T", b"-GET", b"G_T", b"G\x01T", b"", b"GET\t", b"A" * 33),
        *(b"CONNECT", b"TRACE", b"TRACK"),
    ],
)
def test_what_no_rule_can_name_is_no_method(method: bytes) -> None:
    """Nor CONNECT, which would make a tunnel to anywhere, nor TRACE, which would tell on us."""
    assert parse_request(request(line=method + b" / HTTP/1.1")) is Refusal.METHOD_UNKNOWN


def test_options_may_be_for_the_application_as_a_whole() -> None:
    """RFC 9112, section 3.2.4; no other method may."""
    assert read(line=b"OPTIONS * HTTP/1.1").target.wire == b"*"
    for line in (b"GET * HTTP/1.1", b"OPTIONS *x HTTP/1.1", b"OPTIONS ** HTTP/1.1"):
        assert parse_request(request(line=line)) is Refusal.BAD_REQUEST


WEBDAV = "COPY MOVE MKCOL PROPFIND PROPPATCH LOCK UNLOCK SEARCH REPORT ACL BIND MKCALENDAR"
SUBVERSION = "MKACTIVITY CHECKOUT MERGE"
OTHERS = "GET HEAD POST PUT PATCH DELETE OPTIONS QUERY PURGE LINK UNLINK NOTIFY SUBSCRIBE M-SEARCH"
VERSIONS = "VERSION-CONTROL UNCHECKOUT LABEL UPDATE BASELINE-CONTROL ORDERPATCH"
# Known to llhttp of other protocols only, registered by nobody, and close to others.
STRANGE = "DESCRIBE SETUP PLAY FLUSH SOURCE MKREDIRECTREF EVICT GETT X A-B " + "A" * 32


@pytest.mark.parametrize("method", f"{WEBDAV} {SUBVERSION} {OTHERS} {VERSIONS} {STRANGE}".split())
def test_any_method_that_a_rule_can_name_passes(method: str) -> None:
    """Whatever applications use is theirs to refuse; the rest of a head is read as with any."""
    check_method(method.replace("HEAD", "GET"))
    lines = b"Content-Length: 5", b"Connection: upgrade, close, x", b"Upgrade: h2c"
    head = read(*lines, line=f"{method} /a/./b?c HTTP/1.1".encode())
    assert (head.method, head.target, head.body) == (
        *(method.encode(), Target(b"/a/b", b"c")),
        Length(5),
    )
    assert head.nominated == {b"x"}
    assert not head.keep_alive
    assert not head.websocket


@pytest.mark.parametrize("method", [b"UNCHECKOUT", b"DESCRIBE"])
@pytest.mark.parametrize(
    "line, lines",
    [
        (b"%b  / HTTP/1.1", []),
        (b"%b / HTTP/1.1 ", []),
        (b"%b / HTTP/2.0", []),
        (b"%b / RTSP/1.0", []),
        (b"%b / ICE/1.0", []),
        (b"%b * HTTP/1.1", []),
        (b"%b wiki.x:443 HTTP/1.1", []),
        (b"\r\n%b / HTTP/1.1", []),
        (b"%b / HTTP/1.1", [b"X : a"]),
        (b"%b / HTTP/1.1", [b"X: a\nY: b"]),
        (b"%b / HTTP/1.1", [b" folded"]),
        (b"%b / HTTP/1.1", [b"Content-Length: 1", b"Transfer-Encoding: chunked"]),
    ],
)
def test_a_method_that_llhttp_does_not_know_excuses_nothing(
    method: bytes, line: bytes, lines: list[bytes]
) -> None:
    """What is refused of others is refused of it."""
    assert parse_request(request(*lines, line=line % method)) in {
        Refusal.BAD_REQUEST,
        Refusal.METHOD_UNKNOWN,
    }


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"X", id="no colon"),
        pytest.param(b": a", id="no name"),
        pytest.param(b"X : a", id="blank before the colon"),
        pytest.param(b"X\t: a", id="tab before the colon"),
        pytest.param(b"Content-Length : 5", id="blank before the colon of a length"),
        pytest.param(b"Transfer-Encoding : chunked", id="blank before the colon of a coding"),
        pytest.param(b" X: a", id="blank at the start"),
        pytest.param(b"X: a\r\n b", id="folded"),
        pytest.param(b"X:\r\n b", id="folded at once"),
        pytest.param(b"Transfer-Encoding:\r\n chunked", id="folded coding"),
        pytest.param(b"Connection: close,\r\n\tx", id="folded connection"),
        pytest.param(b"X: a\rb", id="bare CR"),
        pytest.param(b"X: a\r\r\nY: b", id="CR CR LF"),
        pytest.param(b"X: a\nY: b", id="bare LF"),
        pytest.param(b"X: a\n\nGET /second HTTP/1.1\r\nHost: wiki.x", id="two bare LF"),
        pytest.param(b"X\xe9: a", id="name not ASCII"),
        pytest.param(b"X(y): a", id="no token"),
    ],
)
def test_a_field_line_with_another_reading_is_refused(line: bytes) -> None:
    """RFC 9112, section 5, and nothing more lenient."""
    assert parse_request(request(line)) is Refusal.BAD_REQUEST


@pytest.mark.parametrize(
    "name", ["X", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade"]
)
@pytest.mark.parametrize("octet", [*range(9), *range(10, 32), 127])
def test_no_control_character_gets_into_a_value(name: str, octet: int) -> None:
    """Not even into those that the parser reads for itself."""
    line = name.encode() + b": a" + bytes([octet]) + b"b"
    assert parse_request(request(line)) is Refusal.BAD_REQUEST


@pytest.mark.parametrize(
    "lines, body",
    [
        ([], NO_BODY),
        ([b"Content-Length: 0"], NO_BODY),
        ([b"Content-Length: 5"], Length(5)),
        ([b"content-length:005"], Length(5)),
        ([b"Content-Length: 999999999999999999"], Length(10**18 - 1)),
        ([b"Transfer-Encoding: chunked"], CHUNKED),
        ([b"Transfer-Encoding:chunked "], CHUNKED),
        ([b"Transfer-Encoding: CHUNKED"], CHUNKED),
    ],
)
def test_a_body_is_framed_by_length_or_chunked(lines: list[bytes], body: RequestBody) -> None:
    """One length of digits, or the one coding that everybody reads alike."""
    assert read(*lines, line=b"POST / HTTP/1.1").body == body


@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 5", b"Content-Length: 5"],
        [b"Content-Length: 5", b"Content-Length: 6"],
        [b"Content-Length: 5, 5"],
        [b"Content-Length: +5"],
        [b"Content-Length: -5"],
        [b"Content-Length: 0x5"],
        [b"Content-Length: 5 5"],
        [b"Content-Length: 5;"],
        [b"Content-Length: \xb2"],
        [b"Content-Length:"],
        [b"Content-Length: 9999999999999999999"],
        [b"Content-Length: 18446744073709551617"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
        [b"Content-Length: 0", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked, chunked"],
        [b"Transfer-Encoding: chunked, identity"],
        [b"Transfer-Encoding: identity"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Transfer-Encoding: xchunked"],
        [b"Transfer-Encoding: chunked;q=1"],
        [b'Transfer-Encoding: "chunked"'],
        [b"Transfer-Encoding: chun ked"],
        [b"Transfer-Encoding:"],
        [b"Transfer-Encoding: ,chunked"],
        [b"Transfer-Encoding: \xa0chunked"],
    ],
)
@pytest.mark.parametrize("method", [b"GET", b"POST"])
def test_a_body_that_two_servers_could_cut_differently_is_refused(
    lines: list[bytes], method: bytes
) -> None:
    """Every way to smuggle a request in a body begins with one of these."""
    assert parse_request(request(*lines, line=method + b" / HTTP/1.1")) is Refusal.BAD_REQUEST


def test_http_1_0_has_lengths_and_no_codings() -> None:
    """RFC 9112, section 6.1: a coding in HTTP/1.0 is faulty framing."""
    line = b"POST / HTTP/1.0"
    assert read(b"Content-Length: 5", line=line).body == Length(5)
    coded = request(b"Transfer-Encoding: chunked", line=line)
    assert parse_request(coded) is Refusal.BAD_REQUEST


@pytest.mark.parametrize(
    "raw, lines",
    [
        (b"/", [b""]),
        (b"/", [HOST, HOST]),
        (b"/", [b"Host: a, b"]),
        (b"/", [b"Host:"]),
        (b"/", [b"Host: wiki.x/evil"]),
        (b"/", [b"Host: evil@wiki.x"]),
        (b"/", [b"Host: wiki.x:port"]),
        (b"/", [b"Host: wi\xc2\xadki.x"]),
        (b"https://evil.x/", [HOST]),
        (b"https://wiki.x.evil/", [HOST]),
        (b"https://wiki.x:8443/", [HOST]),
        (b"https://wiki.x@evil.x/", [HOST]),
        (b"https://wiki.x?a", [HOST]),
        (b"http://wiki.x/", [HOST]),
        (b"https:/wiki.x/", [HOST]),
    ],
)
def test_a_place_without_one_reading_is_refused(raw: bytes, lines: list[bytes]) -> None:
    """One Host, and an absolute target only where it says the same."""
    present = [line for line in lines if line]
    head = request(*present, line=b"GET " + raw + b" HTTP/1.1", host=b"")
    assert parse_request(head) is Refusal.BAD_REQUEST


@pytest.mark.parametrize(
    "raw, host, target, authority",
    [
        (b"https://wiki.x/a", b"Host: wiki.x", Target(b"/a", None), "wiki.x"),
        (b"HTTPS://Wiki.X:8443/A", b"Host: wiki.x:8443", Target(b"/A", None), "wiki.x:8443"),
        (b"https://wiki.x", b"Host: wiki.x", Target(b"/", None), "wiki.x"),
        (b"/", b"Host: WIKI.x.:8443", Target(b"/", None), "wiki.x:8443"),
        (b"/%7euser", b"Host: wiki.x", Target(b"/~user", None), "wiki.x"),
    ],
)
def test_host_and_target_have_one_form(
    raw: bytes, host: bytes, target: Target, authority: str
) -> None:
    """What is judged is what goes upstream."""
    head = read(line=b"GET " + raw + b" HTTP/1.1", host=host)
    assert (head.target, head.authority, head.host) == (target, authority, "wiki.x")


PLAIN = Reached(b"http", "public.x")


@pytest.mark.parametrize(
    "raw, reached, target",
    [
        (b"http://wiki.x/a", PLAIN, Target(b"/a", None)),
        (b"HTTP://WIKI.X", PLAIN, Target(b"/", None)),
        (b"https://wiki.x/a", PLAIN, None),
        (b"http://wiki.x.evil/", PLAIN, None),
        (b"http://public.x/", PLAIN, None),
        (b"https://wiki.x/a", Reached(b"https", "wiki.x"), Target(b"/a", None)),
        (b"http://wiki.x/a", Reached(b"https", "wiki.x"), None),
    ],
)
def test_an_absolute_target_has_the_scheme_of_its_port(
    raw: bytes, reached: Reached, target: Target | None
) -> None:
    """RFC 9112, section 3.2.2: it is accepted; one for another port is not for this one."""
    head = parse_request(request(line=b"GET %b HTTP/1.1" % raw), LIMITS, reached)
    assert (head.target if isinstance(head, RequestHead) else None) == target


@pytest.mark.parametrize(
    "line, lines, authority",
    [
        (b"GET / HTTP/1.0", [], "public.x"),
        (b"GET http://public.x/ HTTP/1.0", [], "public.x"),
        (b"GET http://other.x/ HTTP/1.0", [], None),
        (b"GET / HTTP/1.0", [HOST], "wiki.x"),
        (b"GET / HTTP/1.0", [HOST, HOST], None),
        (b"GET / HTTP/1.0", [b"Host:"], None),
        (b"GET / HTTP/1.1", [], None),
    ],
)
def test_only_http_1_0_may_leave_its_host_to_the_connection(
    line: bytes, lines: list[bytes], authority: str | None
) -> None:
    """RFC 9112, section 3.2, demands 400 of HTTP/1.1; and of a host said twice, or badly."""
    head = parse_request(request(*lines, line=line, host=b""), LIMITS, PLAIN)
    assert (head.authority if isinstance(head, RequestHead) else None) == authority
    assert parse_request(request(line=b"GET / HTTP/1.0", host=b"")) is Refusal.BAD_REQUEST


def test_too_long_a_target_and_too_many_fields_have_refusals_of_their_own() -> None:
    """414 and 431, and just below them nothing."""
    longest = b"GET /" + b"a" * (LIMITS.target_bytes - 1) + b" HTTP/1.1"
    assert read(line=longest).target.path.endswith(b"aa")
    longer = longest.replace(b"/a", b"/aa", 1)
    assert parse_request(request(line=longer)) is Refusal.TARGET_TOO_LONG
    many = [b"X: y"] * (LIMITS.head_fields - 1)
    assert len(read(*many).fields) == LIMITS.head_fields - 1
    assert parse_request(request(*many, b"X: y")) is Refusal.HEAD_TOO_LARGE


def test_the_limits_of_a_head_are_the_sites() -> None:
    """Smaller ones refuse what the usual ones let pass."""
    few, short = Limits(head_fields=32), Limits(target_bytes=10)
    assert parse_request(request(*[b"X: y"] * 32), few) is Refusal.HEAD_TOO_LARGE
    assert isinstance(parse_request(request(*[b"X: y"] * 31), few), RequestHead)
    line = b"GET /%b HTTP/1.1"
    assert parse_request(request(line=line % (b"a" * 10)), short) is Refusal.TARGET_TOO_LONG
    assert isinstance(parse_request(request(line=line % (b"a" * 9)), short), RequestHead)


@pytest.mark.parametrize(
    "line, lines, keep_alive",
    [
        (b"GET / HTTP/1.1", [], True),
        (b"GET / HTTP/1.1", [b"Connection: close"], False),
        (b"GET / HTTP/1.1", [b"Connection: Keep-Alive, CLOSE"], False),
        (b"GET / HTTP/1.1", [b"Connection: x", b"Connection: close"], False),
        (b"GET / HTTP/1.0", [], False),
        (b"GET / HTTP/1.0", [b"Connection: keep-alive"], True),
    ],
)
def test_connections_persist_as_the_version_says(
    line: bytes, lines: list[bytes], keep_alive: bool
) -> None:
    """RFC 9112, section 9.3."""
    assert read(*lines, line=line).keep_alive is keep_alive


def test_what_connection_nominates_is_named() -> None:
    """In lower case, without the options that have a meaning of their own."""
    head = read(b"Connection: close, X-Mine ,,\tcookie", b"Connection: keep-alive")
    assert head.nominated == {b"x-mine", b"cookie"}


@pytest.mark.parametrize(
    "line, lines, websocket",
    [
        (b"GET / HTTP/1.1", [b"Connection: Upgrade", b"Upgrade: websocket"], True),
        (b"GET / HTTP/1.1", [b"Connection: keep-alive, upgrade", b"Upgrade: WebSocket"], True),
        (b"GET / HTTP/1.1", [b"Upgrade: websocket"], False),
        (b"GET / HTTP/1.1", [b"Connection: Upgrade"], False),
        (b"GET / HTTP/1.1", [b"Connection: Upgrade", b"Upgrade: h2c"], False),
        (b"GET / HTTP/1.1", [b"Connection: Upgrade", b"Upgrade: websocket, h2c"], False),
        (
            b"GET / HTTP/1.1",
            [b"Connection: Upgrade", b"Upgrade: h2c", b"Upgrade: websocket"],
            False,
        ),
        (b"POST / HTTP/1.1", [b"Connection: Upgrade", b"Upgrade: websocket"], False),
        (b"GET / HTTP/1.0", [b"Connection: Upgrade", b"Upgrade: websocket"], False),
        (
            b"GET / HTTP/1.1",
            [b"Connection: Upgrade", b"Upgrade: websocket", b"Content-Length: 1"],
            False,
        ),
    ],
)
def test_of_all_upgrades_only_a_websocket_is_one(
    line: bytes, lines: list[bytes], websocket: bool
) -> None:
    """Everything else is a plain request whose Upgrade nobody hears of."""
    head = read(*lines, line=line)
    assert head.websocket is websocket
    assert [field.name for field in head.fields] == []
    assert not (head.websocket and head.rememberable)


@pytest.mark.parametrize(
    "line, lines, expects",
    [
        (b"PUT / HTTP/1.1", [b"Expect: 100-Continue", b"Content-Length: 1"], True),
        (b"PUT / HTTP/1.1", [b"Expect: 100-continue"], False),
        (b"PUT / HTTP/1.0", [b"Expect: 100-continue", b"Content-Length: 1"], False),
        (b"PUT / HTTP/1.1", [b"Content-Length: 1"], False),
    ],
)
def test_100_continue_is_expected_where_a_body_comes(
    line: bytes, lines: list[bytes], expects: bool
) -> None:
    """RFC 9110, section 10.1.1."""
    assert read(*lines, line=line).expects_continue is expects


@pytest.mark.parametrize(
    "lines", [[b"Expect: tea"], [b"Expect:"], [b"Expect: 100-continue", b"Expect: 100-continue"]]
)
def test_another_expectation_is_refused(lines: list[bytes]) -> None:
    """We could not fulfil it."""
    assert parse_request(request(*lines)) is Refusal.BAD_REQUEST


@pytest.mark.parametrize(
    "line, lines",
    [
        (b"POST / HTTP/1.1", []),
        (b"GET / HTTP/1.0", []),
        (b"GET / HTTP/1.1", [b"Content-Length: 1"]),
        (b"GET / HTTP/1.1", [b"Connection: upgrade", b"Upgrade: websocket"]),
    ],
)
def test_only_plain_requests_are_rememberable(line: bytes, lines: list[bytes]) -> None:
    """What has a body, or is more than a question, is read anew each time."""
    assert not read(*lines, line=line).rememberable


TOKEN = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"
PARTS = st.sampled_from(
    [
        *(b"Host: wiki.x", b"Content-Length: 5", b"Content-Length: 7", b"Content-Length:5 "),
        *(b"Transfer-Encoding: chunked", b"Transfer-Encoding:chunked", b"Transfer-Encoding: x"),
        *(b"transfer-encoding : chunked", b"Connection: close", b"Connection: Upgrade"),
        *(b"Upgrade: websocket", b"Expect: 100-continue", b"X: y", b" folded", b"\tfolded"),
        *(
            b"",
            b"GET /evil HTTP/1.1",
            b"5",
            b"0",
            b"X:\x00",
            b"X: \xff",
            b"X\x0b: y",
            b"Cookie: a=b",
        ),
    ]
)
ENDS = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\r\n", b"\n\r", b"\x0b"])
LINES = st.sampled_from(
    [
        b"GET / HTTP/1.1",
        b"POST /a HTTP/1.1",
        b"GET / HTTP/1.0",
        b"\r\nGET / HTTP/1.1",
        b"\nGET / HTTP/1.1",
    ]
)


@st.composite
def broken_heads(draw: st.DrawFn) -> bytes:
    """Draw a head in which much may be wrong, up to its first empty line."""
    data = draw(LINES) + draw(ENDS)
    for part in draw(st.lists(PARTS, max_size=6)):
        data += part + draw(ENDS)
    cut = draw(st.integers(0, len(data)))
    data = data[:cut] + draw(st.binary(max_size=2)) + data[cut:] + b"\r\n\r\n"
    return data[: data.find(b"\r\n\r\n") + 4]


@given(broken_heads())
def test_what_is_accepted_h11_reads_alike(data: bytes) -> None:
    """A second opinion: whatever is accepted, h11 accepts, and finds the same in it."""
    head = parse_request(data)
    if isinstance(head, Refusal):
        return
    judge = h11.Connection(h11.SERVER)
    judge.receive_data(data)
    event = judge.next_event()
    assert isinstance(event, h11.Request), event
    assert event.method == head.method
    assert event.http_version == (b"1.1" if head.http_1_1 else b"1.0")
    ordinary = [
        (bytes(name), bytes(value))
        for name, value in event.headers
        if name
        not in {
            b"host",
            b"connection",
            b"content-length",
            b"transfer-encoding",
            b"expect",
            b"upgrade",
        }
    ]
    assert [(field.name, field.value) for field in head.fields] == ordinary
    framing = [(name, value) for name, value in event.headers if name == b"content-length"]
    length = int(framing[0][1]) if framing else 0
    assert head.body in ({Length(length), CHUNKED} if length else {NO_BODY, CHUNKED})
    assert (head.body is CHUNKED) is any(name == b"transfer-encoding" for name, _ in event.headers)
    for field in head.fields:
        assert re.fullmatch(rb"[!-~]+:[\t -~\x80-\xff]*\r\n", field.wire)


@given(st.binary(max_size=300))
def test_no_bytes_raise(data: bytes) -> None:
    """Whatever strangers send has an answer."""
    parse_request(data + b"\r\n\r\n")


# Responses ------------------------------------------------------------------


@pytest.mark.parametrize(
    "method, line, lines, body",
    [
        (b"GET", b"HTTP/1.1 200 OK", [b"Content-Length: 5"], Length(5)),
        (b"GET", b"HTTP/1.1 200 OK", [b"Content-Length: 0"], Length(0)),
        (b"GET", b"HTTP/1.1 200 OK", [b"Transfer-Encoding: chunked"], CHUNKED),
        (b"GET", b"HTTP/1.1 200 OK", [b"Transfer-Encoding: Chunked"], CHUNKED),
        (b"GET", b"HTTP/1.1 200 OK", [], UNTIL_CLOSE),
        (b"GET", b"HTTP/1.0 200 OK", [], UNTIL_CLOSE),
        (b"GET", b"HTTP/1.1 404 Not Found", [], UNTIL_CLOSE),
        (b"GET", b"HTTP/1.1 204 No Content", [], NO_BODY),
        (b"GET", b"HTTP/1.1 204 No Content", [b"Content-Length: 5"], NO_BODY),
        (b"GET", b"HTTP/1.1 304 Not Modified", [b"Content-Length: 5"], NO_BODY),
        (b"GET", b"HTTP/1.1 103 Early Hints", [], NO_BODY),
        (b"HEAD", b"HTTP/1.1 200 OK", [b"Content-Length: 5"], NO_BODY),
        (b"HEAD", b"HTTP/1.1 200 OK", [b"Transfer-Encoding: chunked"], NO_BODY),
        (b"HEAD", b"HTTP/1.1 200 OK", [], NO_BODY),
    ],
)
def test_a_response_is_framed_in_the_order_of_the_rfc(
    method: bytes, line: bytes, lines: list[bytes], body: ResponseBody
) -> None:
    """RFC 9112, section 6.3."""
    assert parse_response(response(*lines, line=line), method).body == body


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"\n\r\n" + response(), id="line feed and empty line before"),
        pytest.param(b"\r\n\r\n", id="nothing"),
        pytest.param(b"hello\r\n\r\n", id="greeting"),
        pytest.param(response(line=b"HTTP/1.1 000 No"), id="status 000"),
        pytest.param(response(line=b"HTTP/1.1 099 No"), id="status 099"),
        pytest.param(response(line=b"HTTP/1.1 20 OK"), id="status of two digits"),
        pytest.param(response(line=b"HTTP/1.1 2000 OK"), id="status of four digits"),
        pytest.param(response(line=b"HTTP/1.2 200 OK"), id="version"),
        pytest.param(response(line=b"HTTP/2.0 200 OK"), id="version 2"),
        pytest.param(response(line=b"RTSP/1.0 200 OK"), id="RTSP"),
        pytest.param(response(line=b"HTTP/1.1 200 O\rK"), id="bare CR"),
        pytest.param(response(line=b"HTTP/1.1 200 OK\nX: y"), id="bare LF"),
        pytest.param(response(b"X : y"), id="blank before the colon"),
        pytest.param(response(b"X: a\r\n b"), id="folded"),
        pytest.param(response(b"X: a\x01b"), id="control character"),
        pytest.param(response(b"Content-Length: 1", b"Content-Length: 1"), id="two lengths"),
        pytest.param(response(b"Content-Length: x"), id="no number"),
        pytest.param(response(b"Content-Length: 1", b"Transfer-Encoding: chunked"), id="both"),
        pytest.param(response(b"Transfer-Encoding: gzip, chunked"), id="two codings"),
        pytest.param(response(b"Transfer-Encoding: identity"), id="another coding"),
        pytest.param(response(line=b"HTTP/1.1 101 Switching Protocols"), id="101 to nothing"),
    ],
)
def test_a_response_with_another_reading_is_garbled(head: bytes) -> None:
    """It is answered by 502, and its connection is not used again."""
    with pytest.raises(UpstreamGarbled):
        parse_response(head, b"GET")


def test_what_a_response_says_is_kept() -> None:
    """Status, reason, fields, and what Connection nominates."""
    head = parse_response(
        response(b"X-A: b", b"Connection: x-a", line=b"HTTP/1.1 418 I'm one"), b"GET"
    )
    assert (head.status, head.reason) == (418, b"I'm one")
    assert head.nominated == {b"x-a"}
    assert [field.wire for field in head.fields] == [b"X-A: b\r\n"]
    assert not head.upgraded


@pytest.mark.parametrize(
    "line, reason",
    [
        (b"HTTP/1.1 200", b""),
        (b"HTTP/1.1 200 ", b""),
        (b"HTTP/1.0 200 All is well", b"All is well"),
    ],
)
def test_the_reason_is_passed_on_as_it_is(line: bytes, reason: bytes) -> None:
    """Where there is one."""
    assert parse_response(response(b"Content-Length: 0", line=line), b"GET").reason == reason


@pytest.mark.parametrize(
    "line, lines, keep_alive",
    [
        (b"HTTP/1.1 200 OK", [b"Content-Length: 0"], True),
        (b"HTTP/1.1 200 OK", [b"Content-Length: 0", b"Connection: Close"], False),
        (b"HTTP/1.0 200 OK", [b"Content-Length: 0"], False),
        (b"HTTP/1.0 200 OK", [b"Content-Length: 0", b"Connection: Keep-Alive"], True),
        (b"HTTP/1.0 200 OK", [b"Transfer-Encoding: chunked", b"Connection: Keep-Alive"], False),
        (b"HTTP/1.1 204 No Content", [], True),
        (b"HTTP/1.1 304 Not Modified", [b"Content-Length: 0"], True),
        (b"HTTP/1.1 204 No Content", [b"Content-Length: 5"], False),
        (b"HTTP/1.1 304 Not Modified", [b"Content-Length: 5"], False),
        (b"HTTP/1.1 204 No Content", [b"Transfer-Encoding: chunked"], False),
    ],
)
def test_a_connection_is_kept_where_nothing_more_can_come(
    line: bytes, lines: list[bytes], keep_alive: bool
) -> None:
    """An application that announces a body where there is none may yet send it."""
    assert parse_response(response(*lines, line=line), b"GET").keep_alive is keep_alive


def test_no_connection_is_kept_behind_a_head_that_announces_a_body() -> None:
    """Some applications answer HEAD with the body of GET; it must not become the next answer."""
    head = parse_response(response(b"Content-Length: 5"), b"HEAD")
    assert [field.wire for field in head.fields] == [b"Content-Length: 5\r\n"]
    assert not head.keep_alive
    assert parse_response(response(b"Content-Length: 0"), b"HEAD").keep_alive
    assert parse_response(response(), b"HEAD").keep_alive


def test_101_is_seen_with_what_belongs_to_it() -> None:
    """Whether anybody asked for it is another question."""
    head = parse_response(
        response(b"Upgrade: websocket", b"Connection: Upgrade", line=b"HTTP/1.1 101 Switching"),
        b"GET",
    )
    assert head.upgraded


@given(st.binary(max_size=300), st.sampled_from([b"GET", b"HEAD"]))
def test_no_response_raises_anything_else(data: bytes, method: bytes) -> None:
    """An application may send anything."""
    for head in (data, b"HTTP/1.1 200 OK\r\n" + data):
        try:
            parse_response(head + b"\r\n\r\n", method)
        except UpstreamGarbled:
            continue
