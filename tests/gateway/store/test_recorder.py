"""Audit lines of many tasks in one commit, on both databases."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import text

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.ports import StoreUnavailable
from gateway.store import Store, open_store
from tests.gateway.store.scenes import NOON, Clock

EVENT = AuditEvent(AuditKind.ACCESS_ALLOWED, NOON, user="anna")


def numbered(number: int) -> AuditEvent:
    """Make an event that can be told from others."""
    return replace(EVENT, detail={"number": str(number)})


async def test_who_comes_at_once_does_not_queue(store: Store) -> None:
    """A thousand at the same instant are written in a moment, in the order of their coming."""
    async with asyncio.timeout(3):
        await asyncio.gather(*(store.record(numbered(number)) for number in range(1000)))
    lines = await store.audit_tail(2000)
    assert [line.event for line in lines] == [numbered(number) for number in range(1000)]
    assert await store.audit_break() is None


async def test_what_was_recorded_is_there_when_it_returns(store: Store) -> None:
    """Each finds its own line right after, whoever else is writing."""

    async def record_and_look(number: int) -> bool:
        await store.record(numbered(number))
        return numbered(number) in [line.event for line in await store.audit_tail(100)]

    assert all(await asyncio.gather(*(record_and_look(number) for number in range(20))))


async def test_a_failure_reaches_everybody_who_waits(store: Store) -> None:
    """Nobody takes a line for written that is not; and the next may be."""
    async with store.begin() as connection:
        await connection.execute(text("ALTER TABLE audit RENAME TO hidden"))
    answers = await asyncio.gather(
        *(store.record(numbered(number)) for number in range(5)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 5
    async with store.begin() as connection:
        await connection.execute(text("ALTER TABLE hidden RENAME TO audit"))
    await store.record(numbered(5))
    assert [line.event for line in await store.audit_tail(10)] == [numbered(5)]


async def test_who_is_cancelled_takes_nothing_back(store: Store) -> None:
    """Neither their own line nor those of others in the same batch."""
    tasks = [
        asyncio.get_running_loop().create_task(store.record(numbered(number)))
        for number in range(5)
    ]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [True, False, False, False, False]
    assert len(await store.audit_tail(10)) == 5


@pytest.mark.parametrize("batches", [1, 2])
async def test_closing_waits_for_lines_nobody_waits_for(
    store_url: str, clock: Clock, batches: int
) -> None:
    """What was handed over is written, though everybody who asked has gone."""
    async with open_store(store_url, clock) as store:
        tasks = []
        for number in range(batches):
            tasks.append(asyncio.get_running_loop().create_task(store.record(numbered(number))))
            # Long enough for the first batch to be on its way, and not written.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
    async with open_store(store_url, clock) as store:
        assert len(await store.audit_tail(10)) == batches
