"""One tiny total function per criterion, and the table that both deciding and explaining read.

A new criterion is a field of `Rule`, a function here and a line of `CRITERIA`:
nothing else decides, so nothing can be explained otherwise than it was decided.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from policies.model import Level, Question, Rule


class Verdict(Enum):
    """What one criterion of one rule says to one question."""

    HIT = "hit"
    MISS = "miss"
    NOT_ASKED = "not asked"


# Looked up once: these names are on the way of every request.
HIT: Final = Verdict.HIT
MISS: Final = Verdict.MISS
NOT_ASKED: Final = Verdict.NOT_ASKED


def judge_scope(scope: frozenset[str] | None, app: str) -> Verdict:
    """Whether a certificate with *scope* opens *app*. An empty scope opens nothing."""
    if scope is None:
        return NOT_ASKED
    return HIT if app in scope else MISS


def judge_users(rule: Rule, question: Question) -> Verdict:
    """Whether the rule names this user."""
    if rule.users is None:
        return NOT_ASKED
    return HIT if question.subject.user in rule.users else MISS


def judge_groups(rule: Rule, question: Question) -> Verdict:
    """Whether the user is in at least one of the groups that the rule names."""
    if rule.groups is None:
        return NOT_ASKED
    return MISS if rule.groups.isdisjoint(question.subject.groups) else HIT


def judge_level(required: Level, level: Level) -> Verdict:
    """Whether a session at *level* has proved *required*."""
    return HIT if level >= required else MISS


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the table: how to judge, and what to tell people of it."""

    name: str
    judge: Callable[[Rule, Question], Verdict]
    wanted: Callable[[Rule], str]
    found: Callable[[Question], str]


CRITERIA: Final = (
    Criterion(
        "users",
        judge_users,
        wanted=lambda rule: in_words(rule.users),
        found=lambda question: question.subject.user,
    ),
    Criterion(
        "groups",
        judge_groups,
        wanted=lambda rule: in_words(rule.groups),
        found=lambda question: in_words(question.subject.groups),
    ),
)

_JUDGES: Final = tuple(criterion.judge for criterion in CRITERIA)


def matches(rule: Rule, question: Question) -> bool:
    """Whether every criterion that *rule* asks holds; a rule that asks nothing matches."""
    for judge in _JUDGES:  # noqa: SIM110 - all() over a generator doubles the price of a decision
        if judge(rule, question) is MISS:
            return False
    return True


def in_words(names: Iterable[str] | None) -> str:
    """Return *names* in a fixed order; `any` when not asked, `none` when there are none."""
    if names is None:
        return "any"
    return ", ".join(sorted(names)) or "none"
