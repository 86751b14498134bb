"""Days of quotas: counted once, never more than there are, on both databases."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ca import ledger
from ca.trust import RevocationReason
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.changes import ChangeKind
from gateway.core.days import DayUse, Spending, UsedDay
from gateway.core.sessions import Session
from gateway.store import NoSuchDay, NoSuchPerson, Store, open_store
from policies.model import Spend
from policies.papers import DayQuota
from tests.gateway.store.scenes import DAY, NOON, TODAY, Clock, issue, new_person, sign_in

THREE = DayQuota(3)
APART = DayQuota(3, consecutive=False)


def use_of(
    session: Session, day: date = TODAY, quota: DayQuota = THREE, app: str = "wiki"
) -> DayUse:
    """Let the holder of *session* begin a day."""
    return DayUse(session, Spend(quota, day), app, "1f", "stick-1", "198.51.100.9")


async def somebody(store: Store, user: str = "anna") -> Session:
    """Add somebody, and sign them in for a year."""
    await store.add_person(new_person(user))
    return await sign_in(store, await issue(store, user), expires_at=NOON + 300 * DAY)


async def told(store: Store, kind: AuditKind) -> list[AuditEvent]:
    """Return the lines of *kind* in the audit log."""
    return [line.event for line in await store.audit_tail(1000) if line.event.kind is kind]


class TestSpending:
    async def test_counts_once(self, store: Store) -> None:
        """The second request of the day changes nothing, and nor does another application's."""
        session = await somebody(store)
        assert await store.spend_day(use_of(session)) is Spending.SPENT
        assert await store.spend_day(use_of(session)) is Spending.ALREADY
        assert await store.spend_day(use_of(session, app="crm")) is Spending.ALREADY
        assert await store.used_days() == [
            UsedDay("anna", "remote-days", TODAY, "wiki", "1f", NOON)
        ]

    async def test_is_told(self, store: Store) -> None:
        """The line names application, day and how many are used; memory of the person goes."""
        session = await somebody(store)
        feed = store.follow()
        await anext(feed)
        await store.spend_day(use_of(session))
        await store.spend_day(use_of(session))
        batch = await anext(feed)
        await feed.aclose()
        assert [(one.kind, one.key) for one in batch.changes] == [(ChangeKind.USER, "anna")]
        [line] = await told(store, AuditKind.DAY_COUNTED)
        assert (line.user, line.app, line.serial, line.device, line.address) == (
            "anna",
            "wiki",
            "1f",
            "stick-1",
            "198.51.100.9",
        )
        assert line.detail == {"count": "remote-days", "day": "2026-11-24", "used": "1 of 3"}

    async def test_is_read_with_the_holder(self, store: Store) -> None:
        """Whoever asks for the holder afterwards knows the day."""
        session = await somebody(store)
        await store.spend_day(use_of(session))
        holder = await store.holder(session.fingerprint)
        assert holder is not None
        assert holder.papers.days == {"remote-days": frozenset({TODAY})}

    async def test_is_read_of_everybody_at_once(self, store: Store) -> None:
        """Of each what is told of them alone; of whom nothing is known, nothing."""
        anna, bruno = await somebody(store), await somebody(store, "bruno")
        await store.add_person(new_person("carla"))
        await store.spend_day(use_of(anna))
        await store.spend_day(use_of(bruno, TODAY + DAY))
        found = await store.papers()
        assert {user: papers.days for user, papers in found.items()} == {
            "anna": {"remote-days": frozenset({TODAY})},
            "bruno": {"remote-days": frozenset({TODAY + DAY})},
        }
        assert await store.papers("bruno") == {"bruno": found["bruno"]}
        assert await store.papers("carla") == {}

    async def test_ends_with_the_number(self, store: Store) -> None:
        """A fourth day of a month is refused, the first of the next is not."""
        session = await somebody(store)
        days = [date(2026, 11, day) for day in (3, 4, 30)]
        for day in days:
            assert await store.spend_day(use_of(session, day)) is Spending.SPENT
        assert await store.spend_day(use_of(session, date(2026, 11, 5))) is Spending.REFUSED
        assert await store.spend_day(use_of(session, date(2026, 12, 1))) is Spending.SPENT
        assert len(await store.used_days()) == 4

    @pytest.mark.parametrize("other", [TODAY - DAY, TODAY + DAY])
    async def test_is_never_in_a_row(self, store: Store, other: date) -> None:
        """Neither with the day before nor, when a clock was put back, with the one after."""
        session = await somebody(store)
        await store.spend_day(use_of(session, other, APART))
        assert await store.spend_day(use_of(session, TODAY, APART)) is Spending.REFUSED
        assert await store.spend_day(use_of(session, TODAY)) is Spending.SPENT

    async def test_is_of_one_person_and_one_count(self, store: Store) -> None:
        """Others have their own, and so has another count."""
        anna, bruno = await somebody(store), await somebody(store, "bruno")
        once = DayQuota(1)
        for session, quota in ((anna, once), (bruno, once), (anna, replace(once, count="on-call"))):
            assert await store.spend_day(use_of(session, quota=quota)) is Spending.SPENT
        assert await store.spend_day(use_of(anna, TODAY + DAY, once)) is Spending.REFUSED

    async def test_of_what_is_over_nothing_counts(self, store: Store) -> None:
        """An edge that has not heard of the end of session or certificate yet uses nothing up."""
        session = await somebody(store)
        forged = replace(session, user="bruno")
        assert await store.spend_day(use_of(forged)) is Spending.REFUSED
        await store.end_sessions(session=session.id, kind=AuditKind.SESSION_ENDED, by="test")
        assert await store.spend_day(use_of(session)) is Spending.REFUSED
        record = await issue(store)
        other = await sign_in(store, record)
        async with store.begin() as connection:
            # The session is left: what is looked at is the certificate.
            await ledger.revoke(
                connection,
                serials=[record.serial],
                user=None,
                device=None,
                reason=RevocationReason.KEY_COMPROMISE,
                now=NOON,
            )
        assert await store.spend_day(use_of(other)) is Spending.REFUSED
        assert await store.used_days() == []

    async def test_stays_when_the_clock_goes_back(self, store: Store, clock: Clock) -> None:
        """What was counted for tomorrow is counted, and is not counted again when it comes."""
        session = await somebody(store)
        clock.now = NOON + DAY
        await store.spend_day(use_of(session, TODAY + DAY))
        clock.now = NOON
        assert await store.spend_day(use_of(session, TODAY)) is Spending.SPENT
        clock.now = NOON + DAY
        assert await store.spend_day(use_of(session, TODAY + DAY)) is Spending.ALREADY

    async def test_a_name_that_is_used_again_has_used_none(self, store: Store) -> None:
        """Days go with their person; the audit log keeps them."""
        session = await somebody(store)
        await store.spend_day(use_of(session))
        await store.remove_person("anna", TODAY)
        assert await store.used_days() == []
        again = await somebody(store)
        holder = await store.holder(again.fingerprint)
        assert holder is not None
        assert holder.papers.days == {}
        assert len(await told(store, AuditKind.DAY_COUNTED)) == 1


