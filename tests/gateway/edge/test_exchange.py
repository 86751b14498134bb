import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import h11
import pytest

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Upstream
from gateway.edge.bodies import TRAILERS_MAXIMUM
from gateway.edge.cut_reasons import CutReason
from gateway.edge.downstream import Downstream
from gateway.edge.exchange import INTERIM_MAXIMUM, RESPONSE_HEAD_MAXIMUM, Exchange
from gateway.edge.sending import CONTINUE_SECONDS
from gateway.edge.untaken import untaken_octets
from gateway.edge.uploads import PACE_SECONDS
from tests.gateway.edge.recorder import Line, Script, ok, polite, saying
from tests.gateway.edge.site import HOST, MadeSite
from tests.gateway.edge.stage import Stage, Visitor, application, open_stage
from tests.gateway.edge.waiting import PATIENCE, until
from tests.gateway.edge.wire import End, Reply

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = ok(b"hello", b"X-A: b")
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\nT: r\r\n\r\n"
UNTIL_CLOSE = OK + b"Connection: close\r\n\r\nhello"


def closing(response: bytes, *, reset: bool = False) -> Script:
    """Return a script that answers one request with *response* and closes."""

    async def script(line: Line) -> None:
        await line.request()
        line.send(response)
        await line.writer.drain()
        if reset:
            # Zero seconds to linger: what close() sends is RST.
            line.writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
            )
            await asyncio.sleep(0.01)
        line.close()

    return script


async def refused(visitor: Visitor, refusal: Refusal, status: int) -> None:
    """Read the answer that *refusal* makes, which is the last one of the connection."""
    reply = await visitor.wire.reply()
    assert (reply.status, reply.refusal) == (status, refusal)
    assert await visitor.wire.read() == b""
    assert visitor.wire.end is End.CLOSED


# Responses ------------------------------------------------------------------


@pytest.mark.parametrize("response", [LENGTH, CHUNKED], ids=["length", "chunked"])
async def test_a_response_is_passed_on_however_it_is_cut_into_segments(
    stage: Stage, response: bytes
) -> None:
    """Byte by byte as well as at once."""

    async def script(line: Line) -> None:
        while await line.request() is not None:
            for octet in response:
                line.send(bytes([octet]))
                await asyncio.sleep(0)
            line.next_request()

    stage.wiki.script = script
    visitor = await stage.enter()
    for _ in range(3):
        assert (await visitor.ask()).body == b"hello"
    assert len(stage.wiki.lines) == 1


@pytest.mark.parametrize("response", [LENGTH, CHUNKED], ids=["length", "chunked"])
async def test_a_response_that_ends_early_never_looks_whole(stage: Stage, response: bytes) -> None:
    """Wherever the application closes: no answer, an error, or an answer that is seen to be cut."""
    head = response.index(b"\r\n\r\n") + 4
    for cut in range(len(response)):
        stage.wiki.script = closing(response[:cut])
        visitor = await stage.enter()
        await visitor.wire.send(visitor.request())
        if cut < head:
            await refused(visitor, Refusal.UPSTREAM_BROKEN, 502)
            continue
        with pytest.raises(h11.RemoteProtocolError):
            await visitor.wire.reply()
        assert visitor.wire.end is not End.CLOSED


async def test_a_response_until_the_close_is_chunked_for_the_client(stage: Stage) -> None:
    """Its end can be told from a break, and the connection is kept."""
    stage.wiki.script = closing(UNTIL_CLOSE)
    visitor = await stage.enter()
    reply = await visitor.ask()
    assert reply.body == b"hello"
    assert reply.value("transfer-encoding") == "chunked"
    assert (await visitor.ask("/again")).body == b"hello"


async def test_a_response_until_the_close_that_breaks_is_seen_to_break(stage: Stage) -> None:
    """A reset is no end."""
    stage.wiki.script = closing(UNTIL_CLOSE, reset=True)
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request())
    with pytest.raises(h11.RemoteProtocolError):
        await visitor.wire.reply()
    assert visitor.wire.end is not End.CLOSED


@pytest.mark.parametrize(
    "response",
    [
        b"garbage\r\n\r\n",
        b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nHTTP/1.1",
        b"\x16\x03\x01\r\n\r\n",
        OK + b"X: " + b"y" * RESPONSE_HEAD_MAXIMUM + b"\r\n\r\n",
        OK + b"X: " + b"y" * (RESPONSE_HEAD_MAXIMUM + 5),
    ],
    ids=["garbage", "empty", "lengths", "framings", "101", "TLS", "large", "endless"],
)
async def test_a_garbled_head_is_a_bad_gateway(stage: Stage, response: bytes) -> None:
    """Nothing of it reaches the client, and the connection is not used again."""
    stage.wiki.script = saying(response)
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request())
    await refused(visitor, Refusal.UPSTREAM_BROKEN, 502)
    await until(lambda: not stage.wiki.open_lines)


async def test_faulty_chunks_break_the_answer_off(stage: Stage) -> None:
    """The good ones have gone out by then."""
    stage.wiki.script = saying(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\nxyz\r\n")
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request())
    with pytest.raises(h11.RemoteProtocolError):
        await visitor.wire.reply()
    assert visitor.wire.end is not End.CLOSED
    await until(lambda: not stage.wiki.open_lines)


async def test_faulty_chunks_that_come_later_break_the_answer_off(stage: Stage) -> None:
    """In a segment of their own, behind which nothing is to be said."""

    async def script(line: Line) -> None:
        await line.request()
        line.send(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n")
        await asyncio.sleep(0.02)
        line.send(b"xyz\r\n")
        await line.wait_ended()

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request())
    with pytest.raises(h11.RemoteProtocolError):
        await visitor.wire.reply()


HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n"


def hinting(interim: bytes) -> Script:
    """Return a script that says *interim* before each answer."""

    async def script(line: Line) -> None:
        while (seen := await line.request()) is not None:
            line.send(interim)
            if seen.target == "/apart":
                await asyncio.sleep(0.01)
            line.send(ok(seen.target.encode()))
            line.next_request()

    return script


async def test_interim_responses_are_passed_on(stage: Stage) -> None:
    """RFC 9110, section 15.2: before the final one, wherever that begins."""
    stage.wiki.script = hinting(HINTS + b"HTTP/1.1 102 Processing\r\n\r\n")
    visitor = await stage.enter()
    for target in ("/together", "/apart", "/together"):
        assert (await visitor.ask(target)).body == target.encode()
    assert visitor.wire.informational == [103, 102] * 3
    await visitor.wire.send(visitor.request("/apart"))
    assert await visitor.wire.read() == HINTS + b"HTTP/1.1 102 Processing\r\n\r\n"
    assert len(stage.wiki.lines) == 1


async def test_nobody_is_told_to_continue_who_did_not_ask(stage: Stage) -> None:
    """It would be taken for the answer to another request."""
    stage.wiki.script = hinting(b"HTTP/1.1 100 Continue\r\n\r\n")
    visitor = await stage.enter()
    assert (await visitor.ask("/a")).body == b"/a"
    assert (await visitor.ask("/b", "PUT", b"Content-Length: 1", body=b"x")).body == b"/b"
    assert visitor.wire.informational == []


async def test_an_http_1_0_client_gets_no_interim_response(stage: Stage) -> None:
    """It would take it for the answer."""
    stage.wiki.script = hinting(HINTS)
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request().replace(b"1.1", b"1.0", 1))
    assert (await visitor.wire.read_all()).startswith(b"HTTP/1.1 200 OK")


async def test_interim_responses_have_an_end(stage: Stage) -> None:
    """So many are passed on; whoever sends more is broken."""
    stage.wiki.script = hinting(HINTS * INTERIM_MAXIMUM)
    visitor = await stage.enter()
    assert (await visitor.ask("/as-many")).body == b"/as-many"
    assert len(visitor.wire.informational) == INTERIM_MAXIMUM
    stage.wiki.script = hinting(HINTS * (INTERIM_MAXIMUM + 1))
    other = await stage.enter()
    stage.edge.services.close()
    await other.wire.send(other.request())
    await refused(other, Refusal.UPSTREAM_BROKEN, 502)


async def test_an_interim_response_that_announces_a_body_is_not_relied_on(stage: Stage) -> None:
    """What it announced may yet come, and be taken for the next answer."""
    stage.wiki.script = hinting(b"HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n")
    visitor = await stage.enter()
    assert (await visitor.ask("/a")).body == b"/a"
    assert (await visitor.ask("/b")).body == b"/b"
    assert len(stage.wiki.lines) == 2


async def test_an_interim_response_gives_the_application_more_time(stage: Stage) -> None:
    """That is what 102 is for."""
    proceed = asyncio.Event()

    async def script(line: Line) -> None:
        await line.request()
        (connection,) = stage.connections
        connection.deadline = stage.edge.tick + 1
        line.send(b"HTTP/1.1 102 Processing\r\n\r\n")
        await proceed.wait()
        line.send(ok(b"done"))

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request())
    await visitor.wire.read()
    stage.sweep(after=2)
    proceed.set()
    assert (await visitor.wire.reply()).body == b"done"


@pytest.mark.parametrize(
    "method, response",
    [
        ("HEAD", ok(b"hello")),
        ("HEAD", CHUNKED),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\nhello"),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nhello"),
        (
            "GET",
            b"HTTP/1.1 304 Not Modified\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        ),
        ("GET", ok(b"hello") + ok(b"evil")),
        ("GET", ok(b"hello") + b"\r\n"),
        ("GET", CHUNKED + ok(b"evil")),
        ("GET", CHUNKED + b"garbage"),
    ],
)
async def test_bytes_behind_an_answer_are_nobodys_answer(
    stage: Stage, method: str, response: bytes
) -> None:
    """The connection that they came on is closed, and the next answer is the right one."""
    first = True

    async def script(line: Line) -> None:
        nonlocal first
        while (seen := await line.request()) is not None:
            line.send(response if first else ok(seen.target.encode()))
            first = False
            line.next_request()

    stage.wiki.script = script
    visitor = await stage.enter()
    reply = await visitor.ask("/odd", method)
    assert reply.body in {b"", b"hello"}
    assert (await visitor.ask("/next")).body == b"/next"
    assert len(stage.wiki.lines) == 2
    await until(lambda: len(stage.wiki.open_lines) == 1)


async def test_a_late_body_of_head_is_nobodys_answer(stage: Stage) -> None:
    """Though it may come when somebody else would use the connection already."""
    late = asyncio.Event()

    async def script(line: Line) -> None:
        while (seen := await line.request()) is not None:
            if seen.method == "HEAD":
                line.send(OK + b"Content-Length: 5\r\n\r\n")
                await late.wait()
                line.send(b"hello")
            else:
                line.send(ok(seen.target.encode()))
            line.next_request()

    stage.wiki.script = script
    visitor = await stage.enter()
    assert (await visitor.ask("/", "HEAD")).value("content-length") == "5"
    await visitor.wire.send(visitor.request("/next"))
    late.set()
    assert (await visitor.wire.reply()).body == b"/next"


