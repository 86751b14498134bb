import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import AppLimits, Limits, Upstream
from gateway.edge.balancing import FAILURES
from gateway.edge.connections import SWEEP_SECONDS
from gateway.edge.service import NoUpstream, Service, WatchedPool
from gateway.edge.services import Services
from gateway.edge.upstream import Pool, UpstreamConnection
from tests.gateway.edge.recorder import Line, Recorder, ok
from tests.gateway.edge.site import CRM
from tests.gateway.edge.stage import LOG, Stage, application
from tests.gateway.edge.waiting import soon, until
from tests.gateway.edge.wire import End
from tests.gateway.portal.house import SITE as A_SITE

PORTAL = Upstream("localhost", 0, unix_path="/nowhere/portal.sock")
LIMITS = Limits(upstream_connect=timedelta(seconds=5))
SITE = replace(A_SITE, limits=LIMITS)


async def listen_only(line: Line) -> None:
    """Keep what comes, and say nothing."""
    await line.wait_ended()


@asynccontextmanager
async def recorders(count: int) -> AsyncIterator[list[Recorder]]:
    """Yield so many applications that say nothing."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            recorder = Recorder()
            recorder.script = listen_only
            await recorder.listen()
            stack.push_async_callback(recorder.close)
            found.append(recorder)
        yield found


def at(recorder: Recorder) -> Upstream:
    """Return where *recorder* listens."""
    return Upstream("127.0.0.1", recorder.port)


def services(*upstreams: Upstream, limits: AppLimits | None = None) -> tuple[Services, Service]:
    """Return the services of a worker with one application, and that one."""
    found = Services(SITE, PORTAL)
    return found, found.of(application("wiki", upstreams, limits=limits or AppLimits()))


async def taken(service: Service) -> UpstreamConnection:
    """Take a connection as an exchange does."""
    connection = service.take()
    return await soon(service.connect()) if connection is None else connection


def ports(connections: list[UpstreamConnection]) -> list[int]:
    """Return where *connections* lead."""
    return [connection.upstream.port for connection in connections]


async def closed_port() -> int:
    """Return a port at which nobody listens."""
    async with recorders(1) as (gone,):
        return gone.port


def is_aside(pool: WatchedPool) -> bool:
    """Say whether nothing goes to the upstream of *pool*, but for a trial."""
    return pool.standing.aside


def watched(service: Service, position: int) -> WatchedPool:
    """Return the pool of one of several upstreams."""
    pool = service.pools[position]
    assert isinstance(pool, WatchedPool)
    return pool


async def test_one_upstream_is_its_pool_and_nothing_more() -> None:
    """What is called for each request is the pool's own."""
    async with recorders(1) as (only,):
        all_of_them, service = services(at(only))
        (pool,) = service.pools
        assert type(pool) is Pool
        assert service.take == pool.take
        connection = await taken(service)
        connection.release()
        assert service.take() is connection
        assert str(service) == f"http://127.0.0.1:{only.port}"
        all_of_them.close()


async def test_one_upstream_is_never_put_aside() -> None:
    """Its failure is told as it is, each time."""
    _, service = services(Upstream("127.0.0.1", await closed_port()))
    for _ in range(2 * FAILURES):
        with pytest.raises(ConnectionRefusedError):
            await soon(service.connect())


async def test_the_upstream_with_the_fewest_requests_is_next() -> None:
    """Equals take turns; whose requests have ended is next again."""
    async with recorders(3) as found:
        all_of_them, service = services(*map(at, found))
        first = [await taken(service) for _ in range(6)]
        order = [recorder.port for recorder in found]
        assert ports(first) == order * 2
        first[1].release()
        first[4].release()
        again = [await taken(service) for _ in range(2)]
        assert again == [first[4], first[1]]
        assert ports([await taken(service) for _ in range(3)]) == [order[2], *order[:2]]
        all_of_them.close()


