import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from gateway.bootstrap.folder import SiteFolder, locate
from gateway.bootstrap.keeper import Keeper, Program
from gateway.bootstrap.reloading import SUPERVISOR, Reloading

FIRST = "[site]\nhost = 'pusterla.example'\nport = 8443\n"
LATER = FIRST + "contact = 'desk@pusterla.example'\n[limits]\ndrain = '77s'\n"

# A stand-in for a process: it writes down with what it begins, and takes up or refuses.
CHILD = """
import argparse, json, os, socket, sys, time

parser = argparse.ArgumentParser()
parser.add_argument("name")
parser.add_argument("notes")
parser.add_argument("--ready-fd", type=int)
parser.add_argument("--life-fd", type=int)
parser.add_argument("--control-fd", type=int)
parser.add_argument("--in-force-fd", type=int)
options = parser.parse_args()
settings = os.pread(options.in_force_fd, 100_000, 0).decode()
with open(options.notes, "a") as notes:
    notes.write(json.dumps([options.name, os.getpid(), *json.loads(settings)]) + "\\n")
os.write(options.ready_fd, b"ready\\n")
asking = socket.socket(fileno=options.control_fd)
while line := asking.recv(100):
    number = line.split()[1].decode()
    refuses = os.path.exists(options.notes + "." + options.name)
    outcome = {"taken": [], "later": [], "problems": ["it may not be"] if refuses else []}
    asking.sendall(f"{number} {json.dumps({options.name: outcome})}\\n".encode())
time.sleep(60)
"""


class Running:
    """A site's processes, as far as a reload goes."""

    def __init__(self, folder: Path, reloading: Reloading, keepers: list[Keeper]) -> None:
        self.notes = folder / "notes"
        self.reloading = reloading
        self.keepers = keepers

    def refuses(self, name: str) -> None:
        """Let the process *name* refuse what it is asked to take up."""
        Path(f"{self.notes}.{name}").touch()

    def begun(self) -> list[list[str]]:
        """Return name, number, first and latest settings of each start."""
        lines = self.notes.read_text().splitlines()
        return [json.loads(line) for line in lines]

    async def start_again(self, name: str) -> str:
        """Let the process *name* die, and return the settings with which it begins again."""
        before = self.begun()
        (number,) = [line[1] for line in before if line[0] == name]
        os.kill(int(number), signal.SIGKILL)
        while len(self.begun()) == len(before):  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)
        begun, _, first, latest = self.begun()[-1]
        assert (begun, first) == (name, FIRST)
        return latest


@pytest.fixture
def folder(tmp_path: Path) -> SiteFolder:
    """Return a site, as far as its files of settings go."""
    (tmp_path / "apps").mkdir()
    (tmp_path / "pusterla.toml").write_text(FIRST)
    return locate(tmp_path)


@asynccontextmanager
async def running(folder: SiteFolder) -> AsyncIterator[Running]:
    """Run two stand-ins for the length of a block."""
    child, notes = folder.path / "child.py", folder.path / "notes"
    child.write_text(CHILD)
    reloading = Reloading(folder, None)
    reading, writing = os.pipe()
    keepers = []
    for name in ("portal", "edge-0"):
        program = Program(name, (sys.executable, str(child), name, str(notes)), reloads=True)
        program = replace(program, in_force=partial(reloading.in_force, name))
        keepers.append(Keeper(program, reading))
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for keeper in keepers:
            group.create_task(keeper.keep())
            assert await keeper.started
        try:
            yield Running(folder.path, reloading, keepers)
        finally:
            await asyncio.gather(*(keeper.stop(1) for keeper in keepers))
            os.close(reading)
            os.close(writing)


async def test_who_starts_again_begins_with_what_it_took_up(folder: SiteFolder) -> None:
    """And the supervisor goes by it too."""
    async with running(folder) as site:
        folder.settings.write_text(LATER)
        report = await site.reloading.run(site.keepers)
        assert not any(outcome.problems for outcome in report.values())
        assert site.reloading.site.limits.drain == timedelta(seconds=77)
        assert await site.start_again("edge-0") == LATER


async def test_nobody_begins_with_what_all_have_refused(folder: SiteFolder) -> None:
    """Or a process that ended would come back as none of those that run, or not at all."""
    async with running(folder) as site:
        before = site.reloading.site
        for name in ("portal", "edge-0"):
            site.refuses(name)
        folder.settings.write_text(LATER)
        report = await site.reloading.run(site.keepers)
        assert all(outcome.problems for name, outcome in report.items() if name != SUPERVISOR)
        assert site.reloading.site == before
        assert await site.start_again("edge-0") == FIRST
        assert await site.start_again("portal") == FIRST


async def test_each_begins_with_what_it_has_taken_up_itself(folder: SiteFolder) -> None:
    """Where one takes up what another refuses, both go on with what they have."""
    async with running(folder) as site:
        site.refuses("edge-0")
        folder.settings.write_text(LATER)
        await site.reloading.run(site.keepers)
        assert await site.start_again("edge-0") == FIRST
        assert await site.start_again("portal") == LATER


async def test_who_does_not_run_begins_with_what_the_others_take_up(folder: SiteFolder) -> None:
    """It cannot be asked."""
    reading, writing = os.pipe()
    try:
        reloading = Reloading(folder, None)
        folder.settings.write_text(LATER)
        report = await reloading.run([Keeper(Program("edge-0", (), reloads=True), reading)])
        assert "does not run" in report["edge-0"].problems[0]
        assert reloading.in_force("edge-0").latest == LATER
    finally:
        os.close(reading)
        os.close(writing)