async def test_bytes_on_an_idle_connection_end_it(stage: Stage) -> None:
    """Nobody asked for them."""

    async def script(line: Line) -> None:
        while (seen := await line.request()) is not None:
            line.send(ok(seen.target.encode()))
            line.next_request()
            if seen.target == "/first":
                await asyncio.sleep(0.01)
                line.send(ok(b"evil"))
                await line.wait_ended()

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.ask("/first")
    await until(lambda: not stage.wiki.open_lines)
    assert (await visitor.ask("/second")).body == b"/second"


@pytest.mark.parametrize(
    "response",
    [ok(b"hello", b"Connection: close"), b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
)
async def test_a_connection_that_is_to_close_is_not_kept(stage: Stage, response: bytes) -> None:
    """As the application says, or by the version."""
    stage.wiki.script = saying(response)
    visitor = await stage.enter()
    assert (await visitor.ask()).body == b"hello"
    assert (await visitor.ask()).body == b"hello"
    assert len(stage.wiki.lines) == 2


# Retries --------------------------------------------------------------------


def dropping(first: int, *, answer: bytes = b"") -> Script:
    """Return a script that answers, and drops the connection at the second request on it."""
    left = first

    async def script(line: Line) -> None:
        nonlocal left
        seen = await line.request()
        if seen is None:
            return
        line.send(ok(seen.target.encode()))
        line.next_request()
        if left == 0:
            await line.request()
            line.send(ok(b"again"))
            return
        left -= 1
        await line.head()
        line.send(answer)
        line.close()

    return script


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_safe_request_is_made_again_where_an_idle_connection_has_ended(
    stage: Stage, method: str
) -> None:
    """Once, on a new connection: the application had closed it before it knew of the request."""
    stage.wiki.script = dropping(1)
    visitor = await stage.enter()
    await visitor.ask("/first")
    reply = await visitor.ask("/second", method)
    assert reply.status == 200
    assert [seen.target for seen in stage.wiki.requests] == ["/first", "/second"]
    assert len(stage.wiki.lines) == 2


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PROPFIND", "MKCOL"])
async def test_another_request_is_never_made_twice(stage: Stage, method: str) -> None:
    """Who knows what the application has done already."""
    stage.wiki.script = dropping(1)
    visitor = await stage.enter()
    await visitor.ask("/first")
    await visitor.wire.send(visitor.request("/second", method))
    await refused(visitor, Refusal.UPSTREAM_BROKEN, 502)
    assert stage.wiki.received.count(b"/second") == 1


async def test_a_request_whose_body_has_gone_is_never_made_twice(stage: Stage) -> None:
    """The body is nowhere any more."""
    stage.wiki.script = dropping(1)
    visitor = await stage.enter()
    await visitor.ask("/first")
    await visitor.wire.send(visitor.request("/second", "GET", b"Content-Length: 2", body=b"ab"))
    await refused(visitor, Refusal.UPSTREAM_BROKEN, 502)


async def test_a_request_that_was_answered_in_part_is_not_made_again(stage: Stage) -> None:
    """It had reached the application."""
    stage.wiki.script = dropping(1, answer=b"HTTP/1.1 2")
    visitor = await stage.enter()
    await visitor.ask("/first")
    await visitor.wire.send(visitor.request("/second"))
    await refused(visitor, Refusal.UPSTREAM_BROKEN, 502)
    assert stage.wiki.received.count(b"/second") == 1


async def test_a_request_is_made_again_only_once(stage: Stage) -> None:
    """An application that always closes is broken."""

    async def script(line: Line) -> None:
        if await line.request() is not None and len(stage.wiki.lines) == 1:
            line.send(ok(b"first"))
            line.next_request()
            await line.head()
        line.close()

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.ask("/first")
    await visitor.wire.send(visitor.request("/second"))
    await refused(visitor, Refusal.UPSTREAM_BROKEN, 502)
    assert len(stage.wiki.lines) == 2


# Requests with bodies -------------------------------------------------------


@pytest.mark.parametrize(
    "field, body",
    [
        (b"Content-Length: 11", b"hello world"),
        (b"Transfer-Encoding: chunked", b"5;x\r\nhello\r\n6\r\n world\r\n0\r\nT: r\r\n\r\n"),
    ],
    ids=["length", "chunked"],
)
async def test_a_body_is_passed_on_wherever_it_is_cut(
    stage: Stage, field: bytes, body: bytes
) -> None:
    """And the request behind it is another request."""
    visitor = await stage.enter()
    for cut in range(len(body) + 1):
        whole = visitor.request(f"/{cut}", "POST", field) + body[:cut]
        await visitor.wire.send(whole)
        await asyncio.sleep(0)
        await visitor.wire.send(body[cut:])
        assert (await visitor.wire.reply("POST")).body == f"/{cut}".encode()
    assert [seen.body for seen in stage.wiki.requests] == [b"hello world"] * (len(body) + 1)


async def test_a_request_behind_a_body_of_known_length_is_served_next(stage: Stage) -> None:
    """Pipelined in one segment."""
    visitor = await stage.enter()
    first = visitor.request("/first", "POST", b"Content-Length: 5", body=b"hello")
    await visitor.wire.send(first + visitor.request("/second"))
    assert (await visitor.wire.reply("POST")).body == b"/first"
    assert (await visitor.wire.reply()).body == b"/second"


async def test_what_comes_together_with_the_end_of_a_body_of_line_ends_is_not_served(
    stage: Stage,
) -> None:
    """Nobody looks at each of them for the end; the client is told to come again."""
    visitor = await stage.enter()
    body = b"c8\r\n" + 100 * b"\r\n" + b"\r\n0\r\n\r\n"
    first = visitor.request("/first", "POST", b"Transfer-Encoding: chunked", body=body)
    await visitor.wire.send(first + visitor.request("/second"))
    reply = await visitor.wire.reply("POST")
    assert (reply.body, reply.value("connection")) == (b"/first", "close")
    assert await visitor.wire.read() == b""
    assert [seen.target for seen in stage.wiki.requests] == ["/first"]
    assert b"/second" not in stage.wiki.received


async def test_a_faulty_chunked_body_is_refused_and_never_completed(stage: Stage) -> None:
    """The application sees a request that has no end, and then the end of the connection."""
    visitor = await stage.enter()
    body = b"5\r\nhello\r\nGET /evil HTTP/1.1\r\n\r\n"
    await visitor.wire.send(visitor.request("/", "POST", b"Transfer-Encoding: chunked", body=body))
    await refused(visitor, Refusal.BAD_REQUEST, 400)
    await until(lambda: not stage.wiki.open_lines)
    assert stage.wiki.requests == []
    assert b"evil" not in stage.wiki.received


# Trailers -------------------------------------------------------------------

SUMMED = (
    OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\n\r\n"
)


async def test_trailers_reach_whoever_keeps_them(stage: Stage) -> None:
    """And the application is told that they are kept."""
    stage.wiki.script = saying(SUMMED)
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "GET", b"TE: trailers", b"Connection: TE"))
    _, http = await visitor.wire.reply_head()
    while isinstance(event := await visitor.wire._event(http), h11.Data):
        pass
    assert isinstance(event, h11.EndOfMessage)
    assert list(event.headers) == [(b"x-sum", b"1")]
    (seen,) = stage.wiki.requests
    assert (seen.values("te"), seen.values("connection")) == (["trailers"], ["TE"])
    await visitor.wire.send(visitor.request())
    answer = b""
    while not answer.endswith(b"0\r\n\r\n"):
        answer += await visitor.wire.read()
    assert b"X-Sum" not in answer
    assert len(stage.wiki.lines) == 1


