"""Two policies compared: who gains or loses what, and when."""

from dataclasses import replace
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings

from policies.comparison import Change, NotCompared, compare
from policies.days import Calendar, Dates
from policies.decide import decide
from policies.model import AppPolicy, Deny, Level, RequestFacts, StepUp, Subject
from policies.papers import Agreement, AgreementVersion, Approval, LocalDays, Papers
from policies.parse import parse_rules
from policies.reading import Problem
from policies.times import Almanac
from tests.policies.test_decide import MOMENTS, POLICIES, REQUESTS, SUBJECTS

ROME = ZoneInfo("Europe/Rome")
NOW = datetime(2026, 11, 24, 12, tzinfo=ROME)
"""A Tuesday."""
ANNA = Subject("anna", frozenset({"technicians"}), None, Level.PASSWORD_TOTP, "stick-1")
BRUNO = Subject("bruno", frozenset({"sales"}), None, Level.PASSWORD_TOTP, "stick-2")
CARLA = Subject("carla", frozenset({"technicians"}), None, Level.PASSWORD_TOTP, "stick-3")
OFFICE = Calendar(
    "office",
    (Dates(date(2026, 12, 27), date(2026, 12, 27)), Dates(date(2027, 2, 1), date(2027, 2, 1))),
)
TECHNICIANS: dict[str, object] = {"name": "t", "effect": "allow", "groups": ["technicians"]}
CODE: dict[str, object] = {
    "name": "c",
    "effect": "step-up",
    "everybody": True,
    "totp_within": "10m",
}
SALES: dict[str, object] = {"name": "s", "effect": "allow", "groups": ["sales"]}


def policy(*rules: dict[str, object]) -> AppPolicy:
    """Make a policy of *rules*."""
    problems: list[Problem] = []
    found = parse_rules("wiki", list(rules), "rules", problems, Almanac(ROME, {"office": OFFICE}))
    assert found is not None, problems
    return found


def compared(
    old: AppPolicy, new: AppPolicy, people: list[Subject], now: datetime = NOW
) -> list[Change]:
    """Compare what can be compared."""
    found = compare(old, new, people, now, ROME)
    assert not isinstance(found, NotCompared)
    return found


def said(old: AppPolicy, new: AppPolicy) -> list[str]:
    """Compare them, and say what changes in a line each."""
    return [
        " ".join(
            part
            for part in (
                ",".join(subject.user for subject in one.subjects),
                *(["code"] if one.code else []),
                "gains" if one.gain else "loses",
                one.what or "everything",
                one.when or "always",
            )
            if part
        )
        for one in compared(old, new, [ANNA, BRUNO, CARLA])
    ]


@pytest.mark.parametrize(
    "old,new,changes",
    [
        ([TECHNICIANS], [TECHNICIANS], []),
        ([TECHNICIANS], [{**TECHNICIANS, "name": "other"}], []),
        (
            [TECHNICIANS],
            [SALES],
            ["anna,carla loses everything always", "bruno gains everything always"],
        ),
        (
            [{**TECHNICIANS, "hours": "08:00-19:00", "weekdays": "mon-fri"}],
            [{**TECHNICIANS, "hours": "08:00-20:00", "weekdays": "mon-sat"}],
            ["anna,carla gains everything mon-fri 19:00-20:00; sat 08:00-20:00"],
        ),
        (
            [TECHNICIANS],
            [{**TECHNICIANS, "hours": "08:00-19:00"}],
            ["anna,carla loses everything 00:00-08:00 19:00-24:00"],
        ),
        (
            [TECHNICIANS],
            [{**TECHNICIANS, "weekdays": "mon-fri"}],
            ["anna,carla loses everything sat-sun"],
        ),
        (
            [TECHNICIANS],
            [
                TECHNICIANS,
                {"name": "d", "effect": "deny", "users": ["anna"], "paths": ["/admin/**"]},
            ],
            ["anna loses /admin/** always"],
        ),
        (
            [TECHNICIANS],
            [TECHNICIANS, {**CODE, "paths": ["/admin/**"]}],
            ["anna,carla code loses /admin/** always"],
        ),
        (
            [TECHNICIANS, CODE],
            [{**TECHNICIANS, "hours": "08:00-19:00"}, {**CODE, "totp_within": "1h"}],
            [
                "anna,carla loses everything 00:00-08:00 19:00-24:00",
                "anna,carla code gains everything 08:00-19:00",
            ],
        ),
        (
            [SALES, CODE],
            [SALES, {**CODE, "everybody": False, "groups": ["technicians"]}],
            ["bruno code gains everything always"],
        ),
        ([CODE], [{**CODE, "totp_within": "1h"}], []),
        (
            [{**TECHNICIANS, "methods": ["GET"]}],
            [TECHNICIANS],
            ["anna,carla gains other methods always"],
        ),
        (
            [TECHNICIANS],
            [{**TECHNICIANS, "networks": ["10.0.0.0/8"], "paths": ["/a", "/b"]}],
            [
                "anna,carla loses other paths always",
                "anna,carla loses /a from elsewhere always",
                "anna,carla loses /b from elsewhere always",
            ],
        ),
        (
            [],
            [{**SALES, "valid_from": "2027-01-01", "valid_until": "2027-01-03"}],
            [
                (
                    "bruno gains everything from 2027-01-01 on at all times; "
                    "from 2027-01-04 on no more"
                )
            ],
        ),
        (
            [SALES],
            [{**SALES, "valid_until": "2026-11-26"}],
            ["bruno loses everything from 2026-11-27 on at all times"],
        ),
        (
            [SALES],
            [{**SALES, "except_holidays": ["office"]}],
            ["bruno loses everything on 2026-12-27, 2027-02-01"],
        ),
        (
            [{**SALES, "hours": "08:00-19:00"}],
            [
                {**SALES, "hours": "08:00-18:00"},
                {**SALES, "name": "x", "only_holidays": ["office"]},
            ],
            [
                "bruno loses everything 18:00-19:00; not on 2026-12-27, 2027-02-01",
                "bruno gains everything on 2026-12-27, 2027-02-01 00:00-08:00 19:00-24:00",
            ],
        ),
    ],
)
def test_what_changes_is_said(
    old: list[dict[str, object]], new: list[dict[str, object]], changes: list[str]
) -> None:
    """Whom it is for, for what, and at which times by the clock on the wall."""
    assert sorted(said(policy(*old), policy(*new))) == sorted(changes)