async def test_requests_one_after_the_other_take_turns() -> None:
    """Though the connection to the first is idle again when the second comes."""
    async with recorders(2) as found:
        all_of_them, service = services(*map(at, found))
        order = []
        for _ in range(6):
            connection = await taken(service)
            order.append(connection.upstream.port)
            connection.release()
        assert order == [recorder.port for recorder in found] * 3
        assert [len(recorder.lines) for recorder in found] == [1, 1]
        all_of_them.close()


async def test_a_connection_that_cannot_be_made_is_made_to_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The upstream that refuses is put aside after some failures, and the log says why."""
    caplog.set_level(logging.WARNING, LOG)
    async with recorders(1) as (good,):
        nobody = Upstream("127.0.0.1", await closed_port())
        all_of_them, service = services(nobody, at(good))
        found = [await taken(service) for _ in range(FAILURES + 5)]
        assert set(ports(found)) == {good.port}
        assert watched(service, 0).standing.aside
        (line,) = caplog.messages
        assert line.startswith(f"{nobody} is put aside for 1 s: ")
        assert "refused" in line.lower() or "connect" in line.lower()
        all_of_them.close()


async def test_an_upstream_that_is_back_is_tried_by_one_request_and_then_used() -> None:
    """While the others go where they went."""
    async with recorders(2) as (good, late):
        port = late.port
        await late.close()
        all_of_them, service = services(at(good), Upstream("127.0.0.1", port))
        pool = watched(service, 1)
        for _ in range(2 * FAILURES):
            (await taken(service)).release()
        assert is_aside(pool)
        await asyncio.sleep(pool.standing.pause / 2)
        assert (await taken(service)).upstream.port == good.port
        late.script = listen_only
        await late.listen(port=port)
        await until(lambda: pool.standing.due(asyncio.get_running_loop().time()))
        assert (await taken(service)).upstream.port == port
        assert not is_aside(pool)
        all_of_them.close()


async def test_where_none_is_left_nobody_is_asked() -> None:
    """All refused it; or all are put aside."""
    nobody = [Upstream("127.0.0.1", await closed_port()) for _ in range(2)]
    _, service = services(*nobody)
    for _ in range(FAILURES):
        with pytest.raises(NoUpstream, match=r"none is left; http://127\.0\.0\.1"):
            await soon(service.connect())
    assert service.take() is None
    with pytest.raises(NoUpstream, match=r"none is left$"):
        await soon(service.connect())


async def test_an_upstream_that_does_not_answer_is_put_aside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Though it takes connections; an answer on any connection speaks for it again."""
    caplog.set_level(logging.WARNING, LOG)
    async with recorders(2) as found:
        all_of_them, service = services(*map(at, found))
        mute, other = watched(service, 0), watched(service, 1)
        for _ in range(FAILURES):
            connection = await soon(mute.connect(5))
            connection.unanswered("no answer in time")
            connection.discard()
        assert caplog.messages == [f"{mute.upstream} is put aside for 1 s: no answer in time"]
        assert {(await taken(service)).upstream for _ in range(3)} == {other.upstream}
        connection = await soon(mute.connect(5))
        assert is_aside(mute)
        connection.answered()
        assert not is_aside(mute)
        all_of_them.close()


