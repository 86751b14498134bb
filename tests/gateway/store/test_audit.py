"""The audit log and its chain, on both databases."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update

from gateway.core.audit import FIRST_CHAIN, AuditEvent, AuditKind, link
from gateway.store import Store, StoreDamaged, open_store
from gateway.store.audit import AT_ONCE, read_event
from gateway.store.schema import audit
from tests.gateway.core.chains import first_break
from tests.gateway.store.scenes import NOON, Clock

EVENT = AuditEvent(
    AuditKind.ACCESS_DENIED,
    NOON,
    user="anna",
    serial="4a",
    device="stick-1",
    app="wiki",
    address="192.0.2.7",
    reason="rule-denies",
    detail={"rule": "nobody"},
)


def no_pair_of_halves(words: str) -> bool:
    """Say whether no two halves of a surrogate pair meet: JSON has one spelling for both forms."""
    return words.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass") == words


# Also what PostgreSQL's text could not hold: NUL, and halves of surrogate pairs.
ANY_TEXT = st.text(st.characters()).filter(no_pair_of_halves)
ANY_EVENT = st.builds(
    AuditEvent,
    kind=st.sampled_from(AuditKind),
    at=st.datetimes(timezones=st.just(UTC)),
    user=ANY_TEXT,
    address=ANY_TEXT,
    reason=ANY_TEXT,
    detail=st.dictionaries(ANY_TEXT, ANY_TEXT, max_size=3),
)


def numbered(number: int) -> AuditEvent:
    """Make an event that can be told from others."""
    return replace(EVENT, detail={"number": str(number)})


async def test_what_is_recorded_is_read(store: Store) -> None:
    """Lines are numbered from 1, chained as the core says, and come back as they were."""
    await store.record(EVENT, numbered(2))
    await store.record(numbered(3))
    await store.record()
    lines = await store.audit_tail(10)
    assert [line.number for line in lines] == [1, 2, 3]
    assert [line.event for line in lines] == [EVENT, numbered(2), numbered(3)]
    assert lines[0].chain == link(FIRST_CHAIN, 1, EVENT)
    assert first_break(lines) is None
    assert await store.audit_break() is None


async def test_the_tail_is_the_newest_behind_a_number(store: Store) -> None:
    """So many of the newest, oldest first, and none up to the number given."""
    await store.record(*(numbered(number) for number in range(1, 8)))
    assert [line.number for line in await store.audit_tail(3)] == [5, 6, 7]
    assert [line.number for line in await store.audit_tail(3, after=5)] == [6, 7]
    assert await store.audit_tail(3, after=7) == []


@given(ANY_EVENT)
@example(AuditEvent(AuditKind.SIGN_IN_FAILED, NOON, user="\0\udcff"))
@example(AuditEvent(AuditKind.SIGN_IN_FAILED, datetime(2039, 4, 5, 6, 7, 8, 999_999, UTC)))
def test_every_event_is_read_from_its_canonical_form(event: AuditEvent) -> None:
    """Reading undoes writing: no text and no moment is lost, so the chain can be verified."""
    assert read_event(event.canonical().decode()) == event


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANY_EVENT, min_size=1, max_size=5))
async def test_any_event_can_be_recorded(store: Store, events: list[AuditEvent]) -> None:
    """Whatever a stranger sends ends up in the log as it was, on both databases."""
    await store.record(*events)
    assert [line.event for line in await store.audit_tail(len(events))] == events
    assert await store.audit_break() is None


async def test_lines_that_come_at_once_are_one_chain(store_url: str, clock: Clock) -> None:
    """Writers on several connections neither fork the chain nor leave numbers out."""
    async with open_store(store_url, clock) as one, open_store(store_url, clock) as two:
        await asyncio.gather(
            *(
                store.record(numbered(number), numbered(-number))
                for number in range(20)
                for store in (one, two)
            )
        )
        lines = await one.audit_tail(100)
        assert [line.number for line in lines] == list(range(1, 81))
        assert first_break(lines) is None
        assert await two.audit_break() is None


async def test_a_long_log_is_verified_in_slices(store: Store) -> None:
    """The check goes on behind the first slice, and finds the break there."""
    await store.record(*(numbered(number) for number in range(2 * AT_ONCE + 10)))
    assert await store.audit_break() is None
    broken = 2 * AT_ONCE + 5
    async with store.begin() as connection:
        await connection.execute(
            update(audit).where(audit.c.number == broken).values(chain=FIRST_CHAIN)
        )
    assert await store.audit_break() == broken


FORGERIES = {
    "the event": (3, "UPDATE audit SET event = replace(event, 'anna', 'bruno') WHERE number = 3"),
    "its spelling": (3, "UPDATE audit SET event = replace(event, ':', ' :') WHERE number = 3"),
    "no event at all": (3, "UPDATE audit SET event = '[]' WHERE number = 3"),
    "an unknown kind": (
        3,
        "UPDATE audit SET event = replace(event, 'access-denied', 'x') WHERE number = 3",
    ),
    "the chain": (3, "UPDATE audit SET chain = event WHERE number = 3"),
    "a line taken out": (3, "DELETE FROM audit WHERE number = 3"),
    "the first line taken out": (1, "DELETE FROM audit WHERE number = 1"),
    "the last line cut off": (5, "DELETE FROM audit WHERE number = 5"),
    "all lines cut off": (1, "DELETE FROM audit"),
    "a line put on": (6, "INSERT INTO audit SELECT 6, event, chain FROM audit WHERE number = 5"),
    "lines moved up": (3, "UPDATE audit SET number = number + 10 WHERE number >= 3"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_a_changed_log_shows_where(store: Store, forgery: str) -> None:
    """The number of the first line that does not fit its place is found."""
    broken, statement = FORGERIES[forgery]
    await store.record(*(numbered(number) for number in range(1, 6)))
    if "chain = event" in statement:
        statement = "UPDATE audit SET chain = substr(chain, 1, 60) || '0000' WHERE number = 3"
    async with store.begin() as connection:
        await connection.execute(text(statement))
    assert await store.audit_break() == broken


async def test_two_lines_that_changed_places_show(store: Store) -> None:
    """The order is part of what the chain covers."""
    await store.record(*(numbered(number) for number in range(1, 6)))
    async with store.begin() as connection:
        query = select(audit).where(audit.c.number.in_([3, 4])).order_by(audit.c.number)
        third, fourth = (await connection.execute(query)).all()
        await connection.execute(delete(audit).where(audit.c.number.in_([3, 4])))
        await connection.execute(
            insert(audit),
            [
                {"number": 3, "event": fourth.event, "chain": fourth.chain},
                {"number": 4, "event": third.event, "chain": third.chain},
            ],
        )
    assert await store.audit_break() == 3


async def test_a_line_that_cannot_be_read_is_named(store: Store) -> None:
    """The tail does not pass over what somebody has made unreadable."""
    await store.record(EVENT, EVENT)
    async with store.begin() as connection:
        await connection.execute(update(audit).where(audit.c.number == 2).values(event="{"))
    with pytest.raises(StoreDamaged, match="line 2"):
        await store.audit_tail(2)


@given(st.text() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(str))
@example('{"kind":"signed-in","at":99999999999999999999999999}')
@example('{"kind":"signed-in","at":1e999}')
@example('{"kind":"signed-in","at":true,"colour":"red"}')
def test_what_is_no_event_is_refused(content: str) -> None:
    """Only one error comes out of reading what somebody else wrote."""
    with pytest.raises(StoreDamaged):
        read_event(content)


def test_what_is_nested_without_end_is_refused() -> None:
    """Not even that brings the check of the log down."""
    with pytest.raises(StoreDamaged):
        read_event("[" * 100_000)


async def test_what_is_about_somebody_is_found(store: Store) -> None:
    """By any of the fields, in a span of time, the newest of too many; nobody else's."""
    moments = [NOON + timedelta(minutes=number) for number in range(600)]
    await store.record(
        *(
            replace(EVENT, at=at, user=f"user{number % 7}", serial=f"{number:x}")
            for number, at in enumerate(moments)
        )
    )
    span = {"since": moments[100], "until": moments[120]}
    found = await store.audit_about(("user", "user3"), **span, count=100)
    assert [line.event.serial for line in found] == ["65", "6c", "73"]
    both = await store.audit_about(("user", "user3"), ("serial", "66"), **span, count=100)
    assert [line.event.serial for line in both] == ["65", "66", "6c", "73"]
    newest = await store.audit_about(("user", "user3"), **span, count=1)
    assert [line.event.serial for line in newest] == ["73"]
    assert await store.audit_about(("user", "user"), **span, count=100) == []
    far = {"since": moments[-1] + timedelta(days=1), "until": moments[-1] + timedelta(days=2)}
    assert await store.audit_about(("user", "user3"), **far, count=100) == []


async def test_a_request_is_found_by_its_id(store: Store) -> None:
    """In the detail of a line, though its time is a little off; a pattern of SQL is none."""
    request = "bvqflyq-k3v7qh2-1f"
    await store.record(
        numbered(1),
        replace(EVENT, at=NOON - timedelta(seconds=30), detail={"request": request}),
        replace(EVENT, detail={"request": "bvqflyq_k3v7qh2_1f"}),
    )
    span = {"since": NOON - timedelta(minutes=1), "until": NOON + timedelta(minutes=1)}
    [line] = await store.audit_about(("request", request), **span, count=10)
    assert line.number == 2
    assert await store.audit_about(("request", "%"), **span, count=10) == []
    assert len(await store.audit_about(("request", "bvqflyq_k3v7qh2_1f"), **span, count=10)) == 1


async def test_an_empty_log_has_nothing_about_anybody(store: Store) -> None:
    """Not an error: a site that was made a moment ago."""
    span = {"since": NOON, "until": NOON}
    assert await store.audit_about(("user", "anna"), **span, count=10) == []
