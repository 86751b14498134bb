"""When what is refused opens: the moment itself, that it is the first, and what is kept of it."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.calendar import Span, Timetable
from policies.decide import decide
from policies.model import AppPolicy, Deny, Effect, RequestFacts, Rule, Subject
from policies.openings import opens_at
from policies.paths import parse_path_pattern
from policies.plan import plan_of
from tests.policies.test_decide import (
    ANNA,
    AT_NINE,
    MOMENTS,
    NOT_ANNA,
    NOW,
    OFFICE,
    PAGE,
    POLICIES,
    REMOTE,
    REQUESTS,
    ROME,
    SUBJECTS,
    TECHNICIANS,
    with_papers,
)

AT_NIGHT = Timetable(ROME, (Span(0, 8 * 3600), Span(19 * 3600, 24 * 3600)))
NO_ADMIN = Rule(
    "admin", Effect.DENY, None, None, paths=(parse_path_pattern("/admin/**"),), when=AT_NIGHT
)
FRIDAY_NIGHT = datetime(2026, 11, 27, 20, tzinfo=ROME)
MONDAY = datetime(2026, 11, 30, 8, tzinfo=ROME)


def test_what_opens_again_is_known() -> None:
    """Over a weekend too; never, where that is beyond the look or for another reason."""
    policy = AppPolicy("wiki", (replace(TECHNICIANS, when=OFFICE),))
    assert opens_at(policy, ANNA, AT_NINE) == AT_NINE
    assert opens_at(policy, ANNA, FRIDAY_NIGHT) == MONDAY
    next_year = Timetable(ROME, first=date(2027, 1, 1))
    assert opens_at(AppPolicy("wiki", (replace(TECHNICIANS, when=next_year),)), ANNA, NOW) is None
    assert opens_at(AppPolicy("wiki", (NOT_ANNA, TECHNICIANS)), ANNA, NOW) is None
    assert opens_at(AppPolicy("wiki", ()), ANNA, NOW) is None


def test_what_opens_may_be_closed_by_another_rule() -> None:
    """A moment at which one rule allows and another denies is not one that opens."""
    monday = replace(NOT_ANNA, when=Timetable(ROME, weekdays=frozenset({0})))
    policy = AppPolicy("wiki", (replace(TECHNICIANS, when=OFFICE), monday))
    assert opens_at(policy, ANNA, FRIDAY_NIGHT) == datetime(2026, 12, 1, 8, tzinfo=ROME)


@pytest.mark.parametrize(
    "spent, now, opening",
    [
        ((2, 10), (24, 19), (12, 1)),
        ((10, 30), (30, 23), (11, 30)),
        ((23,), (24, 19), (11, 25)),
    ],
)
def test_the_next_day_is_found_over_the_end_of_a_month(
    spent: tuple[int, ...], now: tuple[int, int], opening: tuple[int, int]
) -> None:
    """The number begins anew; a day that was counted is open itself."""
    policy = AppPolicy("wiki", (replace(REMOTE, approval=None),))
    moment = datetime(2026, 11, *now, tzinfo=ROME)
    found = opens_at(
        policy, with_papers(days=frozenset(date(2026, 11, day) for day in spent)), moment
    )
    expected = datetime(2026, *opening, tzinfo=ROME)
    assert found == max(expected, moment)


def test_what_one_person_has_left_is_not_told_to_another() -> None:
    """Though they are let in by the same rules."""
    policy = AppPolicy("wiki", (replace(REMOTE, approval=None),))
    anna = with_papers(days=frozenset({date(2026, 11, 2), date(2026, 11, 10)}))
    bruno = with_papers(days=frozenset({date(2026, 11, 23)}))
    assert opens_at(policy, anna, NOW) == datetime(2026, 12, 1, tzinfo=ROME)
    assert opens_at(policy, bruno, NOW) == datetime(2026, 11, 25, tzinfo=ROME)
    assert opens_at(policy, anna, NOW) == datetime(2026, 12, 1, tzinfo=ROME)


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS)
def test_nothing_opens_before_the_moment_that_is_told(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime
) -> None:
    """And at that moment it is open."""
    ahead = timedelta(days=3)
    opening = opens_at(policy, subject, now, request, ahead)
    if opening is not None:
        assert not isinstance(decide(policy, subject, request, opening), Deny)
    end = opening or now + ahead
    moment = now
    while moment < end:
        assert isinstance(decide(policy, subject, request, moment), Deny)
        moment += timedelta(minutes=30)


@given(POLICIES, SUBJECTS, REQUESTS, st.lists(MOMENTS, min_size=2, max_size=6))
def test_what_was_found_before_changes_no_answer(
    policy: AppPolicy, subject: Subject, request: RequestFacts, moments: list[datetime]
) -> None:
    """Asked later, earlier, for less far ahead or further: as if it were asked for first."""
    for number, moment in enumerate(moments):
        ahead = timedelta(days=1 + number % 3)
        fresh = replace(policy, app="wiki")
        asked = opens_at(policy, subject, moment, request, ahead)
        assert asked == opens_at(fresh, subject, moment, request, ahead)


def test_where_time_alone_opens_nothing_nobody_looks_ahead() -> None:
    """No rule lets in, or one without times keeps out: rules with hours beside it open nothing."""
    admin = RequestFacts("GET", "/admin/x")
    bruno = replace(ANNA, groups=frozenset())
    office = replace(TECHNICIANS, when=OFFICE)
    for rules, subject in (((office, NO_ADMIN), bruno), ((office, NO_ADMIN, NOT_ANNA), ANNA)):
        policy = AppPolicy("wiki", rules)
        denied = decide(policy, subject, admin, FRIDAY_NIGHT)
        assert isinstance(denied, Deny)
        assert denied.until is not None
        assert opens_at(policy, subject, FRIDAY_NIGHT, admin) is None
        assert plan_of(policy).closings == {}


def test_what_opens_is_found_once_for_all_for_whom_it_is_the_same_rules() -> None:
    """Whoever they are and whatever they ask for."""
    policy = AppPolicy("wiki", (replace(TECHNICIANS, when=OFFICE), NO_ADMIN))
    bruno = replace(ANNA, user="bruno")
    for subject in (ANNA, bruno):
        for path in ("/", "/page", "/x"):
            assert opens_at(policy, subject, FRIDAY_NIGHT, RequestFacts("GET", path)) == MONDAY
    assert len(plan_of(policy).closings) == 1


def test_who_looks_ahead_does_not_make_others_wait() -> None:
    """What the times of a rule say now stays known, however far somebody looks."""
    when = Timetable(ROME, (Span(8 * 3600, 12 * 3600), Span(13 * 3600, 19 * 3600)))
    policy = AppPolicy("wiki", (replace(TECHNICIANS, when=when), replace(NOT_ANNA, when=when)))
    assert isinstance(decide(policy, ANNA, PAGE, AT_NINE), Deny)
    known = [*when._known]
    assert opens_at(policy, ANNA, AT_NINE) is None
    assert when._known == known
