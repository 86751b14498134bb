"""Part 1: processor time of one authorised keep-alive GET, beside those who do it otherwise."""

import asyncio
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.counterpart import CONNECTIONS, UNLIKE_PATH, Unlike
from tests.bench.measuring import ratios, spread, take_turns
from tests.bench.peers import (
    Peer,
    auth_service,
    envoy_front,
    find_envoy,
    free_port,
    nginx_front,
    nginx_yes,
)
from tests.bench.report import Figure, Section, at_most
from tests.bench.sites import COMPILED_PYTHON, BenchSite, make_site, serve_site
from tests.bench.steady import Counterpart, Spent, at_rest, spend, standing_by

PATH = "/1k.txt"

NGINX = "nginx, authorises nothing"
OURS = "pusterla"
STRANGE = "pusterla, no request like another"
UNLIKE = "pusterla, nor any answer"
COOKIES = "pusterla, nor any cookie"
COMPILED = "pusterla compiled"
COMPILED_STRANGE = "pusterla compiled, no request like another"
COMPILED_UNLIKE = "pusterla compiled, nor any answer"
COMPILED_COOKIES = "pusterla compiled, nor any cookie"
AUTH_REQUEST = "nginx + auth_request to aiohttp"
AUTH_REQUEST_UVLOOP = "nginx + auth_request to aiohttp on uvloop"
ENVOY = "Envoy + ext_authz to an nginx"


@dataclass(frozen=True, slots=True)
class Case:
    """Who is measured, and with what requests."""

    name: str
    peer: Peer
    unlike: Unlike = Unlike.NOTHING
    path: str = PATH
    site: BenchSite | None = None
    """Where it is another one than that of all others."""


def measure_requests(directory: Path, *, quick: bool) -> Section:
    """Measure all cases, in turns."""
    rounds, requests = (3, 8_000) if quick else (9, 30_000)
    with _cases(directory) as (counterpart, site, cases):
        spent: dict[str, list[Spent]] = {case.name: [] for case in cases}

        def measure(case: Case) -> float:
            asked = case.site or site
            found = spend(counterpart, asked, case.peer, case.path, requests, case.unlike)
            spent[case.name].append(found)
            return found.microseconds

        def say(number: int, row: list[float]) -> None:
            figures = ", ".join(f"{value:.1f}" for value in row)
            print(f"requests, round {number} of {rounds}, CPU µs: {figures}", flush=True)

        resting = {case.name: at_rest(case.peer) for case in cases[:2]}
        found = take_turns(cases, rounds, measure, say)
    busy = {name: statistics.median(one.busy for one in all_) for name, all_ in spent.items()}
    names = [case.name for case in cases]
    return _section(dict(zip(names, found, strict=True)), busy, resting)


@contextmanager
def _cases(directory: Path) -> Iterator[tuple[Counterpart, BenchSite, list[Case]]]:
    with ExitStack() as up:
        upstream = free_port()
        counterpart = up.enter_context(standing_by(upstream))
        site = asyncio.run(make_site(directory / "site", upstream))
        front = up.enter_context(nginx_front(directory / "front", site, upstream))
        gateway = up.enter_context(serve_site(site))
        cases = [
            Case(NGINX, front),
            Case(OURS, gateway),
            Case(STRANGE, gateway, Unlike.FIELD),
            Case(UNLIKE, gateway, Unlike.FIELD, UNLIKE_PATH),
            Case(COOKIES, gateway, Unlike.COOKIES, UNLIKE_PATH),
        ]
        if COMPILED_PYTHON.exists():
            other = asyncio.run(make_site(directory / "compiled", upstream))
            compiled = up.enter_context(serve_site(other, python=str(COMPILED_PYTHON)))
            cases += [
                Case(COMPILED, compiled, site=other),
                Case(COMPILED_STRANGE, compiled, Unlike.FIELD, site=other),
                Case(COMPILED_UNLIKE, compiled, Unlike.FIELD, UNLIKE_PATH, other),
                Case(COMPILED_COOKIES, compiled, Unlike.COOKIES, UNLIKE_PATH, other),
            ]
        for name, loop in ((AUTH_REQUEST, "asyncio"), (AUTH_REQUEST_UVLOOP, "uvloop")):
            service = up.enter_context(auth_service(directory, site.sticks[0].session, loop))
            asking = up.enter_context(
                nginx_front(directory / f"asking-{loop}", site, upstream, auth=service.port)
            )
            cases.append(Case(name, Peer((*asking.pids, *service.pids), asking.port)))
        if find_envoy() is None:
            print("envoy: not installed, left out")
        else:
            yes = up.enter_context(nginx_yes(directory / "yes"))
            envoy = up.enter_context(envoy_front(directory / "envoy", site, upstream, yes.port))
            cases.append(Case(ENVOY, Peer((*envoy.pids, *yes.pids), envoy.port)))
        yield counterpart, site, cases


