import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import AppLimits, Upstream
from gateway.edge import buffering as module
from tests.gateway.edge.recorder import Line, ok
from tests.gateway.edge.stage import Stage, Visitor, application
from tests.gateway.edge.waiting import soon, until

CHUNKED = b"Transfer-Encoding: chunked"
BODY = b"5;x=y\r\nhello\r\n6\r\n world\r\n0\r\nT: r\r\n\r\n"


def holding(stage: Stage, octets: int = 100, **more: Any) -> None:
    """Serve a wiki that needs a length, for bodies up to *octets*."""
    upstream = Upstream("127.0.0.1", stage.wiki.port)
    app = application("wiki", upstream, buffer_body=octets, **more)
    stage.edge.adopt(stage.applications(wiki=app))


@pytest.mark.parametrize("step", [1, 7, 1000])
async def test_a_body_in_chunks_arrives_with_its_length(stage: Stage, step: int) -> None:
    """However it comes; the connections can be used again."""
    holding(stage)
    visitor = await stage.enter()
    for target in ("/first", "/second"):
        wire = visitor.request(target, "POST", CHUNKED, body=BODY)
        for start in range(0, len(wire), step):
            await visitor.wire.send(wire[start : start + step])
        assert (await visitor.wire.reply("POST")).body == target.encode()
    for seen in stage.wiki.requests:
        assert seen.body == b"hello world"
        assert seen.values("content-length") == ["11"]
        assert seen.values("transfer-encoding") == []
    assert len(stage.wiki.lines) == 1
    assert stage.edge.services.buffered == 0


async def test_nothing_goes_out_before_the_body_is_whole(stage: Stage) -> None:
    """The application may have but one process that reads."""
    holding(stage)
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "POST", CHUNKED, body=BODY[:-5]))
    await until(lambda: stage.edge.services.buffered)
    assert stage.wiki.lines == []
    await visitor.wire.send(BODY[-5:])
    assert (await visitor.wire.reply("POST")).status == 200


async def test_an_empty_body_has_the_length_nothing(stage: Stage) -> None:
    """And other requests go as they always do."""
    holding(stage)
    visitor = await stage.enter()
    assert (await visitor.ask("/", "POST", CHUNKED, body=b"0\r\n\r\n")).status == 200
    assert stage.wiki.requests[0].values("content-length") == ["0"]
    large = b"x" * 1000
    reply = await visitor.ask("/", "PUT", b"Content-Length: 1000", body=large)
    assert (reply.status, stage.wiki.requests[1].body) == (200, large)
    assert (await visitor.ask("/get")).body == b"/get"


@pytest.mark.parametrize("limits", [AppLimits(), AppLimits(body_bytes=11)])
async def test_a_body_that_is_too_large_to_hold_is_refused(stage: Stage, limits: AppLimits) -> None:
    """413; the application hears nothing of it, and the memory is free again."""
    holding(stage, 11 if limits == AppLimits() else 1000, limits=limits)
    visitor = await stage.enter()
    assert (await visitor.ask("/", "POST", CHUNKED, body=BODY)).status == 200
    await visitor.wire.send(
        visitor.request("/", "POST", CHUNKED, body=b"6\r\nhello \r\n6\r\nworld!\r\n0\r\n\r\n")
    )
    reply = await visitor.wire.reply("POST")
    assert (reply.status, reply.refusal) == (413, Refusal.BODY_TOO_LARGE)
    assert len(stage.wiki.requests) == 1
    assert stage.edge.services.buffered == 0


