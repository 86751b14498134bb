"""The known ways to make two servers see two requests, one by one.

Each is sent by somebody who is signed in, with a request behind it that must not be served
unless it was plainly meant as one.
"""

import pytest

from tests.gateway.edge.site import CRM, WIKI
from tests.gateway.edge.stage import Stage
from tests.gateway.edge.test_smuggling import chunks, echo, play
from tests.gateway.edge.waiting import until
from tests.gateway.edge.wire import End

CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: @\r\n$\r\n"


def heads(line: bytes, *lines: bytes, host: bytes = b"Host: @\r\n", body: bytes = b"") -> bytes:
    """Return a message with *line*, *lines* and *body*; `@` is our host and `$` our cookie."""
    return line + b"\r\n" + host + b"$" + b"".join(lines) + b"\r\n" + body


def post(*lines: bytes, body: bytes = b"") -> bytes:
    """Return a POST."""
    return heads(b"POST /a HTTP/1.1", *lines, body=body)


def get(*lines: bytes, line: bytes = b"GET /a HTTP/1.1", host: bytes = b"Host: @\r\n") -> bytes:
    """Return a GET."""
    return heads(line, *lines, host=host)


def length(text: bytes) -> bytes:
    """Return Content-Length with *text*, which may be none."""
    return b"Content-Length:" + text + b"\r\n"


def coding(text: bytes, name: bytes = b"Transfer-Encoding") -> bytes:
    """Return Transfer-Encoding with *text*, spelt as *name*."""
    return name + b":" + text + b"\r\n"


BODY = chunks(b"x")

FRAMINGS = {
    "CL.TE": post(length(b" 6"), CHUNKED, body=b"0\r\n\r\nG"),
    "TE.CL": post(CHUNKED, length(b" 4"), body=b"5c\r\n" + SMUGGLED + b"\r\n0\r\n\r\n"),
    "TE.CL, equal": post(length(b" 16"), CHUNKED, body=BODY),
    "CL.CL": post(length(b" 1"), length(b" 5"), body=b"xGET "),
    "CL.CL, equal": post(length(b" 1"), length(b" 1"), body=b"x"),
    "CL list": post(length(b" 1, 1"), body=b"x"),
    "CL list without blank": post(length(b"5,5"), body=b"hello"),
    "CL +": post(length(b" +1"), body=b"x"),
    "CL -": post(length(b" -1"), body=b"x"),
    "CL hexadecimal": post(length(b" 0x1"), body=b"x"),
    "CL underscore": post(length(b" 1_0"), body=b"xxxxxxxxxx"),
    "CL with a blank in it": post(length(b" 1 0"), body=b"xxxxxxxxxx"),
    "CL exponent": post(length(b" 1e1"), body=b"x"),
    "CL fraction": post(length(b" 1.0"), body=b"x"),
    "CL of superscript": post(length(" \u00b9".encode("latin-1")), body=b"x"),
    "CL of other digits": post(length(" \u0661".encode()), body=b"x"),
    "CL empty": post(length(b"")),
    "CL and vertical tab": post(length(b" 1\x0b"), body=b"x"),
    "CL and form feed": post(length(b" \x0c1"), body=b"x"),
    "CL and NUL": post(length(b" 1\0"), body=b"x"),
    "CL beyond 64 bits": post(length(b" 18446744073709551617"), body=b"x"),
    "CL beyond 63 bits": post(length(b" 9223372036854775808"), body=b"x"),
    "CL in two lines": post(b"Content-Length:\r\n 1\r\n", body=b"x"),
    "CL with a blank before the colon": post(b"Content-Length : 1\r\n", body=b"x"),
    "CL with a tab before the colon": post(b"Content-Length\t: 1\r\n", body=b"x"),
    "CL behind a blank": post(b" Content-Length: 1\r\n", body=b"x"),
    "CL first of all lines, folded": heads(b"POST /a HTTP/1.1\r\n x: y", length(b" 1"), body=b"x"),
    "TE.TE, identity": post(CHUNKED, coding(b" identity"), body=BODY),
    "TE.TE, twice": post(CHUNKED, CHUNKED, body=BODY),
    "TE.TE, x": post(CHUNKED, coding(b" x"), body=BODY),
    "TE list": post(coding(b" identity, chunked"), body=BODY),
    "TE gzip": post(coding(b" gzip, chunked"), body=BODY),
    "TE chunked not last": post(coding(b" chunked, gzip"), body=BODY),
    "TE chunked twice in a list": post(coding(b" chunked, chunked"), body=BODY),
    "TE identity": post(coding(b" identity"), body=BODY),
    "TE xchunked": post(coding(b" xchunked"), body=BODY),
    "TE quoted": post(coding(b' "chunked"'), body=BODY),
    "TE apostrophes": post(coding(b" 'chunked'"), body=BODY),
    "TE with a parameter": post(coding(b" chunked;q=1"), body=BODY),
    "TE with a comma": post(coding(b" chunked,"), body=BODY),
    "TE behind a comma": post(coding(b" ,chunked"), body=BODY),
    "TE vertical tab": post(coding(b"\x0bchunked"), body=BODY),
    "TE and vertical tab": post(coding(b" chunked\x0b"), body=BODY),
    "TE and NUL": post(coding(b" chunked\0"), body=BODY),
    "TE no-break space": post(coding(b"\xa0chunked"), body=BODY),
    "TE in two lines": post(b"Transfer-Encoding:\r\n chunked\r\n", body=BODY),
    "TE in two lines, with a tab": post(b"Transfer-Encoding:\r\n\tchunked\r\n", body=BODY),
    "TE with a blank before the colon": post(coding(b" chunked", b"Transfer-Encoding "), body=BODY),
    "TE behind a blank": post(coding(b" chunked", b" Transfer-Encoding"), body=BODY),
    "TE behind a bare LF": post(b"X: y\nTransfer-Encoding: chunked\r\n", body=BODY),
    "TE behind a bare CR": post(b"X: y\rTransfer-Encoding: chunked\r\n", body=BODY),
    "TE in HTTP/1.0": heads(b"POST /a HTTP/1.0", CHUNKED, body=BODY),
    "TE empty": post(coding(b"")),
    "TE and Unicode's k": post(coding(b" chun\xe2\x84\xaaed"), body=BODY),
    "Expect something else": post(b"Expect: 200-ok\r\n", length(b" 1"), body=b"x"),
    "Expect twice": post(b"Expect: 100-continue\r\n" * 2, length(b" 1"), body=b"x"),
}

