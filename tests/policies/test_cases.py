"""What is expected of rules, and what becomes of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from policies.cases import EXPECTATIONS, Case, Outcome, difference, judge_case
from policies.decide import decide
from policies.model import Allow, AppPolicy, Deny, Level, RequestFacts, Subject
from policies.papers import NO_PAPERS, Approval, Papers
from policies.parse import parse_rules
from policies.reading import Problem
from policies.times import Almanac
from tests.policies.test_decide import MOMENTS, POLICIES, REQUESTS, SUBJECTS

ROME = ZoneInfo("Europe/Rome")
MORNING = datetime(2026, 11, 24, 9, tzinfo=ROME)
EVENING = datetime(2026, 11, 24, 19, 40, tzinfo=ROME)
TOMORROW = datetime(2026, 11, 25, 8, tzinfo=ROME)
ANNA = Case(
    place="tests/wiki.toml: cases[1]",
    name="anna",
    app="wiki",
    user="anna",
    groups=frozenset({"technicians"}),
    device="stick-1",
    issuer="own",
    scope=None,
    request=RequestFacts("GET", "/"),
    at=MORNING,
    expect="allow",
)


def office() -> AppPolicy:
    """Technicians, in office hours; administration for nobody."""
    problems: list[Problem] = []
    hours = {"name": "t", "effect": "allow", "groups": ["technicians"], "hours": "08:00-19:00"}
    admin = {"name": "a", "effect": "deny", "everybody": True, "paths": ["/admin/**"]}
    policy = parse_rules("wiki", [hours, admin], "rules", problems, Almanac(ROME))
    assert policy is not None, problems
    return policy


def said(case: Case) -> str:
    """Judge *case* in the office, and say what is not as expected."""
    return difference(case, judge_case(case, office(), None, MORNING), ROME)


@pytest.mark.parametrize(
    "case",
    [
        ANNA,
        replace(ANNA, rule="t"),
        replace(ANNA, at=None),
        replace(ANNA, at=EVENING, expect="outside-hours", opens=TOMORROW, rule="t"),
        replace(ANNA, at=EVENING, expect="deny"),
        replace(ANNA, request=RequestFacts("GET", "/admin/x"), expect="rule-denies", rule="a"),
        replace(ANNA, groups=frozenset(), expect="no-rule-matches"),
        replace(ANNA, scope=frozenset({"crm"}), expect="outside-certificate-scope"),
    ],
)
def test_what_is_as_expected_says_nothing(case: Case) -> None:
    """Answer, rule and moment, as far as they are asked for."""
    assert said(case) == ""


def test_papers_are_those_of_the_case() -> None:
    """And when it opens is told with them too."""
    problems: list[Problem] = []
    days = {"per_month": 2, "consecutive": False}
    rule = {
        "name": "t",
        "effect": "allow",
        "users": ["anna"],
        "requires": ["approval"],
        "days": days,
    }
    policy = parse_rules("wiki", [rule], "rules", problems, Almanac(ROME))
    assert policy is not None, problems
    approved = (Approval("wiki", MORNING.date(), MORNING.date() + timedelta(days=30)),)
    papers = Papers(approvals=approved, days={"remote-days": frozenset({MORNING.date()})})

    def judged(case: Case) -> Outcome:
        return judge_case(case, policy, None, MORNING)

    assert judged(ANNA).answer == "approval-missing"
    assert judged(replace(ANNA, papers=papers)) == Outcome("allow", "t")
    late = replace(ANNA, at=TOMORROW, papers=papers)
    after = datetime(2026, 11, 26, tzinfo=ROME)
    assert judged(late) == Outcome("days-spent", "t", after)


@pytest.mark.parametrize(
    "case,words",
    [
        (
            replace(ANNA, at=EVENING),
            "expected allow, found outside-hours by rule 't', opens wed 2026-11-25 08:00",
        ),
        (replace(ANNA, expect="deny"), "expected deny, found allow by rule 't'"),
        (replace(ANNA, rule="x"), "expected allow by rule 'x', found allow by rule 't'"),
        (
            replace(ANNA, at=EVENING, expect="outside-hours", opens=MORNING),
            (
                "expected outside-hours, opens tue 2026-11-24 09:00, "
                "found outside-hours by rule 't', opens wed 2026-11-25 08:00"
            ),
        ),
    ],
)
def test_what_is_not_as_expected_is_said(case: Case, words: str) -> None:
    """With what was found instead, by the site's clock."""
    assert said(case) == words


def test_who_must_sign_in_is_neither_let_in_nor_refused() -> None:
    """So that neither expectation holds by mistake."""
    for expect in ("allow", "deny"):
        case = replace(ANNA, expect=expect)
        assert difference(case, Outcome("sign-in"), ROME) == f"expected {expect}, found sign-in"


def test_groups_of_the_store_stand_where_a_case_names_none() -> None:
    """Groups that it names are all that it has."""
    case = replace(ANNA, groups=None)
    theirs = frozenset({"technicians"})
    assert judge_case(case, office(), theirs, MORNING).answer == "allow"
    assert judge_case(case, office(), None, MORNING).answer == "no-rule-matches"
    named = replace(ANNA, groups=frozenset({"sales"}))
    assert judge_case(named, office(), theirs, MORNING).answer == "no-rule-matches"


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS)
def test_a_case_ends_as_the_decision_does(
    policy: AppPolicy, who: Subject, request: RequestFacts, now: datetime
) -> None:
    """Whatever the rules: of all that can be expected by name, only that holds."""
    case = replace(ANNA, user=who.user, groups=who.groups, scope=who.scope, request=request, at=now)
    case = replace(case, device=who.device, issuer=who.issuer)
    who = replace(who, level=Level.PASSWORD_TOTP, papers=NO_PAPERS, proved_at=now)
    who = replace(who, signed_in_at=now, used_at=None)
    decision = decide(policy, who, request, now)
    outcome = judge_case(case, policy, None, MORNING)
    assert (outcome.answer == "allow") == isinstance(decision, Allow)
    if isinstance(decision, Deny):
        assert (outcome.answer, outcome.rule) == (decision.reason, decision.rule)
    holding = [
        each
        for each in EXPECTATIONS
        if each != "deny" and not difference(replace(case, expect=each), outcome, ROME)
    ]
    assert holding == [outcome.answer]
