"""Each criterion, alone."""

from datetime import UTC, datetime

import pytest

from policies.match import (
    CRITERIA,
    Verdict,
    in_words,
    judge_groups,
    judge_level,
    judge_scope,
    judge_users,
    matches,
)
from policies.model import Effect, Level, Question, RequestFacts, Rule, Subject

ANNA = Question(
    Subject("anna", frozenset({"technicians", "milano"}), None, Level.PASSWORD_TOTP),
    RequestFacts("GET", "/"),
    datetime(2026, 11, 24, 19, 40, tzinfo=UTC),
)


def rule(users: set[str] | None = None, groups: set[str] | None = None) -> Rule:
    """Make an allow rule."""
    return Rule(
        "r",
        Effect.ALLOW,
        users=None if users is None else frozenset(users),
        groups=None if groups is None else frozenset(groups),
    )


@pytest.mark.parametrize(
    "scope, verdict",
    [
        (None, Verdict.NOT_ASKED),
        (frozenset({"wiki", "crm"}), Verdict.HIT),
        (frozenset({"crm"}), Verdict.MISS),
        (frozenset[str](), Verdict.MISS),
    ],
)
def test_scope(scope: frozenset[str] | None, verdict: Verdict) -> None:
    """A certificate without scope opens everything, one with an empty scope nothing."""
    assert judge_scope(scope, "wiki") is verdict


@pytest.mark.parametrize(
    "users, verdict",
    [
        (None, Verdict.NOT_ASKED),
        ({"anna", "bruno"}, Verdict.HIT),
        ({"bruno"}, Verdict.MISS),
        ({"ann"}, Verdict.MISS),
        ({"technicians"}, Verdict.MISS),
    ],
)
def test_users(users: set[str] | None, verdict: Verdict) -> None:
    """A user is named or not; groups and parts of names are something else."""
    assert judge_users(rule(users=users), ANNA) is verdict


@pytest.mark.parametrize(
    "groups, verdict",
    [
        (None, Verdict.NOT_ASKED),
        ({"technicians", "sales"}, Verdict.HIT),
        ({"sales"}, Verdict.MISS),
        ({"anna"}, Verdict.MISS),
    ],
)
def test_groups(groups: set[str] | None, verdict: Verdict) -> None:
    """One group in common is enough."""
    assert judge_groups(rule(groups=groups), ANNA) is verdict


def test_level() -> None:
    """A level is reached by itself and by anything above it."""
    assert judge_level(Level.PASSWORD_TOTP, Level.PASSWORD_TOTP) is Verdict.HIT
    assert judge_level(Level.CERTIFICATE, Level.PASSWORD_TOTP) is Verdict.HIT
    assert judge_level(Level.PASSWORD_TOTP, Level.CERTIFICATE) is Verdict.MISS


@pytest.mark.parametrize(
    "users, groups, matched",
    [
        ({"anna"}, {"technicians"}, True),
        ({"anna"}, {"sales"}, False),
        ({"bruno"}, {"technicians"}, False),
        ({"bruno"}, {"sales"}, False),
        (None, {"technicians"}, True),
        ({"anna"}, None, True),
        (None, None, True),
    ],
)
def test_a_rule_matches_when_all_that_it_asks_holds(
    users: set[str] | None, groups: set[str] | None, *, matched: bool
) -> None:
    """Criteria are joined by *and*, and those left out are not asked."""
    assert matches(rule(users, groups), ANNA) is matched


def test_every_criterion_says_what_it_wants_and_what_it_finds() -> None:
    """The table has words for people, in a fixed order."""
    asked = rule(users={"bruno", "anna"}, groups={"sales"})
    assert [(each.name, each.wanted(asked), each.found(ANNA, asked)) for each in CRITERIA][:2] == [
        ("users", "anna, bruno", "anna"),
        ("groups", "sales", "milano, technicians"),
    ]


def test_nothing_asked_and_nothing_there_read_differently() -> None:
    """*any* is a criterion that is not asked; *none* is a person without groups."""
    assert in_words(None) == "any"
    assert in_words(frozenset()) == "none"


def test_the_table_asks_each_field_of_a_rule() -> None:
    """A field of `Rule` that no criterion asks would be silently ignored."""
    about_the_rule = {"name", "effect", "totp_within", "local"}
    assert {each.name for each in CRITERIA} == set(Rule.__dataclass_fields__) - about_the_rule
