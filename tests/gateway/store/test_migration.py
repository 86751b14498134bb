"""Making a store, and bringing an older one up to date, on both databases."""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from ca import lists
from ca.ledger import IssuerState
from gateway.core.ports import StoreUnavailable
from gateway.core.sessions import SessionId
from gateway.store import (
    IssuerRecord,
    Store,
    StoreExists,
    StoreMissing,
    StoreOutdated,
    address_of,
    create_store,
    migrate_store,
    open_store,
)
from gateway.store.address import file_of, parse_address
from gateway.store.database import Database
from gateway.store.migration import SCRIPTS
from gateway.store.schema import ALL_TABLES, REVISION
from tests.gateway.store.scenes import Clock, new_person


async def opened(url: str, clock: Clock) -> None:
    """Open a store and close it again."""
    async with open_store(url, clock):
        pass


async def set_revision(store: Store, revision: str) -> None:
    """Pretend that the tables are of *revision*."""
    async with store.begin() as connection:
        await connection.execute(
            text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision}
        )


async def test_the_migrations_make_the_tables_that_the_code_knows(store: Store) -> None:
    """Alembic finds nothing to change: tables, columns, types, indexes, constraints."""

    def differences(connection: Connection) -> list[Any]:
        context = MigrationContext.configure(
            connection,
            opts={
                "target_metadata": ALL_TABLES,
                "compare_type": True,
                "compare_server_default": True,
            },
        )
        # One metadata or several, says Alembic's documentation; its annotation knows one.
        return list(compare_metadata(context, ALL_TABLES))  # type: ignore[arg-type]

    async with store.read() as connection:
        assert await connection.run_sync(differences) == []


def test_the_code_knows_the_newest_revision() -> None:
    """There is one line of migrations, and its end is the revision that stores must have."""
    assert ScriptDirectory(str(SCRIPTS)).get_heads() == [REVISION]


async def test_a_new_store_is_ready(empty_url: str, clock: Clock) -> None:
    """Making one is enough to use it."""
    await create_store(empty_url)
    async with open_store(empty_url, clock) as store:
        await store.add_person(new_person())
        assert await store.audit_break() is None


async def test_a_store_is_never_made_over_another(store_url: str, clock: Clock) -> None:
    """Where there is one already, that is said, and nothing happens to it."""
    async with open_store(store_url, clock) as store:
        await store.add_person(new_person())
    with pytest.raises(StoreExists):
        await create_store(store_url)
    async with open_store(store_url, clock) as store:
        assert len(await store.people()) == 1


async def test_migrating_what_is_up_to_date_changes_nothing(store_url: str, clock: Clock) -> None:
    """It can be asked for at any time."""
    async with open_store(store_url, clock) as store:
        await store.add_person(new_person())
    await migrate_store(store_url)
    async with open_store(store_url, clock) as store:
        assert len(await store.people()) == 1