async def test_trailers_do_not_reach_an_http_1_0_client(stage: Stage) -> None:
    """It would take them for the body."""
    stage.wiki.script = saying(SUMMED)
    visitor = await stage.enter()
    request = visitor.request("/", "GET", b"TE: trailers").replace(b"1.1", b"1.0", 1)
    await visitor.wire.send(request)
    assert (await visitor.wire.read_all()).endswith(b"Connection: close\r\n\r\nhello")


async def test_trailers_reach_the_application(stage: Stage) -> None:
    """Without claims; its connection is not used again, for it may not know where they end."""
    visitor = await stage.enter()
    body = b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Forwarded-User: root\r\n\r\n"
    chunked = b"Transfer-Encoding: chunked"
    assert (await visitor.ask("/a", "POST", chunked, body=body)).body == b"/a"
    assert stage.wiki.received.endswith(b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n")
    assert (await visitor.ask("/b")).body == b"/b"
    assert len(stage.wiki.lines) == 2


async def test_too_many_trailers_are_refused(stage: Stage) -> None:
    """The application never sees the end of the request."""
    visitor = await stage.enter()
    body = b"0\r\n" + b"X: y\r\n" * (TRAILERS_MAXIMUM + 1) + b"\r\n"
    await visitor.wire.send(visitor.request("/", "POST", b"Transfer-Encoding: chunked", body=body))
    await refused(visitor, Refusal.BAD_REQUEST, 400)
    assert stage.wiki.requests == []


# 100 Continue ---------------------------------------------------------------

EXPECTS = (b"Expect: 100-continue", b"Content-Length: 5")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def test_whether_a_body_is_wanted_is_the_applications_to_say(stage: Stage) -> None:
    """It is asked, its 100 Continue is passed on, once, and then the body."""

    async def script(line: Line) -> None:
        head = await line.head()
        assert head is not None
        assert head.values("expect") == ["100-continue"]
        line.send(CONTINUE + CONTINUE)
        assert await line.body() == b"hello"
        line.send(ok(b"taken"))

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "PUT", *EXPECTS))
    assert await visitor.wire.read() == CONTINUE
    await visitor.wire.send(b"hello")
    assert (await visitor.wire.reply("PUT")).body == b"taken"
    assert visitor.wire.informational == []


@pytest.mark.parametrize("status", [401, 413, 417])
async def test_a_body_that_is_not_wanted_is_never_asked_for(stage: Stage, status: int) -> None:
    """The final answer comes at once; neither connection is used again."""

    async def script(line: Line) -> None:
        await line.head()
        line.send(b"HTTP/1.1 %d No\r\nContent-Length: 2\r\n\r\nno" % status)
        await line.wait_ended()

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "PUT", *EXPECTS))
    reply = await visitor.wire.reply("PUT")
    assert (reply.status, reply.body, reply.value("connection")) == (status, b"no", "close")
    assert visitor.wire.informational == []
    await until(lambda: not stage.wiki.open_lines)
    assert b"hello" not in stage.wiki.received


async def test_an_application_that_says_nothing_is_sent_the_body(stage: Stage) -> None:
    """Not all know of 100 Continue, and some clients wait for ever; so we say it after a while."""
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "PUT", *EXPECTS))
    await until(lambda: b"Expect" in stage.wiki.received)
    stage.sweep(after=CONTINUE_SECONDS + 0.1)
    assert await visitor.wire.read() == CONTINUE
    await visitor.wire.send(b"hello")
    assert (await visitor.wire.reply("PUT")).status == 200


async def test_a_client_that_does_not_wait_is_not_told_to_go_on(stage: Stage) -> None:
    """It has gone on by itself."""
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "PUT", *EXPECTS) + b"he")
    await until(lambda: stage.wiki.received.endswith(b"he"))
    stage.sweep(after=CONTINUE_SECONDS + 0.1)
    await visitor.wire.send(b"llo")
    assert (await visitor.wire.reply("PUT")).status == 200
    assert visitor.wire.informational == []