@pytest.mark.interpreted
async def test_there_is_room_for_so_many_bodies_at_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 to whoever is too much; those who leave make room."""
    monkeypatch.setattr(module, "ROOM", 60)
    holding(stage)
    first, second = await stage.enter(), await stage.enter()
    part = b"28\r\n" + b"x" * 40 + b"\r\n"
    await first.wire.send(first.request("/", "POST", CHUNKED, body=part))
    await until(lambda: stage.edge.services.buffered)
    await second.wire.send(second.request("/", "POST", CHUNKED, body=part))
    reply = await second.wire.reply("POST")
    assert (reply.status, reply.refusal) == (503, Refusal.OVERLOADED)
    first.wire.reset()
    await until(lambda: not stage.edge.services.buffered)
    third = await stage.enter()
    assert (await third.ask("/", "POST", CHUNKED, body=part + b"0\r\n\r\n")).status == 200


async def test_a_body_that_is_held_is_asked_for_by_us(stage: Stage) -> None:
    """100 Continue comes at once: the application does not know of the request yet."""
    holding(stage)
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "POST", CHUNKED, b"Expect: 100-continue"))
    assert await visitor.wire.read() == b"HTTP/1.1 100 Continue\r\n\r\n"
    await visitor.wire.send(BODY)
    assert (await visitor.wire.reply("POST")).status == 200
    (seen,) = stage.wiki.requests
    assert (seen.body, seen.values("expect")) == (b"hello world", [])


async def test_a_body_that_stops_or_is_broken_never_goes_out(stage: Stage) -> None:
    """408 and 400."""
    holding(stage)
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request("/", "POST", CHUNKED, body=BODY[:9]))
    await until(lambda: stage.edge.services.buffered)
    stage.sweep(after=stage.site.limits.request_body.total_seconds() + 1)
    assert (await visitor.wire.reply("POST")).refusal == Refusal.REQUEST_TIMEOUT
    other = await stage.enter()
    await other.wire.send(other.request("/", "POST", CHUNKED, body=b"zz\r\n"))
    assert (await other.wire.reply("POST")).refusal == Refusal.BAD_REQUEST
    assert stage.wiki.lines == []
    assert stage.edge.services.buffered == 0


# More than the kernel takes for an application that does not read.
LARGE = 12 * 1024 * 1024
WHOLE = b"%x\r\n" % LARGE + bytes(LARGE) + b"\r\n0\r\n\r\n"


@dataclass(eq=False)
class Slow:
    """An application that does not read a body before it is told to, and an upload to it."""

    stage: Stage
    visitor: Visitor
    line: Line
    reading: asyncio.Event

    async def read_and_answer(self) -> None:
        """Take the whole body first."""
        self.reading.set()
        # Before there is an answer; the last of it the kernel may not have taken yet.
        await until(lambda: self.stage.edge.services.buffered < LARGE // 100)
        self.line.send(ok(b"taken"))
        await self.visitor.wire.reply("POST")

    async def answer_first(self) -> None:
        """Answer, and take nothing of it."""
        self.line.send(ok(b"too much"))
        await self.visitor.wire.reply("POST")

    async def answer_without_length(self) -> None:
        """Take the body while the answer is under way, which goes up to the end."""
        self.line.send(b"HTTP/1.1 200 OK\r\n\r\nto the end")
        self.reading.set()
        await until(lambda: len(self.line.received) > LARGE)
        self.line.close()
        await self.visitor.wire.reply("POST")

    async def answer_in_part(self) -> None:
        """Break off in the middle of the answer."""
        self.line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        self.line.close()
        await self.visitor.wire.read_all()

    async def break_off(self) -> None:
        """Break off without an answer."""
        self.line.reset()
        await self.visitor.wire.reply("POST")

    async def be_silent(self) -> None:
        """Never answer."""
        self.stage.sweep(after=self.stage.site.limits.upstream_response.total_seconds() + 1)
        await self.visitor.wire.reply("POST")

    async def lose_the_client(self) -> None:
        """Nobody waits for the answer."""
        self.visitor.wire.reset()

    async def lose_the_right(self) -> None:
        """The connection is cut."""
        await self.stage.store.set_enabled("anna", False, by="test")


ENDS = (
    *(Slow.read_and_answer, Slow.answer_first, Slow.answer_without_length, Slow.answer_in_part),
    *(Slow.break_off, Slow.be_silent, Slow.lose_the_client, Slow.lose_the_right),
)


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_a_body_takes_room_until_the_application_has_it(
    narrow: Stage, end: Callable[[Slow], Awaitable[None]]
) -> None:
    """It lies in memory until then; and however the request ends, the room is free again."""
    reading = asyncio.Event()

    async def script(line: Line) -> None:
        await line.head()
        await reading.wait()
        await line.body()

    holding(narrow, LARGE)
    narrow.wiki.script = script
    visitor = await narrow.enter()
    await visitor.wire.send(visitor.request("/", "POST", CHUNKED, body=WHOLE))
    line = await narrow.wiki.line()
    await until(lambda: line.received)
    assert narrow.edge.services.buffered >= LARGE
    await soon(end(Slow(narrow, visitor, line, reading)))
    await until(lambda: not narrow.edge.services.buffered)


async def test_a_body_that_no_application_takes_takes_no_room(stage: Stage) -> None:
    """There is nobody who could be sent it."""
    holding(stage)
    await stage.wiki.close()
    visitor = await stage.enter()
    assert (await visitor.ask("/", "POST", CHUNKED, body=BODY)).status == 502
    assert stage.edge.services.buffered == 0
