"""Rows of sessions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, case, delete, insert, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from ca.ledger import Instant
from gateway.core.people import Fingerprint
from gateway.core.sessions import Session, SessionId
from gateway.store.schema import session, session_use
from policies.model import CLOCKS_DIFFER, Level

KEPT = timedelta(days=30)
"""How long a session that is over can still be told from one that never was."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """A session, and which certificate it is bound to in the words of people."""

    session: Session
    device: str
    serial: str


def _record(row: Row[*tuple[Any, ...]]) -> SessionRecord:
    found = Session(
        id=SessionId(row.id),
        user=row.username,
        fingerprint=Fingerprint(row.fingerprint),
        level=Level(row.level),
        created_at=row.created_at,
        expires_at=row.expires_at,
        address=row.address,
        ended_at=row.ended_at,
        proved_at=row.proved_at,
        renewed_at=row.renewed_at,
    )
    return SessionRecord(found, row.device, row.serial)


async def insert_session(
    connection: AsyncConnection, new: Session, device: str, serial: str
) -> None:
    """Write *new* down, and take out sessions that were over long before it."""
    await connection.execute(
        insert(session).values(
            id=new.id,
            username=new.user,
            fingerprint=new.fingerprint,
            serial=serial,
            device=device,
            level=int(new.level),
            created_at=new.created_at,
            expires_at=new.expires_at,
            address=new.address,
            ended_at=new.ended_at,
            proved_at=new.proved_at,
            renewed_at=new.renewed_at,
        )
    )
    over = select(session.c.id).where(session.c.expires_at < new.created_at - KEPT)
    await connection.execute(delete(session_use).where(session_use.c.session.in_(over)))
    await connection.execute(delete(session).where(session.c.id.in_(over)))


async def find_session(connection: AsyncConnection, wanted: SessionId) -> Session | None:
    """Return the session, ended or not."""
    row = (await connection.execute(select(session).where(session.c.id == wanted))).one_or_none()
    return None if row is None else _record(row).session


async def prove(
    connection: AsyncConnection, wanted: SessionId, now: datetime, *, password: bool
) -> None:
    """Note that a code was given on a session *now*, and with *password* that as well."""
    values = {"proved_at": now} | ({"renewed_at": now} if password else {})
    await connection.execute(update(session).where(session.c.id == wanted).values(values))


async def used_at(connection: AsyncConnection, wanted: SessionId, app: str) -> datetime | None:
    """Return when *app* was last used on a session, as far as `note_use` was told."""
    query = select(session_use.c.used_at).where(
        session_use.c.session == wanted, session_use.c.app == app
    )
    return (await connection.execute(query)).scalar_one_or_none()


async def uses(connection: AsyncConnection, wanted: SessionId) -> dict[str, datetime]:
    """Return the same of every application that was used on a session, by its name."""
    query = select(session_use.c.app, session_use.c.used_at).where(session_use.c.session == wanted)
    return {row.app: row.used_at for row in await connection.execute(query)}


async def note_use(
    connection: AsyncConnection, used: SessionId, app: str, at: datetime
) -> datetime:
    """Note that *app* is used on a session; return when it was last.

    One statement: of two nodes that note it at once, the later moment stays, unless it lies so far
    ahead that a wrong clock has told it.
    """
    values = {"session": used, "app": app, "used_at": at}
    key = [session_use.c.session, session_use.c.app]
    newest = {
        "used_at": case(
            (
                or_(session_use.c.used_at < at, session_use.c.used_at > at + CLOCKS_DIFFER),
                literal(at, Instant),
            ),
            else_=session_use.c.used_at,
        )
    }
    # The same words in two dialects, which SQLAlchemy keeps in two classes.
    last: datetime = await connection.scalar(
        postgresql_insert(session_use)
        .values(values)
        .on_conflict_do_update(index_elements=key, set_=newest)
        .returning(session_use.c.used_at)
        if connection.dialect.name == "postgresql"
        else sqlite_insert(session_use)
        .values(values)
        .on_conflict_do_update(index_elements=key, set_=newest)
        .returning(session_use.c.used_at)
    )
    return last


async def session_at(
    connection: AsyncConnection, fingerprint: Fingerprint, moment: datetime
) -> Session | None:
    """Return the newest session of a certificate that was begun at *moment*, ended or not."""
    query = (
        select(session)
        .where(session.c.fingerprint == fingerprint, session.c.created_at <= moment)
        .order_by(session.c.created_at.desc())
        .limit(1)
    )
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _record(row).session


def selected(
    *,
    one: SessionId | None = None,
    user: str | None = None,
    fingerprints: Sequence[str] | None = None,
    but: SessionId | None = None,
) -> list[ColumnElement[bool]]:
    """Return what a session must fulfil to fit every criterion given."""
    wanted: list[ColumnElement[bool]] = []
    if one is not None:
        wanted.append(session.c.id == one)
    if user is not None:
        wanted.append(session.c.username == user)
    if fingerprints is not None:
        wanted.append(session.c.fingerprint.in_(fingerprints))
    if but is not None:
        wanted.append(session.c.id != but)
    return wanted


async def live_sessions(
    connection: AsyncConnection, wanted: list[ColumnElement[bool]], now: datetime
) -> list[Session]:
    """Return the sessions that are live at *now*, oldest first."""
    return [record.session for record in await live_records(connection, wanted, now)]


async def live_records(
    connection: AsyncConnection, wanted: list[ColumnElement[bool]], now: datetime
) -> list[SessionRecord]:
    """Return the same, with the names of their certificates."""
    query = select(session).where(*wanted, *_open(now)).order_by(session.c.created_at, session.c.id)
    return [_record(row) for row in await connection.execute(query)]


async def end(
    connection: AsyncConnection, wanted: list[ColumnElement[bool]], now: datetime
) -> list[SessionRecord]:
    """End the sessions that fit and are not over by themselves; return them as ended."""
    rows = await connection.execute(
        update(session).where(*wanted, *_open(now)).values(ended_at=now).returning(session)
    )
    ended = [_record(row) for row in rows]
    return sorted(ended, key=lambda record: (record.session.created_at, record.session.id))


def _open(now: datetime) -> tuple[ColumnElement[bool], ...]:
    return session.c.ended_at.is_(None), session.c.expires_at > now
