import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable
from typing import cast

import pytest

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Upstream
from gateway.edge.connections import LINGER_SECONDS
from gateway.edge.downstream import Downstream
from gateway.edge.exchange import Exchange
from gateway.edge.receiving import FOR_ANY
from gateway.edge.stream import State
from gateway.edge.upstream import UpstreamConnection
from tests.gateway.edge.recorder import Line, ok, saying
from tests.gateway.edge.site import HOST, WIKI
from tests.gateway.edge.stage import Stage, Visitor, application
from tests.gateway.edge.stores import Question
from tests.gateway.edge.waiting import PATIENCE, turns, until
from tests.gateway.edge.wire import End

TINY = 4096
HIGH_WATER = 64 * 1024
CALM = 600_000
"""More than buffers in the process hold when both ends of backpressure work."""


def unsent(stage: Stage, number: int = 0) -> int:
    """Return how many bytes wait in the edge for a client to take them."""
    transport = stage.connections[number]._transport
    assert transport is not None
    return transport.get_write_buffer_size()


async def still(value: Callable[[], int]) -> None:
    """Wait until *value* is something and moves no more."""
    before = 0
    async with asyncio.timeout(PATIENCE):
        while not value() or value() != before:
            before = value()
            await asyncio.sleep(0.05)


async def fill(stage: Stage, visitor: Visitor, level: int) -> None:
    """Let *visitor* ask and take no answer, until more than *level* bytes wait for it."""
    (connection,) = stage.connections
    asked = 0
    async with asyncio.timeout(PATIENCE):
        while unsent(stage) <= level:
            asked += 1
            await visitor.wire.send(visitor.request())
            await until(lambda: len(stage.wiki.requests) == asked)  # noqa: B023 - looked at now
            await until(lambda: connection.exchange is None)


# Backpressure ---------------------------------------------------------------


async def test_whoever_pipelines_and_does_not_read_is_not_answered_further(narrow: Stage) -> None:
    """Refusals wait in the client's own buffers as questions, not in ours as answers."""
    wire = await narrow.connect(WIKI, narrow.made.anna, receive_buffer=TINY)
    count, request = 4000, f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode()
    wire.writer.write(wire.seal(request * count))
    await still(lambda: unsent(narrow))
    assert unsent(narrow) < CALM
    answers = b""
    while answers.count(b"HTTP/1.1 401") < count:
        answers += await wire.read()
    assert answers.count(b"HTTP/1.1 ") == count


async def test_a_slow_reader_does_not_stall_a_connection_of_the_pool(narrow: Stage) -> None:
    """It was told to wait while it had no more to say, and then belonged to somebody else."""
    narrow.wiki.script = saying(ok(b"x" * 40_000))
    slow = await narrow.enter(receive_buffer=TINY)
    (connection,) = narrow.connections
    # Full enough for the edge to be told to wait, at the very end of an answer.
    await fill(narrow, slow, HIGH_WATER)
    assert connection.exchange is None
    other = await narrow.enter()
    assert len((await other.ask()).body) == 40_000


async def test_much_is_read_at_once_of_a_body_alone(stage: Stage) -> None:
    """Whatever else a client sends may have to wait in memory, a read of it at least."""
    visitor = await stage.enter()
    (connection,) = stage.connections
    place = connection.get_buffer
    assert len(place(0)) == len(FOR_ANY) == 65536
    half = b"x" * 100_000
    await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: 200000") + half)
    await until(lambda: len(place(0)) == len(half))
    await visitor.wire.send(half)
    assert (await visitor.wire.reply("POST")).status == 200
    assert len(place(0)) == len(FOR_ANY)
    await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: 9000000") + half)
    await until(lambda: len(place(0)) == 512 * 1024)