@pytest.mark.interpreted
async def test_a_trial_whose_client_has_left_is_no_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another request may try."""
    async with recorders(1) as (good,):
        all_of_them, service = services(at(good), Upstream("127.0.0.1", 1))
        pool = watched(service, 1)
        for _ in range(FAILURES):
            pool.standing.refuse(-100.0)

        async def hang(_: Pool, __: float) -> UpstreamConnection:
            await asyncio.sleep(60)
            raise AssertionError

        monkeypatch.setattr(Pool, "connect", hang)
        assert service.take() is None
        trying = asyncio.get_running_loop().create_task(service.connect())
        await until(lambda: pool.load == 1)
        assert not pool.standing.open(asyncio.get_running_loop().time())
        trying.cancel()
        await asyncio.gather(trying, return_exceptions=True)
        assert pool.load == 0
        assert pool.standing.due(asyncio.get_running_loop().time())
        all_of_them.close()


async def test_a_trial_that_fails_by_an_error_of_our_own_is_no_trial() -> None:
    """It says nothing of the upstream, and another request may try."""
    async with recorders(1) as (good,):
        all_of_them, service = services(at(good), Upstream("a" * 64, 80))
        pool = watched(service, 1)
        for _ in range(FAILURES):
            pool.standing.refuse(-100.0)
        with pytest.raises(UnicodeError):
            await service.connect()
        assert pool.load == 0
        assert pool.standing.due(asyncio.get_running_loop().time())
        all_of_them.close()


async def test_the_limits_of_an_application_go_before_those_of_the_site() -> None:
    """And where it has none, the site's are good; an answer may stop for ever."""
    _, plain = services(Upstream("127.0.0.1", 1))
    assert plain.response_seconds == LIMITS.upstream_response.total_seconds() + SWEEP_SECONDS
    assert plain.idle_seconds == float("inf")
    own = AppLimits(
        upstream_response=timedelta(seconds=7), upstream_idle=timedelta(seconds=9), body_bytes=1
    )
    _, service = services(Upstream("127.0.0.1", 1), limits=own)
    assert (service.response_seconds, service.idle_seconds) == (
        7.0 + SWEEP_SECONDS,
        9.0 + SWEEP_SECONDS,
    )
    service.settle(Limits(upstream_response=timedelta(seconds=3)))
    plain.settle(Limits(upstream_response=timedelta(seconds=3)))
    assert service.response_seconds == 7.0 + SWEEP_SECONDS
    assert plain.response_seconds == 3.0 + SWEEP_SECONDS


async def test_the_time_for_a_connection_is_the_applications_own() -> None:
    """A place that never answers is given up after it."""
    import socket

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        blockers = [socket.socket() for _ in range(4)]
        for blocker in blockers:
            blocker.setblocking(False)
            blocker.connect_ex(address)
        limits = AppLimits(upstream_connect=timedelta(milliseconds=100))
        _, service = services(Upstream("127.0.0.1", address[1]), limits=limits)
        with pytest.raises(TimeoutError):
            await soon(service.connect())
        for blocker in blockers:
            blocker.close()


# Behind the edge ------------------------------------------------------------


def several(stage: Stage, *upstreams: Upstream, **more: Any) -> None:
    """Serve the wiki from *upstreams*."""
    stage.edge.adopt(stage.applications(wiki=application("wiki", upstreams, **more)))


@pytest.mark.parametrize("method", ["GET", "POST", "MKCOL"])
async def test_a_request_goes_on_to_the_next_upstream_whatever_its_method(
    stage: Stage, method: str
) -> None:
    """Its body too, for none of it has gone out; the client notices nothing."""
    nobody = Upstream("127.0.0.1", await closed_port())
    several(stage, nobody, at(stage.wiki), Upstream("localhost", 0, unix_path="/nowhere/at.all"))
    visitor = await stage.enter()
    for number in range(4):
        body = b"" if method == "GET" else b"hello"
        length = b"Content-Length: %d" % len(body)
        reply = await visitor.ask(f"/{number}", method, length, body=body)
        assert (reply.status, reply.body) == (200, f"/{number}".encode())
    assert [(seen.target, seen.body) for seen in stage.wiki.requests] == [
        (f"/{number}", body) for number in range(4)
    ]


async def test_where_no_upstream_is_left_the_service_is_unavailable(stage: Stage) -> None:
    """503, by a name of its own, and soon again."""
    several(stage, *[Upstream("127.0.0.1", await closed_port()) for _ in range(2)])
    for _ in range(FAILURES + 1):
        visitor = await stage.enter()
        await visitor.wire.send(visitor.request())
        reply = await visitor.wire.reply()
        assert (reply.status, reply.refusal) == (503, Refusal.NO_UPSTREAM)
        assert reply.value("retry-after")


