"""How soon a follower hears of what another process wrote to a file, and what waiting costs it.

What followers tell, on both databases, is in test_feed.py.
"""

import asyncio
import json
import shutil
import sqlite3
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import AsyncGeneratorType

import pytest

from gateway.core.changes import Batch, ChangeKind
from gateway.core.ports import StoreUnavailable
from gateway.store import address_of
from gateway.store.followers import SIGN_OF_LIFE_SECONDS, follow_file
from gateway.store.watch import CALM_SECONDS, GLANCE_SECONDS, SYNC_SECONDS, Untold
from tests.gateway.store.descriptors import open_files
from tests.gateway.store.test_processes import line_of

SOON = 5.0
"""Seconds a busy machine may take."""


@dataclass(frozen=True, slots=True)
class Scribe:
    """A process that writes to the store."""

    process: asyncio.subprocess.Process

    async def write(self, how: str, key: str) -> dict[str, float]:
        """Have it announce a change; return when that was committed, and what it says of it."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{how} {key}\n".encode())
        said: dict[str, float] = json.loads(await line_of(self.process))
        return said


@pytest.fixture
def file(sqlite_template: Path, tmp_path: Path) -> Path:
    """Return the file of a store with nobody in it."""
    folder = tmp_path / "store"
    folder.mkdir()
    return Path(shutil.copy(sqlite_template, folder))


@pytest.fixture
async def scribe(file: Path) -> AsyncIterator[Scribe]:
    """Start a process that writes to the store, and end it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("scribe.py")),
        address_of(file),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert await line_of(process) == "ready"
    yield Scribe(process)
    assert process.stdin is not None
    process.stdin.close()
    await process.wait()


@asynccontextmanager
async def following(batches: AsyncGenerator[Batch]) -> AsyncIterator[AsyncGenerator[Batch]]:
    """Follow from here on."""
    async with aclosing(batches):
        assert await anext(batches) == Batch(())
        yield batches


async def heard(batches: AsyncGenerator[Batch], key: str) -> float:
    """Wait until the change of the user *key* is told of; return when."""
    async with asyncio.timeout(SOON):
        async for batch in batches:
            if any(c.kind is ChangeKind.USER and c.key == key for c in batch.changes):
                break
    return time.monotonic()


def looks_of(batches: AsyncGenerator[Batch]) -> list[str]:
    """Return a list that grows by each look of a follower at the store, as SQLite tells it."""
    looks: list[str] = []

    def note(statement: str) -> None:
        if "data_version" in statement:
            looks.append(statement)

    assert isinstance(batches, AsyncGeneratorType)
    assert batches.ag_frame is not None
    connection: sqlite3.Connection = batches.ag_frame.f_locals["connection"]
    connection.set_trace_callback(note)
    return looks


async def listen(batches: AsyncGenerator[Batch], seconds: float) -> float:
    """Follow for some time; return how long it was."""
    begun = time.monotonic()
    while time.monotonic() - begun < seconds:
        await anext(batches)
    return time.monotonic() - begun


async def test_a_commit_out_of_the_calm_is_heard_of_in_moments(file: Path, scribe: Scribe) -> None:
    """Of several, most come sooner than whoever only looks by the clock may count on."""
    delays = []
    async with following(follow_file(file)) as batches:
        for number in range(7):
            await listen(batches, CALM_SECONDS)
            writing = asyncio.gather(scribe.write("soon", f"{number}"), heard(batches, f"{number}"))
            said, at = await writing
            delays.append(at - said["committed"])
    assert sorted(delays)[len(delays) // 2] < 0.8 * GLANCE_SECONDS


async def test_who_waits_in_the_calm_looks_as_often_as_it_gives_signs(
    file: Path, scribe: Scribe
) -> None:
    """Between two writes far apart it asks SQLite twice a second; and hears of the second."""
    async with following(follow_file(file)) as batches:
        await scribe.write("soon", "anna")
        await heard(batches, "anna")
        await listen(batches, SYNC_SECONDS + SIGN_OF_LIFE_SECONDS)
        looks = looks_of(batches)
        took = await listen(batches, 2 * SIGN_OF_LIFE_SECONDS)
        assert 2 <= len(looks) <= took / SIGN_OF_LIFE_SECONDS + 1
        await scribe.write("soon", "bruno")
        await heard(batches, "bruno")


async def test_what_is_committed_long_after_it_was_written_is_heard_of(
    file: Path, scribe: Scribe
) -> None:
    """Most of a large transaction is in the file before; its follower has looked too early."""
    async with following(follow_file(file)) as batches:
        await listen(batches, CALM_SECONDS)
        looks = looks_of(batches)
        writing = asyncio.gather(scribe.write("late", "anna"), heard(batches, "anna"))
        said, at = await writing
        assert said["ahead"] > 0
        assert at - said["committed"] < SIGN_OF_LIFE_SECONDS
    # It has heard of what was written, and looked: in vain, and more than its signs of life.
    assert len(looks) > 5


async def test_where_the_kernel_tells_nothing_it_looks_by_the_clock(
    file: Path, scribe: Scribe
) -> None:
    """Many times a second, as long as it waits; and so hears of everything."""
    async with following(follow_file(file, lambda _: Untold())) as batches:
        looks = looks_of(batches)
        await listen(batches, SYNC_SECONDS + SIGN_OF_LIFE_SECONDS)
        assert len(looks) > SYNC_SECONDS / SIGN_OF_LIFE_SECONDS + 10
        await scribe.write("soon", "anna")
        await heard(batches, "anna")


async def test_a_follower_that_is_closed_leaves_nothing_open(file: Path) -> None:
    """No descriptor, no task; and while it follows there is one queue of events."""
    files, tasks = open_files(), asyncio.all_tasks()
    async with following(follow_file(file)) as batches:
        assert open_files().count("anon_inode:inotify") == files.count("anon_inode:inotify") + 1
        await anext(batches)
    assert open_files() == files
    assert asyncio.all_tasks() == tasks


async def test_a_follower_that_is_cancelled_while_it_waits_leaves_nothing_open(file: Path) -> None:
    """Its queue of events is closed, and the loop no longer waits for it."""
    files, tasks = open_files(), asyncio.all_tasks()

    async def follow() -> None:
        async with following(follow_file(file)) as batches:
            async for _ in batches:
                pass

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(follow())
        await asyncio.sleep(SIGN_OF_LIFE_SECONDS / 2)
        assert not waiting.done()
        waiting.cancel()
    assert open_files() == files
    assert asyncio.all_tasks() == tasks


async def test_a_follower_whose_store_is_gone_leaves_nothing_open(file: Path) -> None:
    """Neither when the file is moved away while it follows, nor when there is none at first."""
    files = open_files()
    async with aclosing(follow_file(file)) as batches:
        await anext(batches)
        file.rename(file.with_name("elsewhere"))
        with pytest.raises(StoreUnavailable):
            await heard(batches, "nobody")
        assert open_files() == files
    with pytest.raises(StoreUnavailable):
        await anext(follow_file(file))
    assert open_files() == files