class Counting:
    """A transport that notes how many pieces it is given at once."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.pieces: list[int] = []
        self._transport = transport

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def writelines(self, pieces: list[bytes]) -> None:
        self.pieces.append(len(pieces))
        self._transport.writelines(pieces)


@pytest.mark.interpreted
async def test_tiny_records_of_a_body_are_not_kept_one_by_one(stage: Stage) -> None:
    """Each piece costs a transport a hundred octets, and only what is in them is held back."""
    visitor = await stage.enter()
    (connection,) = stage.connections
    await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: 20000"))
    await until(lambda: connection.exchange and connection.exchange.wants_body)
    assert isinstance(connection.exchange, Exchange)
    upstream = connection.exchange._connection
    assert upstream is not None
    assert upstream.transport is not None
    counting = Counting(upstream.transport)
    upstream.transport = cast("asyncio.Transport", counting)
    visitor.wire.writer.write(b"".join(visitor.wire.seal(b"x") for _ in range(20_000)))
    await until(lambda: connection.exchange is None or connection.exchange.response is not None)
    assert sum(counting.pieces) == len(counting.pieces) < 100


async def test_what_was_sent_ahead_does_not_set_backpressure_aside(stage: Stage) -> None:
    """A part of the body lies in our buffer while the request is judged; the rest has to wait."""
    taking = asyncio.Event()

    async def script(line: Line) -> None:
        await taking.wait()
        seen = await line.request()
        assert seen is not None
        line.send(ok(b"%d" % len(seen.body)))

    stage.portal.script = script
    stage.held.hold(Question.HOLDER)
    wire = await stage.connect(HOST, stage.made.anna)
    head = f"POST /sign-in HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 20000000\r\n\r\n"
    wire.writer.write(wire.seal(head.encode() + bytes(20_000_000)))
    await stage.held.wait_asked(Question.HOLDER)
    (connection,) = stage.connections
    await until(lambda: connection._held)
    stage.held.release(Question.HOLDER)

    def waiting() -> int:
        upstream = connection.exchange._connection if connection.exchange else None
        return upstream.transport.get_write_buffer_size() if upstream and upstream.transport else 0

    await still(waiting)
    assert 0 < waiting() < CALM
    taking.set()
    assert (await wire.reply("POST")).body == b"20000000"


async def closing_answer(narrow: Stage) -> tuple[Visitor, Downstream]:
    """Let somebody ask for a closing answer and take none of it, until it lies in the edge."""
    narrow.wiki.script = saying(ok(b"x" * 30_000))
    visitor = await narrow.enter(receive_buffer=TINY)
    (connection,) = narrow.connections
    await fill(narrow, visitor, 0)
    await visitor.wire.send(visitor.request("/last", "GET", b"Connection: close"))
    await until(lambda: narrow.wiki.requests[-1].target == "/last")
    await until(lambda: connection._state is State.LINGER)
    assert unsent(narrow)
    return visitor, connection


async def test_a_closing_answer_reaches_a_slow_reader_whole(narrow: Stage) -> None:
    """The end of it lies in our buffer when everything is said; taking it may take its time."""
    visitor, _ = await closing_answer(narrow)
    narrow.sweep(after=2 * LINGER_SECONDS)
    answers = await visitor.wire.read_all()
    assert visitor.wire.end is End.CLOSED
    assert answers.count(b"x") >= 30_000 * (answers.count(b"HTTP/1.1 200 OK"))


async def test_whoever_takes_nothing_for_long_is_cut_off(narrow: Stage) -> None:
    """As long as an idle connection may last."""
    visitor, _ = await closing_answer(narrow)
    narrow.sweep(after=narrow.site.limits.idle.total_seconds() + 1)
    await until(lambda: not narrow.connections)
    await visitor.wire.read_all()
    assert visitor.wire.end is not End.CLOSED


# Ends -----------------------------------------------------------------------


async def test_a_client_that_closes_and_takes_nothing_more_is_not_kept(narrow: Stage) -> None:
    """It closes in TLS in the middle of an answer, and leaves the TCP connection as it is."""
    narrow.wiki.script = saying(ok(b"x" * 3_000_000))
    visitor = await narrow.enter(receive_buffer=TINY)
    await visitor.wire.send(visitor.request())
    await until(lambda: unsent(narrow))
    assert visitor.wire.tls is not None
    with pytest.raises(ssl.SSLWantReadError):
        visitor.wire.tls.unwrap()
    visitor.wire.writer.write(visitor.wire.outgoing.read())
    await until(lambda: not narrow.wiki.open_lines)
    narrow.sweep(after=LINGER_SECONDS + 1)
    await until(lambda: not narrow.connections)


async def test_a_client_that_half_closes_tcp_and_takes_nothing_more_is_not_kept(
    narrow: Stage,
) -> None:
    """The same, without a word of TLS."""
    narrow.wiki.script = saying(ok(b"x" * 3_000_000))
    visitor = await narrow.enter(receive_buffer=TINY)
    await visitor.wire.send(visitor.request())
    await until(lambda: unsent(narrow))
    visitor.wire.writer.write_eof()
    await until(lambda: not narrow.wiki.open_lines)
    narrow.sweep(after=LINGER_SECONDS + 1)
    await until(lambda: not narrow.connections)


@pytest.mark.interpreted
async def test_no_request_goes_out_once_its_connection_is_cut(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the connection to the application comes about in the same moment."""
    visitor = await stage.enter()
    (connection,) = stage.connections
    await visitor.ask("/before")
    (pool,) = stage.edge.services.of(stage.applications()["wiki"]).pools
    pool.close()
    connecting, proceed = asyncio.Event(), asyncio.Event()
    connect = pool.connect

    async def slowly(seconds: float) -> UpstreamConnection:
        made = await connect(seconds)
        connecting.set()
        await proceed.wait()
        return made

    monkeypatch.setattr(pool, "connect", slowly)
    await visitor.wire.send(visitor.request("/cut"))
    await connecting.wait()
    proceed.set()
    connection.cut(Refusal.CERTIFICATE_REVOKED)
    await turns(10)
    await until(lambda: not stage.connections)
    assert [seen.target for seen in stage.wiki.requests] == ["/before"]
    assert b"/cut" not in stage.wiki.received