async def test_requests_that_were_not_answered_put_an_upstream_aside(stage: Stage) -> None:
    """Each is refused with 504 and never made again; the others are served by the other."""

    async def mute(line: Line) -> None:
        await line.request()
        await line.wait_ended()

    async def patient(line: Line) -> None:
        # Whoever is answered sooner makes its upstream the one with fewer requests.
        while (seen := await line.request()) is not None:
            await all_sent.wait()
            line.send(ok(seen.target.encode()))
            line.next_request()

    all_sent = asyncio.Event()
    stage.wiki.script, stage.crm.script = mute, patient
    several(stage, at(stage.wiki), at(stage.crm))
    visitors = [await stage.enter() for _ in range(2 * FAILURES)]
    for visitor in visitors:
        await visitor.wire.send(visitor.request("/", "POST", b"Content-Length: 0"))
    await until(lambda: len(stage.wiki.requests) == len(stage.crm.requests) == FAILURES)
    all_sent.set()
    await until(lambda: len([c for c in stage.connections if c.exchange]) == FAILURES)
    stage.sweep(after=stage.site.limits.upstream_response.total_seconds() + 1)
    statuses = [(await visitor.wire.reply("POST")).status for visitor in visitors]
    assert sorted(statuses) == [200] * FAILURES + [504] * FAILURES
    for _ in range(3):
        visitor = await stage.enter()
        assert (await visitor.ask("/after")).status == 200
    assert len(stage.wiki.requests) == FAILURES


def closing(line: Line) -> None:
    """End the connection before anything is read."""
    line.close()


def breaking(line: Line) -> None:
    """Break the connection."""
    line.reset()


def babbling(line: Line) -> None:
    """Say what is no answer."""
    line.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "how, why",
    [
        (closing, "the connection closed before the response"),
        (breaking, "the connection closed before the response"),
        (babbling, ""),
    ],
)
async def test_an_upstream_whose_answers_are_none_is_put_aside(
    stage: Stage,
    caplog: pytest.LogCaptureFixture,
    how: Callable[[Line], None],
    why: str,
    method: str,
) -> None:
    """Though it takes connections, and is the first to have nothing to do; the log says why."""

    async def useless(line: Line) -> None:
        how(line)
        await line.wait_ended()

    caplog.set_level(logging.WARNING, LOG)
    stage.wiki.script = useless
    several(stage, at(stage.wiki), at(stage.crm))
    statuses = []
    for _ in range(3 * FAILURES):
        visitor = await stage.enter()
        body = b"" if method == "GET" else b"hello"
        length = b"Content-Length: %d" % len(body)
        await visitor.wire.send(visitor.request("/", method, length, body=body))
        statuses.append((await visitor.wire.reply(method)).status)
    assert statuses.count(502) == FAILURES
    assert statuses.count(200) == 2 * FAILURES
    (line,) = [line for line in caplog.messages if "aside" in line]
    assert line.startswith(f"{at(stage.wiki)} is put aside for 1 s: {why}")


@pytest.mark.parametrize("fault", ["gone", "cut", "garbled", "late", "answering"])
async def test_a_trial_that_its_client_gives_up_leaves_room_for_another(
    stage: Stage, fault: str
) -> None:
    """Nothing was learned of the upstream; the next one tells. An answer that began had told."""

    async def waiting(line: Line) -> None:
        await line.head()
        if fault == "answering":
            line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        await line.wait_ended()

    polite, stage.wiki.script = stage.wiki.script, waiting
    app = application("wiki", (at(stage.wiki), Upstream("127.0.0.1", await closed_port())))
    stage.edge.adopt(stage.applications(wiki=app))
    service = stage.edge.services.of(app)
    for pool in (watched(service, 0), watched(service, 1)):
        for _ in range(FAILURES):
            pool.standing.fail_to_answer(-100.0 if pool is service.pools[0] else 1e9)
    visitor = await stage.enter()
    framing = b"Transfer-Encoding: chunked" if fault == "garbled" else b"Content-Length: 5"
    await visitor.wire.send(visitor.request("/", "POST", framing))
    await until(lambda: len(stage.wiki.lines) == 1 and b"\r\n\r\n" in stage.wiki.received)
    if fault == "garbled":
        await visitor.wire.send(b"x\r\n")
    elif fault == "late":
        stage.sweep(after=stage.site.limits.request_body.total_seconds() + 1)
    elif fault == "cut":
        visitor.wire.reset()
    else:
        visitor.wire.close()
    await until(lambda: not stage.wiki.open_lines)
    stage.wiki.script = polite
    other = await stage.enter()
    assert (await soon(other.ask("/next"))).body == b"/next"
    assert not is_aside(watched(service, 0))