class TestGivingBack:
    async def test_frees_a_day(self, store: Store) -> None:
        """It is left again, and that is told with the request that had begun it."""
        session = await somebody(store)
        once = DayQuota(1)
        await store.spend_day(use_of(session, quota=once))
        [freed] = await store.give_day_back("anna", TODAY, by="carla")
        assert (freed.app, freed.serial) == ("wiki", "1f")
        [line] = await told(store, AuditKind.DAY_GIVEN_BACK)
        assert (line.user, line.app, line.serial) == ("anna", "wiki", "1f")
        assert line.detail == {"by": "carla", "count": "remote-days", "day": "2026-11-24"}
        holder = await store.holder(session.fingerprint)
        assert holder is not None
        assert holder.papers.days == {}
        assert await store.spend_day(use_of(session, TODAY + DAY, once)) is Spending.SPENT

    async def test_of_one_count_alone(self, store: Store) -> None:
        """Where a day counts for two, one may be freed."""
        session = await somebody(store)
        for count in ("on-call", "remote-days"):
            await store.spend_day(use_of(session, quota=DayQuota(3, count=count)))
        [freed] = await store.give_day_back("anna", TODAY, count="on-call")
        assert freed.count == "on-call"
        assert [one.count for one in await store.used_days()] == ["remote-days"]

    async def test_of_a_day_that_does_not_count(self, store: Store) -> None:
        """Nor twice: what is given back is gone."""
        session = await somebody(store)
        await store.spend_day(use_of(session))
        with pytest.raises(NoSuchDay, match="2026-11-25 is no day that 'anna' has used"):
            await store.give_day_back("anna", TODAY + DAY)
        with pytest.raises(NoSuchDay, match="no day of 'on-call'"):
            await store.give_day_back("anna", TODAY, count="on-call")
        await store.give_day_back("anna", TODAY)
        with pytest.raises(NoSuchDay):
            await store.give_day_back("anna", TODAY)
        with pytest.raises(NoSuchPerson):
            await store.give_day_back("bruno", TODAY)

    async def test_lists_by_day_and_person(self, store: Store) -> None:
        """From one day to another, of everybody or of one."""
        anna, bruno = await somebody(store), await somebody(store, "bruno")
        for session, day in ((bruno, TODAY), (anna, TODAY + DAY), (anna, TODAY)):
            await store.spend_day(use_of(session, day))
        found = [(one.user, one.day) for one in await store.used_days()]
        assert found == [("anna", TODAY), ("bruno", TODAY), ("anna", TODAY + DAY)]
        assert [one.user for one in await store.used_days(until=TODAY)] == ["anna", "bruno"]
        assert [one.day for one in await store.used_days(user="anna", since=TODAY + DAY)] == [
            TODAY + DAY
        ]


