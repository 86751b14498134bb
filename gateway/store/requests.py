"""Rows of requests for access: one for each, under a number that people can say."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, and_, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.agreements import Acceptance
from gateway.core.days import UsedDay
from gateway.core.people import Person
from gateway.core.requests import AcceptedText, AccessRequest, RequestState, days_of
from gateway.core.spans import parse_spans, show_spans
from gateway.store import people
from gateway.store.acceptances import list_acceptances
from gateway.store.schema import access_request, person, used_day

_request = access_request.c
_OPEN: Final = (RequestState.ASKED, RequestState.APPROVED)
_ANSWERS: Final = (RequestState.APPROVED, RequestState.REFUSED)
ASKER: Final = and_(person.c.username == _request.username, person.c.added_at <= _request.asked_at)
"""Of whom a request is: whoever has had the name only since it was asked is somebody else."""
TOLD_WITHIN: Final = timedelta(days=7)
"""For how long letters are made up for, where there was no mail server."""


@dataclass(frozen=True, slots=True)
class RequestFile:
    """A request with all that belongs to it: days that were used, texts that were accepted."""

    request: AccessRequest
    days: tuple[UsedDay, ...]
    acceptances: tuple[Acceptance, ...]


async def insert_request(connection: AsyncConnection, new: AccessRequest) -> None:
    """Write *new* down."""
    await connection.execute(
        insert(access_request).values(
            number=new.number,
            username=new.user,
            app=new.app,
            wanted=show_spans(new.wanted),
            reason=new.reason,
            serial=new.serial,
            agreements="\n".join(map(str, new.agreements)),
            asked_at=new.asked_at,
            state=new.state,
            granted="",
            decided_by="",
            words="",
            ended_by="",
        )
    )


async def next_number(connection: AsyncConnection) -> int:
    """Return the number of the next request; nobody else writes meanwhile."""
    newest = await connection.scalar(select(func.max(_request.number)))
    return (newest or 0) + 1


async def count_since(connection: AsyncConnection, user: str, since: datetime) -> int:
    """Return how often *user* has asked since then, whatever became of it."""
    asked = select(func.count()).where(_request.username == user, _request.asked_at > since)
    return await connection.scalar(asked) or 0


async def find_request(connection: AsyncConnection, number: int) -> AccessRequest | None:
    """Return the request with *number*."""
    rows = await connection.execute(select(access_request).where(_request.number == number))
    row = rows.one_or_none()
    return None if row is None else _read(row)


async def list_requests(
    connection: AsyncConnection,
    *,
    user: str | None = None,
    app: str | None = None,
    states: Sequence[RequestState] = (),
    own: bool = False,
) -> list[AccessRequest]:
    """Return the requests that fit every filter given, by their numbers.

    *own*: those of the *user* of today, and not of somebody who had the name before.
    """
    wanted: list[ColumnElement[bool]] = []
    if user is not None:
        wanted.append(_request.username == user)
    if own and user is not None:
        wanted.append(_request.asked_at >= people.added_at(user))
    if app is not None:
        wanted.append(_request.app == app)
    if states:
        wanted.append(_request.state.in_(states))
    rows = await connection.execute(select(access_request).where(*wanted).order_by(_request.number))
    return [_read(row) for row in rows]


async def waiting(connection: AsyncConnection) -> list[tuple[AccessRequest, Person]]:
    """Return what nobody has settled, by number, and who asked: those who may come in."""
    rows = await connection.execute(
        # A name that both tables have is ambiguous in a row.
        select(access_request, *(one for one in people.PERSON if one.name != "username"))
        .join_from(access_request, person, ASKER)
        .where(_request.state == RequestState.ASKED, person.c.enabled.is_(True))
        .order_by(_request.number)
    )
    return [(_read(row), people.read_person(row)) for row in rows]


async def settle(
    connection: AsyncConnection, number: int, state: RequestState, **values: object
) -> bool:
    """Move the request with *number* on, from where it may come to *state*; False: it was not there."""
    before = RequestState.APPROVED if state is RequestState.ENDED else RequestState.ASKED
    moved = await connection.execute(
        update(access_request)
        .where(_request.number == number, _request.state == before)
        .values(state=state, **values)
    )
    return moved.rowcount == 1


async def close(
    connection: AsyncConnection,
    today: date,
    *,
    by: str,
    now: datetime,
    user: str | None = None,
    app: str | None = None,
) -> list[AccessRequest]:
    """End what *user*, or anybody of *app*, waits for or was granted; return it as it was.

    What is over on the day *today* stays what it is.
    """
    standing = await list_requests(connection, user=user, app=app, states=_OPEN)
    found = [one for one in standing if not one.is_over(today)]
    for one in found:
        asked = one.state is RequestState.ASKED
        state = RequestState.WITHDRAWN if asked else RequestState.ENDED
        await settle(connection, one.number, state, ended_by=by, ended_at=now)
    return found


async def accepted_texts(
    connection: AsyncConnection, user: str, agreements: frozenset[str]
) -> tuple[AcceptedText, ...]:
    """Return the texts of *agreements* that *user* has accepted and not withdrawn from."""
    standing = await list_acceptances(connection, user=user, standing=True)
    found = [
        AcceptedText(one.agreement, one.version, one.digest)
        for one in standing
        if one.agreement in agreements
    ]
    return tuple(dict.fromkeys(found))


async def file_of(
    connection: AsyncConnection, request: AccessRequest, agreements: frozenset[str]
) -> RequestFile:
    """Return *request* with what belongs to it; *agreements* are those of the rules today."""
    days = {day.isoformat() for day in days_of(request.granted)}
    rows = await connection.execute(
        select(used_day).where(used_day.c.username == request.user).order_by(used_day.c.day)
    )
    accepted = await list_acceptances(connection, user=request.user)
    # Of those who have had the name, whoever asked: before the one of today was added, or since.
    since = await connection.scalar(
        select(person.c.added_at).where(person.c.username == request.user)
    )
    if since is not None:
        asked_now = request.asked_at >= since
        accepted = [one for one in accepted if (one.accepted_at >= since) == asked_now]
    names = agreements | {one.agreement for one in request.agreements}
    return RequestFile(
        request,
        tuple(
            UsedDay(
                row["username"],
                row["count"],
                date.fromisoformat(row["day"]),
                row["app"],
                row["serial"],
                row["at"],
            )
            for row in rows.mappings()
            # Not what somebody has used who has the name since.
            if row["day"] in days and (request.ended_at is None or row["at"] <= request.ended_at)
        ),
        tuple(one for one in accepted if one.agreement in names),
    )


async def asker_of(connection: AsyncConnection, request: AccessRequest) -> Person | None:
    """Return who asked, as they are today; None: they are gone, whoever has their name now."""
    rows = await connection.execute(
        select(*people.PERSON).where(
            person.c.username == request.user, person.c.added_at <= request.asked_at
        )
    )
    row = rows.one_or_none()
    return None if row is None else people.read_person(row)


async def untold(connection: AsyncConnection, now: datetime, most: int) -> list[AccessRequest]:
    """Return at *most* so many requests of whose being asked, or decided, somebody is to hear.

    Of people who are kept out nobody hears, and they do not either, until they may come in again.
    """
    since = now - TOLD_WITHIN
    asked = (_request.state == RequestState.ASKED) & (_request.asked_at > since)
    decided = _request.state.in_(_ANSWERS) & (_request.decided_at > since)
    rows = await connection.execute(
        select(access_request)
        .join(person, ASKER)
        .where(
            person.c.enabled.is_(True),
            or_(asked & _request.told_at.is_(None), decided & _request.answered_at.is_(None)),
        )
        .order_by(_request.number)
        .limit(most)
    )
    return [_read(row) for row in rows]


async def take_letter(connection: AsyncConnection, request: AccessRequest, now: datetime) -> bool:
    """Take it on to write of *request* as it stands; False when somebody else has, or it moved."""
    column = _request.told_at if request.state is RequestState.ASKED else _request.answered_at
    taken = await connection.execute(
        update(access_request)
        .where(_request.number == request.number, _request.state == request.state, column.is_(None))
        .values({column.name: now})
    )
    return taken.rowcount == 1


def _read(row: Row[*tuple[Any, ...]]) -> AccessRequest:
    return AccessRequest(
        number=row.number,
        user=row.username,
        app=row.app,
        wanted=parse_spans(row.wanted),
        reason=row.reason,
        serial=row.serial,
        agreements=tuple(AcceptedText(*line.split(" ")) for line in row.agreements.splitlines()),
        asked_at=row.asked_at,
        state=RequestState(row.state),
        granted=parse_spans(row.granted),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        words=row.words,
        ended_by=row.ended_by,
        ended_at=row.ended_at,
    )
