"""The rules of an application, laid out so that a decision looks at few of them.

A rule that names users is found by them, one that names groups by those, and the rest are for
everybody. So what a decision costs does not grow with the rules that are for other people.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from policies.calendar import Timetable
from policies.match import (
    CRITERIA,
    MISS,
    Verdict,
    judge_agreements,
    judge_approval,
    judge_days,
    judge_groups,
    judge_users,
    judge_when,
)
from policies.model import AppPolicy, Question, Rule, Subject
from policies.papers import Papers

Judge = Callable[[Rule, Question], Verdict]

_ON_A_DAY: Final[tuple[Judge, ...]] = (judge_approval, judge_agreements, judge_days)
_PAPERS: Final = tuple(
    (criterion.name, criterion.judge) for criterion in CRITERIA if criterion.judge in _ON_A_DAY
)
_ASKED: Final = tuple(
    (criterion.name, criterion.judge)
    for criterion in CRITERIA
    if criterion.judge not in (judge_users, judge_groups, judge_when, *_ON_A_DAY)
)


@dataclass(frozen=True, slots=True)
class Ready:
    """A rule with those judges that still have to be asked once it has been found.

    *position* is its place in the file. *when* is asked last, since its answer has an end.
    """

    position: int
    rule: Rule
    judges: tuple[Judge, ...]
    when: Timetable | None
    steady: tuple[Judge, ...]
    """Those of them that say the same on every day."""
    papers: tuple[Judge, ...]
    """Those that may say something else on another day."""

    def fits(self, question: Question) -> bool:
        """Say whether the rule, which was found for who asks, matches but for the time."""
        for judge in self.judges:  # noqa: SIM110 - a generator costs each decision more than this
            if judge(self.rule, question) is MISS:
                return False
        return True

    def fits_some_day(self, question: Question) -> bool:
        """Say whether it matches but for the time, and for papers, which may come."""
        return all(judge(self.rule, question) is not MISS for judge in self.steady)

    def has_papers(self, question: Question) -> bool:
        """Say whether who asks has what the rule wants of papers."""
        return all(judge(self.rule, question) is not MISS for judge in self.papers)


@dataclass(frozen=True, slots=True)
class Closing:
    """A time throughout which some rules refuse, from *begin* up to but without *end*.

    *opens* says whether they let in at the end; if not, it is not known further than that.
    """

    begin: datetime
    end: datetime
    opens: bool


class Plan:
    """Where the rules of one application are found."""

    __slots__ = ("_everybody", "_groups", "_users", "closings", "local")

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        """Lay out *rules*."""
        self.closings: dict[tuple[frozenset[int], Papers | None], Closing] = {}
        """What `openings` has found, by the positions of the rules that it looked at, and by the
        papers of who asked where these rules ask for any."""
        clocks = {id(rule.local): rule.local for rule in rules if rule.asks_papers}
        self.local = clocks.popitem()[1] if len(clocks) == 1 else None
        """Which day it is for all rules that ask for papers, so that it is found out once."""
        everybody: list[Ready] = []
        users: dict[str, list[Ready]] = {}
        groups: dict[str, list[Ready]] = {}
        for position, rule in enumerate(rules):
            judges = tuple(judge for name, judge in _ASKED if getattr(rule, name) is not None)
            if rule.users is not None and rule.groups is not None:
                judges = (judge_groups, *judges)
            papers = tuple(judge for name, judge in _PAPERS if getattr(rule, name) is not None)
            ready = Ready(position, rule, (*judges, *papers), rule.when, judges, papers)
            if rule.users is not None:
                for user in rule.users:
                    users.setdefault(user, []).append(ready)
            elif rule.groups is not None:
                for group in rule.groups:
                    groups.setdefault(group, []).append(ready)
            else:
                everybody.append(ready)
        self._everybody = tuple(everybody)
        self._users = {user: tuple(found) for user, found in users.items()}
        self._groups = {group: tuple(found) for group, found in groups.items()}

    def concerning(self, subject: Subject) -> tuple[Ready, ...]:
        """Return the rules that may be for *subject*, some of them more than once."""
        found = self._everybody
        if self._users:
            found += self._users.get(subject.user, ())
        if self._groups:
            for group in subject.groups:
                found += self._groups.get(group, ())
        return found


def plan_of(policy: AppPolicy) -> Plan:
    """Return the plan of *policy*, which is made when it is asked for first."""
    kept = policy.plan
    if not kept:
        kept.append(Plan(policy.rules))
    plan = kept[0]
    assert isinstance(plan, Plan)  # noqa: S101 - nothing else is ever kept there
    return plan