CHUNKS = {
    "0x": b"0x1\r\nx\r\n0\r\n\r\n",
    "plus": b"+1\r\nx\r\n0\r\n\r\n",
    "minus": b"-1\r\nx\r\n0\r\n\r\n",
    "underscore": b"1_0\r\nxxxxxxxxxxxxxxxx\r\n0\r\n\r\n",
    "blank before": b" 1\r\nx\r\n0\r\n\r\n",
    "tab behind": b"1\t\r\nx\r\n0\r\n\r\n",
    "overflow of 64 bits": b"10000000000000001\r\nx\r\n0\r\n\r\n",
    "LF behind the size": b"1\nx\r\n0\r\n\r\n",
    "CR behind the size": b"1\rx\r\n0\r\n\r\n",
    "LF behind the data": b"1\r\nx\n0\r\n\r\n",
    "LF for the end": b"1\r\nx\r\n0\n\n",
    "LF for the last": b"1\r\nx\r\n0\r\n\n",
    "CR for the last": b"1\r\nx\r\n0\r\n\r\r",
    "nothing behind the data": b"1\r\nx0\r\n\r\n",
    "size too small": b"1\r\nxy\r\n0\r\n\r\n",
    "size too large": b"3\r\nx\r\n0\r\n\r\n",
    "no size": b"\r\nx\r\n0\r\n\r\n",
    "no hexadecimal": b"g\r\nx\r\n0\r\n\r\n",
    "LF in an extension": b"1;a\nb\r\nx\r\n0\r\n\r\n",
    "CR in an extension": b"1;a\rb\r\nx\r\n0\r\n\r\n",
    "CR in a quoted extension": b'1;a="\r\n"\r\nx\r\n0\r\n\r\n',
    "NUL in an extension": b"1;a\0\r\nx\r\n0\r\n\r\n",
    "blank in an extension": b"1 ; a\r\nx\r\n0\r\n\r\n",
    "trailer without a colon": b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n",
    "trailer with a blank": b"0\r\nX : y\r\n\r\n",
    "trailer folded": b"0\r\nX: y\r\n z\r\n\r\n",
    "trailer and NUL": b"0\r\nX: \0\r\n\r\n",
    "trailer and bare LF": b"0\r\nX: y\nZ: a\r\n\r\n",
}

