"""Rows of enrolment tickets: at most one for each person."""

from datetime import datetime

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.tickets import Ticket
from gateway.store.schema import enrolment_ticket, person

_ticket = enrolment_ticket.c


async def put_ticket(connection: AsyncConnection, user: str, new: Ticket, now: datetime) -> None:
    """Let *new* be the ticket of *user*; the one of before is worth nothing from then on."""
    await drop_ticket(connection, user)
    row = {"username": user, "digest": new.digest, "made_at": now, "ends_at": new.ends_at}
    await connection.execute(insert(enrolment_ticket).values(row))


async def find_ticket(connection: AsyncConnection, user: str) -> Ticket | None:
    """Return the ticket of *user* that was not used, whether it has ended or not."""
    query = select(_ticket.digest, _ticket.ends_at).where(_ticket.username == user)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else Ticket(row.digest, row.ends_at)


async def list_newcomers(connection: AsyncConnection) -> dict[str, Ticket | None]:
    """Return who may come in and has nothing to sign in with, by name, with their tickets."""
    query = (
        select(person.c.username, _ticket.digest, _ticket.ends_at)
        .outerjoin_from(person, enrolment_ticket, _ticket.username == person.c.username)
        .where(person.c.enabled, or_(person.c.password_hash == "", person.c.sealed_totp == b""))
        .order_by(person.c.username)
    )
    return {
        name: None if digest is None else Ticket(digest, ends_at)
        for name, digest, ends_at in await connection.execute(query)
    }


async def use_ticket(connection: AsyncConnection, user: str, digest: str, now: datetime) -> bool:
    """Use the ticket up; False when it was used, has ended, or is another by now.

    One conditional statement: of two requests with the same ticket one gets False.
    """
    used = await connection.execute(
        delete(enrolment_ticket).where(
            _ticket.username == user, _ticket.digest == digest, _ticket.ends_at > now
        )
    )
    return used.rowcount == 1


async def drop_ticket(connection: AsyncConnection, user: str) -> bool:
    """Let *user* have no ticket; False when there was none."""
    dropped = await connection.execute(delete(enrolment_ticket).where(_ticket.username == user))
    return dropped.rowcount == 1
