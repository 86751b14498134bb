from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.people import Person
from gateway.core.requests import (
    AHEAD,
    WORDS_MAXIMUM,
    AccessRequest,
    Approvable,
    Fault,
    RequestState,
    Ruling,
    Wish,
    approvable,
    beyond,
    days_of,
    is_within,
    merged,
    overlap,
    plain_words,
)
from gateway.core.spans import DaySpan, parse_spans, spans_of
from policies.model import AppPolicy, Effect, Rule
from policies.papers import DayQuota, Papers

TODAY = date(2026, 11, 24)
DAY = timedelta(days=1)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
WISH = Wish("wiki", parse_spans("2026-11-24,2026-12-01/2026-12-03"), "a sick child", TODAY)
MANAGERS = {"technicians": frozenset({"berta", "anna"}), "office": frozenset({"carlo"})}
REQUEST = AccessRequest(1, "anna", "wiki", WISH.wanted, WISH.reason, "aa", (), NOON)

SPANS = st.lists(
    st.builds(
        lambda first, length: DaySpan(first, first + length * DAY),
        st.dates(date(2026, 1, 1), date(2026, 3, 31)),
        st.integers(0, 20),
    ),
    max_size=6,
)


def rule(*groups: str, users: frozenset[str] | None = None) -> Rule:
    """A rule that lets *groups* in on approved days."""
    named = frozenset(groups) or None
    return Rule("remote", Effect.ALLOW, users=users, groups=named, approval=True)


class TestWish:
    @pytest.mark.parametrize(
        "changes, fault",
        [
            ({}, None),
            ({"wanted": ()}, Fault.NO_DAYS),
            ({"wanted": parse_spans("2026-11-23/2026-11-30")}, Fault.PAST),
            ({"wanted": (DaySpan(TODAY + AHEAD, TODAY + AHEAD),)}, None),
            ({"wanted": (DaySpan(TODAY, TODAY + AHEAD + DAY),)}, Fault.TOO_FAR),
            ({"reason": " \n"}, Fault.NO_REASON),
            ({"reason": "x" * WORDS_MAXIMUM}, None),
            ({"reason": "x" * (WORDS_MAXIMUM + 1)}, Fault.LONG),
        ],
    )
    def test_has_days_that_can_come_and_a_reason(
        self, changes: dict[str, object], fault: Fault | None
    ) -> None:
        """Today may be asked for; nothing before it, and nothing beyond a year."""
        assert replace(WISH, **changes).fault() is fault  # type: ignore[arg-type]


def test_the_last_day_of_all_is_a_day_like_others() -> None:
    """Whoever types it is told that it is too far."""
    wanted = merged(parse_spans("2026-11-24/9999-12-31,2026-12-01,9999-12-31"))
    assert wanted == parse_spans("2026-11-24/9999-12-31")
    assert replace(WISH, wanted=wanted).fault() is Fault.TOO_FAR
    assert spans_of([date.max, date.min]) == (
        DaySpan(date.min, date.min),
        DaySpan(date.max, date.max),
    )


class TestRuling:
    @pytest.mark.parametrize(
        "granted, fault",
        [
            (None, None),
            ("2026-11-24,2026-12-01/2026-12-03", None),
            ("2026-12-02", None),
            ("", Fault.NO_DAYS),
            ("2026-12-03/2026-12-04", Fault.OUTSIDE),
            ("2026-11-24/2026-12-03", Fault.OUTSIDE),
        ],
    )
    def test_grants_only_what_was_asked_for(self, granted: str | None, fault: Fault | None) -> None:
        """All of it or less, never a day more."""
        spans = None if granted is None else parse_spans(granted)
        assert Ruling(spans, "", TODAY).fault(WISH.wanted) is fault

    def test_grants_no_days_that_are_all_over(self) -> None:
        """Whoever comes late can still say no."""
        late = TODAY + 30 * DAY
        assert Ruling(WISH.wanted, "", late).fault(WISH.wanted) is Fault.PAST
        assert Ruling(None, "too late", late).fault(WISH.wanted) is None

    def test_grants_none_of_the_days_that_are_over(self) -> None:
        """Whoever answers on the second day of four grants three at most."""
        second = parse_spans("2026-12-02")[0].first
        assert Ruling(WISH.wanted, "", second).days == parse_spans("2026-12-02/2026-12-03")
        assert Ruling(WISH.wanted, "", TODAY).days == WISH.wanted
        assert Ruling(None, "", TODAY).days == ()

    def test_says_little(self) -> None:
        """As much as a reason."""
        assert Ruling(None, "x" * (WORDS_MAXIMUM + 1), TODAY).fault(()) is Fault.LONG


def person(user: str, *groups: str) -> Person:
    """Somebody who may come in."""
    return Person(user, user.title(), "", frozenset(groups), enabled=True)


def deciders(of: Person, *rules: Rule) -> set[str]:
    """Return who may decide what *of* asks for under *rules*."""
    return {*Approvable("wiki", rules).deciders(of, MANAGERS)}


