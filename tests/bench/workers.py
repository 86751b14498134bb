"""Part 6: two workers beside one."""

import asyncio
import statistics
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench import measuring
from tests.bench.counterpart import CONNECTIONS
from tests.bench.measuring import ALL, FIRST, LAST, cpu_seconds, ratios, spread
from tests.bench.peers import Peer, nginx_upstream
from tests.bench.report import Figure, Section, at_least
from tests.bench.requests import PATH
from tests.bench.sites import BenchSite, make_site, serve_site

CORES_WANTED = 3


@dataclass(frozen=True, slots=True)
class Round:
    """What one round has shown."""

    per_second: float
    microseconds: float
    """Of processor time, a request, all workers together."""
    shares: tuple[float, ...]
    """Which share of the workers' processor time each of them has used."""


def measure_workers(directory: Path, *, quick: bool) -> Section:
    """Measure one worker and two, in turns."""
    rounds, requests = (2, 5_000) if quick else (5, 24_000)
    processors = ALL
    free = len(processors) >= CORES_WANTED
    two_on = (FIRST, processors[1] if free else LAST)
    with ExitStack() as up:
        upstream = up.enter_context(nginx_upstream(directory / "upstream")).port
        one = asyncio.run(make_site(directory / "one", upstream))
        two = asyncio.run(make_site(directory / "two", upstream, workers=2))
        cases = [
            (one, up.enter_context(serve_site(one, FIRST))),
            (two, up.enter_context(serve_site(two, *two_on))),
        ]
        found: list[list[Round]] = [[], []]
        for number in range(rounds + 1):
            for rows, (site, peer) in zip(found, cases, strict=True):
                row = _round(site, peer, requests)
                if number:
                    rows.append(row)
            if number:
                said = " and ".join(f"{rows[-1].per_second:.0f}" for rows in found)
                print(f"workers, round {number} of {rounds}, requests a second: {said}", flush=True)
    return _section(found, free=free)


def _round(site: BenchSite, peer: Peer, requests: int) -> Round:
    """Let two loads run at once, since one of them could not keep two workers busy."""
    arguments = [*site.load_arguments(peer.port), "--path", PATH]
    arguments += ["--connections", CONNECTIONS, "--requests", requests // 2]
    pids = measuring.workers(peer.pid)
    before = [cpu_seconds([pid]) for pid in pids]
    begun = time.perf_counter()
    command = measuring.load_command("load", *arguments)
    loads = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for _ in range(2)]
    statuses = [load.wait() for load in loads]
    if any(statuses):
        raise SystemExit("a load has failed")
    seconds = time.perf_counter() - begun
    spent = [cpu_seconds([pid]) - then for pid, then in zip(pids, before, strict=True)]
    shares = tuple(sorted(one / sum(spent) for one in spent))
    return Round(requests / seconds, sum(spent) / requests * 1e6, shares)


def _section(found: list[list[Round]], *, free: bool) -> Section:
    speed = [[one.per_second for one in rows] for rows in found]
    cost = [[one.microseconds for one in rows] for rows in found]
    smaller = statistics.median(one.shares[0] for one in found[1])
    gain = statistics.median(ratios(speed[1], speed[0]))
    if free:
        figures = [at_least("two workers / one, requests a second", gain, 1.8, " ×")]
        remark = "Each worker had a processor of its own, and the load another one."
    else:
        figures = [
            Figure(
                "two workers / one, requests a second",
                f"{gain:.2f} ×",
                "at least 1.8 ×, where a core is free for the load; here none is",
                None,
            )
        ]
        remark = (
            "This machine has two processors. The second worker shared the second one with load and "
            "application, so requests a second say little here. What can be seen: whether a "
            "request costs more processor time when there are two workers (they share nothing but "
            "the port), and whether the kernel gives both of them work."
        )
    figures += [
        Figure(
            "CPU of a request, two workers / one",
            f"{statistics.median(ratios(cost[1], cost[0])):.2f} ×",
            "no target",
            None,
        ),
        Figure("share of the less busy worker", f"{smaller:.0%}", "no target", None),
    ]
    return Section(
        "workers",
        "Two workers",
        f"The GET of the first part, by two loads of {CONNECTIONS} connections each. Unlike there, "
        "load and application sleep when there is nothing to do, and are woken at the worker's cost.",
        ("workers", "requests a second", "CPU µs a request"),
        [
            (name, spread(per_second, 0), spread(microseconds, 1))
            for name, per_second, microseconds in zip(("one", "two"), speed, cost, strict=True)
        ],
        figures,
        (remark,),
    )
