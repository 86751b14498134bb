"""Transactions, and what becomes of a database's errors."""

import asyncio
import gc
import random
import sqlite3
import stat
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import SQLAlchemyError

from gateway.core.changes import Batch
from gateway.core.ports import StoreUnavailable
from gateway.store import Store, StoreMissing, address_of, create_store, open_store
from gateway.store.address import file_of, parse_address
from gateway.store.database import BUSY_SECONDS, _Connection
from gateway.store.errors import border
from gateway.store.schema import feed
from tests.gateway.store.conftest import sqlite_store
from tests.gateway.store.scenes import NOON, Clock, new_person

ROW = {"number": 1, "kind": "user", "key": "anna", "at": NOON}


async def count(store: Store) -> int:
    """Return how many people there are."""
    return len(await store.people())


async def drain(batches: AsyncGenerator[Batch]) -> None:
    """Follow until the end, which should come soon."""
    async with asyncio.timeout(BUSY_SECONDS):
        async for _ in batches:
            pass


async def write_and_fail(store: Store, error: Exception) -> None:
    """Write a row in a transaction that fails with *error*."""
    async with store.begin() as connection:
        await connection.execute(insert(feed).values(ROW))
        raise error


async def run(store: Store, statement: str, **parameters: object) -> None:
    """Run *statement* in a writing transaction."""
    async with store.begin() as connection:
        await connection.execute(text(statement), parameters)


@pytest.mark.parametrize("error", [ValueError(), FileNotFoundError("key.pem"), KeyError("x")])
async def test_the_callers_errors_undo_the_transaction_and_stay_theirs(
    store: Store, error: Exception
) -> None:
    """What is raised inside the block comes out as it was, and nothing was written."""
    with pytest.raises(type(error)) as raised:
        await write_and_fail(store, error)
    assert raised.value is error
    async with store.read() as connection:
        assert (await connection.execute(select(feed))).all() == []


async def test_a_databases_errors_never_leak(store: Store) -> None:
    """They become `StoreUnavailable`, without the statement and what was in it."""
    with pytest.raises(StoreUnavailable) as raised:
        await run(store, "INSERT INTO nowhere VALUES (:secret)", secret="s3cret")
    assert "nowhere" in str(raised.value)
    assert "class" not in str(raised.value)
    assert "s3cret" not in str(raised.value)
    assert "INSERT" not in str(raised.value)
    assert "s3cret" not in str(raised.value.__cause__)


def test_the_border_translates_what_belongs_to_the_database() -> None:
    """Database errors and the kinds that are named; nothing else."""
    with pytest.raises(StoreUnavailable, match="no answer"), border(TimeoutError):
        raise TimeoutError("no answer")
    with pytest.raises(StoreUnavailable, match="broken"), border():
        raise SQLAlchemyError("broken")
    with pytest.raises(StoreUnavailable, match="ConnectionError"), border(ConnectionError):
        raise ConnectionError
    with pytest.raises(TimeoutError), border():
        raise TimeoutError


async def test_a_reader_sees_one_state(store: Store) -> None:
    """What is written while it reads, it does not see, however many statements it makes."""
    await store.add_person(new_person("anna"))
    async with store.read() as connection:
        query = text("SELECT count(*) FROM person")
        assert await connection.scalar(query) == 1
        await store.add_person(new_person("bruno"))
        assert await connection.scalar(query) == 1
    assert await count(store) == 2


async def test_a_writer_does_not_hold_readers_up(store: Store) -> None:
    """While somebody writes, everybody reads what was there before."""
    async with store.begin() as connection:
        await connection.execute(insert(feed).values(ROW))
        async with asyncio.timeout(BUSY_SECONDS / 2):
            assert await count(store) == 0


async def test_writers_take_turns(store_url: str, clock: Clock) -> None:
    """What one reads in its transaction is still true when it writes: none overlaps."""
    async with open_store(store_url, clock) as one, open_store(store_url, clock) as two:
        await run(one, "INSERT INTO head VALUES ('test', 0, '')")

        async def rise(store: Store) -> None:
            async with store.begin() as connection:
                query = text("SELECT number FROM head WHERE log = 'test'")
                number = await connection.scalar(query)
                await asyncio.sleep(0)
                await connection.execute(
                    text("UPDATE head SET number = :number WHERE log = 'test'"),
                    {"number": number + 1},
                )

        await asyncio.gather(*(rise(store) for _ in range(10) for store in (one, two)))
        async with one.read() as connection:
            query = text("SELECT number FROM head WHERE log = 'test'")
            assert await connection.scalar(query) == 20


