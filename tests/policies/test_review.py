"""Rules that are strange without being wrong."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from ipaddress import ip_network
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from policies.calendar import Timetable
from policies.decide import decide
from policies.model import Allow, AppPolicy, CertificateKind, Effect, RequestFacts, Rule, Subject
from policies.papers import DayQuota
from policies.paths import parse_path_pattern
from policies.review import covers, differing_counts, review
from tests.policies.test_decide import MOMENTS, POLICIES, REQUESTS, RULES, SUBJECTS, openness

ROME = ZoneInfo("Europe/Rome")
TODAY = date(2026, 11, 24)
ANNA = Rule("anna", Effect.ALLOW, frozenset({"anna"}), None)


def said(*rules: Rule) -> list[str]:
    """Review *rules*."""
    return [
        f"{one.position}: {one.rule}: {one.message}" for one in review(AppPolicy("w", rules), TODAY)
    ]


def narrowed(**more: object) -> Rule:
    """Make Anna's rule narrower."""
    values = {name: getattr(ANNA, name) for name in ANNA.__dataclass_fields__} | more
    return Rule(**values)


def test_nothing_is_said_of_rules_that_make_sense() -> None:
    """Exceptions are what deny rules are for."""
    night = narrowed(name="x", effect=Effect.DENY, when=Timetable(ROME, weekdays=frozenset({6})))
    assert said(ANNA, night) == []


@pytest.mark.parametrize(
    "when, message",
    [
        (
            Timetable(ROME, first=date(9999, 12, 1), last=date(9999, 12, 31)),
            "it can never match: there is no day on which it holds",
        ),
        (Timetable(ROME, last=date(2026, 11, 23)), "it ended on 2026-11-23, and can be taken out"),
        (
            Timetable(ROME, (), frozenset({5}), date(2026, 11, 23), date(2026, 11, 27)),
            "it can never match: there is no day on which it holds",
        ),
    ],
)
def test_a_rule_that_can_never_match(when: Timetable, message: str) -> None:
    """Because its time is over, or never comes."""
    assert said(narrowed(when=when)) == [f"1: anna: {message}"]


def test_a_rule_that_another_one_denies() -> None:
    """Wholly: then it is either a contradiction or to no purpose."""
    same = narrowed(name="not anna", effect=Effect.DENY)
    assert said(ANNA, same) == [
        "1: anna: it contradicts rule 'not anna', which denies exactly the same, and wins"
    ]
    everybody = Rule("nobody", Effect.DENY, None, None)
    narrow = narrowed(paths=(parse_path_pattern("/a"),), networks=(ip_network("10.1.0.0/16"),))
    assert said(everybody, narrow) == [
        "2: anna: it can never let anybody in: rule 'nobody' denies all of it"
    ]


@given(RULES, RULES, SUBJECTS, REQUESTS, MOMENTS)
def test_a_rule_that_covers_another_matches_where_that_does(
    wide: Rule, narrow: Rule, subject: Subject, request: RequestFacts, now: object
) -> None:
    """So whoever is let in by the narrow one alone would be by the wide one."""
    if not covers(wide, narrow):
        return
    opens = [
        isinstance(
            decide(
                AppPolicy("wiki", (narrowed(**_criteria(rule)),)),
                subject,
                request,
                now,  # type: ignore[arg-type]  # a moment
            ),
            Allow,
        )
        for rule in (wide, narrow)
    ]
    assert opens[0] or not opens[1]


def _criteria(rule: Rule) -> dict[str, object]:
    return {name: getattr(rule, name) for name in rule.__dataclass_fields__} | {
        "effect": Effect.ALLOW,
        "totp_within": None,
    }


def test_days_that_never_count() -> None:
    """Where another rule lets the same people in, from everywhere and without counting."""
    counting = narrowed(name="home", days=DayQuota(3))
    assert said(counting, ANNA) == [
        "1: home: it never counts a day: rule 'anna' lets in the same without counting"
    ]
    office = narrowed(name="office", networks=(ip_network("10.0.0.0/8"),))
    assert said(counting, office) == []
    assert said(counting, narrowed(name="other", days=DayQuota(5, count="other"))) == []


