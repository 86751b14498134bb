"""Counting sign-ins before they are tried, on both databases."""

import asyncio
from datetime import timedelta

from gateway.core.lockout import FIRST_WAIT, FREE_FAILURES, LONGEST_WAIT, wait_after
from gateway.store import AttemptReserved, LockedUntil, Store, open_store
from gateway.store.attempts import take_back
from tests.gateway.store.scenes import Clock, fingerprint_of

MINE, OTHER = fingerprint_of("1"), fingerprint_of("2")


async def test_the_first_attempts_are_free(store: Store) -> None:
    """So many failures cost nothing, and each is counted."""
    for number in range(1, FREE_FAILURES + 1):
        assert await store.reserve_attempt(MINE) == AttemptReserved(number)


async def test_a_wait_follows_every_further_failure(store: Store, clock: Clock) -> None:
    """Each wait is the one of `core.lockout`, up to the longest; waiting is not counted."""
    for number in range(1, FREE_FAILURES + 12):
        assert await store.reserve_attempt(MINE) == AttemptReserved(number)
        until = clock.now + wait_after(number)
        if until > clock.now:
            assert await store.reserve_attempt(MINE) == LockedUntil(until)
            clock.now = until - timedelta(microseconds=1)
            assert await store.reserve_attempt(MINE) == LockedUntil(until)
        clock.now = until
    assert wait_after(number) == LONGEST_WAIT


async def test_a_long_row_of_failures_waits_no_longer(store: Store, clock: Clock) -> None:
    """The longest wait is the longest, however many failures there were."""
    for _ in range(60):
        assert isinstance(await store.reserve_attempt(MINE), AttemptReserved)
        clock.now += LONGEST_WAIT
    clock.now -= LONGEST_WAIT
    assert await store.reserve_attempt(MINE) == LockedUntil(clock.now + LONGEST_WAIT)


async def test_a_clock_that_was_ahead_keeps_nobody_out(store: Store, clock: Clock) -> None:
    """Whoever failed then waits as after any failure; and clocks that differ a little do no harm."""
    right = clock.now
    clock.now += timedelta(days=400)
    for _ in range(FREE_FAILURES + 8):
        await store.reserve_attempt(MINE)
        clock.now += LONGEST_WAIT
    clock.now = right
    reserved = await store.reserve_attempt(MINE)
    assert reserved == AttemptReserved(FREE_FAILURES + 9)
    until = right + LONGEST_WAIT
    assert await store.reserve_attempt(MINE) == LockedUntil(until)
    clock.now -= timedelta(minutes=5)
    assert await store.reserve_attempt(MINE) == LockedUntil(until)


async def test_a_success_forgives_all_failures(store: Store) -> None:
    """After it the count begins anew, also while a wait is running."""
    for _ in range(FREE_FAILURES):
        await store.reserve_attempt(MINE)
    assert isinstance(await store.reserve_attempt(MINE), LockedUntil)
    await store.clear_attempts(MINE)
    assert await store.reserve_attempt(MINE) == AttemptReserved(1)


async def test_one_certificate_does_not_slow_another(store: Store) -> None:
    """Failures with a thief's stick leave the owner's other stick alone."""
    for _ in range(FREE_FAILURES):
        await store.reserve_attempt(MINE)
    assert isinstance(await store.reserve_attempt(MINE), LockedUntil)
    assert await store.reserve_attempt(OTHER) == AttemptReserved(1)


async def test_attempts_at_once_are_all_counted(store_url: str, clock: Clock) -> None:
    """Of many at the same instant, on several connections, only the free ones are let through."""
    async with open_store(store_url, clock) as one, open_store(store_url, clock) as two:
        answers = await asyncio.gather(
            *(store.reserve_attempt(MINE) for _ in range(10) for store in (one, two))
        )
    counted = sorted(answer.failures for answer in answers if isinstance(answer, AttemptReserved))
    assert counted == list(range(1, FREE_FAILURES + 1))
    locked = {answer for answer in answers if isinstance(answer, LockedUntil)}
    assert locked == {LockedUntil(clock.now + FIRST_WAIT)}


async def test_an_attempt_without_an_outcome_stays_counted(store_url: str, clock: Clock) -> None:
    """It was counted when it began: breaking it off, or a crash, takes nothing back."""
    async with open_store(store_url, clock) as store:
        await store.reserve_attempt(MINE)
    async with open_store(store_url, clock) as store:
        assert await store.reserve_attempt(MINE) == AttemptReserved(2)


async def test_an_attempt_that_is_taken_back_was_none(store: Store, clock: Clock) -> None:
    """Those before it stay, and the next one is as free as it was."""
    for _ in range(FREE_FAILURES - 1):
        await store.reserve_attempt(MINE)
    for _ in range(3):
        reserved = await store.reserve_attempt(MINE)
        assert reserved == AttemptReserved(FREE_FAILURES)
        async with store.begin() as connection:
            await take_back(connection, MINE, reserved.failures, clock())
    assert await store.reserve_attempt(MINE) == AttemptReserved(FREE_FAILURES)


async def test_who_takes_one_back_shortens_no_wait_of_another(store: Store, clock: Clock) -> None:
    """Of two at once the second has failed, and what it has to wait it waits."""
    for _ in range(FREE_FAILURES - 2):
        await store.reserve_attempt(MINE)
    mine = await store.reserve_attempt(MINE)
    assert isinstance(mine, AttemptReserved)
    assert await store.reserve_attempt(MINE) == AttemptReserved(FREE_FAILURES)
    until = clock.now + wait_after(FREE_FAILURES)
    async with store.begin() as connection:
        await take_back(connection, MINE, mine.failures, clock())
    assert await store.reserve_attempt(MINE) == LockedUntil(until)
