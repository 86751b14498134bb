"""Part 5: from a revocation to the end of the last connection that rested on the certificate."""

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ca.trust import RevocationReason
from gateway.bootstrap.command import open_command
from gateway.bootstrap.folder import clock
from tests.bench.crowd import Crowd
from tests.bench.measuring import percentile
from tests.bench.peers import Peer, application
from tests.bench.report import Figure, Section, at_most
from tests.bench.sites import (
    COMPILED_PYTHON,
    BenchSite,
    Stick,
    add_stick,
    make_site,
    serve_site,
)
from tests.postgres import Postgres, find_programs, servant, started

OTHERS = 19
EACH = 50
"""Connections of one certificate: a third idle, a third mid-download, a third WebSockets."""
LIMIT_MS = 150.0
_PATIENCE_SECONDS = 10.0
_DATABASE = "bench"


@dataclass(slots=True)
class Found:
    """Milliseconds, one of each for a repetition."""

    after_return: list[float] = field(default_factory=list)
    """From `store.revoke_certificates` having returned."""
    after_exit: list[float] = field(default_factory=list)
    """From the end of the process of `pusterla cert revoke`; below zero: before it."""
    untouched: int = 0


def measure_revocation(directory: Path, *, quick: bool) -> Section:
    """Measure on SQLite, and on PostgreSQL where there is one."""
    times = 3 if quick else 25
    found = {}
    with application(directory) as upstream:
        found["SQLite"] = _on_store(directory / "sqlite", upstream.port, None, times)
        if COMPILED_PYTHON.exists():
            compiled = str(COMPILED_PYTHON)
            found["SQLite, compiled"] = _on_store(
                directory / "compiled", upstream.port, None, times, compiled
            )
        with _postgres() as url:
            if url is None:
                print("revocation: no PostgreSQL here, left out", flush=True)
            else:
                found["PostgreSQL"] = _on_store(directory / "pg", upstream.port, url, times)
    return _section(found, times)


@contextmanager
def _postgres() -> Iterator[str | None]:
    """Run a PostgreSQL as the tests do, and give the address of an empty database in it."""
    try:
        programs, user = find_programs(), servant()
    except pytest.skip.Exception:
        yield None
        return
    with ExitStack() as left:
        home = Path(tempfile.mkdtemp(prefix="pusterla-pg-", dir="/tmp"))
        left.callback(shutil.rmtree, home, ignore_errors=True)
        if user is not None:
            shutil.chown(home, user)
        server = Postgres(programs, home, user)
        process = started(server)
        left.callback(process.wait)
        left.callback(process.terminate)
        server.sql(f"CREATE DATABASE {_DATABASE}")
        yield server.url(_DATABASE)


def _on_store(
    directory: Path, upstream: int, url: str | None, times: int, python: str = sys.executable
) -> Found:
    site = asyncio.run(make_site(directory, upstream, people=OTHERS + 1, store_url=url))
    with serve_site(site, python=python) as gateway, Crowd(site) as crowd:
        for stick in site.sticks[:OTHERS]:
            _connect(crowd, stick, gateway, every=1_000)
        others = len(crowd)
        found = Found()
        for number in range(times):
            found.after_return.append(_once(site, crowd, gateway, f"a-{number}", _in_process))
            found.after_exit.append(_once(site, crowd, gateway, f"b-{number}", _by_command))
            if number % 5 == 4:
                print(
                    f"revocation, {'PostgreSQL' if url else 'SQLite'}, {number + 1} of {times}: "
                    f"{found.after_return[-1]:.0f} ms behind the return",
                    flush=True,
                )
        found.untouched = len(crowd)
        if found.untouched != others:
            print(f"revocation: of {others} others {found.untouched} are left", flush=True)
    return found


def _connect(crowd: Crowd, stick: Stick, gateway: Peer, every: int) -> list[int]:
    """Open the connections of one certificate; a download brings 4 KiB *every* milliseconds."""
    numbers = []
    for number in range(EACH):
        match number % 3:
            case 0:
                connection = crowd.begin(stick, gateway.port, "/")
            case 1:
                connection = crowd.begin(stick, gateway.port, f"/stream/{every}/4096")
            case _:
                connection = crowd.begin(stick, gateway.port, "/ws", websocket=True)
        numbers.append(crowd.hold(connection))
    return numbers


def _once(
    site: BenchSite,
    crowd: Crowd,
    gateway: Peer,
    device: str,
    revoke: Callable[[BenchSite, Stick], float],
) -> float:
    """Return the milliseconds from *revoke* to the end of the last connection."""
    stick = asyncio.run(_new_stick(site, device))
    numbers = _connect(crowd, stick, gateway, every=20)
    time.sleep(0.1)
    if crowd.ended(numbers):
        raise SystemExit("connections ended before the revocation")
    returned = revoke(site, stick)
    last = max(crowd.await_end(numbers, _PATIENCE_SECONDS))
    crowd.let_go(numbers)
    return (last - returned) * 1e3


async def _new_stick(site: BenchSite, device: str) -> Stick:
    async with open_command(site.folder, clock) as command:
        return await add_stick(command, f"person-{OTHERS}", device)


def _in_process(site: BenchSite, stick: Stick) -> float:
    async def revoke() -> float:
        async with open_command(site.folder, clock) as command:
            await command.store.revoke_certificates(
                serial=stick.serial,
                user=None,
                device=None,
                reason=RevocationReason.KEY_COMPROMISE,
                by="bench",
            )
            return time.perf_counter()

    return asyncio.run(revoke())


def _by_command(site: BenchSite, stick: Stick) -> float:
    program = (sys.executable, "-c", "from gateway.cli import main; main()")
    words = ("cert", "revoke", "--serial", stick.serial, "--reason", "keyCompromise")
    command = [*program, "--site", str(site.folder.path), *words]
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter()


def _section(found: dict[str, Found], times: int) -> Section:
    rows, figures = [], []
    total = OTHERS * EACH
    for name, one in found.items():
        for what, values in (
            ("the store's call has returned", one.after_return),
            ("the command has ended", one.after_exit),
        ):
            row = [percentile(values, share) for share in (0.5, 0.99)]
            rows.append((f"{name}, {what}", *(f"{value:.1f}" for value in (*row, max(values)))))
        figures.append(
            at_most(
                f"p99 on {name}, behind the call",
                percentile(one.after_return, 0.99),
                LIMIT_MS,
                " ms",
                0,
            )
        )
        figures.append(
            at_most(
                f"p99 on {name}, behind the command",
                percentile(one.after_exit, 0.99),
                LIMIT_MS,
                " ms",
                0,
            )
        )
        figures.append(
            Figure(
                f"other connections untouched, {name}",
                f"{one.untouched} of {total}",
                f"{total}",
                one.untouched == total,
            )
        )
    if "PostgreSQL" not in found:
        figures.append(
            Figure("p99 on PostgreSQL", "not installed, left out", f"at most {LIMIT_MS:g} ms", None)
        )
    return Section(
        "revocation",
        "Revocation",
        f"{total + EACH:,} live connections of {OTHERS + 1} certificates in one worker, {EACH} of "
        "them of the certificate that is revoked: idle, in the middle of a download, and "
        "WebSockets, a third each. Milliseconds from the return of the store's call, and from the "
        "end of the process `pusterla cert revoke`, to the end of the last of the "
        f"{EACH} as the client's kernel sees it; below zero where it came before. {times} "
        "revocations each, so the 99th percentile is the worst of them.",
        ("from the moment at which", "p50, ms", "p99, ms", "worst, ms"),
        rows,
        figures,
    )