async def test_a_writer_that_does_not_end_is_not_waited_for(store_url: str, clock: Clock) -> None:
    """Others, in this process and elsewhere, are told so after a few seconds; none hangs."""
    async with open_store(store_url, clock) as one, open_store(store_url, clock) as two:
        async with one.begin():
            begun = time.monotonic()
            answers = await asyncio.gather(
                one.add_person(new_person()), two.add_person(new_person()), return_exceptions=True
            )
            taken = time.monotonic() - begun
        assert [type(answer) for answer in answers] == [StoreUnavailable] * 2
        assert BUSY_SECONDS - 1 < taken < BUSY_SECONDS + 5
        await two.add_person(new_person())
        assert await count(one) == 1


@pytest.mark.parametrize("seed", range(3))
async def test_work_that_is_broken_off_leaves_nothing_behind(store: Store, seed: int) -> None:
    """Cancelled anywhere, a change is there or not, the log whole, and no lock is left."""
    chance = random.Random(seed)

    async def break_off(number: int) -> None:
        task = asyncio.get_running_loop().create_task(store.add_person(new_person(f"u{number}")))
        await asyncio.sleep(chance.random() / 20)
        task.cancel()
        await asyncio.wait([task])

    # What the garbage collector would put right by chance must be right without it.
    gc.disable()
    try:
        await asyncio.gather(*(break_off(number) for number in range(40)))
        async with asyncio.timeout(BUSY_SECONDS - 1):
            await store.add_person(new_person())
    finally:
        gc.enable()
    assert await store.audit_break() is None
    people = {person.user for person in await store.people()}
    assert people == {line.event.user for line in await store.audit_tail(100)}


# ---------------------------------------------------------------- SQLite alone


async def test_the_file_is_for_its_owner_alone(tmp_path: Path, clock: Clock) -> None:
    """The file, what SQLite puts beside it, and the directory."""
    url = await sqlite_store(tmp_path)
    async with open_store(url, clock) as store:
        await store.add_person(new_person())
        folder = tmp_path / "store"
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert modes == {
            "pusterla.sqlite3": 0o600,
            "pusterla.sqlite3-wal": 0o600,
            "pusterla.sqlite3-shm": 0o600,
        }
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_every_connection_is_set_up(tmp_path: Path, clock: Clock) -> None:
    """Durable, with foreign keys, and patient; several at once, so that the pool makes new ones."""
    async with open_store(await sqlite_store(tmp_path), clock) as store:
        together = asyncio.Barrier(4)

        async def settings() -> list[object]:
            async with store.read() as connection:
                await together.wait()
                return [
                    await connection.scalar(text(f"PRAGMA {name}"))
                    for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
                ]

        answers = await asyncio.gather(*(settings() for _ in range(4)))
        assert answers == [["wal", 2, 1, BUSY_SECONDS * 1000]] * 4


async def test_a_store_that_is_away_is_not_made_anew(tmp_path: Path, clock: Clock) -> None:
    """A file that was moved is missing, at the start and later, and no empty one appears."""
    url = await sqlite_store(tmp_path)
    file = file_of(parse_address(url))
    assert file is not None
    async with open_store(url, clock) as store:
        file.rename(tmp_path / "moved")
        with pytest.raises(StoreUnavailable):
            await store.people()
        with pytest.raises(StoreUnavailable):
            await store.add_person(new_person())
    with pytest.raises(StoreMissing, match="pusterla init"):
        async with open_store(url, clock):
            pass
    assert not file.exists()


