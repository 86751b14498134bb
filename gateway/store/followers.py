"""Following the change feed: how a process hears of what others have written.

Both followers keep the promise of `gateway.core.ports.EdgeStore.follow`. They
never reconnect: on any failure they raise `StoreUnavailable`, and whoever
follows decides when to begin again, with an empty memory.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.changes import Batch, Change
from gateway.core.ports import StoreUnavailable
from gateway.store.database import direct_connection, file_identity, lone_engine
from gateway.store.errors import border
from gateway.store.feed import (
    AT_ONCE,
    CHANNEL,
    advance,
    newest_number,
    read_change,
    rows_after,
)
from gateway.store.watch import GLANCE_SECONDS, Watch, watch_writes

SIGN_OF_LIFE_SECONDS = 0.5
"""How long a follower says nothing; half of what is promised, so that a late one is in time."""
PATIENCE_SECONDS = 1.0
"""How long an SQLite file may be locked against reading before it counts as unavailable."""


async def follow_file(
    path: Path, watching: Callable[[Path], Watch] = watch_writes
) -> AsyncGenerator[Batch]:
    """Follow the feed of an SQLite store; *watching* makes what says when to look.

    It sleeps until the kernel says that somebody writes (`gateway.store.watch`),
    and looks twice a second all the same, so that nothing is ever later than
    that. Its connection is used on the event loop itself: to ask for
    data_version is to look at shared memory, and the way to the thread of
    aiosqlite and back would take many times that. It never waits for a lock, so
    it cannot hold up the loop.
    """
    clock = asyncio.get_running_loop().time
    with (
        border(sqlite3.Error, OSError),
        closing(direct_connection(path)) as connection,
        closing(watching(path)) as watch,
    ):
        identity = file_identity(path)
        glance = _Glance(connection)
        position = glance.newest()
        yield Batch(())
        said = clock()
        locked: float | None = None
        while True:
            await watch.pause(max(said + SIGN_OF_LIFE_SECONDS - clock(), GLANCE_SECONDS))
            silent = clock() - said >= SIGN_OF_LIFE_SECONDS
            try:
                if not glance.changed() and not silent:
                    locked = None
                    continue
                batch, position = advance(position, glance.newest(), glance.rows_after(position))
            except sqlite3.OperationalError:
                # Locked for a moment, as after the crash of a writer; or broken.
                locked = locked or clock()
                if clock() - locked > PATIENCE_SECONDS:
                    raise
                continue
            locked = None
            if file_identity(path) != identity:
                raise StoreUnavailable("the store's file has been replaced")
            if batch.changes or batch.gap or silent:
                said = clock()
                yield batch


class _Glance:
    """The three questions a follower asks of an SQLite file."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._version = -1

    def changed(self) -> bool:
        """Say whether another connection has committed since this was last asked."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        if version == self._version:
            return False
        self._version = version
        return True

    def newest(self) -> int:
        """Return the newest number that was given."""
        (number,) = self._connection.execute(
            "SELECT number FROM head WHERE log = 'feed'"
        ).fetchone()
        return int(number)

    def rows_after(self, position: int) -> list[Change]:
        """Return the next rows behind *position*."""
        rows = self._connection.execute(
            "SELECT number, kind, key FROM feed WHERE number > ? ORDER BY number LIMIT ?",
            (position, AT_ONCE),
        )
        return [read_change(*row) for row in rows]


async def follow_server(url: URL) -> AsyncGenerator[Batch]:
    """Follow the feed of a PostgreSQL store.

    The server says when something was written; that it is asked all the same,
    twice a second, is the sign of life, and covers what a broken line swallowed.
    """
    with border(OSError):
        async with _listening(url) as (connection, woken):
            position = await newest_number(connection)
            yield Batch(())
            while True:
                with suppress(TimeoutError):
                    async with asyncio.timeout(SIGN_OF_LIFE_SECONDS):
                        await woken.wait()
                # Cleared before the feed is read: what comes while it is read wakes again.
                woken.clear()
                newest = await newest_number(connection)
                batch, position = advance(position, newest, await rows_after(connection, position))
                if len(batch.changes) == AT_ONCE:
                    woken.set()
                yield batch


@asynccontextmanager
async def _listening(url: URL) -> AsyncIterator[tuple[AsyncConnection, asyncio.Event]]:
    """Open a connection of its own, and an event that is set when the feed has grown."""
    woken = asyncio.Event()

    def wake(*_: Any) -> None:
        woken.set()

    engine = lone_engine(url)
    try:
        async with engine.connect() as connection:
            driver = (await connection.get_raw_connection()).driver_connection
            if driver is None:
                raise StoreUnavailable("the connection was closed at once")
            try:
                driver.add_termination_listener(wake)
                await driver.add_listener(CHANNEL, wake)
                yield connection, woken
            finally:
                # Not returned politely: the other end may no longer be there to answer.
                driver.terminate()
    finally:
        await engine.dispose()
