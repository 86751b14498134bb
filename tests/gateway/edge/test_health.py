import asyncio
import logging
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import HealthCheck, Upstream, UpstreamTLS
from gateway.edge.balancing import FAILED_CHECKS
from gateway.edge.health import Rounds, ask
from gateway.edge.upstream import Pool
from gateway.edge.upstream_tls import UpstreamContext
from tests.gateway.edge.authority import make_authority
from tests.gateway.edge.recorder import Line, Recorder, ok, polite, saying
from tests.gateway.edge.site import WIKI
from tests.gateway.edge.stage import LOG, Stage, application
from tests.gateway.edge.test_service import at, closed_port, recorders, several
from tests.gateway.edge.waiting import soon, until

QUICK = HealthCheck("/healthz", timedelta(seconds=1), timedelta(milliseconds=200))


def pool_to(upstream: Upstream, tls: UpstreamTLS | None = None) -> Pool:
    """Return a pool, as checks use it."""
    return Pool(upstream, UpstreamContext(tls or UpstreamTLS()))


async def silent(line: Line) -> None:
    """Take the request, and answer nothing."""
    await line.request()
    await line.wait_ended()


async def closing(line: Line) -> None:
    """Take the request, and close."""
    await line.request()
    line.close()


@pytest.mark.parametrize(
    "answer, wrong",
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", ""),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 9\r\n\r\n", ""),
        (b"HTTP/1.1 103 Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", ""),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "status 404"),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "status 503"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000, "no end"),
    ],
)
async def test_an_upstream_is_well_where_it_answers_2xx_or_3xx(answer: bytes, wrong: str) -> None:
    """Everything else is told as it is."""
    async with recorders(1) as (wiki,):
        wiki.script = saying(answer)
        found = await soon(ask(pool_to(at(wiki)), QUICK, WIKI))
        assert wrong in found
        assert bool(found) is bool(wrong)
        (seen,) = wiki.requests
        assert (seen.method, seen.target, seen.values("host")) == ("GET", "/healthz", [WIKI])
        await until(lambda: wiki.lines[0].ended or not wiki.open_lines)


async def test_what_does_not_answer_is_not_well(tmp_path: Path) -> None:
    """It refuses, says nothing in time, closes, or cannot be verified."""
    async with recorders(1) as (wiki,):
        pool = pool_to(at(wiki))
        wiki.script = silent
        assert await soon(ask(pool, QUICK, WIKI)) == "no answer within 0.2 s"
        wiki.script = closing
        assert await soon(ask(pool, QUICK, WIKI)) == "closed before an answer"
        assert pool.count == 0
    nobody = Upstream("127.0.0.1", await closed_port())
    assert "refused" in (await soon(ask(pool_to(nobody), QUICK, WIKI))).lower()
    authority, secure = make_authority(tmp_path / "other"), Recorder()
    await secure.listen(tls=authority.server("127.0.0.1"))
    secure.script = polite
    upstream = Upstream("127.0.0.1", secure.port, tls=True)
    assert "verify failed" in await soon(ask(pool_to(upstream), QUICK, WIKI))
    trusted = pool_to(upstream, UpstreamTLS(ca=str(authority.file)))
    assert await soon(ask(trusted, QUICK, WIKI)) == ""
    await secure.close()


def test_rounds_come_one_after_the_other_and_not_together() -> None:
    """Not before the interval, and not while one is under way; workers drift apart."""

    async def nothing() -> None:
        pass

    async def rounds() -> None:
        starts = set()
        for _ in range(20):
            one = Rounds(QUICK)
            assert one.due(100.0)
            assert not one.due(1000.0)
            await one.run([nothing()])
            assert not one.due(100.89)
            starts.add(next(tick for tick in range(89, 120) if one.due(100.0 + tick / 100)))
        assert len(starts) > 1
        assert min(starts) >= 90
        assert max(starts) <= 111

    asyncio.run(rounds())


async def test_an_upstream_that_fails_its_checks_gets_no_requests(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Until it passes one again; each change is in the log, once."""
    caplog.set_level(logging.WARNING, LOG)
    well = False

    async def script(line: Line) -> None:
        while (seen := await line.request()) is not None:
            bad = seen.target == "/healthz" and not well
            line.send(b"HTTP/1.1 500 X\r\nContent-Length: 0\r\n\r\n" if bad else ok(b"hello"))
            line.next_request()

    stage.wiki.script = script
    several(stage, at(stage.wiki), at(stage.crm), health=QUICK)
    tick = stage.edge.tick
    for number in range(FAILED_CHECKS + 1):
        checks = len([seen for seen in stage.wiki.requests if seen.target == "/healthz"])
        stage.edge.services.sweep(tick + 10 * number)
        await until(lambda: not stage.edge.services._checking)
        assert len(stage.wiki.requests) > checks
    said = f"{at(stage.wiki)} fails its checks and gets no requests: status 500"
    assert caplog.messages == [said]
    visitor = await stage.enter()
    for _ in range(4):
        assert (await visitor.ask("/page")).status == 200
    assert [seen for seen in stage.wiki.requests if seen.target == "/page"] == []
    well = True
    stage.edge.services.sweep(tick + 1000)
    await until(lambda: len(caplog.messages) == 2)
    assert caplog.messages[1] == f"{at(stage.wiki)} passes its checks again"
    for _ in range(4):
        assert (await visitor.ask("/page")).status == 200
    assert len([seen for seen in stage.wiki.requests if seen.target == "/page"]) == 2
    assert stage.wiki.requests[0].values("host") == [f"{WIKI}:8443"]


async def test_a_single_upstream_that_fails_its_checks_is_no_service(stage: Stage) -> None:
    """503; but what becomes of requests never puts a single one aside."""
    nobody = Upstream("127.0.0.1", await closed_port())
    several(stage, nobody, health=HealthCheck("/", timedelta(hours=1)))
    for _ in range(5):
        visitor = await stage.enter()
        await visitor.wire.send(visitor.request())
        assert (await visitor.wire.reply()).refusal == Refusal.UPSTREAM_UNREACHABLE
    tick = stage.edge.tick
    for number in range(FAILED_CHECKS):
        stage.edge.services.sweep(tick + 10_000 * number)
        await until(lambda: not stage.edge.services._checking)
    visitor = await stage.enter()
    await visitor.wire.send(visitor.request())
    reply = await visitor.wire.reply()
    assert (reply.status, reply.refusal) == (503, Refusal.NO_UPSTREAM)


async def test_no_check_outlives_the_worker(stage: Stage) -> None:
    """It is broken off when the worker ends."""
    stage.wiki.script = silent
    slow = HealthCheck("/", timedelta(hours=1), timedelta(hours=1))
    stage.edge.adopt(stage.applications(wiki=application("wiki", at(stage.wiki), health=slow)))
    stage.edge.services.sweep(stage.edge.tick)
    await until(lambda: stage.wiki.requests)
    (task,) = stage.edge.services._checking
    stage.close_wires()
    await stage.stop()
    await until(task.done)
    assert task.cancelled()
