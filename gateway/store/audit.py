"""The audit log: numbered lines, chained, written in the transaction of what they tell of.

What is kept of an event are the very bytes that the chain covers, so nothing
of a line can be changed, not even its spelling, without a break.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.audit import FIRST_CHAIN, AuditEvent, AuditKind, AuditLine, link
from gateway.store.errors import StoreDamaged
from gateway.store.schema import audit, head

AT_ONCE = 500
"""How many lines are verified in one go."""

_LOG = "audit"
# All that parsing can raise over text that somebody else wrote.
_UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
)
# A line is written when it is its turn, by machines whose clocks differ a little.
_OUT_OF_ORDER = timedelta(minutes=2)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


async def append(connection: AsyncConnection, events: Iterable[AuditEvent]) -> None:
    """Write *events* as the next lines."""
    query = select(head.c.number, head.c.chain).where(head.c.log == _LOG).with_for_update()
    number, chain = (await connection.execute(query)).one()
    rows = []
    for event in events:
        number += 1
        chain = link(chain, number, event)
        rows.append({"number": number, "event": event.canonical().decode("ascii"), "chain": chain})
    if rows:
        await connection.execute(insert(audit), rows)
        await connection.execute(
            update(head).where(head.c.log == _LOG).values(number=number, chain=chain)
        )


async def tail(connection: AsyncConnection, count: int, after: int) -> list[AuditLine]:
    """Return the newest *count* lines behind number *after*, oldest first.

    Raises `StoreDamaged` at a line that is not such as we write.
    """
    query = (
        select(audit.c.number, audit.c.event, audit.c.chain)
        .where(audit.c.number > after)
        .order_by(audit.c.number.desc())
        .limit(count)
    )
    rows = (await connection.execute(query)).all()
    return [_line(number, text, chain) for number, text, chain in reversed(rows)]


async def about(
    connection: AsyncConnection,
    named: Sequence[tuple[str, str]],
    *,
    since: datetime,
    until: datetime,
    count: int,
) -> list[AuditLine]:
    """Return the newest *count* lines from *since* to *until* that name one of *named*.

    Those are fields and their values, as in `("user", "anna")`; a field of *detail* is one too.
    Lines stand nearly in the order of their times, which there is no index of, so the first
    that may count is found by bisection. Raises `StoreDamaged` as `tail` does.
    """
    first = await _first_since(connection, since - _OUT_OF_ORDER)
    last = await _first_since(connection, until + _OUT_OF_ORDER)
    needles = [f'"{field}":{json.dumps(value)}' for field, value in named]
    query = (
        select(audit.c.number, audit.c.event, audit.c.chain)
        .where(audit.c.number >= first, audit.c.number < last)
        .where(or_(*(audit.c.event.contains(needle, autoescape=True) for needle in needles)))
        .order_by(audit.c.number.desc())
        .limit(count)
    )
    lines = [_line(*row) for row in reversed((await connection.execute(query)).all())]
    return [line for line in lines if since <= line.event.at <= until]


async def _first_since(connection: AsyncConnection, moment: datetime) -> int:
    """Return the number of the first line that is not older than *moment*; or of the next."""
    newest = select(head.c.number).where(head.c.log == _LOG)
    low, high = 1, (await connection.execute(newest)).scalar_one() + 1
    while low < high:
        middle = (low + high) // 2
        query = (
            select(audit.c.number, audit.c.event, audit.c.chain)
            .where(audit.c.number >= middle, audit.c.number < high)
            .order_by(audit.c.number)
            .limit(1)
        )
        row = (await connection.execute(query)).one_or_none()
        if row is not None and _line(*row).event.at < moment:
            low = row.number + 1
        else:
            high = middle
    return low


class ChainCheck:
    """Verifies the log from its first line on, one slice after the other."""

    def __init__(self) -> None:
        self._number = 0
        self._chain = FIRST_CHAIN
        self.done = False

    async def next_slice(self, connection: AsyncConnection) -> int | None:
        """Verify the next lines; return the number of the first that does not fit, or None.

        Sets `done` when no line is left and the last one is the one that was
        written last: lines cut off at the end show too, unless whoever cut
        them has also set back *head*.
        """
        expected = self._number + 1
        query = (
            select(audit.c.number, audit.c.event, audit.c.chain)
            .where(audit.c.number >= expected)
            .order_by(audit.c.number)
            .limit(AT_ONCE)
        )
        rows = (await connection.execute(query)).all()
        for number, text, chain in rows:
            expected = self._number + 1
            if number != expected or not _fits(self._chain, number, text, chain):
                return expected
            self._number, self._chain = number, chain
        if not rows:
            query_head = select(head.c.number, head.c.chain).where(head.c.log == _LOG)
            number, chain = (await connection.execute(query_head)).one()
            if (number, chain) != (self._number, self._chain):
                return expected
            self.done = True
        return None


def _fits(previous: str, number: int, text: str, chain: str) -> bool:
    try:
        event = read_event(text)
    except StoreDamaged:
        return False
    return event.canonical() == text.encode() and chain == link(previous, number, event)


def _line(number: int, text: str, chain: str) -> AuditLine:
    try:
        return AuditLine(number, read_event(text), chain)
    except StoreDamaged as error:
        raise StoreDamaged(f"line {number} of the audit log has been changed") from error


def read_event(text: str) -> AuditEvent:
    """Read what `AuditEvent.canonical` wrote, or raise `StoreDamaged`."""
    try:
        fields = json.loads(text)
        kind = AuditKind(fields.pop("kind"))
        at = _EPOCH + timedelta(microseconds=fields.pop("at"))
        return AuditEvent(kind=kind, at=at, **fields)
    except _UNREADABLE as error:
        raise StoreDamaged("this is not an audit event") from error
