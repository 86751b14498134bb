"""What the kernel says of writes to a file, and where it says nothing; here files are plain ones."""

import asyncio
import logging
import resource
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import inotify_simple
import pytest
import uvloop

from gateway.store.watch import (
    CALM_SECONDS,
    GLANCE_SECONDS,
    SYNC_SECONDS,
    Told,
    Untold,
    Watch,
    watch_writes,
)
from tests.gateway.store.descriptors import open_files

SOON = 5.0
"""Seconds a busy machine may take."""
LONG = 10.0
"""Seconds that nobody here waits for in vain."""
LOOPS = pytest.mark.parametrize(
    "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return a file in a folder of its own."""
    file = tmp_path / "store" / "some.sqlite3"
    file.parent.mkdir()
    file.touch()
    return file


@pytest.fixture
def watch(file: Path) -> Iterator[Watch]:
    """Watch it."""
    with closing(watch_writes(file)) as watch:
        assert isinstance(watch, Told)
        yield watch


def append(path: Path, text: str = "x") -> None:
    """Write to a file, and make it if there is none."""
    with path.open("a") as opened:
        opened.write(text)


async def time_of(pause: Callable[[float], Awaitable[None]], longest: float) -> float:
    """Wait for the next look; return how long it took."""
    begun = time.monotonic()
    await pause(longest)
    return time.monotonic() - begun


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Write to a file without a break, in a thread."""
    ended = Event()

    def write() -> None:
        with path.open("ab", buffering=0) as opened:
            while not ended.is_set():
                opened.write(b"x")
                time.sleep(0.0005)

    thread = Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@LOOPS
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_who_waits_is_woken_by_a_write(
    file: Path, suffix: str, new_loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    """To the database or a file of SQLite's beside it, on either loop, with nothing left behind."""

    async def wait() -> None:
        loop, files = asyncio.get_running_loop(), open_files()
        with closing(watch_writes(file)) as watch:
            loop.call_later(0.05, append, file.with_name(f"{file.name}{suffix}"))
            assert await time_of(watch.pause, LONG) < SOON
        assert open_files() == files

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(wait())


async def test_a_file_that_is_made_anew_is_heard_of(file: Path, watch: Watch) -> None:
    """As -wal is, when the last connection was closed and another comes."""
    wal = file.with_name(f"{file.name}-wal")
    for _ in range(2):
        append(wal)
        assert await time_of(watch.pause, LONG) < SOON
        wal.unlink()
        # Past what follows a write.
        begun = time.monotonic()
        while time.monotonic() - begun < SYNC_SECONDS:
            await watch.pause(SYNC_SECONDS)


async def test_what_is_written_before_the_wait_is_heard_of(file: Path, watch: Watch) -> None:
    """The queue keeps it: nothing falls between two looks."""
    append(file)
    assert await time_of(watch.pause, LONG) < SOON


async def test_others_in_the_folder_wake_nobody(file: Path, watch: Watch) -> None:
    """Somebody who writes a log beside the store costs no looks."""
    with writing(file.with_name("some.log")):
        assert await time_of(watch.pause, 0.5) >= 0.49


async def test_a_burst_brings_one_look_in_a_while(file: Path, watch: Watch) -> None:
    """However much is written; besides those with which it begins."""
    looks, begun = 0, time.monotonic()
    with writing(file):
        while time.monotonic() - begun < 1:
            await watch.pause(LONG)
            looks += 1
    # Five at the beginning; and five more each time the thread was held up for long.
    assert looks <= (time.monotonic() - begun) / GLANCE_SECONDS + 21


async def test_after_a_write_one_looks_again_and_again(file: Path, watch: Watch) -> None:
    """Soon first, then each `GLANCE_SECONDS`, until a commit must be visible; then no more."""
    append(file)
    await watch.pause(LONG)
    begun = time.monotonic()
    steps = [await time_of(watch.pause, LONG) for _ in range(6)]
    # A commit is told of late by no more than it has taken; but a machine may be late itself.
    assert min(steps[:3]) < GLANCE_SECONDS
    assert min(steps[4:]) >= 0.9 * GLANCE_SECONDS
    while time.monotonic() - begun < SYNC_SECONDS:
        assert await time_of(watch.pause, LONG) < SOON
    assert await time_of(watch.pause, 0.3) >= 0.29


async def test_a_write_a_while_after_another_is_heard_of_at_once(file: Path, watch: Watch) -> None:
    """Looks are quick again, though those after the first write have not ended."""
    append(file)
    begun = time.monotonic()
    while time.monotonic() - begun < CALM_SECONDS + 0.1:
        await watch.pause(LONG)
    append(file)
    await watch.pause(LONG)
    assert min([await time_of(watch.pause, LONG) for _ in range(3)]) < 0.5 * GLANCE_SECONDS


async def test_a_queue_that_was_full_counts_as_a_write(file: Path, watch: Watch) -> None:
    """What was lost may have been ours (IN_Q_OVERFLOW)."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    others = [file.with_name(name).open("ab", buffering=0) for name in ("one", "two")]
    for number in range(most + 1):
        # In turn, since like ones that follow on each other become one.
        others[number % 2].write(b"x")
    for other in others:
        other.close()
    assert await time_of(watch.pause, LONG) < SOON


async def test_a_link_is_followed(file: Path, tmp_path: Path) -> None:
    """SQLite writes beside the file that a link leads to, and there it is watched."""
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "linked.sqlite3"
    link.symlink_to(file)
    with closing(watch_writes(link)) as watch:
        append(file.with_name(f"{file.name}-wal"))
        assert await time_of(watch.pause, LONG) < SOON


async def test_whoever_is_cancelled_is_no_longer_called(file: Path) -> None:
    """The loop has forgotten the queue, and it can be closed."""
    watch = watch_writes(file)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(watch.pause(LONG))
        await asyncio.sleep(0.05)
        waiting.cancel()
    assert isinstance(watch, Told)
    assert not asyncio.get_running_loop().remove_reader(watch._queue.fd)
    watch.close()
    watch.close()


@contextmanager
def no_more_descriptors() -> Iterator[None]:
    """Have the kernel give this process no descriptor, for a moment in which nothing else runs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_where_the_kernel_gives_no_queue_one_looks_by_the_clock(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And that is said, but once, however many follow and begin again."""
    inotify_simple.INotify().close()  # what it loads at first wants descriptors too
    caplog.set_level(logging.INFO)
    for _ in range(3):
        with no_more_descriptors():
            watch = watch_writes(file)
        assert isinstance(watch, Untold)
        assert GLANCE_SECONDS / 2 < await time_of(watch.pause, LONG) < SOON
        watch.close()
    (said,) = caplog.records
    assert said.levelno == logging.INFO
    assert "Too many open files" in said.message
    assert "every 25 ms" in said.message


def test_a_folder_that_cannot_be_watched_leaves_nothing_open(file: Path) -> None:
    """The queue that was made for it is closed again."""
    files = open_files()
    with pytest.raises(FileNotFoundError):
        Told(file.parent / "nowhere" / file.name)
    assert open_files() == files


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """It is no case for the clock: there is nothing to look at."""
    with pytest.raises(FileNotFoundError):
        watch_writes(tmp_path / "none.sqlite3")
