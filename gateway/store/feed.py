"""The change feed: numbered rows, written in the transaction of what they tell of."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.changes import Batch, Change, ChangeKind
from gateway.store.schema import feed, head

CHANNEL = "pusterla_feed"
"""Where a PostgreSQL says that the feed has grown."""
KEPT = timedelta(days=7)
"""How long a row stays; who has not read it by then is told of a gap."""
AT_ONCE = 1000
"""How many rows a follower reads at once."""

_LOG = "feed"


async def announce(
    connection: AsyncConnection, changes: Iterable[tuple[ChangeKind, str]], now: datetime
) -> None:
    """Write a row for each of *changes* (kind and key), and take out rows that are too old."""
    rows = [{"kind": kind.value, "key": key, "at": now} for kind, key in dict.fromkeys(changes)]
    if not rows:
        return
    newest = await connection.scalar(
        update(head)
        .where(head.c.log == _LOG)
        .values(number=head.c.number + len(rows))
        .returning(head.c.number)
    )
    first = newest - len(rows) + 1
    await connection.execute(
        insert(feed), [row | {"number": number} for number, row in enumerate(rows, first)]
    )
    await connection.execute(delete(feed).where(feed.c.at < now - KEPT))
    if connection.dialect.name == "postgresql":
        # Delivered when the transaction commits, and only then.
        await connection.execute(select(func.pg_notify(CHANNEL, "")))


async def newest_number(connection: AsyncConnection) -> int:
    """Return the newest number that was ever given, 0 when there was none."""
    number: int | None = await connection.scalar(select(head.c.number).where(head.c.log == _LOG))
    return number or 0


async def rows_after(connection: AsyncConnection, position: int) -> list[Change]:
    """Return the next rows behind *position*, at most `AT_ONCE`."""
    query = (
        select(feed.c.number, feed.c.kind, feed.c.key)
        .where(feed.c.number > position)
        .order_by(feed.c.number)
        .limit(AT_ONCE)
    )
    return [read_change(*row) for row in await connection.execute(query)]


def read_change(number: int, kind: str, key: str) -> Change:
    """Make a change of what a row holds."""
    return Change(number, ChangeKind(kind), key)


def advance(position: int, newest: int, changes: Sequence[Change]) -> tuple[Batch, int]:
    """Make the batch for a follower at *position*; answer it with the position behind it.

    *newest* was read before *changes*, the rows behind *position*. Numbers have
    no holes, so a row that does not follow on *position*, none although there
    are newer numbers, and numbers that went back (an older store was put in
    place) all mean that something was missed.
    """
    expected = position + 1
    if changes and changes[0].number == expected and newest >= position:
        return Batch(tuple(changes)), changes[-1].number
    if not changes and newest == position:
        return Batch(()), position
    last = changes[-1].number if changes else newest
    return Batch((), gap=True), max(newest, last)
