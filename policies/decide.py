"""The decision, and the same decision explained rule by rule."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from policies.match import (
    CRITERIA,
    MISS,
    Verdict,
    in_words,
    judge_groups,
    judge_level,
    judge_scope,
    judge_users,
    matches,
)
from policies.model import (
    Allow,
    AppPolicy,
    Decision,
    Deny,
    Effect,
    Level,
    Question,
    Reason,
    RequestFacts,
    Rule,
    StepUp,
    Subject,
)
from policies.plan import Ready, plan_of

FRONT_PAGE: Final = RequestFacts(method="GET", path="/")

_DENY: Final = Effect.DENY
_ALLOW: Final = Effect.ALLOW
# Of several rules that would nearly allow a request, the one that is the least to wait or to
# change for; never that which happens to stand first.
_NEARNESS: Final = (
    Reason.OUTSIDE_HOURS,
    Reason.OTHER_PATH,
    Reason.OTHER_METHOD,
    Reason.OUTSIDE_NETWORK,
    Reason.OTHER_CERTIFICATE,
    Reason.OUTSIDE_PERIOD,
)


def decide(policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime) -> Decision:
    """Decide whether *subject* may make *request* under *policy* at *now*.

    A deny rule beats every allow rule, whatever their order, and a request
    that no allow rule matches is refused: an empty policy lets nobody in.
    Whether certificate and session are valid at all is decided before, elsewhere.

    The decision says until when it stays the same, *now* being all that changes.
    """
    if judge_scope(subject.scope, policy.app) is MISS:
        return Deny(Reason.OUTSIDE_CERTIFICATE_SCOPE)
    question = Question(subject, request, now)
    found = _Found()
    concerned = plan_of(policy).concerning(subject)
    for ready in concerned:
        if ready.fits(question):
            found.add(ready, now)
    if found.denying is not None:
        return Deny(Reason.RULE_DENIES, found.denying.rule.name, found.until)
    if found.allowing is None:
        return _refuse(question, concerned, found)
    until = found.until
    if found.allowing.when is not None:
        until = _first_of(until, found.allowing.when.look(now)[1])
    # Asked last, so that nobody is sent through a sign-in whose answer is already "no".
    if judge_level(policy.required, subject.level) is MISS:
        return StepUp(policy.required, until)
    return Allow(found.allowing.rule.name, until, _names(found.observing))


@dataclass(slots=True, eq=False)  # made for each decision: not frozen, which costs
class _Found:
    """The rules that match but for the time, sorted by what they do now."""

    allowing: Ready | None = None
    denying: Ready | None = None
    waiting: tuple[Ready, ...] = ()
    """Would allow, at other times."""
    observing: tuple[Ready, ...] = ()
    until: datetime | None = None
    """When a rule that denies, or is on trial, begins or ends."""
    opens: datetime | None = None
    """When a rule that waits begins."""

    def add(self, ready: Ready, now: datetime) -> None:
        """Take in a rule that matches, if *now* is its time."""
        effect, when = ready.rule.effect, ready.when
        if when is not None:
            holds, turn = when.look(now)
            if effect is not _ALLOW:
                self.until = _first_of(self.until, turn)
            elif not holds:
                self.opens = _first_of(self.opens, turn)
                self.waiting += (ready,)
            if not holds:
                return
        if effect is _ALLOW:
            self.allowing = _earlier(self.allowing, ready)
        elif effect is _DENY:
            self.denying = _earlier(self.denying, ready)
        else:
            self.observing += (ready,)


def _earlier(one: Ready | None, other: Ready) -> Ready:
    """Return which of two rules stands first in its file: its name is given as the cause."""
    return other if one is None or other.position < one.position else one


def _first_of(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return min(one, other)


def _names(observing: tuple[Ready, ...]) -> tuple[str, ...]:
    if not observing:
        return ()
    # A rule is found once for each group that it shares with somebody.
    found = {ready.position: ready.rule.name for ready in observing}
    return tuple(found[position] for position in sorted(found))


def _refuse(question: Question, concerned: tuple[Ready, ...], found: _Found) -> Deny:
    """Say why no allow rule matches: by the one thing that is wrong, where it is one thing."""
    until = _first_of(found.until, found.opens)
    if found.waiting:
        near = [(_why_closed(each, question.now), each) for each in found.waiting]
    else:
        near = [
            (miss, each)
            for each in concerned
            if each.rule.effect is _ALLOW and (miss := _near_miss(each.rule, question)) is not None
        ]
    if not near:
        return Deny(Reason.NO_RULE_MATCHES, until=until)
    reason, nearest = min(near, key=lambda one: (_NEARNESS.index(one[0]), one[1].position))
    return Deny(reason, nearest.rule.name, until)


def _why_closed(ready: Ready, now: datetime) -> Reason:
    over = ready.when is not None and ready.when.outside_period(now)
    return Reason.OUTSIDE_PERIOD if over else Reason.OUTSIDE_HOURS


def _near_miss(rule: Rule, question: Question) -> Reason | None:
    """Return in what one respect *rule* does not match; None: in several, or it is for others."""
    if MISS in (judge_users(rule, question), judge_groups(rule, question)):
        return None
    missed = {criterion.reason for criterion in CRITERIA if criterion.judge(rule, question) is MISS}
    return missed.pop() if len(missed) == 1 else None


@dataclass(frozen=True, slots=True)
class Finding:
    """One criterion against one question: what was *wanted*, what was *found*, in words."""

    criterion: str
    verdict: Verdict
    wanted: str
    found: str


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """One rule against one question. *matches* is what `decide` goes by."""

    rule: Rule
    matches: bool
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All of a decision, in the order in which it is taken.

    Every rule is judged, also those that `decide` did not come to, since
    people ask about them too. The rules carry one finding per criterion, all
    in the same order, so that a table has the same columns for every rule.
    """

    app: str
    scope: Finding
    rules: tuple[RuleFinding, ...]
    level: Finding
    decision: Decision


def explain(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime
) -> Explanation:
    """Decide as `decide` does, and show every criterion of every rule beside it."""
    question = Question(subject, request, now)
    return Explanation(
        app=policy.app,
        scope=Finding(
            "certificate scope",
            judge_scope(subject.scope, policy.app),
            wanted=policy.app,
            found=in_words(subject.scope),
        ),
        rules=tuple(_explain_rule(rule, question) for rule in policy.rules),
        level=Finding(
            "level",
            judge_level(policy.required, subject.level),
            wanted=_level_in_words(policy.required),
            found=_level_in_words(subject.level),
        ),
        decision=decide(policy, subject, request, now),
    )


def _explain_rule(rule: Rule, question: Question) -> RuleFinding:
    return RuleFinding(
        rule,
        matches(rule, question),
        tuple(
            Finding(
                criterion.name,
                criterion.judge(rule, question),
                criterion.wanted(rule),
                criterion.found(question, rule),
            )
            for criterion in CRITERIA
        ),
    )


def _level_in_words(level: Level) -> str:
    return level.name.lower().replace("_", " + ")
