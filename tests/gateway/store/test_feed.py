"""The change feed and those who follow it, on both databases."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import delete, func, select, text, update

from ca.trust import RevocationReason
from gateway.core.audit import AuditKind
from gateway.core.changes import Batch, Change, ChangeKind
from gateway.core.ports import StoreUnavailable
from gateway.store import Store, open_store
from gateway.store.feed import AT_ONCE, KEPT, advance
from gateway.store.schema import feed, head
from tests.gateway.store.scenes import (
    DAY,
    TODAY,
    Clock,
    fingerprint_of,
    issue,
    new_person,
    sign_in,
)

SOON = 2.0
"""Seconds a busy machine may take; what is promised is measured where it is the matter."""


@asynccontextmanager
async def following(store: Store) -> AsyncIterator[AsyncGenerator[Batch]]:
    """Follow the feed from here on."""
    async with aclosing(store.follow()) as batches:
        assert await anext(batches) == Batch(())
        yield batches


async def next_changes(batches: AsyncGenerator[Batch], count: int) -> list[Change]:
    """Wait for so many changes and return them."""
    changes: list[Change] = []
    async with asyncio.timeout(SOON):
        while len(changes) < count:
            batch = await anext(batches)
            assert not batch.gap
            changes += batch.changes
    return changes


async def announce(store: Store, *keys: str) -> None:
    """Write a row for each of *keys*."""
    async with store.begin() as connection:
        await store.announce(connection, *((ChangeKind.USER, key) for key in keys))


async def announce_and_fail(store: Store) -> None:
    """Write a row in a transaction that fails."""
    async with store.begin() as connection:
        await store.announce(connection, (ChangeKind.USER, "never"))
        raise ZeroDivisionError


async def drain(batches: AsyncGenerator[Batch]) -> None:
    """Follow until the end, which should come soon."""
    async with asyncio.timeout(2 * SOON):
        async for _ in batches:
            pass


async def test_following_begins_here_and_now(store: Store) -> None:
    """The first batch is empty and comes at once; what was before is not told."""
    await announce(store, "before")
    async with following(store) as batches:
        await announce(store, "after")
        (change,) = await next_changes(batches, 1)
        assert (change.number, change.kind, change.key) == (2, ChangeKind.USER, "after")


async def test_each_change_is_told_once_and_in_order(store: Store) -> None:
    """Rows come with rising numbers and no holes, however they are bundled."""
    async with following(store) as batches:
        for number in range(10):
            await announce(store, f"a{number}", f"b{number}")
        changes = await next_changes(batches, 20)
    assert [change.number for change in changes] == list(range(1, 21))
    assert [change.key for change in changes[:4]] == ["a0", "b0", "a1", "b1"]


async def test_what_is_rolled_back_is_never_told(store: Store) -> None:
    """A transaction that fails leaves neither a row nor a hole."""
    async with following(store) as batches:
        with pytest.raises(ZeroDivisionError):
            await announce_and_fail(store)
        await announce(store, "anna")
        (change,) = await next_changes(batches, 1)
        assert (change.number, change.key) == (1, "anna")


async def test_everything_that_changes_is_told(store: Store) -> None:
    """People, certificates and sessions each have their rows, with the key that names them."""
    async with following(store) as batches:
        await store.add_person(new_person())
        record = await issue(store)
        fingerprint = fingerprint_of(record.serial)
        session = await sign_in(store, record)
        await store.end_sessions(session=session.id, kind=AuditKind.SIGNED_OUT, by="portal")
        second = await sign_in(store, record)
        await store.revoke_certificates(
            serial=record.serial, reason=RevocationReason.KEY_COMPROMISE, by="admin"
        )
        await store.set_enabled("anna", False)
        await store.remove_person("anna", TODAY)
        changes = await next_changes(batches, 7)
    assert [(change.kind, change.key) for change in changes] == [
        (ChangeKind.USER, "anna"),
        (ChangeKind.CERTIFICATE, fingerprint),
        (ChangeKind.SESSION, session.id),
        (ChangeKind.CERTIFICATE, fingerprint),
        (ChangeKind.SESSION, second.id),
        (ChangeKind.USER, "anna"),
        (ChangeKind.USER, "anna"),
    ]


async def test_a_follower_that_waits_hears_that_the_store_lives(store: Store) -> None:
    """Without changes an empty batch comes at least each second."""
    async with following(store) as batches:
        for _ in range(3):
            begun = time.monotonic()
            assert await anext(batches) == Batch(())
            assert time.monotonic() - begun < 1.0


async def test_to_wait_costs_next_to_nothing(store: Store) -> None:
    """An idle follower takes well under a hundredth of a core; a busy loop would take all of it."""
    async with following(store) as batches:
        begun, used = time.monotonic(), time.process_time()
        for _ in range(2):
            await anext(batches)
        share = (time.process_time() - used) / (time.monotonic() - begun)
    # Far above what it takes, since a machine at work on other things counts strangely.
    assert share < 0.05


async def test_a_change_is_heard_of_within_a_moment(store_url: str, clock: Clock) -> None:
    """From commit to follower takes some 25 ms; the middle of twenty is far below 100."""
    async with open_store(store_url, clock) as writer, open_store(store_url, clock) as reader:
        delays = []
        async with following(reader) as batches:
            for number in range(20):
                await announce(writer, str(number))
                committed = time.monotonic()
                await next_changes(batches, 1)
                delays.append(time.monotonic() - committed)
    assert sorted(delays)[len(delays) // 2] < 0.1


async def test_a_follower_that_was_away_reads_on(store: Store) -> None:
    """More rows than one batch holds come in several, with none left out."""
    many = AT_ONCE + 500
    async with following(store) as batches:
        await announce(store, *(f"user-{number}" for number in range(many)))
        changes = await next_changes(batches, many)
    assert [change.number for change in changes] == list(range(1, many + 1))


async def test_several_follow_independently(store: Store) -> None:
    """Each follower has a position of its own."""
    async with following(store) as one:
        await announce(store, "anna")
        async with following(store) as two:
            await announce(store, "bruno")
            assert [change.key for change in await next_changes(two, 1)] == ["bruno"]
        assert [change.key for change in await next_changes(one, 2)] == ["anna", "bruno"]


async def test_rows_are_taken_out_after_a_week(store: Store, clock: Clock) -> None:
    """Old rows go with the next write; the numbers go on."""
    await announce(store, "old")
    clock.now += KEPT
    await announce(store, "younger")
    clock.now += timedelta(seconds=1)
    await announce(store, "new")
    async with store.read() as connection:
        rows = (await connection.execute(select(feed.c.number, feed.c.key))).all()
    assert [tuple(row) for row in rows] == [(2, "younger"), (3, "new")]


async def test_numbers_are_never_used_again(store: Store, clock: Clock) -> None:
    """Also when every row has been taken out, the next number is a new one."""
    await announce(store, "one", "two")
    async with store.begin() as connection:
        await connection.execute(delete(feed))
    async with following(store) as batches:
        await announce(store, "three")
        assert [change.number for change in await next_changes(batches, 1)] == [3]


async def next_gap(batches: AsyncGenerator[Batch]) -> Batch:
    """Wait for a batch that is not empty or tells of a gap."""
    async with asyncio.timeout(SOON):
        while True:
            batch = await anext(batches)
            if batch.gap or batch.changes:
                return batch


async def test_rows_that_were_missed_are_a_gap(store: Store, clock: Clock) -> None:
    """Who has slept for longer than rows are kept must forget everything, and then reads on."""
    async with following(store) as batches:
        await announce(store, "missed")
        clock.now += KEPT + DAY
        await announce(store, "kept")
        assert await next_gap(batches) == Batch((), gap=True)
        await announce(store, "next")
        assert [change.key for change in await next_changes(batches, 1)] == ["next"]


async def test_numbers_that_go_back_are_a_gap(store: Store) -> None:
    """So do those who find an older store in the place of theirs."""
    await announce(store, "one", "two", "three")
    async with following(store) as batches:
        async with store.begin() as connection:
            await connection.execute(delete(feed).where(feed.c.number > 1))
            await connection.execute(update(head).where(head.c.log == "feed").values(number=1))
        assert await next_gap(batches) == Batch((), gap=True)
        await announce(store, "another")
        assert [change.number for change in await next_changes(batches, 1)] == [2]


async def test_a_store_whose_tables_are_gone_is_unavailable(store: Store) -> None:
    """A follower never takes silence for peace: it raises, and is at its end."""
    async with aclosing(store.follow()) as batches:
        await anext(batches)
        async with store.begin() as connection:
            await connection.execute(text("ALTER TABLE head RENAME TO tail"))
        with pytest.raises(StoreUnavailable):
            await drain(batches)
        with pytest.raises(StopAsyncIteration):
            await anext(batches)


@given(
    position=st.integers(0, 50),
    newest=st.integers(0, 60),
    first=st.integers(1, 60),
    count=st.integers(0, 5),
)
def test_a_follower_moves_on_or_knows_of_a_gap(
    position: int, newest: int, first: int, count: int
) -> None:
    """Whatever is read, the changes told are those right behind the position, or there is a gap."""
    numbers = [number for number in range(first, first + count) if number > position]
    changes = [Change(number, ChangeKind.USER, str(number)) for number in numbers]
    batch, after = advance(position, newest, changes)
    if batch.gap:
        assert batch.changes == ()
        assert after == max([newest, *numbers])
    else:
        assert [change.number for change in batch.changes] == list(range(position + 1, after + 1))
        # Nothing that had been given a number before is left out.
        assert after >= newest or batch.changes


async def test_a_row_is_told_of_once_per_change(store: Store) -> None:
    """The same key twice in one change is one row."""
    await announce(store, "anna", "bruno", "anna")
    async with store.read() as connection:
        assert await connection.scalar(select(func.count()).select_from(feed)) == 2


async def test_when_the_server_cuts_the_line_the_follower_says_so(
    postgres_store_url: str, clock: Clock
) -> None:
    """A PostgreSQL that ends the connection is unavailable at once, not after a time."""
    async with open_store(postgres_store_url, clock) as store, following(store) as batches:
        async with store.begin() as connection:
            await connection.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            )
        with pytest.raises(StoreUnavailable):
            await drain(batches)
        # The store itself finds new connections, and may be followed again.
        async with following(store) as again:
            await announce(store, "anna")
            assert [change.key for change in await next_changes(again, 1)] == ["anna"]
