"""Failed sign-ins, counted per certificate before anything is verified.

An attempt counts as failed when it begins and is forgiven when it succeeds. So
a hundred at once are a hundred, and one that is broken off has been counted.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, delete, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ca.ledger import Instant
from gateway.core.lockout import LONGEST_WAIT, wait_after
from gateway.core.people import Fingerprint
from gateway.store.schema import attempt


@dataclass(frozen=True, slots=True)
class AttemptReserved:
    """The attempt may be made; it is the *failures*-th in a row unless it succeeds."""

    failures: int


@dataclass(frozen=True, slots=True)
class LockedUntil:
    """No attempt before *until*; this one was not counted."""

    until: datetime


async def reserve_attempt(
    connection: AsyncConnection, fingerprint: Fingerprint, now: datetime
) -> AttemptReserved | LockedUntil:
    """Count an attempt with *fingerprint*, unless it must wait; one conditional statement."""
    values = {"fingerprint": fingerprint, "failures": 1, "free_at": now + wait_after(1)}
    counted = {"failures": attempt.c.failures + 1, "free_at": _free_at(now)}
    # Nobody has to wait for so long: a clock that was ahead has said it, and its owner would be
    # kept out until then. No wait of a clock that merely differs a little is cut short by it.
    free = or_(attempt.c.free_at <= now, attempt.c.free_at > now + 2 * LONGEST_WAIT)
    key = [attempt.c.fingerprint]
    # The same words in two dialects, which SQLAlchemy keeps in two classes.
    failures: int | None = await connection.scalar(
        postgresql_insert(attempt)
        .values(values)
        .on_conflict_do_update(index_elements=key, set_=counted, where=free)
        .returning(attempt.c.failures)
        if connection.dialect.name == "postgresql"
        else sqlite_insert(attempt)
        .values(values)
        .on_conflict_do_update(index_elements=key, set_=counted, where=free)
        .returning(attempt.c.failures)
    )
    if failures is not None:
        return AttemptReserved(failures)
    until: datetime | None = await connection.scalar(
        select(attempt.c.free_at).where(attempt.c.fingerprint == fingerprint)
    )
    return LockedUntil(until or now)


async def take_back(
    connection: AsyncConnection, fingerprint: Fingerprint, failures: int, now: datetime
) -> None:
    """Let the attempt that was reserved as the *failures*-th not count; those before it stay."""
    mine = attempt.c.failures == failures
    await connection.execute(
        update(attempt)
        .where(attempt.c.fingerprint == fingerprint, attempt.c.failures > 0)
        .values(
            failures=attempt.c.failures - 1,
            # It was free when this one began, and nobody has tried since.
            free_at=case((mine, literal(now, Instant)), else_=attempt.c.free_at),
        )
    )


async def clear_attempts(connection: AsyncConnection, fingerprint: Fingerprint) -> None:
    """Forgive every failure of *fingerprint*."""
    await connection.execute(delete(attempt).where(attempt.c.fingerprint == fingerprint))


def _free_at(now: datetime) -> ColumnElement[datetime]:
    """Say in SQL when the next attempt is free, by how many failed before this one."""
    waits = []
    failures = 1
    while (wait := wait_after(failures)) < LONGEST_WAIT:
        waits.append((attempt.c.failures == failures - 1, literal(now + wait, Instant)))
        failures += 1
    return case(*waits, else_=literal(now + LONGEST_WAIT, Instant))
