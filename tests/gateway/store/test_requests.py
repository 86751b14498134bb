"""What belongs to a request: days, texts and letters, on both databases."""

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import insert

from gateway.core.people import Person
from gateway.core.requests import AccessRequest, Fault, RequestState, Ruling, Wish
from gateway.core.spans import parse_spans
from gateway.store import Actor, Store
from gateway.store.requests import TOLD_WITHIN
from gateway.store.schema import acceptance, used_day
from tests.gateway.store.scenes import DAY, NOON, TODAY, Clock, issue, new_person, sign_in

DAYS = parse_spans("2026-11-24,2026-12-01/2026-12-03")
TEXT = "smart-working-2026"
DIGEST = "d" * 64


def wish(days: str = "2026-11-24,2026-12-01/2026-12-03", app: str = "wiki") -> Wish:
    """What Anna asks for."""
    return Wish(app, parse_spans(days), "a sick child", TODAY, frozenset({TEXT}))


async def actor(
    store: Store, user: str, *, device: str = "stick-1", since: datetime = NOON
) -> Actor:
    """Add somebody who is signed in."""
    if await store.person(user) is None:
        await store.add_person(new_person(user))
    record = await issue(store, user, device)
    session = await sign_in(store, record, created_at=since, expires_at=since + DAY)
    return Actor(session, record.serial, device, "192.0.2.7", "a-request")


def always(request: AccessRequest, person: Person) -> bool:
    """Let anybody decide, but who asks."""
    assert request.user == person.user
    return True


async def asked(store: Store, anna: Actor, wanted: Wish | None = None) -> AccessRequest:
    """Let Anna ask, and return what for."""
    found = await store.ask_access(anna, wanted or wish())
    assert isinstance(found, AccessRequest), found
    return found


def granted(days: str = "2026-11-24,2026-12-01/2026-12-03") -> Ruling:
    """A yes."""
    return Ruling(parse_spans(days), "enjoy", TODAY)


async def accept(
    store: Store, user: str, version: str, *, withdrawn: bool = False, at: datetime = NOON
) -> None:
    """Write down that somebody has accepted a version of the text."""
    async with store.begin() as connection:
        await connection.execute(
            insert(acceptance).values(
                id=f"{user}-{version}",
                username=user,
                agreement=TEXT,
                version=version,
                language="it",
                digest=DIGEST,
                serial="aa",
                accepted_at=at,
                withdrawn_at=NOON if withdrawn else None,
            )
        )


async def use(store: Store, user: str, *days: str) -> None:
    """Write down that days were counted."""
    async with store.begin() as connection:
        for day in days:
            row = {"username": user, "count": "remote-days", "day": day, "app": "wiki"}
            await connection.execute(insert(used_day).values(**row, serial="aa", at=NOON))


async def test_a_request_keeps_what_was_accepted_then(store: Store) -> None:
    """By version and hash; what was withdrawn, or of another agreement, is not among it."""
    anna = await actor(store, "anna")
    await accept(store, "anna", "1", withdrawn=True)
    await accept(store, "anna", "2")
    found = await asked(store, anna)
    assert [str(one) for one in found.agreements] == [f"{TEXT} 2 {DIGEST}"]
    await accept(store, "anna", "3")
    assert await store.access_request(found.number) == found


async def test_the_file_of_a_request_has_all_of_it(store: Store) -> None:
    """Days used of those that were granted, and every acceptance, the withdrawn too."""
    anna = await actor(store, "anna")
    await accept(store, "anna", "1", withdrawn=True)
    found = await asked(store, anna)
    await accept(store, "anna", "2")
    await use(store, "anna", "2026-11-24", "2026-11-25", "2026-12-02")
    await use(store, "bruno", "2026-12-01")
    approved = await store.rule_on_access(found.number, granted(), by="command:giulia")
    assert isinstance(approved, AccessRequest)
    file = await store.request_file(approved, frozenset({TEXT}))
    assert file.request == approved
    assert [one.day.isoformat() for one in file.days] == ["2026-11-24", "2026-12-02"]
    assert {one.count for one in file.days} == {"remote-days"}
    assert [(one.version, one.withdrawn_at) for one in file.acceptances] == [
        ("1", NOON),
        ("2", None),
    ]


