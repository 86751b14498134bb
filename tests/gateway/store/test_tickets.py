"""Enrolment tickets, on both databases."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.core.audit import AuditKind
from gateway.core.tickets import Ticket
from gateway.store import NewPerson, NoSuchPerson, Store, open_store
from gateway.store.tickets import use_ticket
from tests.gateway.store.scenes import NOON, TODAY, Clock, issue, new_person, sign_in

WEEK = timedelta(days=7)
DIGEST, OTHER = "d" * 64, "e" * 64
TICKET = Ticket(DIGEST, NOON + WEEK)


def newcomer(user: str = "anna") -> NewPerson:
    """Make somebody who is to set up their sign-in themselves."""
    return new_person(user, password_hash="", sealed_totp=b"", ticket=TICKET)


async def used(store: Store, user: str, digest: str, clock: Clock) -> bool:
    """Use a ticket, in a transaction of its own."""
    async with store.begin() as connection:
        return await use_ticket(connection, user, digest, clock())


async def test_a_newcomer_has_a_ticket_and_nothing_to_sign_in_with(store: Store) -> None:
    """The ticket is written down together with the person, and is no credential."""
    await store.add_person(newcomer(), by="test")
    assert await store.ticket("anna") == TICKET
    assert await store.credentials("anna") is None
    assert await store.ticket("bruno") is None
    [line] = [
        line.event
        for line in await store.audit_tail(10)
        if line.event.kind is AuditKind.TICKET_MADE
    ]
    assert (line.user, line.detail) == ("anna", {"by": "test", "ends": "2026-12-01T12:00:00Z"})
    assert DIGEST not in line.canonical().decode()


@pytest.mark.parametrize("half", [{"password_hash": ""}, {"sealed_totp": b""}])
async def test_half_of_the_credentials_is_none(store: Store, half: dict[str, Any]) -> None:
    """A password without a secret for codes proves nothing, nor does the reverse."""
    await store.add_person(new_person(**half))
    assert await store.credentials("anna") is None


async def test_is_good_once_for_its_owner_until_its_end(store: Store, clock: Clock) -> None:
    """Not for another name, not with another digest, and not after that."""
    await store.add_person(newcomer())
    await store.add_person(new_person("bruno"))
    assert not await used(store, "bruno", DIGEST, clock)
    assert not await used(store, "anna", OTHER, clock)
    clock.now = NOON + WEEK
    assert not await used(store, "anna", DIGEST, clock)
    clock.now = NOON + WEEK - timedelta(seconds=1)
    assert await used(store, "anna", DIGEST, clock)
    assert not await used(store, "anna", DIGEST, clock)
    assert await store.ticket("anna") is None


async def test_of_two_at_once_one_gets_it(store_url: str, clock: Clock) -> None:
    """On several connections, as on several machines."""
    async with open_store(store_url, clock) as one, open_store(store_url, clock) as two:
        await one.add_person(newcomer())
        answers = await asyncio.gather(
            *(used(store, "anna", DIGEST, clock) for _ in range(4) for store in (one, two))
        )
    assert sorted(answers) == [False] * 7 + [True]


async def test_a_new_one_ends_the_old_one_and_nothing_else(store: Store, clock: Clock) -> None:
    """What somebody signs in with, and where they are signed in, stays until it is used."""
    await store.add_person(new_person())
    session = await sign_in(store, await issue(store))
    before = await store.credentials("anna")
    await store.make_ticket("anna", TICKET)
    await store.make_ticket("anna", Ticket(OTHER, NOON + WEEK))
    assert not await used(store, "anna", DIGEST, clock)
    assert await used(store, "anna", OTHER, clock)
    assert await store.credentials("anna") == before
    assert [one.id for one in await store.sessions(user="anna")] == [session.id]


async def test_nobody_gets_none(store: Store) -> None:
    """A name that is not there is refused, and nothing is kept."""
    with pytest.raises(NoSuchPerson):
        await store.make_ticket("anna", TICKET)
    assert await store.ticket("anna") is None


async def test_can_be_withdrawn(store: Store) -> None:
    """Once; and that is written down."""
    await store.add_person(newcomer())
    assert await store.withdraw_ticket("anna")
    assert not await store.withdraw_ticket("anna")
    assert await store.ticket("anna") is None
    lines = [line.event.kind for line in await store.audit_tail(10)]
    assert lines.count(AuditKind.TICKET_WITHDRAWN) == 1


async def test_who_has_never_set_a_password_is_listed(store: Store) -> None:
    """With their ticket, if there is one; whoever is disabled or has a password is not."""
    await store.add_person(newcomer("bruno"))
    await store.add_person(new_person("anna", password_hash="", sealed_totp=b""))
    await store.add_person(new_person("carla"))
    await store.make_ticket("carla", TICKET)
    await store.add_person(newcomer("dora"))
    await store.set_enabled("dora", enabled=False)
    assert await store.newcomers() == {"anna": None, "bruno": TICKET}


async def test_a_name_that_is_used_again_inherits_none(store: Store) -> None:
    """It goes with the person."""
    await store.add_person(newcomer())
    await store.remove_person("anna", TODAY)
    assert await store.ticket("anna") is None
    await store.add_person(new_person())
    assert await store.ticket("anna") is None
