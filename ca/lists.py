"""The CRLs' side of the ledger: numbers, what a list must say, and what was published.

As in `ca.ledger`, every function works inside a transaction of the caller.

A *scheduled* list is signed because of its age; the others because something has changed. What
has expired leaves with scheduled lists only, and with those that come after one that was signed
after its end and listed it still (RFC 5280, section 3.3): *floor* and *floor_covers* of a list
say which one that was.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    String,
    case,
    func,
    insert,
    or_,
    select,
    tuple_,
    type_coerce,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from ca.errors import LedgerError
from ca.ledger import IssuerState, certificate, crl, issuer, partition
from ca.scopes import REMOVE_FROM_CRL, WHOLE, CRLKind, Line

AT_ONCE = 20_000
"""How many lines are read at once: a few milliseconds, and a few megabytes."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class CRLRecord:
    """One published CRL.

    *covers* counts the changes of status that it tells of (see `ca.ledger`), *entries* its lines.
    *base* is of a delta: it serves whoever has a full list of this number or a later one.
    """

    issuer: str
    number: int
    this_update: datetime
    next_update: datetime
    der: bytes
    kind: CRLKind = CRLKind.FULL
    scope: str = WHOLE
    covers: int = 0
    scheduled: bool = True
    entries: int = 0
    base: int | None = None
    floor: datetime | None = None
    floor_covers: int | None = None


_CRL = [crl.c[field.name] for field in fields(CRLRecord)]


@dataclass(frozen=True, slots=True)
class CRLDates:
    """When a published CRL was signed, and until when it is good."""

    issuer: str
    scope: str
    kind: CRLKind
    number: int
    this_update: datetime
    next_update: datetime


async def take_number(connection: AsyncConnection, name: str, now: datetime) -> int:
    """Take the next CRL number of the issuer *name*; raise `LedgerError` when there is no such.

    Above every number that was taken before, and at least the milliseconds since 1970: so a
    ledger that was restored from a backup does not give a number again that was given after the
    backup was made, unless the clock is behind that moment too.
    """
    floor = (now - _EPOCH) // _MILLISECOND
    following = issuer.c.last_number + 1
    number: int | None = await connection.scalar(
        update(issuer)
        .where(issuer.c.name == name)
        .values(last_number=case((following > floor, following), else_=floor))
        .returning(issuer.c.last_number)
    )
    if number is None:
        raise LedgerError(f"there is no issuer {name}")
    return number


async def changes(connection: AsyncConnection, name: str) -> int:
    """Return how many changes of status there were."""
    count: int | None = await connection.scalar(
        select(issuer.c.changes).where(issuer.c.name == name)
    )
    return count or 0


async def partitions(connection: AsyncConnection, name: str, ended: datetime) -> tuple[str, ...]:
    """Return the partitions that certificates name, but not those that were over at *ended*."""
    rows = await connection.scalars(
        select(partition.c.name)
        .where(partition.c.issuer == name, partition.c.last_day > ended)
        .order_by(partition.c.name)
    )
    return tuple(rows)


async def has_changed(connection: AsyncConnection, name: str, scope: str, covers: int) -> bool:
    """Say whether anything has changed in *scope* that a list which *covers* so much misses."""
    found = await connection.scalar(
        select(certificate.c.serial)
        .where(*_within(name, scope), certificate.c.change > covers)
        .limit(1)
    )
    return found is not None


async def full_lines(
    connection: AsyncConnection,
    name: str,
    scope: str,
    floor: datetime | None = None,
    floor_covers: int | None = None,
) -> AsyncIterator[Sequence[Line]]:
    """Yield what a full list of *scope* must say, in slices.

    What ended before *floor* and had changed by *floor_covers* is left out.
    """
    # Revoked or held, in the words of the index that has all of it.
    wanted = [*_within(name, scope), certificate.c.revoked_at.is_not(None)]
    if floor is not None:
        young = certificate.c.not_after >= floor
        wanted.append(or_(young, certificate.c.change > (floor_covers or 0)))
    async for lines in _lines(connection, wanted, certificate.c.serial):
        yield lines


