"""Part 3: large bodies, and the memory of a worker while slow clients read them."""

import asyncio
import json
import statistics
import subprocess
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measuring import (
    cpu_seconds,
    load_command,
    ratios,
    resident_kib,
    spread,
    take_turns,
    workers,
)
from tests.bench.peers import TUNED, Peer, application, nginx_front
from tests.bench.report import Figure, Section, at_most
from tests.bench.sites import COMPILED_PYTHON, BenchSite, make_site, serve_site

BODY = 10 * 2**20
CONNECTIONS = 4
SLOW_CLIENTS = 50
FLAT_MIB = 4
_SETTLED = 0.2
"""The share of the transfer after which all clients are at work."""


@dataclass(frozen=True, slots=True)
class Case:
    """Who is measured, and in which direction."""

    name: str
    peer: Peer
    up: bool
    site: BenchSite | None = None
    """Its own, where it is not that of the others."""


def measure_bodies(directory: Path, *, quick: bool) -> Section:
    """Measure both directions, in turns, and then the slow clients."""
    rounds, each = (2, 2) if quick else (25, 5)
    with ExitStack() as up:
        upstream = up.enter_context(application(directory)).port
        site = asyncio.run(make_site(directory / "site", upstream))
        front = up.enter_context(nginx_front(directory / "front", site, upstream, extra=TUNED))
        gateway = up.enter_context(serve_site(site))
        cases = [
            Case("nginx tuned, download", front, up=False),
            Case("pusterla, download", gateway, up=False),
            Case("nginx tuned, upload", front, up=True),
            Case("pusterla, upload", gateway, up=True),
        ]
        if COMPILED_PYTHON.exists():
            other = asyncio.run(make_site(directory / "compiled", upstream))
            compiled = up.enter_context(serve_site(other, python=str(COMPILED_PYTHON)))
            cases += [
                Case("pusterla compiled, download", compiled, up=False, site=other),
                Case("pusterla compiled, upload", compiled, up=True, site=other),
            ]

        def measure(case: Case) -> float:
            asked = case.site or site
            arguments = [*asked.load_arguments(case.peer.port), *(["--up"] if case.up else [])]
            sizes = ("--octets", BODY, "--connections", CONNECTIONS, "--each", each)
            command = load_command("transfers", *arguments, *sizes)
            pipe = subprocess.PIPE
            with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as load:
                assert load.stdin is not None
                assert load.stdout is not None
                # Its start takes longer than the bodies, and costs the server nothing that
                # belongs to them.
                load.stdout.readline()
                before = cpu_seconds(case.peer.pids)
                load.stdin.write("\n")
                load.stdin.flush()
                counted = load.stdout.readline()
                spent = cpu_seconds(case.peer.pids) - before
            if not counted:
                raise SystemExit("the bodies have failed")
            bodies: int = json.loads(counted)["bodies"]
            return spent / bodies * 1e3

        def say(number: int, row: list[float]) -> None:
            figures = ", ".join(f"{value:.1f}" for value in row)
            print(f"bodies, round {number} of {rounds}, CPU ms: {figures}", flush=True)

        found = take_turns(cases, rounds, measure, say)
        octets = (20 if quick else 100) * 2**20
        memory = _watch_slow(site, gateway, octets, seconds=5 if quick else 20)
    return _section(cases, found, memory, octets)


def _watch_slow(site: BenchSite, gateway: Peer, octets: int, seconds: float) -> list[float]:
    """Return the worker's memory before, and every tenth of a second while slow clients read."""
    (worker,) = workers(gateway.pid)
    pause = seconds / (octets / 65536)
    sizes = ("--octets", octets, "--connections", SLOW_CLIENTS, "--each", 1, "--pause", pause)
    found = [resident_kib(worker) / 1024]
    command = load_command("transfers", *site.load_arguments(gateway.port), *sizes)
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as load:
        while load.poll() is None:
            time.sleep(0.1)
            found.append(resident_kib(worker) / 1024)
    if load.returncode:
        raise SystemExit("the slow clients have failed")
    print(f"bodies: {SLOW_CLIENTS} slow clients read for {len(found) / 10:.0f} s", flush=True)
    return found


def _section(
    cases: list[Case], found: list[list[float]], memory: list[float], octets: int
) -> Section:
    beside = [found[2 if case.up else 0] for case in cases]
    figures = [
        at_most(
            f"10 MiB {case.name.removeprefix('pusterla').strip(' ,')} / nginx tuned",
            statistics.median(ratios(values, reference)),
            1.0,
            " ×",
        )
        for case, values, reference in zip(cases, found, beside, strict=True)
        if values is not reference
    ]
    reading = memory[1:]
    settled = reading[int(len(reading) * _SETTLED) :]
    half = len(settled) // 2
    early, late = statistics.median(settled[:half]), statistics.median(settled[half:])
    figures.append(
        Figure(
            f"growth of a worker while {SLOW_CLIENTS} slow clients read {octets >> 20} MiB each",
            f"{late - early:+.1f} MiB",
            f"flat: at most {FLAT_MIB} MiB",
            late - early <= FLAT_MIB,
        )
    )
    rows = [
        (case.name, spread(values, 1), spread(ratios(values, reference)))
        for case, values, reference in zip(cases, found, beside, strict=True)
    ]
    tuning = "; ".join(line.strip().rstrip(";") for line in TUNED.strip().splitlines())
    said = (
        f"Memory of the worker: {memory[0]:.0f} MiB before the slow clients came, "
        f"{early:.1f} MiB in the first half of their reading, {late:.1f} MiB in the second, "
        f"{max(memory):.1f} MiB at its peak; {len(reading) / 10:.0f} seconds in all."
    )
    return Section(
        "bodies",
        "Large bodies",
        f"Processor time of a body of 10 MiB over {CONNECTIONS} connections, from and to an "
        f"application that streams as fast as it can; connections are open before. nginx is tuned: {tuning}.",
        ("case", "CPU ms a body", "× nginx tuned"),
        rows,
        figures,
        (said,),
    )