async def test_the_issuer_of_an_older_store_goes_on_issuing(empty_url: str, clock: Clock) -> None:
    """There was one, and nothing said what it does."""
    file = file_of(parse_address(empty_url))
    if file is not None:
        file.parent.mkdir()
        file.touch()
    database = Database(empty_url)

    def first_tables(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")

    async with database.write() as connection:
        await connection.run_sync(first_tables)
        row = {"name": "issuing-1", "certificate": b"der"}
        await connection.execute(
            text("INSERT INTO issuer (name, certificate) VALUES (:name, :certificate)"), row
        )
    await database.close()
    await migrate_store(empty_url)
    async with open_store(empty_url, clock) as store:
        assert await store.issuers() == [IssuerRecord("issuing-1", b"der", IssuerState.ACTIVE)]


async def test_who_is_signed_in_stays_so_and_has_used_nothing(empty_url: str, clock: Clock) -> None:
    """A session of an older store is as old as it was, and there are no papers yet."""
    file = file_of(parse_address(empty_url))
    if file is not None:
        file.parent.mkdir()
        file.touch()
    database = Database(empty_url)

    def older_tables(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0008")

    now = int(clock.now.timestamp() * 1_000_000)
    row = {
        "id": "a" * 32,
        "username": "anna",
        "fingerprint": "b" * 64,
        "serial": "1f",
        "device": "stick-1",
        "level": 20,
        "created_at": now,
        "address": "192.0.2.7",
        "expires_at": now + 3_600_000_000,
    }
    async with database.write() as connection:
        await connection.run_sync(older_tables)
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        await connection.execute(text(f"INSERT INTO session ({names}) VALUES ({values})"), row)  # noqa: S608 - names of ours
    await database.close()
    await migrate_store(empty_url)
    async with open_store(empty_url, clock) as store:
        found = await store.session(SessionId("a" * 32))
        assert found is not None
        assert found.signed_in_at == found.last_proof == clock.now
        assert await store.papers() == {}
        assert await store.access_requests() == []


async def test_two_that_migrate_at_once_take_turns(empty_url: str, clock: Clock) -> None:
    """The second finds the work done."""
    file = file_of(parse_address(empty_url))
    if file is not None:
        file.parent.mkdir()
        with closing(sqlite3.connect(file)) as connection:
            # As a store's file is from its first connection on. To make it so SQLite waits for
            # nobody, and two at once would be refused for that.
            connection.execute("PRAGMA journal_mode=WAL")
    await asyncio.gather(migrate_store(empty_url), migrate_store(empty_url))
    await opened(empty_url, clock)


async def test_a_migration_that_fails_leaves_everything_as_it_was(empty_url: str) -> None:
    """Tables belong to the transaction like rows do, on SQLite too."""
    file = file_of(parse_address(empty_url))
    if file is not None:
        file.parent.mkdir()
        file.touch()
    database = Database(empty_url)

    async def fail() -> None:
        async with database.write() as connection:
            await connection.execute(text("CREATE TABLE half (done INTEGER)"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with database.write() as connection:
        await connection.execute(text("CREATE TABLE half (done INTEGER)"))
    await database.close()


async def test_where_there_is_no_store_none_is_opened(empty_url: str, clock: Clock) -> None:
    """The error names the command that makes a site."""
    with pytest.raises(StoreMissing, match="pusterla init"):
        await opened(empty_url, clock)


@pytest.mark.parametrize("revision", ["0000", "9999"])
async def test_tables_of_another_pusterla_are_refused(
    store_url: str, clock: Clock, revision: str
) -> None:
    """Older or newer: the error says which revision is there and what to do."""
    async with open_store(store_url, clock) as store:
        await set_revision(store, revision)
    with pytest.raises(StoreOutdated, match=f"{revision}.*pusterla doctor"):
        await opened(store_url, clock)


async def test_a_store_of_a_newer_pusterla_is_not_migrated(store_url: str, clock: Clock) -> None:
    """There is no way back, so it is not tried."""
    async with open_store(store_url, clock) as store:
        await set_revision(store, "9999")
    with pytest.raises(StoreOutdated, match="newer"):
        await migrate_store(store_url)


async def test_an_sqlite_store_that_is_missing_is_not_made_by_migrating(tmp_path: Path) -> None:
    """Only `create_store` makes files."""
    with pytest.raises(StoreMissing):
        await migrate_store(address_of(tmp_path / "pusterla.sqlite3"))
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    """Whoever made the directory decides who may enter; the file is for its owner all the same."""
    folder = tmp_path / "store"
    folder.mkdir(mode=0o750)
    await create_store(address_of(folder / "pusterla.sqlite3"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    assert stat.S_IMODE((folder / "pusterla.sqlite3").stat().st_mode) == 0o600


async def test_a_place_where_no_file_can_be_is_unavailable(tmp_path: Path) -> None:
    """What the file system refuses does not leak as it is."""
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        await create_store(address_of(tmp_path / "file" / "pusterla.sqlite3"))


@pytest.mark.parametrize("name", ["a b", "100%", "a%20b", "per#haps", "why?", "città"])
async def test_a_store_can_lie_in_any_folder(tmp_path: Path, clock: Clock, name: str) -> None:
    """No character of a folder's name leads the store elsewhere."""
    file = tmp_path / name / "pusterla.sqlite3"
    await create_store(address_of(file))
    async with open_store(address_of(file), clock) as store:
        await store.add_person(new_person())
        batches = store.follow()
        await anext(batches)
        await batches.aclose()
    assert file.is_file()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_to_use_a_store_needs_nothing_of_alembic() -> None:
    """An edge starts without what only migrations need."""
    probe = "import sys, gateway.store; sys.exit('alembic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], check=False).returncode == 0


async def test_lists_of_an_older_store_are_followed(empty_url: str, clock: Clock) -> None:
    """What was revoked before waits for one more list, with a number above all there were."""
    file = file_of(parse_address(empty_url))
    if file is not None:
        file.parent.mkdir()
        file.touch()
    database = Database(empty_url)
    async with database.write() as connection:
        await connection.run_sync(upgrade_to, "0001")
        for statement in (
            "INSERT INTO issuer (name, certificate) VALUES ('issuing-1', 'der')",
            "INSERT INTO crl VALUES ('issuing-1', 7, 0, 1, 'der')",
            """INSERT INTO certificate (issuer, serial, username, device, not_before, not_after,
            state, reserved_at, revoked_at, reason, crl_number)
            VALUES ('issuing-1', '4a', 'anna', 'stick', 0, 1, 'revoked', 0, 0, 'superseded', 7)""",
        ):
            await connection.execute(text(statement))
    await database.close()
    await migrate_store(empty_url)
    async with open_store(empty_url, clock) as store:
        async with store.begin() as connection:
            crl = await lists.latest_crl(connection, "issuing-1")
            assert crl is not None
            assert (crl.number, crl.covers, crl.scheduled) == (7, 0, True)
            assert await lists.has_changed(connection, "issuing-1", "", crl.covers)
            early = datetime(1970, 1, 1, tzinfo=UTC)
            assert await lists.take_number(connection, "issuing-1", early) == 8
        record = await store.certificate("4a")
    assert record is not None
    assert record.crl_partition is None


def upgrade_to(connection: Connection, revision: str) -> None:
    """Make the tables of an older Pusterla."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
