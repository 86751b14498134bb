"""Rows of persons and of what they prove themselves with."""

import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, ScalarSelect, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.people import Person
from gateway.core.tickets import Ticket
from gateway.store.errors import NoSuchPerson, PersonExists
from gateway.store.schema import person
from policies.model import NAME, check_name

_FIRST_VERSIONS: Final = 1 << 30
"""Half of what the column holds, so that there is room to rise."""


@dataclass(frozen=True, slots=True)
class NewPerson:
    """Somebody who is to be added. Raises `ValueError` when *user* or a group is no name.

    Without hash and secret they cannot sign in until they have set both with a *ticket*.
    """

    user: str
    name: str
    email: str
    groups: frozenset[str]
    password_hash: str = ""
    sealed_totp: bytes = b""
    ticket: Ticket | None = None

    def __post_init__(self) -> None:
        for name in (self.user, *self.groups):
            check_name(name)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a person proves themselves with.

    *version* rises with every change of them (and when the person is disabled
    or enabled), so that a sign-in which was verified against older ones is found out. It begins
    anywhere: what was proved by somebody who was removed fits nobody who has the name after them.
    """

    password_hash: str
    sealed_totp: bytes
    totp_last_step: int
    version: int


PERSON = [
    person.c.username,
    person.c.name,
    person.c.email,
    person.c.member_of,
    person.c.enabled,
]
"""The columns of which `read_person` makes a person."""


def read_person(row: Row[*tuple[Any, ...]]) -> Person:
    """Make a person of the columns in `PERSON`."""
    return Person(
        user=row.username,
        name=row.name,
        email=row.email,
        groups=frozenset(row.member_of),
        enabled=row.enabled,
    )


async def insert_person(connection: AsyncConnection, new: NewPerson, now: datetime) -> None:
    """Add *new*, enabled, or raise `PersonExists`."""
    if await find_person(connection, new.user) is not None:
        raise PersonExists(new.user)
    await connection.execute(
        insert(person).values(
            username=new.user,
            name=new.name,
            email=new.email,
            member_of=new.groups,
            enabled=True,
            password_hash=new.password_hash,
            sealed_totp=new.sealed_totp,
            totp_last_step=0,
            version=1 + secrets.randbelow(_FIRST_VERSIONS),
            added_at=now,
        )
    )


async def find_person(connection: AsyncConnection, user: str) -> Person | None:
    """Return the person called *user*; what cannot be a name is nobody's."""
    if not NAME.fullmatch(user):
        return None
    row = (await connection.execute(select(*PERSON).where(person.c.username == user))).one_or_none()
    return None if row is None else read_person(row)


def added_at(user: str) -> ScalarSelect[datetime]:
    """Return when *user* was added, in SQL: what is older under that name is somebody else's."""
    return select(person.c.added_at).where(person.c.username == user).scalar_subquery()


async def list_people(connection: AsyncConnection) -> list[Person]:
    """Return everybody, by name."""
    rows = await connection.execute(select(*PERSON).order_by(person.c.username))
    return [read_person(row) for row in rows]


async def find_credentials(connection: AsyncConnection, user: str) -> Credentials | None:
    """Return what *user* proves themselves with, enabled or not; None as long as that is nothing.

    A password without a secret for codes, or the reverse, proves nothing either.
    """
    if not NAME.fullmatch(user):
        return None
    query = select(
        person.c.password_hash, person.c.sealed_totp, person.c.totp_last_step, person.c.version
    ).where(person.c.username == user)
    row = (await connection.execute(query)).one_or_none()
    return Credentials(*row) if row is not None and row.password_hash and row.sealed_totp else None


async def change_person(connection: AsyncConnection, user: str, **values: object) -> None:
    """Set columns of *user* and let the version rise, or raise `NoSuchPerson`."""
    changed = await connection.execute(
        update(person)
        .where(person.c.username == user)
        .values(version=person.c.version + 1, **values)
    )
    if changed.rowcount == 0:
        raise NoSuchPerson(user)


async def delete_person(connection: AsyncConnection, user: str) -> None:
    """Take *user* out, or raise `NoSuchPerson`."""
    deleted = await connection.execute(delete(person).where(person.c.username == user))
    if deleted.rowcount == 0:
        raise NoSuchPerson(user)


async def burn_step(connection: AsyncConnection, user: str, step: int) -> bool:
    """Use up *step* and all before it; False when that has been done already.

    One conditional statement, so of two requests with the same code, at the
    same instant and on different machines, one gets False.
    """
    burnt = await connection.execute(
        update(person)
        .where(person.c.username == user, person.c.totp_last_step < step)
        .values(totp_last_step=step)
    )
    return burnt.rowcount == 1