def _section(
    found: dict[str, list[float]], busy: dict[str, float], resting: dict[str, float]
) -> Section:
    plain, ours = found[NGINX], found[OURS]
    figures = _beside_nginx(found, "authorised GET", (OURS, STRANGE, UNLIKE, COOKIES))
    if ENVOY in found:
        ratio = _middle(ours, found[ENVOY])
        figures.append(Figure("… / Envoy + ext_authz", f"{ratio:.2f} ×", "below 1 ×", ratio < 1))
    else:
        figures.append(
            Figure("… / Envoy + ext_authz", "not installed, left out", "below 1 ×", None)
        )
    if COMPILED in found:
        cases = COMPILED, COMPILED_STRANGE, COMPILED_UNLIKE, COMPILED_COOKIES
        figures += _beside_nginx(found, "authorised GET, compiled", cases)
    return Section(
        "requests",
        "Authorised requests",
        f"Processor time of a keep-alive GET of 1 KiB over {CONNECTIONS} connections, with a "
        "browser's thirteen fields and three cookies. Plain nginx verifies certificate and CRL and "
        "authorises nothing and writes no log; the gateway does that and certificate, session and "
        "policy as well, with audit, metrics and access log. It remembers what came before: whole "
        "header blocks of a connection, the answer to the fields of which anything is asked, whole "
        "heads of answers, what frames an answer, single field lines. Where no request is like "
        "another, each has a field that none had before, of which nobody asks anything; where no "
        "answer is either, so has each answer; where no cookie is, an application's cookie counts "
        "the pages: no block, no head and no line of cookies is known, but our own cookie and "
        "whatever else is asked about say what they said. The other eleven fields of a request, "
        "and of an answer seven and its length, are the same each time, as those of a browser and "
        "an application are, and their lines are known. "
        "auth_request asks an aiohttp service that looks the cookie up in a dict, on the event "
        "loop that aiohttp takes by itself and on uvloop; ext_authz asks an nginx that "
        "always answers 200. Their time counts with that of the front. Connections are open and all "
        "is warm before it is measured. Load and application are one process, the same for all, "
        "that never sleeps meanwhile: the system charges the waking of a process to whoever wakes "
        "it, and a slower server would have to wake its counterparts more often. In a share of "
        "the time the server was busy; the rest of it others had the processor.",
        ("case", "CPU µs a request", "× plain nginx", "busy"),
        [
            (name, spread(values, 1), spread(ratios(values, plain)), f"{busy[name]:.0%}")
            for name, values in found.items()
        ],
        figures,
        (
            "Without any request, milliseconds of processor time a second: "
            + ", ".join(f"{name} {spent:.1f}" for name, spent in resting.items())
            + ".",
        ),
    )


def _beside_nginx(
    found: dict[str, list[float]], name: str, cases: tuple[str, str, str, str]
) -> list[Figure]:
    """Return the figures of one edge; *cases* from what is all known to what is all new."""
    plain = found[NGINX]
    ours, strange, unlike, cookies = (found[case] for case in cases)
    return [
        at_most(f"{name} / plain nginx", _middle(ours, plain), 1.5, " ×"),
        at_most("… no request like another", _middle(strange, plain), 1.9, " ×"),
        at_most("… nor any answer", _middle(unlike, plain), 1.9, " ×"),
        at_most("… nor any cookie", _middle(cookies, plain), 1.9, " ×"),
        at_most("… / nginx + auth_request", _middle(ours, found[AUTH_REQUEST]), 0.35, " ×"),
        at_most(
            "… / nginx + auth_request, on uvloop",
            _middle(ours, found[AUTH_REQUEST_UVLOOP]),
            0.35,
            " ×",
        ),
    ]


def _middle(values: list[float], reference: list[float]) -> float:
    return statistics.median(ratios(values, reference))