async def test_a_file_has_nothing_of_who_had_the_name_before_or_has_it_since(
    store: Store, clock: Clock
) -> None:
    """Two people, one after the other, under one name: each with their own acceptance."""
    first = await asked(store, await actor(store, "anna"))
    await accept(store, "anna", "1")
    await store.remove_person("anna", TODAY)
    clock.now += DAY
    second = await asked(store, await actor(store, "anna", device="stick-2", since=clock.now))
    await accept(store, "anna", "2", at=clock.now)
    for request, version in ((first, "1"), (second, "2")):
        found = await store.access_request(request.number)
        assert found is not None
        file = await store.request_file(found, frozenset({TEXT}))
        assert [one.version for one in file.acceptances] == [version]


async def test_letters_are_taken_once_each(store: Store, clock: Clock) -> None:
    """One when it is asked, one when it is decided, by one of several nodes."""
    found = await asked(store, await actor(store, "anna"))
    assert await store.untold_requests(9) == [found]
    taken = await asyncio.gather(*(store.take_letter(found) for _ in range(4)))
    assert sum(taken) == 1
    assert await store.untold_requests(9) == []
    answer = await store.rule_on_access(found.number, granted(), by="command:giulia")
    assert isinstance(answer, AccessRequest)
    assert not await store.take_letter(found), "it is decided by now"
    assert await store.untold_requests(9) == [answer]
    assert await store.take_letter(answer)
    assert not await store.take_letter(answer)
    clock.now += DAY
    assert await store.untold_requests(9) == []


async def test_letters_are_not_made_up_for_after_a_week(store: Store, clock: Clock) -> None:
    """Whoever names a mail server after a year does not write to everybody."""
    await asked(store, await actor(store, "anna"))
    clock.now += TOLD_WITHIN - timedelta(seconds=1)
    assert len(await store.untold_requests(9)) == 1
    clock.now += timedelta(seconds=1)
    assert await store.untold_requests(9) == []


async def test_requests_are_found_by_user_application_and_state(store: Store) -> None:
    """By number, which begins at one."""
    anna, bruno = await actor(store, "anna"), await actor(store, "bruno")
    await asked(store, anna)
    await asked(store, bruno)
    await asked(store, anna, wish(app="crm"))
    await store.rule_on_access(2, Ruling(None, "no", TODAY), by="command:giulia")

    async def numbers(**wanted: object) -> list[int]:
        found = await store.access_requests(**wanted)  # type: ignore[arg-type]
        return [one.number for one in found]

    assert await numbers() == [1, 2, 3]
    assert await numbers(user="anna") == [1, 3]
    assert await numbers(user="anna", app="wiki") == [1]
    assert await numbers(states=[RequestState.REFUSED]) == [2]
    assert await store.access_request(4) is None
    assert await store.rule_on_access(4, granted(), by="x") is Fault.UNKNOWN


async def test_what_waits_comes_with_who_asks(store: Store) -> None:
    """Of those who may come in; what is settled waits no more."""
    anna, bruno = await actor(store, "anna"), await actor(store, "bruno")
    first, second = await asked(store, anna), await asked(store, bruno)
    third = await asked(store, anna, wish(app="crm"))
    found = await store.waiting_requests()
    assert [(one, person.user) for one, person in found] == [
        (first, "anna"),
        (second, "bruno"),
        (third, "anna"),
    ]
    assert found[0][1].groups == {"technicians"}
    await store.set_enabled("bruno", False)
    await store.withdraw_access(anna, third.number, TODAY)
    assert [one for one, _ in await store.waiting_requests()] == [first]


async def test_whoever_has_the_name_next_is_another(store: Store, clock: Clock) -> None:
    """No letter tells them of it, and no day that they use is in its file."""
    anna = await actor(store, "anna")
    number = (await asked(store, anna)).number
    berta = await actor(store, "berta")
    refused = await asked(store, anna, wish("2026-11-30"))
    await store.decide_access(berta, number, granted(), always)
    await store.decide_access(berta, refused.number, Ruling(None, "", TODAY), always)
    await store.remove_person("anna", TODAY)
    clock.now += DAY
    await store.add_person(new_person("anna"))
    assert await store.untold_requests(9) == []
    async with store.begin() as connection:
        await connection.execute(
            insert(used_day).values(
                username="anna",
                count="remote-days",
                day="2026-11-24",
                app="wiki",
                serial="02",
                at=clock.now,
            )
        )
    found = await store.access_request(number)
    assert found is not None
    assert (await store.request_file(found)).days == ()
    assert await store.access_requests(user="anna", own=True) == []