def test_papers_tell_people_apart() -> None:
    """Who has accepted a text loses nothing by a rule that requires it, until the next is due."""
    agreement = Agreement(
        "home",
        (
            AgreementVersion("1", date(2026, 1, 1), frozenset({"one"})),
            AgreementVersion("2", date(2027, 3, 1), frozenset({"two"})),
        ),
    )
    free = policy(TECHNICIANS)
    asking = AppPolicy(
        "wiki", (replace(free.rules[0], agreements=(agreement,), local=LocalDays(ROME)),)
    )
    one, both = (
        replace(ANNA, papers=Papers(frozenset(each))) for each in ({"one"}, {"one", "two"})
    )
    changes = compared(free, asking, [one, replace(both, user="berta"), CARLA])
    found = {subject.user: each.when for each in changes for subject in each.subjects}
    assert not any(each.gain for each in changes)
    assert found == {"carla": "", "anna": "from 2027-03-01 on at all times"}


def test_an_approval_is_looked_at_on_its_days() -> None:
    """From its first day on, and to its last."""
    free = policy(TECHNICIANS)
    asking = AppPolicy("wiki", (replace(free.rules[0], approval=True, local=LocalDays(ROME)),))
    first, last = date(2027, 3, 1), date(2027, 3, 3)
    approved = replace(ANNA, papers=Papers(approvals=(Approval("wiki", first, last),)))
    [change] = compared(AppPolicy("wiki", ()), asking, [approved, CARLA])
    assert [one.user for one in change.subjects] == ["anna"]
    assert "2027-03-01" in change.when


def test_what_a_certificate_does_not_open_is_nothing_lost() -> None:
    """It was not open before."""
    narrow = Subject("anna", frozenset({"technicians"}), frozenset({"crm"}), Level.PASSWORD_TOTP)
    assert compare(policy(TECHNICIANS), policy(), [narrow], NOW, ROME) == []
    assert compare(policy(TECHNICIANS), policy(), [ANNA], NOW, ROME) == [
        Change("wiki", (ANNA,), gain=False, what="", when="")
    ]


def test_more_kinds_of_requests_than_can_be_looked_at_are_refused() -> None:
    """Not silently left out."""
    paths: dict[str, object] = {**TECHNICIANS, "paths": [f"/{number}" for number in range(600)]}
    found = compare(policy(paths), policy(), [ANNA], NOW, ROME)
    assert found == NotCompared("wiki", "anna", 601)
    assert "tell 601 kinds of requests of 'anna' apart" in str(found)


def test_what_rules_say_of_others_makes_nothing_longer() -> None:
    """Three hundred people with a path and hours each; for one of them something changes."""
    people = [replace(ANNA, user=f"user{number}") for number in range(300)]
    own: list[dict[str, object]] = [
        {
            "name": one.user,
            "effect": "allow",
            "users": [one.user],
            "paths": [f"/{one.user}/**"],
            "hours": f"08:00-{9 + number % 9:02}:00",
        }
        for number, one in enumerate(people)
    ]
    other = [{**each, "hours": "08:00-20:00"} if each["name"] == "user7" else each for each in own]
    [change] = compared(policy(*own), policy(*other), people)
    assert change == Change("wiki", (people[7],), gain=True, what="/user7/**", when="16:00-20:00")


@settings(max_examples=60, deadline=None)
@given(POLICIES, POLICIES, SUBJECTS, REQUESTS, MOMENTS)
def test_what_changes_for_somebody_is_not_passed_over(
    old: AppPolicy, new: AppPolicy, who: Subject, request: RequestFacts, now: datetime
) -> None:
    """Where rules tell requests apart by person and time alone, every change has its line."""
    old, new = _without_targets(old), _without_targets(new)
    changes = compared(old, new, [who], now)
    was, will_be = (not isinstance(decide(one, who, request, now), Deny) for one in (old, new))
    gained = {one.gain for one in changes if not one.code}
    assert gained >= ({will_be} if was != will_be else set())
    plain = [replace(one, lifetime=None, idle=None) for one in (old, new)]
    codes = [decide(one, replace(who, proved_at=None), request, now) for one in plain]
    within = [one.within for one in codes if isinstance(one, StepUp) and one.within]
    if len(within) > 1 and within[0] != within[1]:
        assert (within[1] > within[0]) in {one.gain for one in changes if one.code}
    assert compare(old, old, [who], now, ROME) == []
    back = compared(new, old, [who], now)
    assert {(one.what, one.when, one.gain, one.code) for one in changes} == {
        (one.what, one.when, not one.gain, one.code) for one in back
    }


def _without_targets(policy: AppPolicy) -> AppPolicy:
    rules = (replace(rule, methods=None, paths=None, networks=None) for rule in policy.rules)
    return replace(policy, rules=tuple(rules))
