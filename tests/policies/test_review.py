"""Rules that are strange without being wrong."""

from datetime import date
from ipaddress import ip_network
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from policies.calendar import Timetable
from policies.decide import decide
from policies.model import Allow, AppPolicy, Effect, RequestFacts, Rule, Subject
from policies.papers import DayQuota
from policies.paths import parse_path_pattern
from policies.review import covers, differing_counts, review
from tests.policies.test_decide import MOMENTS, REQUESTS, RULES, SUBJECTS

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