async def test_a_client_that_was_told_to_go_on_has_its_time(stage: Stage) -> None:
    """And is refused when it does not use it."""
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "PUT", *EXPECTS))
    await until(lambda: b"Expect" in stage.wiki.received)
    stage.sweep(after=CONTINUE_SECONDS + 0.1)
    assert await visitor.wire.read() == CONTINUE
    stage.sweep(after=stage.edge.body_seconds - 1)
    stage.sweep(after=stage.edge.body_seconds + 1)
    await refused(visitor, Refusal.REQUEST_TIMEOUT, 408)


# Bodies that are too large or too slow --------------------------------------


@pytest.mark.parametrize("expect", [(), (b"Expect: 100-continue",)], ids=["sent", "expected"])
async def test_a_body_announced_as_too_large_never_reaches_the_application(
    made: MadeSite, tmp_path: Path, expect: tuple[bytes, ...]
) -> None:
    """413 by its length alone, before anything goes on and before anybody is asked for it."""
    async with open_stage(made, tmp_path, {"body_bytes": 10}) as stage:
        visitor = await stage.enter()
        await visitor.wire.send(visitor.request("/", "PUT", *expect, b"Content-Length: 11"))
        await refused(visitor, Refusal.BODY_TOO_LARGE, 413)
        assert visitor.wire.informational == []
        assert stage.wiki.lines == []
        within = await stage.enter()
        reply = await within.ask("/", "PUT", b"Content-Length: 10", body=b"x" * 10)
        assert reply.status == 200


async def test_a_body_that_turns_out_too_large_is_broken_off(
    made: MadeSite, tmp_path: Path
) -> None:
    """413, and the application sees a request without end."""
    async with open_stage(made, tmp_path, {"body_bytes": 10}) as stage:
        visitor = await stage.enter()
        chunked = visitor.request("/", "PUT", b"Transfer-Encoding: chunked")
        await visitor.wire.send(chunked + b"a\r\n0123456789\r\n0\r\n\r\n")
        assert (await visitor.wire.reply("PUT")).status == 200
        await visitor.wire.send(chunked + b"a\r\n0123456789\r\n1\r\nx\r\n0\r\n\r\n")
        await refused(visitor, Refusal.BODY_TOO_LARGE, 413)
        await until(lambda: not stage.wiki.open_lines)
        assert len(stage.wiki.requests) == 1


async def trickle(stage: Stage, visitor: Visitor, octets: int, seconds: float) -> None:
    """Send *octets* of a body, and let *seconds* pass."""
    (connection,) = stage.connections
    await visitor.wire.send(b"x" * octets)
    await until(lambda: stage.wiki.received.endswith(b"x" * octets))
    assert isinstance(connection.exchange, Exchange)
    upload = connection.exchange._upload
    assert upload is not None
    if upload._since is not None:
        upload._since -= seconds


async def test_a_body_that_trickles_is_a_request_time_out(stage: Stage) -> None:
    """A byte now and then is no pause, but it would hold an application for ever."""
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: 100000"))
    for _ in range(3):
        await trickle(stage, visitor, 1, PACE_SECONDS / 3 + 1)
        stage.sweep()
    await visitor.wire.send(b"x")
    await refused(visitor, Refusal.REQUEST_TIMEOUT, 408)
    await until(lambda: not stage.wiki.open_lines)


