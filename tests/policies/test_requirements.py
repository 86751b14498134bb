"""What rules ask of papers and codes, and every way of writing it wrongly."""

import tomllib
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest

from policies.model import AppPolicy, Effect
from policies.papers import Agreement, AgreementVersion, DayQuota
from policies.parse import parse_rules
from policies.reading import Problem
from policies.times import Almanac

HOME = Agreement("home", (AgreementVersion("1", date(2026, 1, 1), frozenset({"a"})),))
ALMANAC = Almanac(ZoneInfo("Europe/Rome"), {}, {"home": HOME})


def read(keys: str, effect: str = "allow") -> tuple[AppPolicy | None, list[str]]:
    """Read one rule for Anna with *keys*."""
    problems: list[Problem] = []
    text = f'[[rules]]\neffect = "{effect}"\nusers = ["anna"]\n{keys}'
    found = parse_rules("wiki", tomllib.loads(text)["rules"], "wiki: rules", problems, ALMANAC)
    return found, [str(problem) for problem in problems]


def test_papers_are_read() -> None:
    """Each as a rule has it, by the site's clock."""
    policy, problems = read(
        'requires = ["approval", "agreement:home"]\ndays = { per_month = 3, consecutive = false }'
    )
    assert problems == []
    assert policy is not None
    (rule,) = policy.rules
    assert (rule.approval, rule.agreements) == (True, (HOME,))
    assert rule.days == DayQuota(3, consecutive=False, count="remote-days")
    assert rule.local is ALMANAC.local
    assert rule.asks_papers


def test_a_step_up_rule_is_read() -> None:
    """With the time within which a code must have been given."""
    policy, problems = read('totp_within = "10m"', "step-up")
    assert problems == []
    assert policy is not None
    assert policy.rules[0].effect is Effect.STEP_UP
    assert policy.rules[0].totp_within == timedelta(minutes=10)


@pytest.mark.parametrize(
    "keys, effect, problem",
    [
        ('requires = ["aprroval"]', "allow", "requires[1]: 'aprroval' cannot be required; did you"),
        (
            'requires = ["home"]',
            "allow",
            'cannot be required; write "approval" or "agreement:NAME"',
        ),
        ('requires = ["agreement:hom"]', "allow", "there is no agreement 'hom'"),
        ("requires = []", "allow", "requires: an empty list"),
        ("days = 3", "allow", "days: expected a table, found a whole number"),
        ("days = {}", "allow", "days.per_month: missing"),
        ("days = { per_month = 0 }", "allow", "days.per_month: expected a whole number from 1"),
        ("days = { per_month = 32 }", "allow", "days.per_month: expected a whole number from 1"),
        (
            "days = { per_month = 31, consecutive = false }",
            "allow",
            "days.per_month: no month has 31 days of which no two are in a row: at most 16",
        ),
        ("days = { per_month = 3, row = true }", "allow", "days.row: unknown key"),
        ('totp_within = "10m"', "allow", 'only a rule with effect = "step-up" wants a code again'),
        ("", "step-up", "totp_within: missing"),
        ('totp_within = "1s"', "step-up", "totp_within: expected a duration from 30s to 1d"),
        ('requires = ["approval"]', "deny", "can have requires or days"),
        ("days = { per_month = 3 }", "observe", "can have requires or days"),
    ],
)
def test_what_is_written_wrongly_is_said(keys: str, effect: str, problem: str) -> None:
    """Of a faulty rule nothing is in force."""
    policy, problems = read(keys, effect)
    assert policy is None
    assert len(problems) == 1, problems
    assert problem in problems[0]
