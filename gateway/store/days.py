"""Rows of days that were used, and the one place where another is added.

Whether a day is left is looked up by whoever writes it, who is the only writer at that moment
(`gateway.store.database`): so two nodes cannot use the last one both. The key of the table would
not let a day count twice even then.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.audit import AuditKind
from gateway.core.changes import ChangeKind
from gateway.core.days import DayUse, Spending, UsedDay
from gateway.store.accounts import confirm_session
from gateway.store.errors import NoSuchDay, NoSuchPerson, SignInOvertaken
from gateway.store.people import find_person
from gateway.store.schema import used_day
from gateway.store.steps import Step


async def spend(step: Step, use: DayUse) -> Spending:
    """Let a day count for whoever makes *use* of it, if it may.

    Of a session or a certificate that is over by now it is refused, and nothing counts.
    """
    user, quota, day = use.session.user, use.spend.quota, use.spend.day
    try:
        await confirm_session(step, use.session)
    except SignInOvertaken:
        # The edge has not heard of it yet.
        return Spending.REFUSED
    days = await _days(step.connection, user, quota.count)
    if day in days:
        return Spending.ALREADY
    if not quota.permits(days, day):
        return Spending.REFUSED
    await step.connection.execute(
        insert(used_day).values(
            username=user,
            count=quota.count,
            day=day.isoformat(),
            app=use.app,
            serial=use.serial,
            at=step.now,
        )
    )
    step.note(
        AuditKind.DAY_COUNTED,
        user=user,
        serial=use.serial,
        device=use.device,
        app=use.app,
        address=use.address,
        count=quota.count,
        day=day.isoformat(),
        used=f"{quota.used(days, day) + 1} of {quota.per_month}",
    )
    step.change(ChangeKind.USER, user)
    return Spending.SPENT


async def give_back(step: Step, user: str, day: date, count: str | None) -> list[UsedDay]:
    """Let *day* of *user* count no more, for *count* or for whatever it counted; return what did.

    Raises `NoSuchPerson`, and `NoSuchDay` where it did not count.
    """
    if await find_person(step.connection, user) is None:
        raise NoSuchPerson(user)
    wanted = [used_day.c.username == user, used_day.c.day == day.isoformat()]
    if count is not None:
        wanted.append(used_day.c.count == count)
    rows = await step.connection.execute(delete(used_day).where(*wanted).returning(used_day))
    freed = sorted(map(_read, rows), key=lambda one: one.count)
    if not freed:
        raise NoSuchDay(user, day, count)
    for one in freed:
        step.note(
            AuditKind.DAY_GIVEN_BACK,
            user=user,
            serial=one.serial,
            app=one.app,
            count=one.count,
            day=day.isoformat(),
        )
    step.change(ChangeKind.USER, user)
    return freed


async def list_days(
    connection: AsyncConnection,
    *,
    user: str | None = None,
    since: date | None = None,
    until: date | None = None,
) -> Sequence[UsedDay]:
    """Return the days that count, from *since* to *until*, by day and then by person."""
    query = select(used_day).order_by(used_day.c.day, used_day.c.username, used_day.c.count)
    if user is not None:
        query = query.where(used_day.c.username == user)
    if since is not None:
        query = query.where(used_day.c.day >= since.isoformat())
    if until is not None:
        query = query.where(used_day.c.day <= until.isoformat())
    return [_read(row) for row in await connection.execute(query)]


async def _days(connection: AsyncConnection, user: str, count: str) -> frozenset[date]:
    query = select(used_day.c.day).where(used_day.c.username == user, used_day.c.count == count)
    return frozenset(map(date.fromisoformat, await connection.scalars(query)))


def _read(row: Row[*tuple[Any, ...]]) -> UsedDay:
    return UsedDay(
        row.username,
        # By its name: a row has a method that is called so.
        row._mapping["count"],  # noqa: SLF001 - the public name of SQLAlchemy, for just this
        date.fromisoformat(row.day),
        row.app,
        row.serial,
        row.at,
    )
