import asyncio
import gc
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from tests.gateway.edge.recorder import Line, ok
from tests.gateway.edge.site import HOST, PUBLIC_HOST, WIKI, MadeSite
from tests.gateway.edge.stage import Stage, open_stage
from tests.gateway.edge.stores import Question
from tests.gateway.edge.waiting import soon, until
from tests.gateway.edge.wire import End


async def test_a_request_of_somebody_signed_in_reaches_the_application(stage: Stage) -> None:
    """The whole way, once and again."""
    visitor = await stage.enter()
    reply = await visitor.ask("/page?x=1")
    assert reply.status == 200
    assert reply.body == b"/page?x=1"
    assert (await visitor.ask("/again")).body == b"/again"
    seen, _ = stage.wiki.requests
    assert seen.target == "/page?x=1"
    assert seen.values("x-forwarded-user") == ["anna"]
    assert seen.values("cookie") == []


async def test_all_doors_lead_somewhere(stage: Stage) -> None:
    """Applications, the portal, the public host, and plain http."""
    anna = await stage.enter(HOST)
    assert (await anna.ask("/home")).body == b"/home"
    public = await stage.connect(PUBLIC_HOST)
    request = f"GET /crl HTTP/1.1\r\nHost: {PUBLIC_HOST}\r\n\r\n".encode()
    assert (await public.ask(request)).body == b"/crl"
    plain = await stage.plain()
    assert (await plain.ask(request.replace(PUBLIC_HOST.encode(), b"any.example"))).body == b"/crl"
    listeners = [seen.values("pusterla-listener") for seen in stage.portal.requests]
    assert listeners == [["portal"], ["public"], ["plain-http"]]


# The beginning --------------------------------------------------------------


def unbound() -> socket.socket:
    """Return a socket on a free port."""
    one = socket.socket()
    one.bind(("127.0.0.1", 0))
    return one


async def test_nobody_is_served_before_the_feed_was_heard(stage: Stage) -> None:
    """A worker that is stopped until then ends without ever being ready."""
    stage.held.silence()
    stopping, ready = asyncio.Event(), asyncio.Event()
    with unbound() as https, unbound() as http:
        running = asyncio.ensure_future(stage.worker.run(https, http, ready.set, stopping))
        await asyncio.sleep(0.02)
        with pytest.raises(ConnectionRefusedError):
            await stage.tcp(https.getsockname()[1])
        stopping.set()
        await soon(running)
    assert not ready.is_set()
    stage.held.heal()


async def test_the_collector_spares_what_lives_for_ever(stage: Stage) -> None:
    """Modules and classes are not gone through again and again."""
    assert gc.get_freeze_count() > 10_000
    assert gc.get_threshold()[0] > 2000


async def test_a_worker_whose_following_fails_ends(made: MadeSite, tmp_path: Path) -> None:
    """It is started again; going on without hearing of changes would be worse."""
    async with open_stage(made, tmp_path) as stage:
        anna = await stage.enter()
        await anna.ask()
        stage.held.fail(Question.HOLDER, error=ZeroDivisionError("a mistake"))
        await stage.store.set_enabled("anna", False, by="test")
        assert stage.running is not None
        with pytest.raises(ExceptionGroup) as raised:
            await soon(stage.running)
        assert raised.group_contains(ZeroDivisionError, match="a mistake")
        stage.running = None
        stage.held.heal()


# The end --------------------------------------------------------------------


async def test_at_the_end_idle_connections_close_at_once(stage: Stage) -> None:
    """In good order; nobody new is let in."""
    anna = await stage.enter()
    await anna.ask()
    stage.stopping.set()
    assert await anna.wire.read() == b""
    assert anna.wire.end is End.CLOSED
    anna.wire.close()
    await stage.stop()
    with pytest.raises(OSError):
        await stage.tcp()


async def test_at_the_end_an_exchange_is_finished(stage: Stage) -> None:
    """Also one whose head had only begun; and then its connection closes."""
    proceed = asyncio.Event()

    async def script(line: Line) -> None:
        while (seen := await line.request()) is not None:
            await proceed.wait()
            line.send(ok(seen.target.encode()))
            line.next_request()

    stage.wiki.script = script
    busy, begun = await stage.enter(), await stage.enter()
    await busy.wire.send(busy.request("/busy"))
    await begun.wire.send(begun.request("/begun")[:30])
    await until(lambda: stage.wiki.requests)
    await until(lambda: any(connection._buffer for connection in stage.connections))
    stage.stopping.set()
    await until(lambda: stage.edge.draining)
    await begun.wire.send(begun.request("/begun")[30:])
    proceed.set()
    for visitor, target in ((busy, b"/busy"), (begun, b"/begun")):
        reply = await visitor.wire.reply()
        assert (reply.body, reply.value("connection")) == (target, "close")
        assert await visitor.wire.read() == b""
        assert visitor.wire.end is End.CLOSED
        visitor.wire.close()
    await stage.stop()


async def test_at_the_end_a_refusal_closes_too(stage: Stage) -> None:
    """Its head had begun before the end."""
    wire = await stage.connect(WIKI, stage.made.anna)
    request = f"GET / HTTP/1.1\r\nHost: {WIKI}\r\nSec-Fetch-Mode: navigate\r\n\r\n".encode()
    await wire.send(request[:20])
    await until(lambda: stage.connections[0]._buffer)
    stage.stopping.set()
    await until(lambda: stage.edge.draining)
    await wire.send(request[20:])
    reply = await wire.reply()
    assert (reply.status, reply.value("connection")) == (303, "close")
    assert await wire.read() == b""


async def test_what_does_not_end_in_time_is_cut(made: MadeSite, tmp_path: Path) -> None:
    """When the limit for draining is over."""
    limits = {"drain": timedelta(milliseconds=50)}

    async def script(line: Line) -> None:
        await line.request()
        await line.wait_ended()

    async with open_stage(made, tmp_path, limits) as stage:
        stage.wiki.script = script
        anna = await stage.enter()
        await anna.wire.send(anna.request())
        await until(lambda: stage.wiki.requests)
        await stage.stop()
        assert await anna.wire.read_all() == b""
        assert anna.wire.end is not End.CLOSED


async def test_a_connection_that_comes_while_draining_is_closed(stage: Stage) -> None:
    """It was on its way when the sockets were closed."""
    stage.edge.draining = True
    wire = await stage.tcp()
    assert await wire.read_all() == b""
    assert len(stage.edge.connections) == 0