async def test_what_was_under_way_before_a_trial_ends_none() -> None:
    """Its client may leave as well: one request tries, and not as many as give up."""
    async with recorders(2) as found:
        all_of_them, service = services(*map(at, found))
        pool = watched(service, 0)
        straggler = await soon(pool.connect(5))
        for _ in range(FAILURES):
            pool.standing.fail_to_answer(-100.0)
        trial = await soon(pool.connect(5))
        now = asyncio.get_running_loop().time()
        straggler.abandoned()
        assert not pool.standing.open(now)
        trial.abandoned()
        assert pool.standing.due(now + 1)
        all_of_them.close()


async def test_a_websocket_counts_as_a_request_under_way(stage: Stage) -> None:
    """So those who come go where fewer are."""

    async def chat(line: Line) -> None:
        if await line.head() is not None:
            line.send(b"HTTP/1.1 101 X\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
            await line.wait_ended()

    stage.wiki.script = stage.crm.script = chat
    several(stage, at(stage.wiki), at(stage.crm))
    upgrade = (b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Version: 13")
    for _ in range(4):
        visitor = await stage.enter()
        await visitor.wire.send(visitor.request("/", "GET", *upgrade))
        assert (await visitor.wire.read()).startswith(b"HTTP/1.1 101")
    assert (len(stage.wiki.lines), len(stage.crm.lines)) == (2, 2)


async def test_an_answer_that_stops_is_cut_after_the_limit_for_it(stage: Stage) -> None:
    """Not while it is we who hold it back, nor where no limit is set."""

    async def stall(line: Line) -> None:
        await line.request()
        line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
        await line.wait_ended()

    stage.wiki.script = stage.crm.script = stall
    limits = AppLimits(upstream_idle=timedelta(seconds=30))
    several(stage, at(stage.wiki), limits=limits)
    limited, endless = await stage.enter(), await stage.enter(CRM)
    for visitor in (limited, endless):
        await visitor.wire.send(visitor.request())
        assert (await visitor.wire.read()).endswith(b"hello")
    stage.sweep(after=29)
    assert len(stage.wiki.open_lines) == 1
    stage.sweep(after=31)
    await until(lambda: not stage.wiki.open_lines)
    assert await limited.wire.read_all() == b""
    assert limited.wire.end is not End.CLOSED
    assert len(stage.crm.open_lines) == 1


async def test_the_time_for_an_answer_is_the_applications_own(stage: Stage) -> None:
    """504 after it; others have the site's."""

    async def mute(line: Line) -> None:
        await line.request()
        await line.wait_ended()

    stage.wiki.script = stage.crm.script = mute
    several(stage, at(stage.wiki), limits=AppLimits(upstream_response=timedelta(seconds=7)))
    hasty, patient = await stage.enter(), await stage.enter(CRM)
    for visitor in (hasty, patient):
        await visitor.wire.send(visitor.request())
    await until(lambda: stage.wiki.requests and stage.crm.requests)
    stage.sweep(after=8)
    assert (await hasty.wire.reply()).refusal == Refusal.UPSTREAM_TIMEOUT
    assert len(stage.crm.open_lines) == 1