def test_days_that_are_the_same_and_have_another_number() -> None:
    """In whichever application: what was used for one is used for the other."""
    one = AppPolicy("wiki", (narrowed(name="home", days=DayQuota(3)),))
    two = AppPolicy("crm", (narrowed(name="far", days=DayQuota(5, consecutive=False)),))
    own = AppPolicy("crm", (narrowed(name="far", days=DayQuota(5, count="crm-days")),))
    [(app, odd)] = differing_counts([one, two])
    assert (app, odd.position, odd.rule) == ("crm", 1, "far")
    assert odd.message == (
        "it counts 5 a month, never two in a row as 'remote-days', and another rule, of 'wiki', "
        "counts 3 a month: the days are the same; give one another count"
    )
    assert differing_counts([one, own]) == differing_counts([one, one]) == []


CODE = Rule("code", Effect.STEP_UP, None, None, totp_within=timedelta(minutes=10))
NEVER_ASKS = "2: code: it never asks for a code: no rule lets in what it matches"


@pytest.mark.parametrize(
    "allow, asks",
    [
        ({}, {"groups": frozenset({"sales"})}),
        ({}, {"users": frozenset({"anna", "bruno"}), "networks": (ip_network("10.0.0.0/8"),)}),
        ({"paths": (parse_path_pattern("/admin/**"),)}, {"paths": (parse_path_pattern("/admin"),)}),
        ({"paths": (parse_path_pattern("/a/b"),)}, {"paths": (parse_path_pattern("/a/**"),)}),
        ({"paths": (parse_path_pattern("/ADMIN"),)}, {"paths": (parse_path_pattern("/admin"),)}),
        ({"paths": (parse_path_pattern("/*/b"),)}, {"paths": (parse_path_pattern("/a/**"),)}),
        (
            {"networks": (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))},
            {"networks": (ip_network("10.1.0.0/16"),)},
        ),
        ({"certificate": CertificateKind.LIMITED}, {}),
    ],
)
def test_a_step_up_rule_that_may_ask_somebody(
    allow: dict[str, object], asks: dict[str, object]
) -> None:
    """Also where it is hard to tell."""
    assert said(narrowed(**allow), narrowed_code(**asks)) == []


@pytest.mark.parametrize(
    "allow, asks",
    [
        ({}, {"users": frozenset({"bruno"})}),
        ({"paths": (parse_path_pattern("/a/**"),)}, {"paths": (parse_path_pattern("/b"),)}),
        ({"methods": frozenset({"GET"})}, {"methods": frozenset({"POST"})}),
        ({"devices": frozenset({"a"})}, {"devices": frozenset({"b"})}),
        ({"issuers": frozenset({"own"})}, {"issuers": frozenset({"partner"})}),
        (
            {"certificate": CertificateKind.LIMITED},
            {"certificate": CertificateKind.UNLIMITED},
        ),
        (
            {"networks": (ip_network("10.0.0.0/8"),)},
            {"networks": (ip_network("192.0.2.0/24"), ip_network("2001:db8::/32"))},
        ),
        ({"effect": Effect.DENY}, {}),
    ],
)
def test_a_step_up_rule_that_asks_nobody(allow: dict[str, object], asks: dict[str, object]) -> None:
    """For nobody is let in to what it matches."""
    assert said(narrowed(**allow), narrowed_code(**asks)) == [NEVER_ASKS]


def test_a_step_up_rule_that_the_lifetime_overtakes() -> None:
    """The sign-in is asked for before the code would be."""
    rules = (ANNA, replace(CODE, totp_within=timedelta(hours=8)))
    [one] = review(AppPolicy("w", rules, lifetime=timedelta(hours=8)), TODAY)
    assert one.message.startswith("it never asks for a code: after 8h (session.lifetime)")
    assert review(AppPolicy("w", rules, lifetime=timedelta(hours=9)), TODAY) == []


def narrowed_code(**more: object) -> Rule:
    """Make the step-up rule narrower."""
    values = {name: getattr(CODE, name) for name in CODE.__dataclass_fields__} | more
    return Rule(**values)


@given(POLICIES, SUBJECTS, REQUESTS, MOMENTS)
def test_a_rule_that_is_said_to_ask_nobody_changes_nothing(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime
) -> None:
    """Whoever takes it out gets the same answers; of people who gave a code with the password."""
    signed_in = replace(subject, proved_at=subject.signed_in_at)
    for odd in review(policy, TODAY):
        if "never asks" in odd.message:
            rules = [*policy.rules]
            del rules[odd.position - 1]
            without = replace(policy, rules=tuple(rules))
            found, other = (decide(one, signed_in, request, now) for one in (policy, without))
            assert openness(found) == openness(other)
