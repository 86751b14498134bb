"""Part 4: what idle connections cost, and thousands of idle WebSockets beside requests."""

import asyncio
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.counterpart import CONNECTIONS
from tests.bench.crowd import Crowd
from tests.bench.dials import ask
from tests.bench.measuring import cpu_seconds, resident_kib, run_load, spread, workers
from tests.bench.peers import Peer, application, nginx_front
from tests.bench.report import Figure, Section, at_most
from tests.bench.requests import PATH
from tests.bench.sites import COMPILED_PYTHON, BenchSite, make_site, serve_site

PEOPLE = 25
"""Enough that none of their certificates comes to its limit of connections."""
WARMING = 50
OURS = "pusterla"
_SETTLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Idle:
    """KiB a connection: after the handshake, and after a request on it."""

    silent: float
    asked: float


def measure_idle(directory: Path, *, quick: bool) -> Section:
    """Measure memory of the gateway and of nginx, then hold WebSockets through the gateway."""
    count, sockets, requests = (300, 400, 2_000) if quick else (2_000, 5_000, 10_000)
    with ExitStack() as up:
        upstream = up.enter_context(application(directory)).port
        site = asyncio.run(make_site(directory / "site", upstream, people=PEOPLE))
        found = {}
        with nginx_front(directory / "front", site, upstream) as front:
            found["nginx"] = _idle(site, front, count)
        with serve_site(site) as gateway:
            found[OURS] = _idle(site, gateway, count)
        if COMPILED_PYTHON.exists():
            with serve_site(site, python=str(COMPILED_PYTHON)) as gateway:
                found[f"{OURS} compiled"] = _idle(site, gateway, count)
        gateway = up.enter_context(serve_site(site))

        def measure() -> float:
            return _microseconds(site, gateway, requests)

        alone, beside, kib, held = _websockets(site, gateway, sockets, measure)
    rows = [
        (name, f"{idle.silent:.1f}", f"{idle.asked:.1f}", f"{count:,}")
        for name, idle in found.items()
    ]
    rows.append(("pusterla, WebSockets", "–", f"{kib:.1f}", f"{sockets:,}"))
    said = (
        f"Processor time of a request, µs: {spread(alone, 1)} without WebSockets, "
        f"{spread(beside, 1)} beside {sockets:,}."
    )
    return Section(
        "idle",
        "Idle connections",
        "Growth of the worker's resident memory (VmRSS) for each connection that is open and "
        f"silent, {WARMING} connections having come and gone before, so that what is made once is "
        "not counted: behind the handshake, and behind the answer to one request on each. "
        f"{PEOPLE} certificates. A WebSocket holds two connections of the worker.",
        ("case", "KiB, no request yet", "KiB, one request made", "connections"),
        rows,
        [
            *(
                at_most(f"idle connection{name.removeprefix(OURS)}, {what}", kib, 34, " KiB", 1)
                for name, idle in found.items()
                if name.startswith(OURS)
                for what, kib in (
                    ("no request yet", idle.silent),
                    ("one request made", idle.asked),
                )
            ),
            Figure(
                "idle WebSockets held while requests went on",
                f"{held:,}",
                f"{sockets:,}",
                held == sockets,
            ),
            Figure(
                f"a request beside {sockets:,} WebSockets / without them",
                f"{statistics.median(beside) / statistics.median(alone):.2f} ×",
                "no target",
                None,
            ),
        ],
        (said,),
    )


def _idle(site: BenchSite, peer: Peer, count: int) -> Idle:
    """Open *count* connections, and look at the worker's memory on the way."""
    (worker,) = workers(peer.pid)
    with Crowd(site) as crowd:
        for number in range(WARMING):
            crowd.begin(site.sticks[number % PEOPLE], peer.port, "/").close()
        time.sleep(_SETTLE_SECONDS)
        before = resident_kib(worker)
        opened = [crowd.dial(site.sticks[one % PEOPLE], peer.port) for one in range(count)]
        time.sleep(_SETTLE_SECONDS)
        silent = resident_kib(worker)
        for number, connection in enumerate(opened):
            ask(connection, crowd.request(site.sticks[number % PEOPLE], peer.port, "/"))
        time.sleep(_SETTLE_SECONDS)
        asked = resident_kib(worker)
        for connection in opened:
            connection.close()
    found = Idle((silent - before) / count, (asked - before) / count)
    print(
        f"idle: {count:,} connections, KiB each: {found.silent:.1f}, then {found.asked:.1f}",
        flush=True,
    )
    return found


def _websockets(
    site: BenchSite, gateway: Peer, count: int, measure: Callable[[], float]
) -> tuple[list[float], list[float], float, int]:
    """Return µs a request without and beside *count* WebSockets, their KiB, and how many stood."""
    (worker,) = workers(gateway.pid)
    measure()
    alone = [measure() for _ in range(3)]
    before = resident_kib(worker)
    with Crowd(site) as crowd:
        for number in range(count):
            stick = site.sticks[number % PEOPLE]
            crowd.hold(crowd.begin(stick, gateway.port, "/ws", websocket=True))
            if number % 1_000 == 999:
                print(f"idle: {number + 1:,} WebSockets are open", flush=True)
        grown = (resident_kib(worker) - before) / count
        beside = [measure() for _ in range(3)]
        return alone, beside, grown, len(crowd)


def _microseconds(site: BenchSite, peer: Peer, requests: int) -> float:
    """Return the microseconds of processor time that a request takes."""
    before = cpu_seconds(peer.pids)
    arguments = [*site.load_arguments(peer.port), "--path", PATH]
    run_load("load", *arguments, "--connections", CONNECTIONS, "--requests", requests)
    return (cpu_seconds(peer.pids) - before) / requests * 1e6
