"""What the gateway costs and how fast it is, beside others, on this machine; all in one run.

Each part is a module of its own and can be run alone. Everything is on loopback, and every
process that is started is ended.
"""

import argparse
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Protocol

from tests.bench import report
from tests.bench.bodies import measure_bodies
from tests.bench.foreign import measure_foreign
from tests.bench.handshakes import measure_handshakes
from tests.bench.idle import measure_idle
from tests.bench.measuring import LAST, machine
from tests.bench.peers import find_envoy
from tests.bench.policies import measure_policies
from tests.bench.publishing import measure_publishing
from tests.bench.report import Section
from tests.bench.requests import measure_requests
from tests.bench.revocation import measure_revocation
from tests.bench.workers import measure_workers

DOCUMENT = Path(__file__).parents[2] / "docs" / "performance.md"


class Part(Protocol):
    """One part of the bench; it has *directory* for itself."""

    def __call__(self, directory: Path, *, quick: bool) -> Section:
        """Measure, telling on the way how far it has come."""
        ...


PARTS: dict[str, Part] = {
    "requests": measure_requests,
    "handshakes": measure_handshakes,
    "bodies": measure_bodies,
    "idle": measure_idle,
    "revocation": measure_revocation,
    "workers": measure_workers,
    "publishing": measure_publishing,
    "foreign": measure_foreign,
    "policies": measure_policies,
}


def main() -> int:
    """Measure, print, and write the document when asked to."""
    options = _options()
    if shutil.which("nginx") is None:
        print("make bench: nginx is not installed; on Debian: apt-get install nginx-light")
        return 1
    where = machine(("nginx", "-v"), *([("envoy", "--version")] if find_envoy() else []))
    print("\n".join(where), flush=True)
    # Thousands of connections, here and in every process that is started from here.
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {LAST})
    kept = options.results or Path(tempfile.mkdtemp(prefix="pusterla-results-"))
    try:
        for name in options.only or PARTS:
            section = _measured(PARTS[name], name, quick=options.quick)
            report.save(section, kept)
            print(report.text(section), "\n", flush=True)
        if options.write:
            _write(kept, where, options.date)
    finally:
        if options.results is None:
            shutil.rmtree(kept)
    return 0


def _measured(part: Part, name: str, *, quick: bool) -> Section:
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pusterla-bench-") as directory:
        os.chmod(directory, 0o755)  # noqa: PTH101, S103 - nginx's workers have another user
        section = part(Path(directory), quick=quick)
    print(f"{name}: took {time.monotonic() - begun:.0f} s", flush=True)
    return section


def _write(kept: Path, where: list[str], date: str) -> None:
    found = [report.load(name, kept) for name in PARTS]
    sections = [section for section in found if section is not None]
    if len(sections) < len(PARTS):
        raise SystemExit("not all parts were measured, so nothing is written; leave out --only")
    DOCUMENT.write_text(report.markdown(sections, where, date))
    print(f"written: {DOCUMENT}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--only", action="append", choices=PARTS, help="only this part; may be given again"
    )
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller numbers")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md")
    parser.add_argument("--date", help="the day of the run, for the document")
    parser.add_argument("--results", type=Path, help="a folder that keeps what each part has found")
    options = parser.parse_args()
    if options.write and not options.date:
        parser.error("--write needs --date: the document says when")
    return options


if __name__ == "__main__":
    sys.exit(main())