async def test_a_file_in_the_place_of_ours_is_noticed(tmp_path: Path, clock: Clock) -> None:
    """After a backup was put back the store reads that, and followers are told to begin anew."""
    url = await sqlite_store(tmp_path)
    other = address_of(tmp_path / "other.sqlite3")
    await create_store(other)
    async with open_store(other, clock) as store:
        await store.add_person(new_person("bruno"))
    async with open_store(url, clock) as store:
        await store.add_person(new_person("anna"))
        batches = store.follow()
        await anext(batches)
        (tmp_path / "other.sqlite3").replace(tmp_path / "store" / "pusterla.sqlite3")
        for left in ("-wal", "-shm"):
            (tmp_path / "store" / f"pusterla.sqlite3{left}").unlink()
        assert [person.user for person in await store.people()] == ["bruno"]
        with pytest.raises(StoreUnavailable, match="replaced"):
            await drain(batches)


async def test_a_file_that_is_no_database_is_unavailable(tmp_path: Path, clock: Clock) -> None:
    """Garbage is neither read nor written over."""
    file = tmp_path / "pusterla.sqlite3"
    file.write_bytes(b"garbage " * 1000)
    with pytest.raises(StoreUnavailable, match="not a database"):
        async with open_store(address_of(file), clock):
            pass
    assert file.read_bytes() == b"garbage " * 1000


async def test_a_lock_held_by_another_program_does_not_stop_readers(
    tmp_path: Path, clock: Clock
) -> None:
    """Somebody with the sqlite3 tool in a transaction holds writers up, and nobody else."""
    url = await sqlite_store(tmp_path)
    async with open_store(url, clock) as store:
        tool = sqlite3.connect(file_of(parse_address(url)) or "", isolation_level=None)
        tool.execute("BEGIN IMMEDIATE")
        assert await count(store) == 0
        writing = asyncio.get_running_loop().create_task(store.add_person(new_person()))
        await asyncio.sleep(0.2)
        assert not writing.done()
        tool.execute("COMMIT")
        tool.close()
        await writing
        assert await count(store) == 1


async def test_a_connection_that_is_closed_gives_its_lock_back(tmp_path: Path) -> None:
    """At once, though somebody still holds a statement of it."""
    file = file_of(parse_address(await sqlite_store(tmp_path)))
    assert file is not None
    one, two = (
        sqlite3.connect(file, isolation_level=None, timeout=0, factory=factory)
        for factory in (_Connection, sqlite3.Connection)
    )
    one.execute("BEGIN IMMEDIATE")
    left = one.execute("UPDATE head SET number = number + 1 RETURNING number")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        two.execute("BEGIN IMMEDIATE")
    one.close()
    one.close()
    two.execute("BEGIN IMMEDIATE")
    assert two.execute("SELECT DISTINCT number FROM head").fetchall() == [(0,)]
    two.close()
    del left


# ---------------------------------------------------------------- PostgreSQL alone


@pytest.mark.parametrize("place", ["/?host=/nowhere", "127.0.0.1:1/"])
async def test_a_server_that_does_not_answer_is_unavailable(place: str, clock: Clock) -> None:
    """Neither a missing socket nor a refused connection leaks its own error."""
    host, _, query = place.partition("/")
    url = f"postgresql+asyncpg://gate:secret@{host}/pusterla{query}"
    with pytest.raises(StoreUnavailable) as raised:
        async with open_store(url, clock):
            pass
    assert "secret" not in str(raised.value)


async def test_connections_that_the_server_ended_are_made_anew(
    postgres_store_url: str, clock: Clock
) -> None:
    """A server that was restarted is found again without a word to anybody."""
    async with open_store(postgres_store_url, clock) as store:
        await asyncio.gather(*(store.people() for _ in range(4)))
        await run(
            store,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        assert await asyncio.gather(*(store.people() for _ in range(4))) == [[]] * 4


async def test_a_commit_is_durable_whatever_the_server_says(
    postgres_store_url: str, clock: Clock
) -> None:
    """A server that answers before it has written is told not to, for our connections."""
    async with open_store(postgres_store_url, clock) as store:
        await run(store, "ALTER ROLE postgres SET synchronous_commit = off")
    async with open_store(postgres_store_url, clock) as store:
        try:
            async with store.read() as connection:
                assert await connection.scalar(text("SHOW synchronous_commit")) == "on"
        finally:
            await run(store, "ALTER ROLE postgres RESET synchronous_commit")
