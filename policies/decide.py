"""The decision, and the same decision explained rule by rule."""

from dataclasses import dataclass
from datetime import datetime

from policies.match import (
    CRITERIA,
    MISS,
    Verdict,
    in_words,
    judge_level,
    judge_scope,
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

_DENY = Effect.DENY


def decide(policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime) -> Decision:
    """Decide whether *subject* may make *request* under *policy* at *now*.

    A deny rule beats every allow rule, whatever their order, and a request
    that no allow rule matches is refused: an empty policy lets nobody in.
    Whether certificate and session are valid at all is decided before, elsewhere.
    """
    if judge_scope(subject.scope, policy.app) is MISS:
        return Deny(Reason.OUTSIDE_CERTIFICATE_SCOPE)
    question = Question(subject, request, now)
    allowing = None
    for rule in policy.rules:
        if matches(rule, question):
            if rule.effect is _DENY:
                return Deny(Reason.RULE_DENIES, rule.name)
            if allowing is None:
                allowing = rule
    if allowing is None:
        return Deny(Reason.NO_RULE_MATCHES)
    # Asked last, so that nobody is sent through a sign-in whose answer is already "no".
    if judge_level(policy.required, subject.level) is MISS:
        return StepUp(policy.required)
    return Allow(allowing.name)


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
                criterion.found(question),
            )
            for criterion in CRITERIA
        ),
    )


def _level_in_words(level: Level) -> str:
    return level.name.lower().replace("_", " + ")