HEADS = {
    "no host": get(host=b""),
    "two hosts": get(b"Host: @\r\n"),
    "two different hosts": get(b"Host: evil.example\r\n"),
    "host empty": get(host=b"Host:\r\n"),
    "host list": get(host=b"Host: @, @\r\n"),
    "host with underscore": get(host=b"Host: a_b.@\r\n"),
    "host and userinfo": get(host=b"Host: x@@\r\n"),
    "host and path": get(host=b"Host: @/a\r\n"),
    "host and blank": get(host=b"Host: @ @\r\n"),
    "host and port of letters": get(host=b"Host: @:a\r\n"),
    "host and port beyond": get(host=b"Host: @:999999\r\n"),
    "host with a blank before the colon": get(host=b"Host : @\r\n"),
    "host folded": get(host=b"Host:\r\n @\r\n"),
    "host and NUL": get(host=b"Host: @\0\r\n"),
    "absolute-form of another": get(line=b"GET https://evil.example/ HTTP/1.1"),
    "absolute-form with userinfo": get(line=b"GET https://x@@/a HTTP/1.1"),
    "absolute-form of http": get(line=b"GET http://@/a HTTP/1.1"),
    "authority-form": get(line=b"GET @:443 HTTP/1.1"),
    "CONNECT": get(line=b"CONNECT @:443 HTTP/1.1"),
    "TRACE": get(line=b"TRACE /a HTTP/1.1"),
    "asterisk": get(line=b"GET * HTTP/1.1"),
    "fragment": get(line=b"GET /a#b HTTP/1.1"),
    "backslash": get(line=b"GET /a\\..\\b HTTP/1.1"),
    "NUL in the target": get(line=b"GET /a\0 HTTP/1.1"),
    "encoded NUL in the target": get(line=b"GET /a%00 HTTP/1.1"),
    "blank in the target": get(line=b"GET /a b HTTP/1.1"),
    "tab in the line": get(line=b"GET\t/a\tHTTP/1.1"),
    "two blanks in the line": get(line=b"GET  /a HTTP/1.1"),
    "blank behind the line": get(line=b"GET /a HTTP/1.1 "),
    "blank before the line": get(line=b" GET /a HTTP/1.1"),
    "CR in the line": get(line=b"GET /a\r HTTP/1.1"),
    "two empty lines before": b"\r\n\r\n" + get(),
    "LF before": b"\n" + get(),
    "HTTP/0.9": b"GET /a\r\n",
    "HTTP/0.9 by name": get(line=b"GET /a HTTP/0.9"),
    "HTTP/1.2": get(line=b"GET /a HTTP/1.2"),
    "HTTP/1.10": get(line=b"GET /a HTTP/1.10"),
    "HTTP/2.0": get(line=b"GET /a HTTP/2.0"),
    "HTTP/11": get(line=b"GET /a HTTP/11"),
    "http in small letters": get(line=b"GET /a http/1.1"),
    "ICY": get(line=b"GET /a ICY/1.1"),
    "method in small letters": get(line=b"get /a HTTP/1.1"),
    "method with an appendix": get(line=b"GET1 /a HTTP/1.1"),
    "method behind a tab": get(line=b"\tGET /a HTTP/1.1"),
    "TRACK": get(line=b"TRACK /a HTTP/1.1"),
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a response": b"HTTP/1.1 200 OK\r\n\r\n",
    "TLS": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\r\n\r\n",
    "field without a name": get(b": x\r\n"),
    "field without a colon": get(b"X\r\n"),
    "field with a blank in its name": get(b"X Y: z\r\n"),
    "field with a bracket in its name": get(b"X[: z\r\n"),
    "field that is not ASCII": get("é: z\r\n".encode("latin-1")),
    "NUL in a value": get(b"X: a\0b\r\n"),
    "bare CR in a value": get(b"X: a\rb\r\n"),
    "bare LF in a value": get(b"X: a\n\r\n"),
    "folded value": get(b"X: a\r\n b\r\n"),
    "LF for all line ends": get().replace(b"\r\n", b"\n"),
    "LF at the end": get(b"X: y\n"),
}


def filled(attack: bytes, cookie: bytes) -> bytes:
    """Put our host and cookie where they belong."""
    return attack.replace(b"@", WIKI.encode()).replace(b"$", cookie)


