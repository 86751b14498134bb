"""Rows of recovery codes: what is kept of each, and whether it was used."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.store.schema import recovery_code

_code = recovery_code.c


async def replace_codes(
    connection: AsyncConnection, user: str, digests: Sequence[str], now: datetime
) -> None:
    """Let *digests* be the codes of *user*, and no others; none of them leaves *user* without."""
    await connection.execute(delete(recovery_code).where(_code.username == user))
    if digests:
        rows = [{"username": user, "digest": digest, "made_at": now} for digest in digests]
        await connection.execute(insert(recovery_code), rows)


async def is_unused(connection: AsyncConnection, user: str, digest: str) -> bool | None:
    """Say whether the code of *user* with *digest* may still be used; None: there is none such."""
    found = await connection.execute(
        select(_code.used_at).where(_code.username == user, _code.digest == digest)
    )
    row = found.one_or_none()
    return None if row is None else row.used_at is None


async def use_code(connection: AsyncConnection, user: str, digest: str, now: datetime) -> bool:
    """Use a code up; False when *user* has none such, or it was used.

    One conditional statement, as for a one-time code: of two requests one gets False.
    """
    used = await connection.execute(
        update(recovery_code)
        .where(_code.username == user, _code.digest == digest, _code.used_at.is_(None))
        .values(used_at=now)
    )
    return used.rowcount == 1


async def count_left(connection: AsyncConnection, user: str) -> int:
    """Return how many codes of *user* may still be used."""
    left = await connection.scalar(
        select(func.count()).where(_code.username == user, _code.used_at.is_(None))
    )
    return left or 0
