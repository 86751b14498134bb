"""Part 2: full handshakes, and what revoked certificates cost in each of them."""

import asyncio
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measuring import (
    cpu_seconds,
    ratios,
    resident_kib,
    run_load,
    spread,
    take_turns,
    workers,
)
from tests.bench.peers import Peer, nginx_front, nginx_upstream
from tests.bench.report import Figure, Section, at_least, at_most
from tests.bench.sites import (
    COMPILED_PYTHON,
    BenchSite,
    make_site,
    revoke_strangers,
    serve_site,
    write_crls,
)

THREADS = 8
CRL_ENTRIES = 100_000
MEMORY_MIB = 80
COMPILED = "pusterla compiled, 1 revoked"


@dataclass(frozen=True, slots=True)
class Case:
    """Who is measured; *fewer* divides the handshakes where each takes long."""

    name: str
    site: BenchSite
    peer: Peer
    fewer: int = 1


def measure_handshakes(directory: Path, *, quick: bool) -> Section:
    """Measure all cases, in turns."""
    rounds, count = (2, 240) if quick else (7, 800)
    revoked = [1, 2_000, 10_000] if quick else [1, 100_000, 1_000_000]
    with _cases(directory, revoked) as cases:

        def measure(case: Case) -> float:
            wanted = count // case.fewer
            arguments = [*case.site.load_arguments(case.peer.port), "--threads", THREADS]
            before = cpu_seconds(case.peer.pids)
            counted = run_load("dials", *arguments, "--count", wanted)
            return counted["handshakes"] / (cpu_seconds(case.peer.pids) - before)

        def say(number: int, row: list[float]) -> None:
            figures = ", ".join(f"{value:.0f}" for value in row)
            print(f"handshakes, round {number} of {rounds}, per CPU s: {figures}", flush=True)

        found = take_turns(cases, rounds, measure, say)
        memory = [sum(map(resident_kib, workers(case.peer.pid))) / 1024 for case in cases]
    return _section(cases, found, memory, revoked)


@contextmanager
def _cases(directory: Path, revoked: list[int]) -> Iterator[list[Case]]:
    with ExitStack() as up:
        upstream = up.enter_context(nginx_upstream(directory / "upstream")).port
        ours = []
        for count in revoked:
            print(f"handshakes: making a site with {count:,} revoked certificates", flush=True)
            site = asyncio.run(make_site(directory / f"site-{count}", upstream))
            revoke_strangers(site, count)
            peer = up.enter_context(serve_site(site))
            ours.append(Case(f"pusterla, {count:,} revoked", site, peer))
        site = ours[0].site
        crls = directory / "long-crls.pem"
        write_crls(site, crls, CRL_ENTRIES)
        front = up.enter_context(nginx_front(directory / "front", site, upstream))
        listing = up.enter_context(nginx_front(directory / "listing", site, upstream, crls=crls))
        cases = [
            Case("nginx, empty CRL", site, front),
            Case(f"nginx, {CRL_ENTRIES:,} in its CRL", site, listing, fewer=5),
            *ours,
        ]
        if COMPILED_PYTHON.exists():
            other = asyncio.run(make_site(directory / "compiled", upstream))
            revoke_strangers(other, 1)
            peer = up.enter_context(serve_site(other, python=str(COMPILED_PYTHON)))
            cases.append(Case(COMPILED, other, peer))
        yield cases


def _section(
    cases: list[Case], found: list[list[float]], memory: list[float], revoked: list[int]
) -> Section:
    empty, listing, one, *more = found[: 2 + len(revoked)]
    compiled = [values for case, values in zip(cases, found, strict=True) if case.name == COMPILED]
    middle = [statistics.median(ratios(values, one)) for values in more]
    figures = [
        at_least("handshakes / nginx with an empty CRL", _middle(one, empty), 0.9, " ×"),
        *(
            Figure(
                f"{count:,} revoked / 1 revoked",
                f"{value:.2f} ×",
                "within 5 %",
                abs(value - 1) <= 0.05,
            )
            for count, value in zip(revoked[1:], middle, strict=True)
        ),
        at_least(f"… / nginx with {CRL_ENTRIES:,}", _middle(more[0], listing), 6, " ×", 1),
        at_most(
            f"memory of a worker for {revoked[-1]:,} revoked",
            memory[1 + len(revoked)] - memory[2],
            MEMORY_MIB,
            " MiB",
            1,
        ),
        *(
            at_least(
                "handshakes compiled / nginx with an empty CRL", _middle(one, empty), 0.9, " ×"
            )
            for one in compiled
        ),
    ]
    return Section(
        "handshakes",
        "Handshakes",
        f"Full handshakes without resumption, each on a connection of its own that is then "
        f"closed in order without a request; {THREADS} at once; counted per second of the "
        "server's processor time. The revoked certificates are rows of the store, and entries of "
        "nginx's CRL, with serials of 20 octets. The gateway looks a certificate up in the store "
        "with the first request that comes with it, and remembers the answer; so that look-up is "
        "not in these figures, and no index of what is revoked is kept in memory.",
        ("case", "handshakes a CPU second", "× nginx, empty CRL", "worker, MiB"),
        [
            (case.name, spread(values, 0), spread(ratios(values, empty)), f"{size:.0f}")
            for case, values, size in zip(cases, found, memory, strict=True)
        ],
        figures,
    )


def _middle(values: list[float], reference: list[float]) -> float:
    return statistics.median(ratios(values, reference))