OFFSETS = st.integers(min_value=0, max_value=45)
QUOTAS = st.builds(
    DayQuota,
    per_month=st.integers(min_value=1, max_value=4),
    consecutive=st.booleans(),
    count=st.sampled_from(["remote-days", "on-call"]),
)
ASKED = st.lists(st.tuples(OFFSETS, st.integers(0, 1), st.integers(0, 1)), min_size=2, max_size=12)


def held(quota: DayQuota, days: set[date]) -> bool:
    """Say whether *days* are such as *quota* lets be used."""
    months = [(day.year, day.month) for day in days]
    few = all(months.count(month) <= quota.per_month for month in months)
    return few and (quota.consecutive or not any(day + DAY in days for day in days))


@given(
    quotas=st.tuples(QUOTAS, QUOTAS.filter(lambda one: one.count == "on-call")),
    rounds=st.lists(ASKED, min_size=1, max_size=3),
)
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_interleaving_gives_more_than_there_is(
    quotas: tuple[DayQuota, DayQuota],
    rounds: list[list[tuple[int, int, int]]],
    raced: "Race",
) -> None:
    """Two nodes, many requests at the same instant: each day counts once, and never one too many."""
    first = replace(quotas[0], count="remote-days")
    raced(first, quotas[1], rounds)


class Race:
    """Two nodes on one store, at which several people ask at once."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._runs = 0

    def __call__(
        self, one: DayQuota, other: DayQuota, rounds: list[list[tuple[int, int, int]]]
    ) -> None:
        """Let *rounds* of requests be made, each at one instant, by somebody new."""
        self._runs += 1
        asyncio.run(self._run(f"anna{self._runs}", (one, other), rounds))

    async def _run(
        self, user: str, quotas: tuple[DayQuota, ...], rounds: list[list[tuple[int, int, int]]]
    ) -> None:
        async with AsyncExitStack() as stack:
            nodes = [
                await stack.enter_async_context(open_store(self._url, Clock())) for _ in range(2)
            ]
            session = await somebody(nodes[0], user)
            answers: dict[tuple[str, date], list[Spending]] = {}
            for asked in rounds:
                uses = [
                    (nodes[node], use_of(session, TODAY + offset * DAY, quotas[which]))
                    for offset, which, node in asked
                ]
                got = await asyncio.gather(*(node.spend_day(use) for node, use in uses))
                for (_, use), answer in zip(uses, got, strict=True):
                    key = (use.spend.quota.count, use.spend.day)
                    answers.setdefault(key, []).append(answer)
            used = await nodes[1].used_days(user=user)
            for quota in quotas:
                days = {one.day for one in used if one.count == quota.count}
                assert held(quota, days)
                for (count, day), each in answers.items():
                    if count == quota.count:
                        assert each.count(Spending.SPENT) == (day in days)
                        assert day in days or set(each) == {Spending.REFUSED}


@pytest.fixture
def raced(store_url: str) -> Race:
    """Return a race on a store with nobody in it."""
    return Race(store_url)


async def test_two_nodes_cannot_spend_the_last_day_twice(store_url: str) -> None:
    """Of two different days asked for at the same instant, where one is left, one counts."""
    once = DayQuota(1)
    async with open_store(store_url, Clock()) as one, open_store(store_url, Clock()) as two:
        session = await somebody(one)
        got = await asyncio.gather(
            *(
                node.spend_day(use_of(session, TODAY + timedelta(days=offset), once))
                for offset in range(5)
                for node in (one, two)
            )
        )
    assert got.count(Spending.SPENT) == got.count(Spending.ALREADY) == 1
    assert got.count(Spending.REFUSED) == 8