# Time-outs ------------------------------------------------------------------


async def test_the_rest_of_a_pipelined_head_has_the_time_of_a_head(stage: Stage) -> None:
    """Its first bytes came while the request before it was answered."""
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/first") + b"GET /second HT")
    assert (await visitor.wire.reply()).body == b"/first"
    stage.sweep(after=stage.site.limits.request_head.total_seconds() + 1)
    reply = await visitor.wire.reply()
    assert (reply.status, reply.refusal) == (408, Refusal.REQUEST_TIMEOUT)
    assert await visitor.wire.read() == b""
    assert visitor.wire.end is End.CLOSED


async def test_time_for_the_head_is_not_time_for_the_answer(stage: Stage) -> None:
    """A head that came slowly leaves the application, and the store, all of their time."""
    visitor = await stage.enter()
    (connection,) = stage.connections
    request = visitor.request("/slowly")
    await visitor.wire.send(request[:10])
    await until(lambda: connection._buffer)
    head_ends = connection.deadline
    stage.held.hold(Question.SESSION)
    await visitor.wire.send(request[10:])
    await stage.held.wait_asked(Question.SESSION)
    assert connection.deadline > head_ends
    stage.held.release(Question.SESSION)
    assert (await visitor.wire.reply()).body == b"/slowly"


# Errors of our own ----------------------------------------------------------


async def test_an_error_of_our_own_is_answered(stage: Stage) -> None:
    """With 500, and not with a connection that stays silent until its time is over."""
    stage.held.fail(Question.HOLDER, error=ZeroDivisionError("a mistake"))
    wire = await stage.connect(WIKI, stage.made.anna)
    reply = await wire.ask(f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode())
    assert (reply.status, reply.refusal) == (500, Refusal.INTERNAL)
    assert await wire.read() == b""
    (error,) = stage.errors
    assert "a mistake" in error
    stage.errors.clear()


