"""Who it is that certificates of other CAs name: people by their names here, or by their mail."""

from collections.abc import Collection, Iterator
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.core.foreign import PersonBy
from gateway.store.schema import person

Named = tuple[str | None, str]
"""By what (`PersonBy`) a person is named, and the name; an address is in lower case."""

AT_ONCE: Final = 500
"""How many are asked for in one statement; both databases take some thousands."""


async def users_of(connection: AsyncConnection, named: Collection[Named]) -> dict[Named, str]:
    """Return the user whom each of *named* means; what means nobody, or two people, is left out.

    Only the people who are named are read, however many there are.
    """
    found: dict[Named, str] = {}
    for some in _slices({name for by, name in named if by == PersonBy.USER and name}):
        rows = await connection.execute(
            select(person.c.username).where(person.c.username.in_(some))
        )
        found |= {(PersonBy.USER, row.username): row.username for row in rows}
    address = func.lower(person.c.email)
    for some in _slices({name for by, name in named if by == PersonBy.EMAIL and name}):
        rows = await connection.execute(
            select(address.label("address"), func.min(person.c.username).label("username"))
            .where(address.in_(some))
            .group_by(address)
            # An address that two have does not say which of them it is.
            .having(func.count() == 1)
        )
        found |= {(PersonBy.EMAIL, row.address): row.username for row in rows}
    return found


def _slices(names: set[str]) -> Iterator[list[str]]:
    ordered = sorted(names)
    for start in range(0, len(ordered), AT_ONCE):
        yield ordered[start : start + AT_ONCE]
