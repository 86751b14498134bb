"""What somebody may open of one application, as it is told beforehand, to themselves.

Whom no allow rule is for learns nothing of the application. Whoever is meant to have it sees
that it is there, and why it does not open now.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, assert_never

from policies.decide import FRONT_PAGE, decide
from policies.match import MISS, judge_groups, judge_scope, judge_users
from policies.model import (
    Allow,
    AppPolicy,
    Decision,
    Deny,
    Effect,
    Question,
    Reason,
    RequestFacts,
    Rule,
    Spend,
    StepUp,
    Subject,
)
from policies.openings import opens_at
from policies.papers import DayQuota
from policies.paths import PathPattern

# Each is a decision or several, on a page with many applications.
_LOOKED_AT: Final = 16


@dataclass(frozen=True, slots=True)
class Opens:
    """It opens now, at *path*; *parts* are the patterns of what opens where its front page does not.

    With *confirming* it asks there for a code first, or for the whole sign-in once more.
    """

    path: str = FRONT_PAGE.path
    parts: tuple[str, ...] = ()
    spends: Spend | None = None
    """The day that the front page uses up, where it is that which opens."""
    confirming: bool = False


@dataclass(frozen=True, slots=True)
class Closed:
    """It is for this person and does not open now.

    *reason* None means that they must prove more first. *opens_at* is the next moment at which
    nothing but the time will have to be another; None: time alone does not open it soon. *parts*
    are the patterns of paths that this is about, where it is not the front page.
    """

    reason: Reason | None
    opens_at: datetime | None = None
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hidden:
    """It is not for this person."""


Prospect = Opens | Closed | Hidden


def prospect(
    policy: AppPolicy, subject: Subject, now: datetime, request: RequestFacts = FRONT_PAGE
) -> Prospect:
    """Return what *subject* has of *policy* at *now*, as far as *request*, its front page, tells.

    Never `Opens` with a path at which `decide` does not allow it, be it after a code, and always
    where it allows *request* itself; elsewhere it is looked for among the first few parts of which
    rules speak. Whoever has not signed in has nothing opened.
    """
    match decide(policy, subject, request, now):
        case Allow(spends=spends):
            return Opens(spends=spends)
        case StepUp():
            return _confirming(policy, subject, request, now)
        case Deny(reason):
            question = Question(subject, request, now, policy.app)
            if not is_meant(policy, question):
                return Hidden()
            return _closed(policy, question, reason)
        case other:
            assert_never(other)


def _confirming(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime
) -> Opens | Closed:
    """Tell of an application that lets *subject* in once they have proved more."""
    if subject.level < policy.required:
        return Closed(None)
    fresh = decide(policy, replace(subject, proved_at=now, signed_in_at=now), request, now)
    return Opens(spends=fresh.spends if isinstance(fresh, Allow) else None, confirming=True)


def quotas_of(policy: AppPolicy, subject: Subject, now: datetime) -> tuple[DayQuota, ...]:
    """Return the quotas of days by which rules let *subject* in, at whatever time or place."""
    if not any(rule.days is not None for rule in policy.rules):
        return ()
    if judge_scope(subject.scope, policy.app) is MISS:
        return ()
    meant = meant_rules(policy, Question(subject, FRONT_PAGE, now, policy.app))
    return tuple(dict.fromkeys(rule.days for rule in meant if rule.days is not None))


def is_meant(policy: AppPolicy, question: Question) -> bool:
    """Say whether any rule is there to let this person in, be it at another time or place."""
    return any(True for _ in meant_rules(policy, question))


def rules_to_approve(policy: AppPolicy, subject: Subject, now: datetime) -> tuple[Rule, ...]:
    """Return the rules that let this person in once somebody has approved it."""
    question = Question(subject, FRONT_PAGE, now, policy.app)
    return tuple(rule for rule in meant_rules(policy, question) if rule.approval is not None)


def meant_rules(policy: AppPolicy, question: Question) -> Iterator[Rule]:
    """Yield the rules that are there to let this person in, but for those that are over."""
    for rule in policy.rules:
        if (
            rule.effect is Effect.ALLOW
            and judge_users(rule, question) is not MISS
            and judge_groups(rule, question) is not MISS
            and not (rule.when is not None and rule.when.is_over(question.now))
        ):
            yield rule


def _closed(policy: AppPolicy, question: Question, reason: Reason) -> Opens | Closed:
    """Tell of an application whose front page is refused for *reason*: what of it opens, or when."""
    rules = list(meant_rules(policy, question))
    parts = list(dict.fromkeys(part for rule in rules for part in rule.paths or ()))[:_LOOKED_AT]
    answers = {part: _ask(policy, question, part) for part in parts}
    opening = [part for part, answer in answers.items() if not isinstance(answer, Deny)]
    if question.subject.level < policy.required:
        opening = []
    names = tuple(map(str, opening))
    for part in opening:
        if not part.is_open_ended:
            return Opens(part.example, names, confirming=isinstance(answers[part], StepUp))
    if opening:
        return Closed(Reason.OTHER_PATH, None, names)
    opens = opens_at(policy, question.subject, question.now, question.request)
    if opens is not None:
        return Closed(reason, opens)
    return _waiting(policy, question, parts) or Closed(
        reason, None, tuple(map(str, parts)) if all(rule.paths for rule in rules) else ()
    )


def _waiting(policy: AppPolicy, question: Question, parts: Iterable[PathPattern]) -> Closed | None:
    """Tell which of *parts* open next, and when; None where time alone opens none soon."""
    found: dict[datetime, list[tuple[Reason, PathPattern]]] = {}
    for part in parts:
        match _ask(policy, question, part):
            case Deny(reason):
                request = replace(question.request, path=part.example)
                opens = opens_at(policy, question.subject, question.now, request)
                if opens is not None:
                    found.setdefault(opens, []).append((reason, part))
            case _:
                pass
    if not found:
        return None
    soonest = min(found)
    return Closed(found[soonest][0][0], soonest, tuple(str(part) for _, part in found[soonest]))


def _ask(policy: AppPolicy, question: Question, part: PathPattern) -> Decision:
    request = replace(question.request, path=part.example)
    return decide(policy, question.subject, request, question.now)