async def delta_lines(
    connection: AsyncConnection, name: str, scope: str, covers: int, now: datetime
) -> AsyncIterator[Sequence[Line]]:
    """Yield what has changed in *scope* since a list that *covers* so much.

    What was held and is released is to be removed; since the ledger forgets the date of the
    hold, the line has that of *now*.
    """
    wanted = [*_within(name, scope), certificate.c.change > covers]
    moment = (now - _EPOCH) // timedelta(microseconds=1)
    async for lines in _lines(connection, wanted, certificate.c.change, certificate.c.serial):
        yield [(serial, at or moment, reason or REMOVE_FROM_CRL) for serial, at, reason in lines]


async def _lines(
    connection: AsyncConnection, wanted: list[ColumnElement[bool]], *order: Column[Any]
) -> AsyncIterator[Sequence[Line]]:
    """Yield the lines of what is *wanted*, along the index that begins with issuer and *order*.

    The last of *order* is the serial.
    """
    # As they are in the database: to make a million moments and reasons takes seconds.
    at = type_coerce(certificate.c.revoked_at, BigInteger)
    reason = type_coerce(certificate.c.reason, String)
    line = (certificate.c.serial, at, reason)
    further = [column for column in order if column is not certificate.c.serial]
    query = select(*line, *further).where(*wanted).order_by(*order).limit(AT_ONCE)
    following = query
    while True:
        rows = (await connection.execute(following)).all()
        if rows:
            # Rows are tuples, and to make others of a million of them takes most of a second.
            yield cast(Sequence[Line], [row[:3] for row in rows] if further else rows)
        if len(rows) < AT_ONCE:
            return
        last = rows[-1]
        following = query.where(tuple_(*order) > tuple_(*last[3:], last[0]))


def _within(name: str, scope: str) -> list[ColumnElement[bool]]:
    inside = [certificate.c.issuer == name]
    if scope != WHOLE:
        inside.append(certificate.c.crl_partition == scope)
    return inside


async def record_crl(connection: AsyncConnection, record: CRLRecord) -> None:
    """Record a signed CRL, and mark those whose status it is the first to tell.

    The bytes of the one it follows are let go; the row stays. Raises `LedgerError` when the
    number is taken.
    """
    try:
        await connection.execute(
            insert(crl).values(
                {field.name: getattr(record, field.name) for field in fields(record)}
            )
        )
    except IntegrityError as error:
        raise LedgerError(
            f"CRL number {record.number} of {record.issuer} is already taken"
        ) from error
    newest = select(crl.c.number).where(*_of(record.issuer, record.scope, record.kind))
    await connection.execute(
        update(crl)
        .where(
            *_of(record.issuer, record.scope, record.kind),
            crl.c.number < newest.order_by(crl.c.number.desc()).limit(1).scalar_subquery(),
            crl.c.der.is_not(None),
        )
        .values(der=None)
    )
    await connection.execute(
        update(certificate)
        .where(
            *_within(record.issuer, record.scope),
            certificate.c.crl_number.is_(None),
            certificate.c.change <= record.covers,
        )
        .values(crl_number=record.number)
    )


async def latest_crl(
    connection: AsyncConnection,
    name: str,
    scope: str = WHOLE,
    kind: CRLKind = CRLKind.FULL,
) -> CRLRecord | None:
    """Return the CRL of the issuer *name*, of this scope and kind, with the highest number."""
    return await _first(connection, *_of(name, scope, kind))


async def latest_head(
    connection: AsyncConnection, name: str, scope: str = WHOLE, kind: CRLKind = CRLKind.FULL
) -> CRLRecord | None:
    """Return the same, its bytes left out."""
    return await _first(connection, *_of(name, scope, kind), bytes_too=False)


