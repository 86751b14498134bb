"""Hearing from the kernel that an SQLite file is being written to.

A commit in WAL mode happens in two places. First its frames are written to the
`-wal` file, the last of them in any case, and synced; the kernel tells of these
writes (inotify(7), IN_MODIFY). Only then does it become visible, in the header
of the wal-index: memory that processes share, of whose changes nobody is told
(sqlite.org/walformat.html; inotify(7), "Limitations and caveats"). So an event
says that something is on its way, and not that it is there. Between the two
lies a sync, which takes a millisecond or, on a busy disk, a second.

Therefore whoever waits here looks at once when it hears of a write, then again
after steps that double up to `GLANCE_SECONDS`, and goes on so until nothing was
written for `SYNC_SECONDS`. What comes later than that it finds when it looks
without having heard anything, which its caller has it do: nothing that is
written is lost because an event was.

Nothing is opened here but the queue of events. A process that closes a file of
an SQLite database gives up every lock that its connections hold on it
(sqlite.org/howtocorrupt.html, 2.2); a watch is set on the path of the folder.
"""

import asyncio
import logging
import math
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Final, Protocol

log = logging.getLogger("pusterla")

GLANCE_SECONDS: Final = 0.025
"""How long after one look the next comes while something is being written."""
SYNC_SECONDS: Final = 2.0
"""How long after it was written a commit may become visible, and still be looked for."""
CALM_SECONDS: Final = 4 * GLANCE_SECONDS
"""After how long without a write the next one is heard of at once."""

_FIRST_STEP: Final = GLANCE_SECONDS / 16


class Watch(Protocol):
    """What says when to look whether anybody has written."""

    async def pause(self, longest: float) -> None:
        """Return when it is time to look, after *longest* seconds at the latest."""
        ...

    def close(self) -> None:
        """Hear no more; closing again does nothing."""
        ...


def watch_writes(file: Path) -> Watch:
    """Watch the SQLite database in *file*, or look by the clock where nobody tells of writes.

    Raises `OSError` when there is no such file.
    """
    # SQLite puts the other files beside the database itself, wherever links to it lie.
    place = file.resolve(strict=True)
    try:
        return Told(place)
    except (OSError, ImportError) as error:
        _say_untold(place.parent, str(error))
        return Untold()


@cache
def _say_untold(folder: Path, reason: str) -> None:
    """Say it once, though everybody in this process who follows comes here, each time anew."""
    log.info(
        "the kernel will not say when something is written in %s (%s), so every %.0f ms we look;"
        " fs.inotify.max_user_instances may be too low (man 7 inotify)",
        folder,
        reason,
        GLANCE_SECONDS * 1000,
    )


class Untold:
    """Looks by the clock, as often while nothing is written as while something is."""

    async def pause(self, longest: float) -> None:
        """Return after `GLANCE_SECONDS`, or *longest*."""
        await asyncio.sleep(min(GLANCE_SECONDS, longest))

    def close(self) -> None:
        """Do nothing."""


class Told:
    """Hears what the kernel tells of one folder.

    A burst of writes brings one look each `GLANCE_SECONDS`, besides five in a row at its
    beginning; while it lasts, events wait in the queue, where like ones become one.
    """

    def __init__(self, place: Path) -> None:
        """Watch the folder of *place*; raise `OSError` or `ImportError` when that cannot be."""
        from inotify_simple import INotify, flags

        # The database, -wal, -shm and -journal; not a log in the same folder.
        self._name = place.name
        self._queue = INotify(nonblocking=True)
        self._written = -math.inf
        self._step = GLANCE_SECONDS
        try:
            # The folder, since -wal comes and goes.
            self._queue.add_watch(place.parent, flags.MODIFY)
        except OSError:
            self._queue.close()
            raise

    async def pause(self, longest: float) -> None:
        """Return when something was written, or may have become visible since."""
        clock = asyncio.get_running_loop().time
        now = clock()
        since = now - self._written
        if since < SYNC_SECONDS:
            longest = min(longest, self._step)
            self._step = min(2 * self._step, GLANCE_SECONDS)
        if since < CALM_SECONDS:
            await asyncio.sleep(longest)
            self._read(clock())
        else:
            await self._until_written(now + longest)

    async def _until_written(self, end: float) -> None:
        clock = asyncio.get_running_loop().time
        while (left := end - clock()) > 0:
            await self._until_told(left)
            if self._read(clock()):
                return
            # Nothing, or others beside us, who may write without end.
            await asyncio.sleep(max(0, min(GLANCE_SECONDS, end - clock())))

    async def _until_told(self, longest: float) -> None:
        loop = asyncio.get_running_loop()
        told = asyncio.Event()
        loop.add_reader(self._queue.fd, told.set)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(longest):
                    await told.wait()
        finally:
            loop.remove_reader(self._queue.fd)

    def _read(self, now: float) -> bool:
        """Take everything out of the queue, and say whether any of it is of our files."""
        if not self._ours(event.name for event in self._queue.read(timeout=0)):
            return False
        if now - self._written >= CALM_SECONDS:
            self._step = _FIRST_STEP
        self._written = now
        return True

    def _ours(self, names: Iterable[str]) -> bool:
        # Without a name: that the queue was full, and what was in it is lost (IN_Q_OVERFLOW).
        return any(not name or name.startswith(self._name) for name in names)

    def close(self) -> None:
        """Close the queue, which takes the watch away."""
        self._queue.close()
