"""Mixed traffic, faults of the application and lost sticks, all at once, for a bounded time.

What must be true at the end: no answer and no request had anything of somebody else in it,
every request ended as it had to, no connection was left behind, memory stayed level.
"""

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.bench.measuring import ALL, resident_kib, workers
from tests.bench.sites import BenchSite, make_site, serve_site
from tests.soak.application import Application
from tests.soak.losses import Losses
from tests.soak.visitors import Tally, Visitor

PEOPLE = 6
_WORKERS = 2
_LIMITS = '[limits]\nupstream_response = "2s"\n'
_SETTLE_SECONDS = 10.0
_LOOK_SECONDS = 0.1
_GROWTH_KIB = 12 * 1024
_POOLED = 128
_SHOWN = 10
_NOT_OPEN = frozenset({"06", "0A"})
"""TIME_WAIT, which the kernel holds for us, and LISTEN (include/net/tcp_states.h)."""


@dataclass(eq=False)
class Outcome:
    """What a run has come to."""

    tally: Tally
    application: Application
    losses: Losses
    left_behind: int = 0
    """Connections of clients that the gateway still holds when all have gone."""
    unfinished: int = 0
    """Connections to the application that are in the middle of a request by then."""
    pooled: int = 0
    """Connections to the application that it keeps."""
    memory: list[int] = field(default_factory=list)
    """KiB of both workers, each second."""

    @property
    def growth(self) -> float:
        """KiB from the second quarter of the run to the last one."""
        quarter = max(1, len(self.memory) // 4)
        before = statistics.median(self.memory[quarter : 2 * quarter] or self.memory)
        return statistics.median(self.memory[-quarter:]) - before

    def faults(self) -> list[str]:
        """Return what is wrong, in words; empty when all is well."""
        found = [
            *(f"mixed up: {one}" for one in self.tally.mixed[:_SHOWN]),
            *(f"mixed up, at the application: {one}" for one in self.application.mixed[:_SHOWN]),
            *(f"not as it had to be: {one}" for one in self.tally.surprises[:_SHOWN]),
        ]
        if self.left_behind:
            found.append(f"{self.left_behind} connections of clients are left behind")
        if self.unfinished:
            found.append(f"{self.unfinished} requests to the application are left behind")
        if self.pooled > _POOLED * _WORKERS:
            found.append(f"{self.pooled} connections to the application are kept")
        if self.growth > _GROWTH_KIB:
            found.append(f"memory has grown by {self.growth / 1024:.1f} MiB")
        return found

    def __str__(self) -> str:
        """Write what was done and what came of it."""
        memory = ", ".join(
            f"{kib / 1024:.0f}" for kib in self.memory[:: max(1, len(self.memory) // 8)]
        )
        slowest = max(self.losses.seconds, default=0.0) * 1e3
        return "\n".join(
            [
                *(f"{count:8} {what}" for what, count in sorted(self.tally.endings.items())),
                f"{self.application.served:8} requests reached the application",
                f"{len(self.losses.seconds):8} sticks lost; all ended within {slowest:.0f} ms",
                f"{len(self.tally.mixed) + len(self.application.mixed):8} mixed up",
                f"{len(self.tally.surprises):8} not as they had to be",
                f"{self.left_behind:8} connections of clients left behind",
                f"{self.unfinished:8} to the application left behind; {self.pooled} kept",
                f"memory over time, MiB: {memory}; growth {self.growth / 1024:.1f}",
            ]
        )


async def soak(directory: Path, seconds: float, visitors: int, seed: int) -> Outcome:
    """Run a site in *directory* and let *visitors* at it for *seconds*."""
    application = Application()
    server = await application.serve()
    port = server.sockets[0].getsockname()[1]
    site = await make_site(directory / "site", port, people=PEOPLE, workers=_WORKERS)
    _set_limits(site)
    tally = Tally()
    outcome = Outcome(tally, application, Losses(site, f"person-{PEOPLE - 1}", tally))
    serving = serve_site(site, *ALL)
    peer = await asyncio.to_thread(serving.__enter__)
    try:
        await _traffic(outcome, site, workers(peer.pid), seconds, visitors, seed)
        outcome.pooled = application.open
    finally:
        await asyncio.to_thread(serving.__exit__, None, None, None)
        server.close()
    return outcome


async def _traffic(
    outcome: Outcome, site: BenchSite, pids: list[int], seconds: float, visitors: int, seed: int
) -> None:
    leave = asyncio.Event()
    everybody = [
        Visitor(site, number % (PEOPLE - 1), outcome.tally, Random(seed + number), 1 + number % 3)
        for number in range(visitors)
    ]
    async with asyncio.TaskGroup() as group:
        for visitor in everybody:
            group.create_task(visitor.visit(leave))
        group.create_task(outcome.losses.lose(leave))
        group.create_task(_edit(site, leave))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(1)
            outcome.memory.append(sum(map(resident_kib, pids)))
        leave.set()
    outcome.left_behind = await asyncio.to_thread(_left, lambda: _open_connections(site.port))
    outcome.unfinished = await asyncio.to_thread(_left, lambda: outcome.application.busy)


async def _edit(site: BenchSite, leave: asyncio.Event) -> None:
    """Change the application's file now and then, so that everything is judged anew."""
    file = site.folder.apps / "wiki.toml"
    text = file.read_text()
    number = 0
    while not leave.is_set():
        number += 1
        file.write_text(f'description = "Version {number}"\n{text}')
        with suppress(TimeoutError):
            async with asyncio.timeout(2):
                await leave.wait()


def _set_limits(site: BenchSite) -> None:
    file = site.folder.path / "pusterla.toml"
    file.write_text(re.sub(r"^\[limits\]\n", _LIMITS, file.read_text(), flags=re.MULTILINE))


def _left(count: Callable[[], int]) -> int:
    """Return what *count* still finds when all have had time to end."""
    end = time.monotonic() + _SETTLE_SECONDS
    while (left := count()) and time.monotonic() < end:
        time.sleep(_LOOK_SECONDS)
    return left


def _open_connections(port: int) -> int:
    """Return how many connections to *port* the kernel knows on the gateway's side."""
    count = 0
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            count += int(local.rpartition(":")[2], 16) == port and state not in _NOT_OPEN
    return count


def main() -> int:
    """Soak for as long as is asked, print what came of it; 1 when anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--visitors", type=int, default=24, help="how many at once (24)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="to do the same again")
    options = parser.parse_args()
    print(f"{options.visitors} visitors for {options.seconds:g} s, seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="pusterla-soak-") as directory:
        outcome = asyncio.run(
            soak(Path(directory), options.seconds, options.visitors, options.seed)
        )
    print(outcome)
    for fault in outcome.faults():
        print(f"FAULT: {fault}")
    return 1 if outcome.faults() else 0


if __name__ == "__main__":
    sys.exit(main())
