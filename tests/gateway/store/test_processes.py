"""Several processes on one store, one of them killed, on both databases."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.core.lockout import FREE_FAILURES
from gateway.store import open_store
from tests.gateway.store.rival import STEPS
from tests.gateway.store.scenes import Clock, new_person

RIVAL = Path(__file__).with_name("rival.py")


@asynccontextmanager
async def rival(url: str, part: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start a process that uses the store, and see to it that it ends."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(RIVAL),
        url,
        part,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line_of(process: asyncio.subprocess.Process) -> str:
    """Return the next line that a process prints."""
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().strip()


async def test_processes_that_race_get_each_thing_once(store_url: str, clock: Clock) -> None:
    """No step is burnt twice, no attempt is free twice, no audit line is lost (P6)."""
    async with open_store(store_url, clock) as store:
        await store.add_person(new_person())
    async with rival(store_url, "race") as one, rival(store_url, "race") as two:
        for process in (one, two):
            assert await line_of(process) == "ready"
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        results = [json.loads(await line_of(process)) for process in (one, two)]
    burnt = [step for result in results for step in result["burnt"]]
    assert len(burnt) == len(set(burnt))
    assert max(STEPS) in burnt
    reserved = [number for result in results for number in result["reserved"]]
    assert sorted(reserved) == list(range(1, FREE_FAILURES + 1))
    async with open_store(store_url, clock) as store:
        lines = await store.audit_tail(1000)
        assert len(lines) == 1 + 2 * len(STEPS)
        assert await store.audit_break() is None


@pytest.mark.parametrize("lines", [1, 7, 30])
async def test_what_was_acknowledged_survives_a_killed_process(
    store_url: str, clock: Clock, lines: int
) -> None:
    """Killed in the middle of writing, it leaves a whole log with all it had been told (P7)."""
    async with rival(store_url, "write") as process:
        acknowledged = 0
        while acknowledged < lines:
            acknowledged = int(await line_of(process))
        process.kill()
        await process.wait()
        while rest := await line_of(process):
            acknowledged = int(rest)
    async with open_store(store_url, clock) as store:
        assert await store.audit_break() is None
        (last,) = await store.audit_tail(1)
        # One more may have been committed just before the process could say so.
        assert acknowledged <= last.number <= acknowledged + 1
        async with asyncio.timeout(5):
            await store.add_person(new_person())
