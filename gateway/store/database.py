"""Transactions on SQLite and PostgreSQL that keep the same promises.

There is one writer at a time, on both: SQLite knows no more (BEGIN IMMEDIATE),
and on PostgreSQL each writing transaction begins with one advisory lock. So
numbers of the feed and the audit log become visible in the order in which they
were given, two writers never deadlock, and what a writer has read stays true
until it commits. The price is one commit at a time; nothing here waits for a
network while it holds the turn.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from sqlalchemy import Connection, event, func, select
from sqlalchemy.engine import URL
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool, PoolProxiedConnection

from gateway.core.ports import StoreUnavailable
from gateway.store.address import SQLITE, file_of, file_uri, parse_address
from gateway.store.errors import NETWORK, border

BUSY_SECONDS = 5
"""How long a writer waits for its turn before it gives up."""
ANSWER_SECONDS = 10
"""How long one statement may take on a PostgreSQL."""
WRITERS_LOCK = 0x7075_7374_6572_6C61
"""The key of PostgreSQL's advisory lock: "pusterla" in ASCII."""

_WRITING = "pusterla_writing"
_FILE = "pusterla_file"


class Database:
    """One store's database: a pool of connections, and the two kinds of transaction."""

    def __init__(self, address: str) -> None:
        """Connect to nothing yet; raise `ValueError` when *address* is none."""
        self.url = parse_address(address)
        self.file = file_of(self.url)
        engine = _postgresql(self.url) if self.file is None else _sqlite(self.file)
        self._engine = engine
        # Both share the pool. Reading is one snapshot, however many statements it takes.
        self._writer = engine.execution_options(**{_WRITING: True})
        self._reader = (
            engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            if self.file is None
            else engine
        )
        # SQLite lets writers wait by sleeping and looking again; those of this process
        # need not, and are served in the order in which they came.
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that may write; it commits at the end of the block.

        Raises `StoreUnavailable`. Opening one inside another waits for itself
        and ends so, after `BUSY_SECONDS`.
        """
        with border(*NETWORK):
            async with AsyncExitStack() as stack:
                with border(OSError):
                    await self._wait_for_turn()
                    stack.callback(self._turn.release)
                    connection = await _taken(self._writer)
                    stack.push_async_exit(connection)
                    await stack.enter_async_context(connection.begin())
                    if self.file is None:
                        await connection.execute(select(func.pg_advisory_xact_lock(WRITERS_LOCK)))
                yield connection

    async def _wait_for_turn(self) -> None:
        try:
            async with asyncio.timeout(BUSY_SECONDS):
                await self._turn.acquire()
        except TimeoutError as error:
            raise StoreUnavailable("another writer of this process holds the store") from error

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads: one snapshot. Raises `StoreUnavailable`."""
        with border(*NETWORK):
            async with AsyncExitStack() as stack:
                with border(OSError):
                    connection = await _taken(self._reader)
                    stack.push_async_exit(connection)
                yield connection

    async def close(self) -> None:
        """Close every connection of the pool."""
        with border(OSError):
            await self._engine.dispose()


async def _taken(engine: AsyncEngine) -> AsyncConnection:
    """Take a connection out of the pool, or a new one.

    Whoever is cancelled meanwhile waits until there is one, and gives it back: neither driver
    closes a connection that it was just opening when it was cancelled.
    """
    connection = engine.connect()
    opening = asyncio.create_task(connection.start())  # noqa: TID251 - awaited below, whatever happens
    try:
        await asyncio.shield(opening)
    except asyncio.CancelledError:
        with suppress(SQLAlchemyError, OSError):
            await opening
            await connection.close()
        raise
    return connection


def _postgresql(url: URL) -> AsyncEngine:
    return create_async_engine(
        url, hide_parameters=True, pool_pre_ping=True, pool_timeout=BUSY_SECONDS, **_settings()
    )


def lone_engine(url: URL) -> AsyncEngine:
    """Make an engine of a PostgreSQL whose every connection is new, and outside transactions."""
    return create_async_engine(
        url,
        hide_parameters=True,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        **_settings(),
    )


def _settings() -> dict[str, dict[str, object]]:
    return {
        "connect_args": {
            "timeout": BUSY_SECONDS,
            "command_timeout": ANSWER_SECONDS,
            "server_settings": {
                "application_name": "pusterla",
                # In milliseconds; the advisory lock counts as a lock here.
                "lock_timeout": str(BUSY_SECONDS * 1000),
                # A commit that was answered is durable, whatever the server's default.
                "synchronous_commit": "on",
            },
        }
    }


def _sqlite(path: Path) -> AsyncEngine:
    url = URL.create(
        SQLITE,
        database=file_uri(path).partition("?")[0],
        query={"mode": "rw", "uri": "true"},
    )
    engine = create_async_engine(
        url,
        hide_parameters=True,
        pool_timeout=BUSY_SECONDS,
        # None: the module begins no transactions of its own; `_begin` does.
        connect_args={
            "isolation_level": None,
            "timeout": BUSY_SECONDS,
            "factory": _Connection,
        },
    )

    def before(*_: object) -> None:
        # Asked first, since aiosqlite starts a thread and leaves it to itself when the file
        # cannot be opened.
        file_identity(path)

    def connect(connection: DBAPIConnection, entry: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        entry.info[_FILE] = file_identity(path)

    def checkout(
        connection: DBAPIConnection, entry: ConnectionPoolEntry, proxy: PoolProxiedConnection
    ) -> None:
        del connection, proxy
        # A file that was put in the place of ours (a restored backup) would otherwise
        # never be seen: an open connection goes on with the file that was removed.
        if entry.info.get(_FILE) != file_identity(path):
            raise DisconnectionError("the store's file has been replaced")

    event.listen(engine.sync_engine, "do_connect", before)
    event.listen(engine.sync_engine, "connect", connect)
    event.listen(engine.sync_engine, "checkout", checkout)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


class _Connection(sqlite3.Connection):
    """A connection that gives its locks back when it is closed, and not when it is forgotten.

    SQLite only closes once no statement is left, and that of a task that was cancelled lives
    until the garbage collector finds it: so long, its transaction would hold up every writer.
    """

    def close(self) -> None:
        """Roll back, and close; closing again does nothing."""
        with suppress(sqlite3.ProgrammingError):
            if self.in_transaction:
                self.rollback()
        super().close()


def _begin(connection: Connection) -> None:
    # A transaction that begins by reading and goes on to write may find that another has
    # written in between, and no waiting helps it; so those that may write say so at once.
    writing = connection.get_execution_options().get(_WRITING, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def file_identity(path: Path) -> tuple[int, int]:
    """Tell which file is at *path* now, whatever its name; raise `OSError` when none is."""
    status = path.stat()
    return status.st_dev, status.st_ino


def direct_connection(path: Path) -> sqlite3.Connection:
    """Open an SQLite file for reading without a thread, never waiting for a lock."""
    connection = sqlite3.connect(file_uri(path), uri=True, timeout=0, isolation_level=None)
    connection.execute("PRAGMA query_only=ON")
    return connection
