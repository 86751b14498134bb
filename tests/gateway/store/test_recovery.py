"""Recovery codes, on both databases."""

import asyncio

import pytest

from gateway.core.audit import AuditKind
from gateway.store import NoSuchPerson, Store, open_store
from gateway.store.recovery import count_left, is_unused, use_code
from tests.gateway.store.scenes import TODAY, Clock, issue, new_person, sign_in

DIGESTS = [f"{number:064x}" for number in range(10)]


async def used(store: Store, user: str, digest: str) -> bool:
    """Use a code, in a transaction of its own."""
    async with store.begin() as connection:
        return await use_code(connection, user, digest, Clock().now)


async def unused(store: Store, user: str, digest: str) -> bool | None:
    """Ask whether a code may be used."""
    async with store.read() as connection:
        return await is_unused(connection, user, digest)


async def test_each_code_is_good_once(store: Store) -> None:
    """And for the one whose it is."""
    await store.add_person(new_person("anna"))
    await store.add_person(new_person("bruno"))
    await store.set_recovery_codes("anna", DIGESTS)
    assert await store.recovery_codes_left("anna") == 10
    assert await store.recovery_codes_left("bruno") == 0
    assert await unused(store, "anna", DIGESTS[3])
    assert not await used(store, "bruno", DIGESTS[3])
    assert await used(store, "anna", DIGESTS[3])
    assert not await used(store, "anna", DIGESTS[3])
    assert await unused(store, "anna", DIGESTS[3]) is False
    assert await unused(store, "bruno", DIGESTS[3]) is None
    assert await store.recovery_codes_left("anna") == 9


async def test_of_two_at_once_one_gets_it(store_url: str, clock: Clock) -> None:
    """On several connections, as on several machines."""
    async with open_store(store_url, clock) as one, open_store(store_url, clock) as two:
        await one.add_person(new_person())
        await one.set_recovery_codes("anna", DIGESTS)
        answers = await asyncio.gather(
            *(used(store, "anna", DIGESTS[0]) for _ in range(4) for store in (one, two))
        )
    assert sorted(answers) == [False] * 7 + [True]


async def test_new_codes_take_the_place_of_the_old_ones(store: Store) -> None:
    """Used or not; the audit log tells of both sheets and of no code."""
    await store.add_person(new_person())
    await store.set_recovery_codes("anna", DIGESTS)
    await used(store, "anna", DIGESTS[0])
    await store.set_recovery_codes("anna", [f"{number:064x}" for number in range(20, 30)])
    assert await store.recovery_codes_left("anna") == 10
    assert not await used(store, "anna", DIGESTS[1])
    lines = [line.event for line in await store.audit_tail(10)]
    made = [event for event in lines if event.kind is AuditKind.RECOVERY_CODES_MADE]
    assert [event.user for event in made] == ["anna", "anna"]
    assert DIGESTS[1] not in str(lines)


async def test_new_codes_overtake_what_was_being_proved(store: Store) -> None:
    """Credentials are others then; who is signed in stays so."""
    await store.add_person(new_person())
    record = await issue(store)
    session = await sign_in(store, record)
    before = await store.credentials("anna")
    await store.set_recovery_codes("anna", DIGESTS)
    after = await store.credentials("anna")
    assert before is not None
    assert after is not None
    assert after.version > before.version
    assert [one.id for one in await store.sessions(user="anna")] == [session.id]


async def test_nobody_has_no_codes(store: Store) -> None:
    """A name that is not there is refused, and nothing is kept."""
    with pytest.raises(NoSuchPerson):
        await store.set_recovery_codes("anna", DIGESTS)
    assert await store.recovery_codes_left("anna") == 0


async def test_a_name_that_is_used_again_inherits_no_codes(store: Store) -> None:
    """They go with the person."""
    await store.add_person(new_person())
    await store.set_recovery_codes("anna", DIGESTS)
    await store.remove_person("anna", TODAY)
    await store.add_person(new_person())
    async with store.read() as connection:
        assert await count_left(connection, "anna") == 0
    assert not await used(store, "anna", DIGESTS[0])
