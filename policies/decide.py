"""The decision, and the same decision explained rule by rule."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from policies.durations import show_duration
from policies.match import (
    CRITERIA,
    HIT,
    MISS,
    Verdict,
    day_of,
    in_words,
    judge_groups,
    judge_level,
    judge_scope,
    judge_users,
    matches,
)
from policies.model import (
    CLOCKS_DIFFER,
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
    Spend,
    StepUp,
    Subject,
)
from policies.plan import Ready, plan_of

FRONT_PAGE: Final = RequestFacts(method="GET", path="/")

_DENY: Final = Effect.DENY
_ALLOW: Final = Effect.ALLOW
_MINUTE: Final = timedelta(minutes=1)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
# Of several rules that would nearly allow a request, the one that is the least to wait or to
# change for; never that which happens to stand first.
_NEARNESS: Final = (
    # What people can do something about themselves, in the order in which they do it.
    Reason.APPROVAL_MISSING,
    Reason.AGREEMENT_MISSING,
    Reason.DAYS_SPENT,
    Reason.OUTSIDE_HOURS,
    Reason.OTHER_PATH,
    Reason.OTHER_METHOD,
    Reason.OUTSIDE_NETWORK,
    Reason.OTHER_CERTIFICATE,
    Reason.OUTSIDE_PERIOD,
)
_PAPERS: Final = frozenset(_NEARNESS[:3])
_BY_DAY: Final = frozenset({Reason.APPROVAL_MISSING, Reason.DAYS_SPENT})
"""What another day may bring by itself."""


def decide(policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime) -> Decision:
    """Decide whether *subject* may make *request* under *policy* at *now*.

    A deny rule beats every allow rule, whatever their order, and a request
    that no allow rule matches is refused: an empty policy lets nobody in.
    Whether certificate and session are valid at all is decided before, elsewhere.

    The decision says until when it stays the same, *now* being all that changes.
    """
    if judge_scope(subject.scope, policy.app) is MISS:
        return Deny(Reason.OUTSIDE_CERTIFICATE_SCOPE)
    plan = plan_of(policy)
    day = None if plan.local is None else plan.local.look(now)[0]
    question = Question(subject, request, now, policy.app, day)
    found = _Found()
    concerned = plan.concerning(subject)
    for ready in concerned:
        if ready.fits(question):
            found.add(ready, question)
    if found.denying is not None:
        return Deny(Reason.RULE_DENIES, found.denying.rule.name, found.until)
    # Whoever can be let in without using up a day, is.
    allowing = found.allowing or found.spending
    if allowing is None:
        return _refuse(question, concerned, found)
    return _let_in(policy, question, allowing, found)


@dataclass(slots=True, eq=False)  # made for each decision: not frozen, which costs
class _Found:
    """The rules that match but for the time, sorted by what they do now."""

    allowing: Ready | None = None
    spending: Ready | None = None
    """Would allow, and use up a day that has not been counted."""
    denying: Ready | None = None
    waiting: tuple[Ready, ...] = ()
    """Would allow, at other times."""
    observing: tuple[Ready, ...] = ()
    confirming: tuple[timedelta, Ready] | None = None
    """Wants a code given within that time, the shortest of all that do."""
    until: datetime | None = None
    """When a rule that does not allow begins or ends."""
    opens: datetime | None = None
    """When a rule that waits begins."""

    def add(self, ready: Ready, question: Question) -> None:
        """Take in a rule that matches, if now is its time."""
        rule, when = ready.rule, ready.when
        effect = rule.effect
        if when is not None:
            holds, turn = when.look(question.now)
            if effect is not _ALLOW:
                self.until = _first_of(self.until, turn)
            elif not holds:
                self.opens = _first_of(self.opens, turn)
                self.waiting += (ready,)
            if not holds:
                return
        if effect is _ALLOW:
            if rule.days is not None and _is_new_day(rule, question):
                self.spending = _earlier(self.spending, ready)
            else:
                self.allowing = _earlier(self.allowing, ready)
        elif effect is _DENY:
            self.denying = _earlier(self.denying, ready)
        elif rule.totp_within is not None:
            self._confirm(rule.totp_within, ready)
        else:
            self.observing += (ready,)

    def _confirm(self, within: timedelta, ready: Ready) -> None:
        before = self.confirming
        if before is None or (within, ready.position) < (before[0], before[1].position):
            self.confirming = within, ready


def _let_in(
    policy: AppPolicy, question: Question, allowing: Ready, found: _Found
) -> Allow | StepUp:
    """Let in by the rule of *allowing*, unless the session must prove more first."""
    subject, now, rule, until = question.subject, question.now, allowing.rule, found.until
    if allowing.when is not None:
        until = _first_of(until, allowing.when.look(now)[1])
    if rule.asks_papers:
        until = _first_of(until, rule.local.look(now)[1])
    # Asked last, so that nobody is sent through a sign-in whose answer is already "no".
    required = policy.required
    if judge_level(required, subject.level) is MISS:
        return StepUp(required, until)
    if policy.lifetime is not None:
        ends = _past(subject.signed_in_at, now) + policy.lifetime
        if ends <= now:
            return StepUp(required, until)
        until = _first_of(until, ends)
    fresh_until = None
    if found.confirming is not None or policy.idle is not None:
        for since, within, wanting in _codes_wanted(policy, subject, found, now):
            if since + within <= now:
                return StepUp(required, until, within, wanting)
            fresh_until = _first_of(fresh_until, since + within)
    spends = None
    if found.allowing is None and rule.days is not None:
        spends = Spend(rule.days, day_of(rule, question))
    return Allow(rule.name, until, _names(found.observing), fresh_until, spends)


def _codes_wanted(
    policy: AppPolicy, subject: Subject, found: _Found, now: datetime
) -> Iterator[tuple[datetime, timedelta, str | None]]:
    """Yield since when, and for how long, a code is good for what, and the rule that says so."""
    proved_at = _past(subject.proved_at, now)
    if found.confirming is not None:
        within, wanting = found.confirming
        yield proved_at, within, wanting.rule.name
    if policy.idle is not None:
        # Whoever gives a code is there, as is whoever uses it.
        yield max(proved_at, _past(subject.used_at, now)), policy.idle, None


def _past(moment: datetime | None, now: datetime) -> datetime:
    """Return *moment*; long ago where it never was, or is only to come."""
    return _LONG_AGO if moment is None or moment > now + CLOCKS_DIFFER else moment


def _is_new_day(rule: Rule, question: Question) -> bool:
    assert rule.days is not None  # noqa: S101 - asked before
    day = day_of(rule, question)
    return day not in question.subject.papers.days_of(rule.days)


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
    near = [(_why_closed(each, question.now), each) for each in found.waiting]
    near += [
        (miss, each)
        for each in concerned
        if each.rule.effect is _ALLOW
        # Where one need only wait, nothing counts beside that but what one can do now.
        and (each.papers or not found.waiting)
        and (miss := _near_miss(each.rule, question)) is not None
        and (miss in _PAPERS or not found.waiting)
    ]
    if not near:
        return Deny(Reason.NO_RULE_MATCHES, until=until)
    for reason, each in near:
        if reason in _BY_DAY:
            until = _first_of(until, each.rule.local.look(question.now)[1])
    reason, nearest = min(near, key=lambda one: (_NEARNESS.index(one[0]), one[1].position))
    return Deny(reason, nearest.rule.name, until)


def _why_closed(ready: Ready, now: datetime) -> Reason:
    over = ready.when is not None and ready.when.outside_period(now)
    return Reason.OUTSIDE_PERIOD if over else Reason.OUTSIDE_HOURS


def _near_miss(rule: Rule, question: Question) -> Reason | None:
    """Return in what one respect *rule* does not match; None: in several, or it is for others.

    Papers come first, whatever the hour, and one after the other.
    """
    if MISS in (judge_users(rule, question), judge_groups(rule, question)):
        return None
    missed = {criterion.reason for criterion in CRITERIA if criterion.judge(rule, question) is MISS}
    if len(missed) == 1:
        return missed.pop()
    papers = _PAPERS & missed
    if not papers or missed - _PAPERS - {Reason.OUTSIDE_HOURS}:
        return None
    if rule.when is not None and rule.when.is_over(question.now):
        return None
    return next(reason for reason in _NEARNESS if reason in papers)


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
    session: tuple[Finding, ...]
    """What else is asked of the session: that the sign-in, a code, the last use be lately enough."""
    decision: Decision


def explain(
    policy: AppPolicy, subject: Subject, request: RequestFacts, now: datetime
) -> Explanation:
    """Decide as `decide` does, and show every criterion of every rule beside it."""
    question = Question(subject, request, now, policy.app)
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
        session=tuple(_explain_session(policy, question)),
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


def _explain_session(policy: AppPolicy, question: Question) -> Iterator[Finding]:
    subject, now = question.subject, question.now
    found = _Found()
    for ready in plan_of(policy).concerning(subject):
        if ready.rule.effect is Effect.STEP_UP and matches(ready.rule, question):
            found.add(ready, question)
    if policy.lifetime is not None:
        yield _lately("lifetime", _past(subject.signed_in_at, now), policy.lifetime, now)
    for since, within, wanting in _codes_wanted(policy, subject, found, now):
        yield _lately("idle" if wanting is None else "code", since, within, now, wanting)


def _lately(
    criterion: str,
    since: datetime,
    within: timedelta,
    now: datetime,
    rule: str | None = None,
) -> Finding:
    by = f" (rule {rule!r})" if rule else ""
    return Finding(
        criterion,
        HIT if since + within > now else MISS,
        wanted=f"within {show_duration(within)}{by}",
        found="never" if since == _LONG_AGO else f"{_rounded(now - since)} ago",
    )


def _rounded(span: timedelta) -> str:
    """Write *span* in words, in whole minutes where it is long."""
    span = max(span, timedelta())
    return show_duration(span - span % (_MINUTE if span >= 2 * _MINUTE else timedelta(seconds=1)))


def _level_in_words(level: Level) -> str:
    return level.name.lower().replace("_", " + ")