class TestApprovable:
    def test_is_decided_by_managers_of_the_groups_that_the_rule_names(self) -> None:
        """And that the person is in; nobody decides for themselves."""
        anna, dora = (person(name, "technicians", "office") for name in ("anna", "dora"))
        assert deciders(dora, rule("technicians")) == {"berta", "anna"}
        assert deciders(anna, rule("technicians")) == {"berta"}
        assert deciders(person("dora"), rule("technicians", "x")) == set()

    def test_is_decided_by_managers_of_all_groups_where_it_names_none(self) -> None:
        """A rule for users, or for everybody."""
        dora = person("dora", "technicians", "office")
        users = rule(users=frozenset({"dora"}))
        assert deciders(dora, users) == {"berta", "anna", "carlo"}
        assert deciders(dora) == set()

    def test_of_several_rules_is_decided_by_who_manages_each(self) -> None:
        """One word opens them all: nobody gives what is another manager's to give."""
        dora = person("dora", "technicians", "office")
        assert deciders(dora, rule("technicians"), rule("office")) == set()
        assert deciders(dora, rule("technicians"), rule()) == {"berta", "anna"}
        assert deciders(dora, rule("technicians"), rule("technicians")) == {"berta", "anna"}

    def test_is_what_is_for_somebody_once_it_is_approved(self) -> None:
        """By users and groups; other rules, and rules that deny, ask for nothing."""
        plain = Rule("plain", Effect.ALLOW, users=None, groups=None)
        policy = AppPolicy("wiki", (plain, rule("technicians"), rule("office")))
        found = approvable(policy, person("anna", "technicians"), NOON)
        assert found == Approvable("wiki", (policy.rules[1],))
        assert approvable(policy, person("anna", "cleaners"), NOON) is None
        assert approvable(AppPolicy("wiki", (plain,)), person("anna"), NOON) is None

    def test_has_a_quota_where_every_rule_has_one(self) -> None:
        """A rule without lets them in on any approved day."""
        three = DayQuota(3)
        limited = replace(rule("technicians"), days=three)
        assert Approvable("wiki", (limited,)).quota == three
        assert Approvable("wiki", (limited, rule("office"))).quota is None
        papers = Papers(days={three.count: frozenset({TODAY, TODAY + DAY})})
        wanted = parse_spans("2026-11-25/2026-11-27")
        over = Approvable("wiki", (limited,)).beyond(papers, wanted)
        assert over == parse_spans("2026-11-27")
        assert Approvable("wiki", (rule(),)).beyond(papers, wanted) == ()


class TestDays:
    @given(SPANS, SPANS)
    def test_spans_are_sets_of_days(self, ones: list[DaySpan], others: list[DaySpan]) -> None:
        """Merging, overlapping and lying within say of spans what they say of days."""
        one, other = set(days_of(ones)), set(days_of(others))
        assert set(days_of(merged(ones))) == one
        assert set(days_of(overlap(ones, others))) == one & other
        assert is_within(ones, others) == (one <= other)

    @given(SPANS, st.integers(1, 5), st.booleans(), st.sets(st.dates(TODAY, TODAY + 60 * DAY)))
    def test_what_is_not_beyond_a_quota_keeps_it(
        self, wanted: list[DaySpan], number: int, consecutive: bool, used: set[date]
    ) -> None:
        """Whoever uses all of the rest never breaks it, and each that is beyond would."""
        quota = DayQuota(number, consecutive)
        over = set(days_of(beyond(quota, frozenset(used), wanted)))
        counted = set(used)
        for day in sorted(set(days_of(wanted))):
            assert quota.permits(frozenset(counted), day) == (day not in over)
            if day not in over:
                counted.add(day)

    def test_of_four_days_in_a_row_two_are_beyond(self) -> None:
        """At most three, never two in a row: the second and the fourth."""
        quota = DayQuota(3, consecutive=False)
        over = beyond(quota, frozenset(), parse_spans("2026-12-01/2026-12-04"))
        assert over == parse_spans("2026-12-02,2026-12-04")


class TestRequest:
    def test_is_open_until_its_last_day_is_over(self) -> None:
        """Or until somebody has decided."""
        assert REQUEST.is_open(date(2026, 12, 3))
        assert not REQUEST.is_open(date(2026, 12, 4))
        assert not replace(REQUEST, state=RequestState.REFUSED).is_open(TODAY)

    def test_is_over_once_the_last_day_that_was_granted_is(self) -> None:
        """Whatever was asked for besides; until then it opens something."""
        shorter = replace(
            REQUEST, state=RequestState.APPROVED, granted=parse_spans("2026-11-24,2026-12-01")
        )
        last = date(2026, 12, 1)
        assert (shorter.is_over(last), shorter.is_coming(last)) == (False, True)
        assert (shorter.is_over(last + DAY), shorter.is_coming(last + DAY)) == (True, False)
        assert not REQUEST.is_over(date(2026, 12, 3))
        assert not REQUEST.is_coming(TODAY)

    def test_touches_days_by_what_was_granted(self) -> None:
        """And by what was asked for, where nothing was."""
        assert REQUEST.touches(date(2026, 12, 3), None)
        shorter = replace(REQUEST, granted=parse_spans("2026-11-24"))
        assert not shorter.touches(date(2026, 12, 3), None)
        assert shorter.touches(None, TODAY)
        assert not shorter.touches(None, TODAY - DAY)


@given(st.text())
def test_words_are_kept_without_what_nobody_can_see(text: str) -> None:
    """Lines stay; control characters, and those that turn writing round, do not."""
    words = plain_words(text)
    assert all(line.isprintable() for line in words.split("\n"))
    assert plain_words(words) == words


def test_lines_of_any_browser_are_lines() -> None:
    """Forms send CR LF."""
    assert plain_words(" one\r\ntwo\rthree\N{RIGHT-TO-LEFT OVERRIDE} ") == "one\ntwo\nthree"
