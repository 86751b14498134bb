import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.bootstrap.in_force import SettingsInForce
from gateway.bootstrap.keeper import Keeper, Program
from gateway.bootstrap.outcome import Outcome, Report
from gateway.bootstrap.process import PULSE_SECONDS

# A stand-in for a process of a site: what it does when it is asked for a reload is its argument.
CHILD = """
import argparse, json, os, signal, socket, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("how")
parser.add_argument("--ready-fd", type=int)
parser.add_argument("--life-fd", type=int)
parser.add_argument("--control-fd", type=int)
options = parser.parse_args()
os.write(options.ready_fd, b"ready\\n")
asking = socket.socket(fileno=options.control_fd)
while line := asking.recv(100):
    number = line.split()[1].decode()
    if options.how == "dies":
        sys.exit(7)
    if options.how == "sleeps":
        time.sleep(0.3)
    answer = {"child": {"taken": [number], "later": [], "problems": []}}
    asking.sendall(f"{number} {json.dumps(answer)}\\n".encode())
time.sleep(60)
"""


@asynccontextmanager
async def kept(folder: Path, how: str) -> AsyncIterator[Keeper]:
    """Keep the stand-in running, and yield its keeper once it serves."""
    (folder / "child.py").write_text(CHILD)
    command = (sys.executable, str(folder / "child.py"), how)
    reading, writing = os.pipe()
    keeper = Keeper(Program("child", command, reloads=True), reading)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(keeper.keep())
        assert await keeper.started
        try:
            yield keeper
        finally:
            await keeper.stop(1)
            os.close(reading)
            os.close(writing)


def problem(report: Report) -> str:
    """Return the one problem of the one process in *report*."""
    (outcome,) = report.values()
    (words,) = outcome.problems
    return words


async def test_a_program_is_asked_and_answers(tmp_path: Path) -> None:
    """Each time anew, and what it answers is passed on as it is."""
    async with kept(tmp_path, "answers") as keeper:
        first, second = await keeper.reload(), await keeper.reload()
    (one,), (two,) = first["child"].taken, second["child"].taken
    assert int(two) == int(one) + 1


async def test_one_that_dies_of_it_is_said_to_have_ended(tmp_path: Path) -> None:
    """Then it does not run for a moment; the next one reads the files anyway."""
    async with kept(tmp_path, "dies") as keeper:
        assert "ended before it had answered" in problem(await keeper.reload())
        async with asyncio.timeout(10):
            while "it does not run" not in problem(await keeper.reload()):  # noqa: ASYNC110 - in another process
                await asyncio.sleep(0.01)


async def test_one_that_does_not_answer_in_time_is_not_waited_for(tmp_path: Path) -> None:
    """And its late answer is not taken for that to a later question."""
    async with kept(tmp_path, "sleeps") as keeper:
        assert "no answer within" in problem(await keeper.reload(0.05))
        late = await keeper.reload()
        (number,) = late["child"].taken
        (following,) = (await keeper.reload())["child"].taken
        assert int(following) == int(number) + 1


async def test_each_start_is_handed_what_is_in_force_by_then(tmp_path: Path) -> None:
    """Not what was in force when the supervisor began."""
    script = (
        "import os, sys\n"
        "text = os.pread(int(sys.argv[sys.argv.index('--in-force-fd') + 1]), 1000, 0)\n"
        f"with open({str(tmp_path / 'said')!r}, 'ab') as said: said.write(text + b'\\n')\n"
        "os.write(int(sys.argv[sys.argv.index('--ready-fd') + 1]), b'ready\\n')\n"
    )
    texts = iter("abcdefgh")
    program = Program(
        "child",
        (sys.executable, "-c", script),
        in_force=lambda: SettingsInForce("first", next(texts)),
    )
    reading, writing = os.pipe()
    keeper = Keeper(program, reading)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(keeper.keep())
        while len(said := lines_of(tmp_path / "said")) < 2:  # noqa: ASYNC110 - in another process
            await asyncio.sleep(0.01)
        await keeper.stop(1)
    os.close(reading)
    os.close(writing)
    assert said[:2] == ['["first", "a"]', '["first", "b"]']


def lines_of(path: Path) -> list[str]:
    """Return the lines of *path*, none where it is not there yet."""
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("reloads", [True, False])
async def test_only_who_reloads_has_a_control_socket(tmp_path: Path, reloads: bool) -> None:
    """Any other program is given no option that it does not know."""
    said = tmp_path / "said"
    script = f"import os, sys; open({str(said)!r}, 'w').write(' '.join(sys.argv))"
    reading, writing = os.pipe()
    keeper = Keeper(Program("child", (sys.executable, "-c", script), reloads=reloads), reading)
    async with asyncio.timeout(20):
        await keeper.keep()
    os.close(reading)
    os.close(writing)
    assert ("--control-fd" in said.read_text()) == reloads
    assert await keeper.reload() == {
        "child": Outcome(problems=("it does not run; it reads the files when it starts again",))
    }


# A stand-in that shows signs of life, and with "stands" stops showing them in the first run.
BEATING = """
import argparse, os, time

parser = argparse.ArgumentParser()
parser.add_argument("how")
parser.add_argument("runs")
for name in ("ready", "life", "pulse"):
    parser.add_argument(f"--{name}-fd", type=int)
options = parser.parse_args()
with open(options.runs, "a") as runs:
    print(os.getpid(), file=runs)
os.write(options.ready_fd, b"ready\\n")
first = len(open(options.runs).readlines()) == 1
while True:
    if options.pulse_fd is not None:
        os.write(options.pulse_fd, b".")
    time.sleep(60 if first and options.how == "stands" else 0.1)
"""


@asynccontextmanager
async def beating(folder: Path, how: str, pulseless: float | None) -> AsyncIterator[Path]:
    """Keep the stand-in running; yield the file in which each of its runs has a line."""
    (folder / "child.py").write_text(BEATING)
    command = (sys.executable, str(folder / "child.py"), how, str(folder / "runs"))
    reading, writing = os.pipe()
    keeper = Keeper(Program("child", command, pulseless_seconds=pulseless), reading)
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        group.create_task(keeper.keep())
        assert await keeper.started
        try:
            yield folder / "runs"
        finally:
            await keeper.stop(1)
            os.close(reading)
            os.close(writing)


async def test_one_that_stands_still_is_killed_and_started_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After its time and a little more; the next run goes on."""
    async with beating(tmp_path, "stands", 0.5) as runs:
        while len(lines_of(runs)) < 2:  # noqa: ASYNC110 - a file, of which nobody tells
            await asyncio.sleep(0.05)
        assert "child shows no sign of life: killing it" in caplog.text
        assert "child was ended by SIGKILL" in caplog.text
        await asyncio.sleep(1.5)
        assert len(lines_of(runs)) == 2


@pytest.mark.parametrize("how, pulseless", [("beats", 0.5), ("stands", None)])
async def test_one_that_goes_on_or_need_not_show_it_is_left_alone(
    tmp_path: Path, how: str, pulseless: float | None
) -> None:
    """However long it runs."""
    async with beating(tmp_path, how, pulseless) as runs:
        await asyncio.sleep(0.5 + 2 * PULSE_SECONDS + 1)
        assert len(lines_of(runs)) == 1