@pytest.mark.parametrize(
    "attack", [pytest.param(one, id=name) for name, one in (FRAMINGS | HEADS).items()]
)
async def test_an_ambiguous_head_reaches_nobody(stage: Stage, attack: bytes) -> None:
    """Neither it nor what lies behind it; the refusal is the last word on the connection."""
    cookie = stage.cookie(await stage.sign_in())
    wire = await stage.connect(WIKI, stage.made.anna)
    await wire.send(filled(attack + SMUGGLED, cookie))
    reply = await wire.reply()
    assert reply.status in {400, 414, 421, 431, 501}
    assert reply.values("connection") == ["close"]
    assert await wire.read() == b""
    assert wire.end is End.CLOSED
    assert stage.wiki.received == stage.crm.received == b""


@pytest.mark.parametrize("body", [pytest.param(one, id=name) for name, one in CHUNKS.items()])
@pytest.mark.parametrize("cut", [False, True])
async def test_an_ambiguous_body_is_never_complete(stage: Stage, body: bytes, cut: bool) -> None:
    """The application sees a request without end, and nothing of what lies behind it."""
    cookie = stage.cookie(await stage.sign_in())
    wire = await stage.connect(WIKI, stage.made.anna)
    whole = filled(post(CHUNKED, body=body) + SMUGGLED, cookie)
    await wire.send_in_pieces([bytes([one]) for one in whole] if cut else [whole])
    reply = await wire.reply("POST")
    assert (reply.status, reply.values("connection")) == (400, ["close"])
    await until(lambda: not stage.wiki.open_lines)
    assert stage.wiki.requests == []
    assert b"smuggled" not in stage.wiki.received


PASSING = {
    "CL.0": post(length(b" 0")),
    "0.CL": get(length(b" 30"))[:-2] + b"\r\n" + b"GET /smuggled HTTP/1.1\r\nX-Y: z",
    "leading zeros": post(length(b" 0005"), body=b"hello"),
    "zeros of a chunk": post(CHUNKED, body=b"0001\r\nx\r\n000\r\n\r\n"),
    "capitals": post(coding(b"\tCHUNKED "), body=b"1\r\nx\r\n0\r\n\r\n"),
    "extension": post(CHUNKED, body=b'1;a="b;c"\r\nx\r\n0;d\r\n\r\n'),
    "body of GET": get(length(b" 5"))[:-2] + b"\r\nhello",
    "a name like another": post(b"Content_Length: 30\r\n", b"Transfer_Encoding: chunked\r\n"),
    "nominated framing": post(b"Connection: Content-Length\r\n", length(b" 5"), body=b"hello"),
    "nominated identity": get(b"Connection: X-Forwarded-User, Cookie, Host\r\n"),
    "expects": post(b"Expect: 100-continue\r\n", length(b" 5"), body=b"hello"),
    "h2c": get(
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    ),
    "absolute-form": get(line=b"GET https://@/a HTTP/1.1"),
    "one empty line before": b"\r\n" + get(),
    "a method of one's own": get(line=b"GETX /a HTTP/1.1"),
    "a method of RTSP": heads(b"PLAY /a HTTP/1.1", CHUNKED, body=BODY),
    "a method of ICE": heads(b"SOURCE /a HTTP/1.1", length(b" 5"), body=b"GET /"),
}


@pytest.mark.parametrize("attack", [pytest.param(one, id=name) for name, one in PASSING.items()])
async def test_what_has_one_reading_has_it_for_all(stage: Stage, attack: bytes) -> None:
    """Together with what lies behind it, it arrives as h11 reads it, or not at all."""
    stage.wiki.script = echo
    cookie = stage.cookie(await stage.sign_in())
    await play(stage, filled(attack + get(line=b"GET /next HTTP/1.1"), cookie), [])
    assert stage.wiki.requests
    for name in ("upgrade", "http2-settings", "content_length", "transfer_encoding"):
        assert stage.wiki.requests[0].values(name) == []


async def test_no_other_host_is_reached_by_a_second_request(stage: Stage) -> None:
    """A connection is for one host, whatever its requests say."""
    cookie = stage.cookie(await stage.sign_in())
    wire = await stage.connect(WIKI, stage.made.anna)
    await wire.send(filled(get() + get(host=b"Host: %b\r\n" % CRM.encode()), cookie))
    assert [(await wire.reply()).status for _ in range(2)] == [200, 421]
    assert stage.crm.received == b""
