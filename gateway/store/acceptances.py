"""Rows of texts that were accepted. They stay when somebody withdraws: they are the record."""

import secrets
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.agreements import Acceptance
from gateway.store.people import added_at
from gateway.store.schema import acceptance


async def insert_acceptance(connection: AsyncConnection, new: Acceptance) -> None:
    """Write *new* down."""
    await connection.execute(
        insert(acceptance).values(
            id=secrets.token_hex(16),
            username=new.user,
            agreement=new.agreement,
            version=new.version,
            language=new.language,
            digest=new.digest,
            serial=new.serial,
            accepted_at=new.accepted_at,
        )
    )


async def list_acceptances(
    connection: AsyncConnection,
    *,
    user: str | None = None,
    agreement: str | None = None,
    standing: bool = False,
    own: bool = False,
) -> list[Acceptance]:
    """Return what was accepted, oldest first; *standing*: and not withdrawn since.

    *own*: by the *user* of today, and not by somebody who had the name before.
    """
    query = select(acceptance).order_by(acceptance.c.accepted_at, acceptance.c.id)
    if user is not None:
        query = query.where(acceptance.c.username == user)
    if own and user is not None:
        query = query.where(acceptance.c.accepted_at >= added_at(user))
    if agreement is not None:
        query = query.where(acceptance.c.agreement == agreement)
    if standing:
        query = query.where(acceptance.c.withdrawn_at.is_(None))
    return [_acceptance(row) for row in await connection.execute(query)]


async def count_since(connection: AsyncConnection, user: str, since: datetime) -> int:
    """Return how often *user* has accepted something *since*, withdrawn or not."""
    found = await connection.scalar(
        select(func.count()).where(acceptance.c.username == user, acceptance.c.accepted_at > since)
    )
    return found or 0


async def withdraw(
    connection: AsyncConnection, user: str, agreement: str | None, now: datetime
) -> list[Acceptance]:
    """Let nothing stand that *user* has accepted of *agreement*, None: of any; return it."""
    wanted = [acceptance.c.username == user, acceptance.c.withdrawn_at.is_(None)]
    if agreement is not None:
        wanted.append(acceptance.c.agreement == agreement)
    rows = await connection.execute(
        update(acceptance).where(*wanted).values(withdrawn_at=now).returning(acceptance)
    )
    return sorted(map(_acceptance, rows), key=lambda one: (one.accepted_at, one.mark))


def _acceptance(row: Row[*tuple[Any, ...]]) -> Acceptance:
    return Acceptance(
        user=row.username,
        agreement=row.agreement,
        version=row.version,
        language=row.language,
        digest=row.digest,
        serial=row.serial,
        accepted_at=row.accepted_at,
        withdrawn_at=row.withdrawn_at,
    )
