"""Processor time and memory of processes, taken from /proc; and rounds in which cases take turns.

The figure least moved by what else the machine does is processor time, not requests per second;
and what does move it moves all cases of one round alike, so ratios are taken round by round.
"""

import json
import os
import platform
import ssl
import statistics
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

ALL = sorted(os.sched_getaffinity(0))
"""The processors that there are, before anybody is kept to one of them."""

FIRST, LAST = ALL[0], ALL[-1]
"""The processor of the server under test; and that of load and application."""

T = TypeVar("T")


def on_processor(*numbers: int) -> tuple[str, ...]:
    """Return the words before a command that keep it to processors."""
    return ("taskset", "--cpu-list", ",".join(map(str, numbers)))


def family(pid: int) -> Iterator[int]:
    """Yield *pid* and the processes below it."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield from family(int(child))


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time of the processes *pids* and all below them, so far."""
    total = 0.0
    for pid in pids:
        for process in family(pid):
            for task in Path(f"/proc/{process}/task").glob("*/schedstat"):
                total += int(task.read_text().split()[0]) / 1e9
    return total


def resident_kib(pid: int) -> int:
    """Return the resident memory of the one process *pid*."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise SystemExit(f"process {pid} has ended")


def workers(pid: int) -> list[int]:
    """Return the workers among the family of *pid*: those of nginx, or of our edge."""
    found = []
    for process in family(pid):
        command = Path(f"/proc/{process}/cmdline").read_bytes()
        if b"gateway.bootstrap.edge" in command or b"worker process" in command:
            found.append(process)
    return found


def run_load(module: str, *arguments: object) -> dict[str, float]:
    """Run `tests.bench.`*module* as a program on the load's processor; return what it counted."""
    done = subprocess.run(load_command(module, *arguments), capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"{module} failed: {done.stderr.decode(errors='replace')[-2000:]}")
    counted: dict[str, float] = json.loads(done.stdout)
    return counted


def load_command(module: str, *arguments: object) -> list[str]:
    """Return the command that runs `tests.bench.`*module* on the load's processor."""
    program = (sys.executable, "-m", f"tests.bench.{module}")
    return [*on_processor(LAST), *program, *map(str, arguments)]


def take_turns(
    cases: Sequence[T],
    rounds: int,
    measure: Callable[[T], float],
    say: Callable[[int, list[float]], None],
) -> list[list[float]]:
    """Measure all *cases* in each round, after one that is not counted; return a list for each.

    Every other round goes backwards, so that none is always measured behind the same one.
    """
    figures: list[list[float]] = [[] for _ in cases]
    for number in range(rounds + 1):
        order = [*range(len(cases))]
        row = [0.0] * len(cases)
        for index in reversed(order) if number % 2 else order:
            row[index] = measure(cases[index])
        if number:
            for values, value in zip(figures, row, strict=True):
                values.append(value)
            say(number, row)
    return figures


def ratios(values: Sequence[float], reference: Sequence[float]) -> list[float]:
    """Return the ratios, round by round."""
    return [value / base for value, base in zip(values, reference, strict=True)]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Write median, lowest and highest."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least *share* of all do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _interpreter() -> str:
    """Return which Python this is, and how it was compiled: that is worth a tenth and more."""
    configured = str(sysconfig.get_config_var("CONFIG_ARGS"))
    asked = [word for word in ("--enable-optimizations", "--with-lto") if word in configured]
    path = Path(sys.executable).resolve()
    if path.is_relative_to("/usr/bin"):
        # Distributions optimise by rules of their own, which CONFIG_ARGS does not show.
        how = "the distribution's"
    else:
        how = " ".join(asked) or "compiled without profile-guided optimisation"
    return f"Python {platform.python_version()} ({path.name}, {how}; {platform.python_compiler()})"


def machine(*programs: Sequence[str]) -> list[str]:
    """Return what the figures were taken on; each of *programs* is asked for its version."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    lines = [
        f"{os.cpu_count()} processors ({model}), {memory:.0f} GiB of memory",
        f"{platform.system()} {platform.release()}",
        f"{_interpreter()}, {ssl.OPENSSL_VERSION}",
    ]
    for program in programs:
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        said = (done.stdout + done.stderr).strip().splitlines()[0]
        lines.append(f"{program[0]}: {said.partition('version:')[2].strip()}")
    return lines
