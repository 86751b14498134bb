"""Days on the wall, texts and their versions, days that are left."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.papers import (
    NO_PAPERS,
    Agreement,
    AgreementVersion,
    Approval,
    DayQuota,
    LocalDays,
    Papers,
)

ROME = ZoneInfo("Europe/Rome")
# Clocks change at night, at midnight, by half an hour; and a day that was left out.
ZONES = ("Europe/Rome", "America/Sao_Paulo", "Australia/Lord_Howe", "Pacific/Apia")
MOMENTS = st.integers(0, 20 * 366 * 24 * 60).map(
    lambda minutes: datetime(2010, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(st.sampled_from(ZONES), MOMENTS)
def test_a_day_is_that_of_the_wall_until_it_ends(zone: str, now: datetime) -> None:
    """Whatever clocks do, and however often it is asked."""
    local = LocalDays(ZoneInfo(zone))
    day, end = local.look(now)
    assert day == now.astimezone(ZoneInfo(zone)).date()
    assert now < end <= now + timedelta(hours=49)
    last = end - timedelta(microseconds=1)
    assert last.astimezone(ZoneInfo(zone)).date() == day
    assert local.look(last) == (day, end)
    after, later = local.look(end)
    assert after == end.astimezone(ZoneInfo(zone)).date()
    assert later > end


def test_a_day_that_clocks_begin_twice_is_one_day() -> None:
    """In Sao Paulo clocks were put back at midnight: 23:00 came twice, on the same day."""
    local = LocalDays(ZoneInfo("America/Sao_Paulo"))
    for hour in (1, 2):
        moment = datetime(2018, 2, 18, hour, 30, tzinfo=UTC)
        assert local.look(moment)[0] == date(2018, 2, 17)
    assert local.look(datetime(2018, 2, 18, 3, tzinfo=UTC))[0] == date(2018, 2, 18)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("year", [2011, 2018, 2026])
def test_a_year_has_each_of_its_days_once(zone: str, year: int) -> None:
    """From one end of a day to the next, in a year of changes; but for one that never was."""
    local, days = LocalDays(ZoneInfo(zone)), list[date]()
    moment = datetime(year, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    while (found := local.look(moment))[0].year == year:
        days.append(found[0])
        moment = found[1]
    # An hour before midnight that comes twice is asked about twice, and is the same day.
    assert days == sorted(days)
    left_out = {date(2011, 12, 30)} if zone == "Pacific/Apia" else set[date]()
    first = date(year, 1, 1)
    every = {
        first + timedelta(days=number) for number in range((date(year + 1, 1, 1) - first).days)
    }
    assert {*days} == every - left_out


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("consecutive", [True, False])
def test_whoever_asks_all_year_long_has_their_days_and_no_more(
    zone: str, consecutive: bool
) -> None:
    """Every twenty minutes, whatever clocks do: so many of each month, and never two in a row."""
    local, quota = LocalDays(ZoneInfo(zone)), DayQuota(3, consecutive)
    days: frozenset[date] = frozenset()
    moment = datetime(2011, 1, 1, tzinfo=ZoneInfo(zone)).astimezone(UTC)
    while (day := local.look(moment)[0]).year == 2011:
        if day not in days and quota.permits(days, day):
            days |= {day}
        moment += timedelta(minutes=20)
    for month in range(1, 13):
        assert sum(one.month == month for one in days) == quota.per_month
    assert consecutive or not any(one + timedelta(days=1) in days for one in days)


def test_the_next_day_is_found_over_the_end_of_a_month_and_a_year() -> None:
    """Where the last day of a month was used, the second of the next; and what is left out is none."""
    apart = DayQuota(1, consecutive=False)
    assert apart.next_day(frozenset({date(2026, 11, 1)}), date(2026, 11, 2)) == date(2026, 12, 1)
    assert apart.next_day(frozenset({date(2026, 12, 31)}), date(2027, 1, 1)) == date(2027, 1, 2)
    assert DayQuota(1).next_day(frozenset({date(2026, 12, 31)}), date(2027, 1, 1)) == date(
        2027, 1, 1
    )
    assert apart.next_day(frozenset({date(2028, 2, 29)}), date(2028, 3, 1)) == date(2028, 3, 2)


HOME = Agreement(
    "home",
    (
        AgreementVersion("1", date(2026, 1, 1), frozenset({"one-en", "one-it"})),
        AgreementVersion("2", date(2026, 6, 1), frozenset({"two"})),
    ),
)


@pytest.mark.parametrize(
    "accepted, day, enough",
    [
        ({"one-it"}, date(2026, 5, 31), True),
        ({"one-it"}, date(2026, 6, 1), False),
        ({"two"}, date(2026, 6, 1), True),
        ({"two"}, date(2026, 1, 2), True),
        ({"one-en"}, date(2025, 12, 31), True),
        (set[str](), date(2025, 12, 31), False),
        ({"other"}, date(2026, 6, 1), False),
    ],
)
def test_the_version_that_is_due_or_a_later_one_is_enough(
    accepted: set[str], day: date, enough: bool
) -> None:
    """In any of its languages; and before the first is due something must have been accepted."""
    assert HOME.is_accepted(frozenset(accepted), day) is enough


def test_an_agreement_without_versions_is_never_accepted() -> None:
    """There is nothing to accept."""
    assert not Agreement("x", ()).is_accepted(frozenset({"one"}), date(2026, 6, 1))
    assert Agreement("x", ()).current(date(2026, 6, 1)) is None


DAYS = st.frozensets(st.dates(date(2026, 1, 25), date(2026, 3, 5)), max_size=12)
QUOTAS = st.builds(DayQuota, st.integers(1, 16), st.booleans())


@given(QUOTAS, st.lists(st.dates(date(2026, 1, 25), date(2026, 3, 5)), max_size=60))
def test_days_never_exceed_their_number(quota: DayQuota, asked: list[date]) -> None:
    """In whatever order they come, a clock that is put back included."""
    days: frozenset[date] = frozenset()
    for day in asked:
        if quota.permits(days, day):
            days |= {day}
    for month in (1, 2, 3):
        assert sum(day.month == month for day in days) <= quota.per_month
    if not quota.consecutive:
        assert not any(day + timedelta(days=1) in days for day in days)


FEW = st.builds(DayQuota, st.integers(1, 5), st.booleans())


@given(FEW, FEW, st.lists(st.sampled_from(("", "one", "other", "other one")), max_size=40))
def test_a_quota_keeps_its_own_number_beside_a_larger_one(
    one: DayQuota, other: DayQuota, visits: list[str]
) -> None:
    """Of two that share their days neither lets in on more than its own, whoever counted them."""
    quotas, days = {"one": one, "other": other}, frozenset[date]()
    opened: dict[str, set[date]] = {"one": set(), "other": set()}
    for ahead, visited in enumerate(visits):
        day = date(2026, 1, 25) + timedelta(days=ahead)
        for name in visited.split():
            if quotas[name].permits(days, day):
                days |= {day}
                opened[name].add(day)
                assert quotas[name].permits(days, day), "open until midnight"
    for name, quota in quotas.items():
        for month in (1, 2, 3):
            assert quota.used(frozenset(opened[name]), date(2026, month, 1)) <= quota.per_month
        if not quota.consecutive:
            assert not any(day + timedelta(days=1) in opened[name] for day in opened[name])


@given(QUOTAS, DAYS, st.dates(date(2026, 1, 25), date(2026, 3, 5)))
def test_the_next_day_is_the_first_that_is_permitted(
    quota: DayQuota, days: frozenset[date], day: date
) -> None:
    """And it comes within two months, whatever other rules have let be counted."""
    found = quota.next_day(days, day)
    assert quota.permits(days, found)
    assert day <= found <= day + timedelta(days=62)
    for ahead in range((found - day).days):
        assert not quota.permits(days, day + timedelta(days=ahead))


def test_approvals_are_for_one_application_and_their_days() -> None:
    """Both ends count."""
    papers = Papers(approvals=(Approval("wiki", date(2026, 11, 24), date(2026, 11, 25)),))
    assert papers.approved("wiki", date(2026, 11, 24))
    assert papers.approved("wiki", date(2026, 11, 25))
    assert not papers.approved("wiki", date(2026, 11, 26))
    assert not papers.approved("crm", date(2026, 11, 24))
    assert not NO_PAPERS.approved("wiki", date(2026, 11, 24))


def test_days_count_under_their_name() -> None:
    """What counts for another quota does not count here."""
    day = date(2026, 11, 24)
    papers = Papers(days={"remote-days": frozenset({day})})
    assert papers.days_of(DayQuota(3)) == {day}
    assert papers.days_of(DayQuota(3, count="other")) == frozenset()
    assert str(DayQuota(3)) == "3 a month"
    assert str(DayQuota(3, consecutive=False)) == "3 a month, never two in a row"


def test_papers_of_many_people_are_told_apart_at_once() -> None:
    """Whoever remembers something by them does not search all who have accepted the same."""
    days = [frozenset({date(2026, 11, one), date(2026, 11, one + 2)}) for one in range(1, 20)]
    many = [Papers(frozenset({"text"}), days={"remote-days": used}) for used in days]
    assert len({hash(one) for one in many}) == len(many)
    assert hash(many[0]) == hash(Papers(frozenset({"text"}), days={"remote-days": days[0]}))
