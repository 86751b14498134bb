"""A reload in a worker: read beside its requests, and all or nothing."""

import asyncio
import shutil
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.reload import LOOK_SECONDS, LiveConfiguration, Proposal
from gateway.bootstrap.renewal import Renewal
from gateway.config import Problems
from tests.gateway.edge.site import HOST, MadeSite, make_site
from tests.gateway.edge.stage import open_stage

APPLICATIONS = 150
APPLICATION = """
host = "w{number}.{host}"
upstream = "http://127.0.0.1:9000"
""" + "\n".join(f'[[rules]]\neffect = "allow"\ngroups = ["group-{number}"]' for number in range(10))


@pytest.fixture
async def made(tmp_path: Path) -> MadeSite:
    """Make a site that the test may change."""
    return await make_site(tmp_path / "made")


def fill(folder: SiteFolder, count: int = APPLICATIONS) -> None:
    """Give the site *count* applications."""
    for number in range(count):
        text = APPLICATION.replace("{number}", str(number)).replace("{host}", HOST)
        folder.app_file(f"w{number}").write_text(text)


async def test_others_are_served_while_everything_is_read_anew(
    made: MadeSite, tmp_path: Path
) -> None:
    """Nothing stands still, whether there is something new or not."""
    folder = made.folder
    async with open_stage(made, tmp_path) as stage:
        live = LiveConfiguration(folder)
        renewal = Renewal(folder, live, stage.worker, stage.clock)
        fill(folder)
        begun = monotonic()
        live.propose(frozenset())
        reading = monotonic() - begun
        for news in (APPLICATIONS, 0):
            longest = 0.0
            async with asyncio.TaskGroup() as group:
                taking = group.create_task(renewal.take_up())
                while not taking.done():
                    before = monotonic()
                    await asyncio.sleep(0.001)
                    longest = max(longest, monotonic() - before)
            assert (taking.result().problems, len(taking.result().taken)) == ((), news)
            assert longest < reading / 2


class HeldConfiguration(LiveConfiguration):
    """It has read the files, and goes on when it is told to."""

    def __init__(self, folder: SiteFolder) -> None:
        """Hold nothing up yet."""
        super().__init__(folder)
        self.read, self.go_on = Event(), Event()

    def propose(self, concerns: frozenset[str]) -> Proposal | Problems:
        """Read, and wait."""
        found = super().propose(concerns)
        self.read.set()
        assert self.go_on.wait(10)
        return found


async def test_what_is_written_while_files_are_read_is_not_lost(
    made: MadeSite, tmp_path: Path
) -> None:
    """Whoever reads later has the last word, also where the first is not done yet."""
    folder = made.folder
    fill(folder, 2)
    async with open_stage(made, tmp_path) as stage:
        live = HeldConfiguration(folder)
        renewal = Renewal(folder, live, stage.worker, stage.clock)
        async with asyncio.TaskGroup() as group:
            following = group.create_task(live.follow())
            taking = group.create_task(renewal.take_up())
            assert await asyncio.to_thread(live.read.wait, 10)
            folder.app_file("w0").unlink()
            await asyncio.sleep(3 * LOOK_SECONDS)
            live.go_on.set()
            await taking
            async with asyncio.timeout(5):
                while "w0" in live.applications:  # noqa: ASYNC110 - it looks at files
                    await asyncio.sleep(0.05)
            following.cancel()
        assert [*live.applications] == ["w1"]


async def test_nothing_is_taken_up_where_something_is_wrong(made: MadeSite, tmp_path: Path) -> None:
    """All problems are said, of all files, and what was in force stays."""
    folder = made.folder
    async with open_stage(made, tmp_path) as stage:
        live = LiveConfiguration(folder)
        renewal = Renewal(folder, live, stage.worker, stage.clock)
        fill(folder)
        folder.app_file("w1").write_text("hots = 1")
        shutil.copy(made.bruno.file, folder.server_certificate)
        outcome = await renewal.take_up()
        assert not outcome.taken
        said = "\n".join(outcome.problems)
        assert "apps/w1.toml" in said
        assert "keys/edge/" in said
        assert live.applications == {}
        assert stage.edge.site == stage.site