async def test_a_body_that_is_slow_but_steady_passes(stage: Stage) -> None:
    """Just above the rate, for many times the window."""
    visitor = await stage.enter()
    size = 12 * (stage.site.limits.body_rate * 15 + 100)
    await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: %d" % size))
    for _ in range(12):
        await trickle(stage, visitor, size // 12, 15)
    assert (await visitor.wire.reply("POST")).status == 200


async def test_a_body_may_trickle_once_the_answer_has_begun(stage: Stage) -> None:
    """The application has seen enough to answer: what is between the two may be a conversation."""

    async def script(line: Line) -> None:
        await line.head()
        line.send(OK + b"Content-Length: 2\r\n\r\n")
        assert await line.body() == b"xxxx"
        line.send(b"ok")

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: 4"))
    _, http = await visitor.wire.reply_head("POST")
    for _ in range(4):
        await trickle(stage, visitor, 1, 10 * PACE_SECONDS)
    event = await visitor.wire._event(http)
    assert isinstance(event, h11.Data)
    assert event.data == b"ok"


async def test_an_application_that_takes_no_body_is_a_gateway_time_out(narrow: Stage) -> None:
    """The client is held back by us, so it is not the client's fault."""

    async def script(line: Line) -> None:
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.Event().wait()

    narrow.wiki.script = script
    visitor = await narrow.enter()
    await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: 100000000"))
    (connection,) = narrow.connections
    visitor.wire.writer.write(visitor.wire.seal(b"x" * 4_000_000))
    await until(lambda: connection.exchange and connection._held)
    assert isinstance(connection.exchange, Exchange)
    upload = connection.exchange._upload
    assert upload is not None
    await until(lambda: upload.held)
    narrow.sweep(after=narrow.edge.body_seconds + 1)
    assert narrow.connections == [connection]
    narrow.sweep(after=narrow.edge.response_seconds + 1)
    assert (await visitor.wire.reply("POST")).status == 504


async def test_an_early_answer_ends_both_connections(stage: Stage) -> None:
    """What still comes of the body must not become anybody's next request."""

    async def script(line: Line) -> None:
        await line.head()
        line.send(ok(b"too large"))
        await line.wait_ended()

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: 1000", body=b"x" * 10))
    reply = await visitor.wire.reply("POST")
    assert (reply.body, reply.value("connection")) == (b"too large", "close")
    await until(lambda: not stage.wiki.open_lines)
    await visitor.wire.send(b"GET /evil HTTP/1.1\r\n\r\n")
    assert await visitor.wire.read() == b""
    assert b"evil" not in stage.wiki.received


@contextmanager
def refusing(proceed: threading.Event) -> Iterator[Upstream]:
    """Serve one request in a thread: answer its head, and reset the connection."""

    def serve(listener: socket.socket) -> None:
        accepted, _ = listener.accept()
        with accepted:
            accepted.recv(65536)
            proceed.wait(PATIENCE)
            accepted.sendall(ok(b"no"))
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield Upstream("127.0.0.1", listener.getsockname()[1])
        thread.join()


async def test_an_early_answer_is_read_though_the_connection_is_broken(stage: Stage) -> None:
    """Who writes hears of the reset first; the answer has come before it all the same."""
    proceed = threading.Event()
    with refusing(proceed) as upstream:
        stage.edge.adopt(stage.applications(wiki=application("wiki", upstream)))
        visitor = await stage.enter()
        await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: 1000"))
        (connection,) = stage.connections
        await until(lambda: connection.exchange and connection.exchange.wants_body)
        exchange = connection.exchange
        assert exchange is not None
        proceed.set()
        # The loop must not read before it writes, as a busy one would not.
        time.sleep(0.1)  # noqa: ASYNC251 - it is to stand still
        exchange.request_data([b"x"])
        reply = await visitor.wire.reply("POST")
    assert (reply.status, reply.body, reply.value("connection")) == (200, b"no", "close")


async def test_a_connection_is_not_used_again_behind_a_body_that_was_not_read(
    stage: Stage,
) -> None:
    """We have sent all of it, the application has read none: the next request would wait."""
    proceed = asyncio.Event()

    async def script(line: Line) -> None:
        if len(stage.portal.lines) > 1:
            await polite(line)
            return
        await line.head()
        line.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await proceed.wait()
        line.send(ok(b"early"))
        await line.wait_ended()

    stage.portal.script = script
    visitor = await stage.enter(HOST)
    await visitor.wire.send(visitor.request("/", "POST", b"Transfer-Encoding: chunked"))
    await stage.portal.line()
    (connection,) = stage.connections
    assert connection.exchange is not None
    upstream = connection.exchange._connection
    assert upstream is not None
    assert upstream.transport is not None
    async with asyncio.timeout(PATIENCE):
        # Until the kernel takes no more; the end then still fits into our own buffer.
        while not upstream.transport.get_write_buffer_size():
            await visitor.wire.send(b"4000\r\n" + bytes(0x4000) + b"\r\n")
            await asyncio.sleep(0)
    await visitor.wire.send(b"0\r\n\r\n")
    exchange = connection.exchange
    assert isinstance(exchange, Exchange)
    await until(lambda: exchange.request_complete)
    proceed.set()
    assert (await visitor.wire.reply("POST")).body == b"early"
    assert (await visitor.ask("/next")).body == b"/next"


async def test_an_answer_that_begins_early_and_goes_on_for_long_is_not_cut(stage: Stage) -> None:
    """The time for an answer to begin is over once it has begun, whatever is still sent."""
    proceed = asyncio.Event()

    async def script(line: Line) -> None:
        await line.head()
        line.send(OK + b"Content-Length: 9\r\n\r\nearly")
        assert await line.body() == b"x" * 20
        await proceed.wait()
        line.send(b"late")
        await line.wait_ended()

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: 20", body=b"x" * 10))
    head, http = await visitor.wire.reply_head("POST")
    assert head.status == 200
    await visitor.wire.send(b"x" * 10)
    (connection,) = stage.connections
    exchange = connection.exchange
    assert isinstance(exchange, Exchange)
    await until(lambda: exchange.request_complete)
    stage.sweep(after=stage.site.limits.upstream_response.total_seconds() + 1)
    proceed.set()
    body = b""
    while isinstance(event := await visitor.wire._event(http), h11.Data):
        body += event.data
    assert body == b"earlylate"


# Answers that nobody takes --------------------------------------------------


async def pour(line: Line) -> None:
    """Answer with more than anybody takes, or become a tunnel for it."""
    head = await line.head()
    assert head is not None
    line.send(SWITCHING if head.target == "/ws" else OK + b"Content-Length: 100000000\r\n\r\n")
    with suppress(ConnectionError):
        for _ in range(1000):
            line.send(b"x" * 100_000)
            await line.writer.drain()


@pytest.mark.parametrize("target", ["/", "/ws"])
async def test_a_client_that_takes_nothing_is_cut(narrow: Stage, target: str) -> None:
    """It would hold the application's connection for ever."""
    narrow.wiki.script = pour
    visitor = await narrow.enter(receive_buffer=4096)
    await visitor.wire.send(visitor.request(target, "GET", *(UPGRADE if target == "/ws" else ())))
    (connection,) = narrow.connections
    await until(lambda: connection._congested)
    await at_a_standstill(connection)
    narrow.sweep(after=narrow.edge.taken_seconds + 1)
    narrow.sweep(after=2 * narrow.edge.taken_seconds + 1)
    await until(lambda: not narrow.connections)
    await until(lambda: not narrow.wiki.open_lines)
    (line,) = await narrow.access(1)
    assert line["reason"] == CutReason.NOT_TAKING


async def test_a_client_that_takes_little_is_not_cut(narrow: Stage) -> None:
    """However long it takes for the whole."""
    narrow.wiki.script = pour
    visitor = await narrow.enter(receive_buffer=4096)
    await visitor.wire.send(visitor.request())
    (connection,) = narrow.connections
    await until(lambda: connection._congested)
    for _ in range(2):
        before = await at_a_standstill(connection)
        while await at_a_standstill(connection) >= before:
            await visitor.wire.read()
        narrow.sweep(after=narrow.edge.taken_seconds + 1)
        assert narrow.connections == [connection]


async def at_a_standstill(connection: Downstream) -> int:
    """Wait until nothing moves towards the client; return how much waits for it."""
    transport = connection._transport
    assert transport is not None
    last = -1
    async with asyncio.timeout(PATIENCE):
        while (now := untaken_octets(transport)) != last:
            last = now
            await asyncio.sleep(0.05)
    return last


# HTTP/1.0 -------------------------------------------------------------------


@pytest.mark.parametrize("response", [CHUNKED, UNTIL_CLOSE], ids=["chunked", "until close"])
async def test_an_http_1_0_client_gets_a_body_until_the_close(
    stage: Stage, response: bytes
) -> None:
    """It knows of no chunks, even where it wants to keep the connection."""
    stage.wiki.script = closing(response)
    visitor = await stage.enter()
    request = visitor.request("/", "GET", b"Connection: keep-alive").replace(b"1.1", b"1.0", 1)
    await visitor.wire.send(request)
    answer = await visitor.wire.read_all()
    assert answer.endswith(b"Connection: close\r\n\r\nhello")
    assert b"Transfer-Encoding" not in answer
    assert visitor.wire.end is End.CLOSED


async def test_an_http_1_0_client_may_keep_its_connection(stage: Stage) -> None:
    """Where the length is known."""
    visitor = await stage.enter()
    request = visitor.request("/", "GET", b"Connection: keep-alive").replace(b"1.1", b"1.0", 1)
    for _ in range(2):
        reply = await visitor.wire.ask(request)
        assert (reply.body, reply.value("connection")) == (b"/", "keep-alive")


# Tunnels --------------------------------------------------------------------

UPGRADE = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Key: x")
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def echo(line: Line) -> None:
    """Become a tunnel that sends back what it gets, in capitals; `quit` ends it."""
    head = await line.head()
    assert head is not None
    line.send(SWITCHING + b"welcome")
    data = line._http.trailing_data[0]
    while b"quit" not in data:
        line.send(data.upper())
        data = await line.read()
        if not data:
            return
    line.close()


async def test_a_websocket_becomes_a_tunnel(stage: Stage) -> None:
    """Bytes of both directions pass as they are; even those that came too early."""
    stage.wiki.script = echo
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/ws", "GET", *UPGRADE) + b"early")
    answer = b""
    while not answer.endswith(b"EARLY"):
        answer += await visitor.wire.read()
    assert answer == SWITCHING.replace(b"1.1 101", b"1.1 101") + b"welcomeEARLY"
    await visitor.wire.send(b"GET / HTTP/1.1\r\n\r\n")
    assert await visitor.wire.read() == b"GET / HTTP/1.1\r\n\r\n"
    await visitor.wire.send(b"quit")
    assert await visitor.wire.read() == b""
    assert visitor.wire.end is End.CLOSED


async def test_a_tunnel_has_no_time_limit_and_ends_with_the_client(stage: Stage) -> None:
    """It may be silent for as long as it likes."""
    stage.wiki.script = echo
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/ws", "GET", *UPGRADE))
    await visitor.wire.read()
    stage.sweep(after=1_000_000)
    await visitor.wire.send(b"still")
    answer = b""
    while not answer.endswith(b"STILL"):
        answer += await visitor.wire.read()
    visitor.wire.close()
    await until(lambda: not stage.wiki.open_lines)


async def test_a_tunnel_holds_back_whoever_is_too_fast(narrow: Stage) -> None:
    """In both directions, with little of it in our memory."""
    piece, count = bytes(range(250)) * 40, 800
    reading = asyncio.Event()

    async def script(line: Line) -> None:
        await line.head()
        line.send(SWITCHING)
        for _ in range(count):
            line.send(piece)
            await line.writer.drain()
        await reading.wait()
        while len(line.received) < count * len(piece):
            await line.read()
        line.close()

    narrow.wiki.script = script
    visitor = await narrow.enter(receive_buffer=4096)
    await visitor.wire.send(visitor.request("/ws", "GET", *UPGRADE))
    (connection,) = narrow.connections
    await until(lambda: connection.exchange and connection.exchange.response)
    assert connection.exchange is not None
    upstream = connection.exchange._connection
    assert upstream is not None
    down, up = connection._transport, upstream.transport
    assert down is not None
    assert up is not None
    visitor.wire.writer.write(visitor.wire.seal(piece * count))
    answer, most = b"", 0
    while len(answer) < len(SWITCHING) + count * len(piece):
        answer += await visitor.wire.read()
        most = max(most, down.get_write_buffer_size(), up.get_write_buffer_size())
    assert answer == SWITCHING + piece * count
    reading.set()
    assert await visitor.wire.read() == b""
    assert narrow.wiki.lines[0].received.endswith(piece * count)
    assert most < 600_000


async def test_a_websocket_that_is_refused_is_a_request_like_others(stage: Stage) -> None:
    """What the client sent behind it is a request, and judged as one."""
    visitor = await stage.enter()
    reply = await visitor.ask("/ws", "GET", *UPGRADE)
    assert (reply.status, reply.body) == (200, b"/ws")
    assert (await visitor.ask("/next")).body == b"/next"


# No application -------------------------------------------------------------


@contextmanager
def deaf() -> Iterator[Upstream]:
    """Listen where nobody is accepted any more, so that connecting takes for ever."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        waiting = [socket.socket() for _ in range(8)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(address)
            yield Upstream("127.0.0.1", address[1])
        finally:
            for one in waiting:
                one.close()


async def test_a_connection_that_takes_too_long_is_a_gateway_time_out(
    made: MadeSite, tmp_path: Path
) -> None:
    """504, after the limit for connecting."""
    limits = {"upstream_connect": timedelta(milliseconds=50)}
    async with open_stage(made, tmp_path, limits) as stage:
        with deaf() as upstream:
            stage.edge.adopt(stage.applications(wiki=application("wiki", upstream)))
            visitor = await stage.enter()
            await visitor.wire.send(visitor.request())
            await refused(visitor, Refusal.UPSTREAM_TIMEOUT, 504)


async def test_a_client_that_leaves_ends_the_connecting(stage: Stage) -> None:
    """Nobody waits for it any more."""
    with deaf() as upstream:
        stage.edge.adopt(stage.applications(wiki=application("wiki", upstream)))
        visitor = await stage.enter()
        await visitor.wire.send(visitor.request())
        await until(lambda: stage.connections[0].exchange)
        visitor.wire.reset()
        await stage.settle()


async def test_no_application_at_all_is_a_bad_gateway(stage: Stage) -> None:
    """The port is closed, or the socket is not there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        nobody = Upstream("127.0.0.1", taken.getsockname()[1])
        for upstream in (nobody, Upstream("localhost", 0, unix_path="/nowhere/at.all")):
            stage.edge.adopt(stage.applications(wiki=application("wiki", upstream)))
            visitor = await stage.enter()
            await visitor.wire.send(visitor.request())
            await refused(visitor, Refusal.UPSTREAM_UNREACHABLE, 502)


async def test_no_answer_is_a_gateway_time_out(stage: Stage) -> None:
    """504, and the connection to the application is closed."""

    async def script(line: Line) -> None:
        await line.request()
        await line.wait_ended()

    stage.wiki.script = script
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request())
    await until(lambda: stage.wiki.requests)
    stage.sweep(after=stage.site.limits.upstream_response.total_seconds() + 1)
    await refused(visitor, Refusal.UPSTREAM_TIMEOUT, 504)
    await until(lambda: not stage.wiki.open_lines)


