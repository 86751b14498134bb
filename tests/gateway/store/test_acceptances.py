"""Rows of texts that were accepted."""

from datetime import timedelta

from gateway.core.agreements import Acceptance
from gateway.store import Store
from gateway.store.acceptances import insert_acceptance, list_acceptances, withdraw
from tests.gateway.store.scenes import NOON


async def test_rows_are_told_apart(store: Store) -> None:
    """By person, by agreement, and by whether they stand; oldest first."""
    rows = [
        Acceptance(user, agreement, "1", "en", "a" * 64, "1f", NOON + timedelta(minutes=number))
        for number, (user, agreement) in enumerate(
            [("anna", "home"), ("anna", "other"), ("bruno", "home")]
        )
    ]
    async with store.begin() as connection:
        for row in reversed(rows):
            await insert_acceptance(connection, row)
        gone = await withdraw(connection, "anna", "home", NOON + timedelta(hours=1))
    assert [one.agreement for one in gone] == ["home"]
    async with store.read() as connection:
        everything = await list_acceptances(connection)
        standing = await list_acceptances(connection, user="anna", standing=True)
        homes = await list_acceptances(connection, agreement="home")
    assert [one.user for one in everything] == ["anna", "anna", "bruno"]
    assert standing == [rows[1]]
    assert homes == [*gone, rows[2]]