async def test_an_error_of_our_own_while_connecting_is_answered(stage: Stage) -> None:
    """Connecting has a time limit of its own, so nothing else would ever end the wait."""
    # Not to be had from a file: names that cannot be looked up are refused there.
    unthinkable = Upstream("a" * 64 + ".internal", 80)
    stage.edge.adopt(stage.applications(wiki=application("wiki", unthinkable)))
    visitor = await stage.enter()
    reply = await visitor.ask()
    assert (reply.status, reply.refusal) == (500, Refusal.INTERNAL)
    assert await visitor.wire.read() == b""
    (line,) = await stage.access()
    assert (line["app"], line["reason"]) == ("wiki", "internal")
    await until(lambda: stage.errors)
    (error,) = stage.errors
    # Which of its kind is another with each version of Python.
    assert re.search(r"Unicode\w*Error", error)
    stage.errors.clear()


# Memory of header blocks ----------------------------------------------------


async def test_a_failure_is_told_as_the_request_wants_it(stage: Stage) -> None:
    """Fields that were remembered of GET serve HEAD too, and an answer to HEAD has no body."""
    visitor = await stage.enter()
    for _ in range(3):
        await visitor.ask()
    stage.wiki.script = saying(b"garbage\r\n\r\n")
    for line in stage.wiki.lines:
        line.close()
    reply = await visitor.ask("/", "HEAD")
    assert (reply.status, reply.body) == (502, b"")
    assert await visitor.wire.read() == b""


# Empty lines ----------------------------------------------------------------


async def test_one_empty_line_before_a_request_is_nothing(stage: Stage) -> None:
    """RFC 9112, section 2.2: some clients of old send one behind a form."""
    wire = await stage.connect(WIKI, stage.made.anna)
    request = f"GET / HTTP/1.1\r\nHost: {WIKI}\r\n\r\n".encode()
    for _ in range(2):
        await wire.send(b"\r\n" + request)
        assert (await wire.reply()).status == 401


async def test_empty_lines_instead_of_a_request_are_refused(stage: Stage) -> None:
    """Each cost a copy of all that were behind it: a record of them, a tenth of a second."""
    wire = await stage.connect(WIKI, stage.made.anna)
    await wire.send(b"\r\n" * 8000)
    reply = await wire.reply()
    assert (reply.status, reply.refusal) == (400, Refusal.BAD_REQUEST)


# The end --------------------------------------------------------------------


async def test_a_goodbye_in_the_breath_of_the_handshake_is_heard(stage: Stage) -> None:
    """close_notify may come with the client's last handshake message."""
    wire = await stage.tcp()
    hello = wire.begin_tls(stage.made.context(stage.made.anna), WIKI)
    wire.writer.write(hello)
    tls = wire.tls
    assert tls is not None
    while True:
        wire.incoming.write(await wire.reader.read(65536))
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            wire.writer.write(wire.outgoing.read())
        else:
            break
    with contextlib.suppress(ssl.SSLWantReadError):
        tls.unwrap()
    wire.writer.write(wire.outgoing.read())
    async with asyncio.timeout(PATIENCE):
        while await wire.reader.read(65536):
            pass
    await until(lambda: not stage.connections)


async def test_a_cut_takes_back_what_the_kernel_has_not_sent(narrow: Stage) -> None:
    """A client that reads slowly gets nothing more after the cut, but a reset."""
    narrow.wiki.script = saying(ok(b"x" * 4_000_000))
    slow = await narrow.enter(receive_buffer=TINY)
    await slow.wire.send(slow.request())
    await still(lambda: unsent(narrow))
    (connection,) = narrow.connections
    connection.cut(Refusal.CERTIFICATE_REVOKED)
    received, ended = 0, ""
    async with asyncio.timeout(PATIENCE):
        while not ended:
            try:
                data = await slow.wire.reader.read(65536)
            except ConnectionResetError:
                ended = "reset"
            else:
                received += len(data)
                ended = "" if data else "closed"
    assert (ended, received < 1_000_000) == ("reset", True)
