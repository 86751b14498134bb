"""Make the tables of a store, and bring those of an older one up to date.

Alembic is imported only where it runs: an edge that opens a store compares one
word with `schema.REVISION` and needs nothing of it.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.address import file_of, parse_address
from gateway.store.database import Database
from gateway.store.errors import StoreExists, StoreMissing, StoreOutdated, border
from gateway.store.schema import REVISION

SCRIPTS = Path(__file__).parent / "migrations"


async def create_store(address: str) -> None:
    """Make a store at *address*, with all its tables.

    For SQLite that is a file (0600, in a directory that is made 0700 if it is
    missing); `StoreExists` when it is there already. For PostgreSQL the
    database must exist, and `StoreExists` is raised when it has a store in it.
    """
    path = file_of(parse_address(address))
    if path is not None:
        _make_file(path)
    async with _database(address) as database:
        async with database.read() as connection:
            if await _revision(connection) is not None:
                raise StoreExists("there is a store in this database already")
        await _upgrade(database)


async def migrate_store(address: str) -> None:
    """Bring the tables at *address* up to date; nothing happens to those that are.

    Raises `StoreMissing` when there is no store, and `StoreOutdated` when it
    was made by a newer Pusterla.
    """
    async with _database(address) as database:
        await _upgrade(database)


async def check_revision(database: Database) -> None:
    """Raise `StoreMissing` or `StoreOutdated` unless the tables are those we know."""
    if database.file is not None and not database.file.is_file():
        raise StoreMissing(f"there is no store at {database.file}; `pusterla init` makes a site")
    async with database.read() as connection:
        found = await _revision(connection)
    if found is None:
        raise StoreMissing("the database holds no store; `pusterla init` makes a site")
    if found != REVISION:
        raise StoreOutdated(
            f"the store is at revision {found}, this Pusterla needs {REVISION}:"
            " stop the site and run `pusterla doctor`"
        )


@asynccontextmanager
async def _database(address: str) -> AsyncIterator[Database]:
    database = Database(address)
    try:
        if database.file is not None and not database.file.is_file():
            raise StoreMissing(f"there is no store at {database.file}")
        yield database
    finally:
        await database.close()


def _make_file(path: Path) -> None:
    with border(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with border(OSError):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError as error:
            raise StoreExists(f"there is a file at {path} already") from error


async def _revision(connection: AsyncConnection) -> str | None:
    """Return the revision of the tables, or None when there are none."""

    def exists(connection: Connection) -> bool:
        return inspect(connection).has_table("alembic_version")

    if not await connection.run_sync(exists):
        return None
    found: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


async def _upgrade(database: Database) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    def upgrade(connection: Connection) -> None:
        config = Config()
        # A per cent sign would be taken for the beginning of a variable.
        config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")

    # One transaction, and a writing one: two that migrate at once take turns, and a
    # migration that fails leaves everything as it was.
    async with database.write() as connection:
        try:
            await connection.run_sync(upgrade)
        except CommandError as error:
            raise StoreOutdated(
                "the store was made by a newer Pusterla; use that one, or a newer one still"
            ) from error
