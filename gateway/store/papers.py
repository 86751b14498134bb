"""What one person has accepted, been granted and used: read together, as policies ask for it."""

from datetime import date, datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.spans import parse_spans
from gateway.store.schema import acceptance, access_request, used_day
from policies.papers import Approval, Papers, mark_of

APPROVED: Final = "approved"
"""The state of a request that somebody has said yes to."""

_BACK: Final = timedelta(days=62)
"""Two months and a day of any zone: what may still bear on a quota."""


async def read_papers(connection: AsyncConnection, user: str, now: datetime) -> Papers:
    """Return the papers of *user*; of days and approvals those that may bear on *now* or later."""
    since = (now - _BACK).date()
    accepted = select(acceptance.c.agreement, acceptance.c.version, acceptance.c.digest).where(
        acceptance.c.username == user, acceptance.c.withdrawn_at.is_(None)
    )
    approved = select(
        access_request.c.number, access_request.c.app, access_request.c.granted
    ).where(access_request.c.username == user, access_request.c.state == APPROVED)
    days = select(used_day.c.count, used_day.c.day).where(
        used_day.c.username == user, used_day.c.day >= since.isoformat()
    )
    counted: dict[str, set[date]] = {}
    for count, day in await connection.execute(days):
        counted.setdefault(count, set()).add(date.fromisoformat(day))
    return Papers(
        accepted=frozenset(mark_of(*row) for row in await connection.execute(accepted)),
        approvals=tuple(
            Approval(row.app, span.first, span.last, str(row.number))
            for row in await connection.execute(approved.order_by(access_request.c.number))
            for span in parse_spans(row.granted)
            if span.last >= since
        ),
        days={count: frozenset(found) for count, found in counted.items()},
    )


async def forget_days(connection: AsyncConnection, user: str) -> None:
    """Take out the days of *user*: whoever has the name next has used none. The log keeps them."""
    await connection.execute(delete(used_day).where(used_day.c.username == user))
