"""What one person has accepted, been granted and used: read together, as policies ask for it."""

from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.requests import RequestState
from gateway.core.spans import parse_spans
from gateway.store.requests import ASKER
from gateway.store.schema import acceptance, access_request, person, used_day
from policies.papers import NO_PAPERS, Approval, Papers, mark_of

_BACK: Final = timedelta(days=62)
"""Two months and a day of any zone: what may still bear on a quota."""


async def read_papers(connection: AsyncConnection, user: str, now: datetime) -> Papers:
    """Return the papers of *user*; of days and approvals those that may bear on *now* or later."""
    return (await read_all_papers(connection, now, user)).get(user, NO_PAPERS)


async def read_all_papers(
    connection: AsyncConnection, now: datetime, user: str | None = None
) -> dict[str, Papers]:
    """Return the papers of everybody who has any, or of *user* alone, by person."""
    since = (now - _BACK).date()
    accepted = select(
        acceptance.c.username, acceptance.c.agreement, acceptance.c.version, acceptance.c.digest
    ).where(acceptance.c.withdrawn_at.is_(None))
    approved = (
        select(
            *(access_request.c.username, access_request.c.app),
            *(access_request.c.granted, access_request.c.number),
        )
        .join(person, ASKER)
        .where(access_request.c.state == RequestState.APPROVED)
        .order_by(access_request.c.number)
    )
    counted = select(used_day.c.username, used_day.c.count, used_day.c.day).where(
        used_day.c.day >= since.isoformat()
    )
    if user is not None:
        accepted = accepted.where(acceptance.c.username == user)
        approved = approved.where(access_request.c.username == user)
        counted = counted.where(used_day.c.username == user)
    marks: dict[str, set[str]] = {}
    approvals: dict[str, list[Approval]] = {}
    days: dict[str, dict[str, set[date]]] = {}
    for whose, *text in await connection.execute(accepted):
        marks.setdefault(whose, set()).add(mark_of(*text))
    for whose, app, granted, number in await connection.execute(approved):
        approvals.setdefault(whose, []).extend(
            Approval(app, span.first, span.last, str(number))
            for span in parse_spans(granted)
            if span.last >= since
        )
    for whose, count, day in await connection.execute(counted):
        days.setdefault(whose, {}).setdefault(count, set()).add(date.fromisoformat(day))
    return {
        whose: Papers(
            accepted=frozenset(marks.get(whose, ())),
            approvals=tuple(approvals.get(whose, ())),
            days={count: frozenset(found) for count, found in days.get(whose, {}).items()},
        )
        for whose in {*marks, *approvals, *days}
    }


async def forget_days(connection: AsyncConnection, user: str) -> None:
    """Take out the days of *user*: whoever has the name next has used none. The log keeps them."""
    await connection.execute(delete(used_day).where(used_day.c.username == user))