async def test_a_body_that_stops_coming_is_a_request_time_out(stage: Stage) -> None:
    """408, and the application never sees a whole request."""
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: 10", body=b"x"))
    await until(lambda: stage.wiki.received.endswith(b"x"))
    stage.sweep(after=stage.edge.body_seconds + 1)
    await refused(visitor, Refusal.REQUEST_TIMEOUT, 408)
    await until(lambda: not stage.wiki.open_lines)
    assert stage.wiki.requests == []


# Clients that disappear -----------------------------------------------------


@pytest.mark.parametrize("how", ["reset", "close"])
async def test_a_client_that_leaves_takes_its_connection_to_the_application_along(
    stage: Stage, how: str
) -> None:
    """In the middle of a download as of an upload."""

    async def endless(line: Line) -> None:
        head = await line.head()
        assert head is not None
        if head.method == "GET":
            line.send(OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
        await line.wait_ended()

    stage.wiki.script = endless
    downloading, uploading = await stage.enter(), await stage.enter()
    await downloading.wire.send(downloading.request())
    await downloading.wire.reply_head()
    await uploading.wire.send(
        uploading.request("/", "POST", b"Content-Length: 1000000", body=b"x" * 1000)
    )
    await until(lambda: len(stage.wiki.lines) == 2)
    for visitor in (downloading, uploading):
        getattr(visitor.wire, how)()
    await until(lambda: not stage.wiki.open_lines)
    await stage.settle()


# Large bodies ---------------------------------------------------------------


async def test_memory_is_bounded_while_a_slow_client_reads_much(narrow: Stage) -> None:
    """20 MB to a client that takes them bit by bit: most of it waits at the application."""
    size, piece = 20_000_000, bytes(range(250)) * 400

    async def script(line: Line) -> None:
        await line.request()
        line.send(OK + b"Content-Length: %d\r\n\r\n" % size)
        for _ in range(size // len(piece)):
            line.send(piece)
            await line.writer.drain()
        await line.wait_ended()

    narrow.wiki.script = script
    visitor = await narrow.enter(receive_buffer=4096)
    await visitor.wire.send(visitor.request())
    _, http = await visitor.wire.reply_head()
    (connection,) = narrow.connections
    transport = connection._transport
    assert transport is not None
    read, most = b"", 0
    length = 0
    while isinstance(event := await visitor.wire._event(http), h11.Data):
        read = bytes(event.data)
        assert read == (piece * 3)[length % len(piece) :][: len(read)]
        length += len(read)
        most = max(most, transport.get_write_buffer_size())
    assert length == size
    assert most < 600_000


async def test_a_large_upload_arrives_whole(stage: Stage) -> None:
    """By length and chunked."""
    body = bytes(range(256)) * 8_000
    visitor = await stage.enter()
    length = b"Content-Length: %d" % len(body)
    assert (await visitor.ask("/", "PUT", length, body=body)).status == 200
    chunked = b"".join(
        b"%x\r\n%b\r\n" % (len(part), part)
        for part in (body[at : at + 50_000] for at in range(0, len(body), 50_000))
    )
    reply: Reply = await visitor.ask(
        "/", "PUT", b"Transfer-Encoding: chunked", body=chunked + b"0\r\n\r\n"
    )
    assert reply.status == 200
    assert [seen.body == body for seen in stage.wiki.requests] == [True, True]
