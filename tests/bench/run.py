"""What authorisation costs: CPU per request of the gateway beside plain nginx, interleaved.

nginx verifies the client's certificate and a CRL and authorises nothing; the
gateway does that and certificate, session and policy as well. Both are one
worker on one processor in front of the same upstream, and take turns, so what
disturbs the machine disturbs both. The ratio is what counts; the figure least
moved by noise is processor time, not requests per second.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import ssl
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tests.bench.peers import Peer, nginx_front, nginx_upstream, on_processor
from tests.bench.sites import BenchSite, make_site, serve_site

FIRST, LAST = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))

TARGET = 2.0
"""CPU per request, at most so many times plain nginx."""


@dataclass(frozen=True, slots=True)
class Case:
    """One column of the table: who is measured, and with what requests."""

    name: str
    peer: Peer
    unlike: bool = False


def cpu_seconds(pid: int) -> float:
    """Return the processor time of the process *pid* and all below it, so far."""
    total = 0.0
    for process in family(pid):
        for task in Path(f"/proc/{process}/task").glob("*/schedstat"):
            total += int(task.read_text().split()[0]) / 1e9
    return total


def family(pid: int) -> Iterator[int]:
    """Yield *pid* and the processes below it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from family(int(child))


def measure(case: Case, site: BenchSite, options: argparse.Namespace) -> float:
    """Return the microseconds of processor time a request, of one round."""
    # Load and upstream on the last processor, the server under test on the first.
    command = [
        *on_processor(LAST),
        *(sys.executable, "-m", "tests.bench.load"),
        *("--host", site.app_host, "--port", str(case.peer.port), "--path", "/1k.txt"),
        *("--ca", str(site.root), "--certificate", str(site.certificate), "--key", str(site.key)),
        *("--cookie", site.cookies, "--connections", str(options.connections)),
        *("--requests", str(options.requests)),
        *(["--unlike"] if case.unlike else []),
    ]
    before = cpu_seconds(case.peer.pid)
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    spent = cpu_seconds(case.peer.pid) - before
    counted: dict[str, float] = json.loads(result.stdout)
    return spent / counted["requests"] * 1e6


@contextmanager
def cases(directory: Path, options: argparse.Namespace) -> Iterator[tuple[BenchSite, list[Case]]]:
    """Start upstream, nginx and gateway; end them at the end."""
    with ExitStack() as running:
        upstream = running.enter_context(nginx_upstream(directory / "upstream", LAST))
        site = asyncio.run(make_site(directory / "site", upstream.port, timedelta(days=1)))
        front = running.enter_context(nginx_front(directory / "front", site, upstream.port, FIRST))
        gateway = running.enter_context(serve_site(site, FIRST))
        table = [Case("nginx, authorises nothing", front), Case("pusterla", gateway)]
        if not options.quick:
            table.append(Case("pusterla, no two requests alike", gateway, unlike=True))
        yield site, table


def main() -> int:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=20_000, help="a round")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--quick", action="store_true", help="only the two main columns")
    options = parser.parse_args()
    if shutil.which("nginx") is None:
        print("make bench: nginx is not installed; on Debian: apt-get install nginx-light")
        return 1
    print(machine())
    with tempfile.TemporaryDirectory(prefix="pusterla-bench-") as directory:
        os.chmod(directory, 0o755)  # noqa: PTH101, S103 - nginx's workers have another user
        with cases(Path(directory), options) as (site, table):
            figures = rounds(table, site, options)
    return report(table, figures)


def rounds(
    table: list[Case], site: BenchSite, options: argparse.Namespace
) -> dict[str, list[float]]:
    """Let the cases take turns, after one round that is not counted."""
    figures: dict[str, list[float]] = {case.name: [] for case in table}
    for number in range(options.rounds + 1):
        for case in table:
            spent = measure(case, site, options)
            if number:
                figures[case.name].append(spent)
        if number:
            words = ", ".join(f"{name} {values[-1]:.1f}" for name, values in figures.items())
            print(f"round {number} of {options.rounds}, CPU µs a request: {words}", flush=True)
    return figures


def report(table: list[Case], figures: dict[str, list[float]]) -> int:
    """Print medians and ratios; the ratios are taken round by round."""
    reference = figures[table[0].name]
    print(f"\n{'case':34} {'CPU µs/request':>15} {'x nginx':>9}   (lowest-highest)")
    for case in table:
        values = figures[case.name]
        ratios = [value / base for value, base in zip(values, reference, strict=True)]
        print(
            f"{case.name:34} {statistics.median(values):>15.1f} {statistics.median(ratios):>9.2f}"
            f"   ({min(ratios):.2f}-{max(ratios):.2f})"
        )
    main_ratio = statistics.median(
        value / base for value, base in zip(figures[table[1].name], reference, strict=True)
    )
    verdict = "within" if main_ratio <= TARGET else "MORE than"
    print(
        f"\nauthorised keep-alive GET of 1 KiB: {main_ratio:.2f} times nginx, {verdict} {TARGET} times"
    )
    return 0


def machine() -> str:
    """Return what the figures were taken on."""
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True)
    return (
        f"{os.cpu_count()} processors, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}, {nginx.stderr.strip()}"
    )


if __name__ == "__main__":
    sys.exit(main())