async def latest_number(
    connection: AsyncConnection, name: str, scope: str = WHOLE, kind: CRLKind = CRLKind.FULL
) -> int | None:
    """Return its number alone, without the bytes."""
    number: int | None = await connection.scalar(
        select(crl.c.number).where(*_of(name, scope, kind)).order_by(crl.c.number.desc()).limit(1)
    )
    return number


async def last_scheduled(connection: AsyncConnection, name: str, scope: str) -> CRLRecord | None:
    """Return the newest full CRL that was signed on schedule, its bytes left out."""
    return await _first(
        connection, *_of(name, scope, CRLKind.FULL), crl.c.scheduled, bytes_too=False
    )


async def delta_base(
    connection: AsyncConnection, name: str, scope: str, now: datetime
) -> CRLRecord | None:
    """Return the full CRL that a delta is to begin at: the oldest that somebody may still use.

    Whoever has a later one is served by the same delta. The bytes are left out.
    """
    wanted = (*_of(name, scope, CRLKind.FULL), crl.c.next_update > now)
    return await _first(connection, *wanted, bytes_too=False, oldest=True)


async def list_crls(connection: AsyncConnection, name: str) -> list[CRLRecord]:
    """Return the newest of every kind and scope, by scope, the full list before the delta.

    Their bytes are left out.
    """
    scopes = await connection.execute(
        select(crl.c.scope, crl.c.kind).where(crl.c.issuer == name).distinct()
    )
    found = [
        await latest_head(connection, name, scope, kind)
        for scope, kind in sorted(scopes, key=lambda row: (row.scope, row.kind != CRLKind.FULL))
    ]
    return [record for record in found if record is not None]


async def crl_dates(connection: AsyncConnection, now: datetime) -> list[CRLDates]:
    """Return the dates of the newest of every kind and scope, without the lists themselves.

    Only of lists that somebody may want at *now*, by issuer and scope: an issuer that is retired
    signs none any more, nor are there any of partitions whose certificates have all ended.
    """
    name = (crl.c.issuer, crl.c.scope, crl.c.kind)
    last = select(*name, func.max(crl.c.number).label("number")).group_by(*name).subquery()
    wanted = select(partition.c.name).where(
        partition.c.issuer == crl.c.issuer,
        partition.c.name == crl.c.scope,
        partition.c.last_day > now,
    )
    query = (
        select(*[crl.c[field.name] for field in fields(CRLDates)])
        .join(last, (crl.c.issuer == last.c.issuer) & (crl.c.number == last.c.number))
        .join(issuer, issuer.c.name == crl.c.issuer)
        .where(
            issuer.c.state != IssuerState.RETIRED,
            or_(crl.c.scope == WHOLE, wanted.exists()),
        )
        .order_by(crl.c.issuer, crl.c.scope, crl.c.kind.desc())
    )
    return [CRLDates(*row) for row in await connection.execute(query)]


async def sizes(connection: AsyncConnection, name: str) -> dict[int, int]:
    """Return how many octets the newest of every kind and scope has, by number."""
    rows = await connection.execute(
        select(crl.c.number, func.length(crl.c.der)).where(
            crl.c.issuer == name, crl.c.der.is_not(None)
        )
    )
    return {number: octets for number, octets in rows}  # noqa: C416 - a row is no pair to mypy


def _of(name: str, scope: str, kind: CRLKind) -> tuple[ColumnElement[bool], ...]:
    return (crl.c.issuer == name, crl.c.scope == scope, crl.c.kind == kind)


async def _first(
    connection: AsyncConnection,
    *wanted: ColumnElement[bool],
    bytes_too: bool = True,
    oldest: bool = False,
) -> CRLRecord | None:
    columns = [one if bytes_too or one.name != "der" else crl.c.number for one in _CRL]
    order = crl.c.number if oldest else crl.c.number.desc()
    query = select(*columns).where(*wanted).order_by(order).limit(1)
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    values = dict(zip([field.name for field in fields(CRLRecord)], row, strict=True))
    return CRLRecord(**values | ({} if bytes_too else {"der": b""}))
