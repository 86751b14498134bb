"""When somebody who is refused need only wait, and until when.

A decision says until when it stays the same, but most of what can change it then lets nobody in.
Here only those rules are looked at that are for the request whatever the time, so most are told
without looking ahead at all; and what was found is kept for all for whom it is the same rules.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from policies.decide import FRONT_PAGE
from policies.match import MISS, judge_scope
from policies.model import AppPolicy, Effect, Question, RequestFacts, Subject
from policies.plan import Closing, Ready, plan_of

LOOK_AHEAD: Final = timedelta(days=14)
PAPERS_AHEAD: Final = timedelta(days=33)
"""How far is looked where days are counted: a month, and the day after one that was used."""

Foresight = Callable[[datetime], tuple[bool, datetime]]
"""Whether a rule lets in or denies at a moment, and until when at least that stays so."""

_BEARING: Final = frozenset({Effect.ALLOW, Effect.DENY})
_TURNS: Final = 1000
_REMEMBERED: Final = 1024


def opens_at(
    policy: AppPolicy,
    subject: Subject,
    now: datetime,
    request: RequestFacts = FRONT_PAGE,
    ahead: timedelta | None = None,
) -> datetime | None:
    """Return the first moment, from *now* on, at which *request* is not refused.

    That is *now* itself where it is not refused now, and None where it is throughout the time
    *ahead*: left out, two weeks, and a month where a day must be approved or left. Whether the
    person must still sign in makes no difference, nor what they may come to accept.
    """
    if judge_scope(subject.scope, policy.app) is MISS:
        return None
    plan, question = plan_of(policy), Question(subject, request, now, policy.app)
    allowing, denying = _bearing(plan.concerning(subject), question)
    if not allowing or any(ready.when is None for ready in denying):
        return None
    papers = any(ready.papers for ready in allowing)
    # Where papers are asked for, nobody is told what was found for another.
    positions = frozenset(ready.position for ready in (*allowing, *denying))
    rules = positions, subject.papers if papers else None
    closing = plan.closings.get(rules)
    if closing is None or not closing.begin <= now < closing.end:
        closing = Closing(now, now, opens=False)
    if ahead is None:
        ahead = PAPERS_AHEAD if papers else LOOK_AHEAD
    limit = now + ahead
    if not closing.opens and closing.end <= limit:
        opening = [_foresight(ready, question) for ready in _different(allowing)]
        denials = [ready.when.foresee for ready in _different(denying) if ready.when is not None]
        closing = _follow(closing, opening, denials, limit)
        if len(plan.closings) >= _REMEMBERED:
            plan.closings.clear()
        plan.closings[rules] = closing
    return closing.end if closing.opens and closing.end <= limit else None


def _different(bearing: list[Ready]) -> Collection[Ready]:
    """Return one of those that say the same times, which share one object, and all with papers."""
    return {id(one if one.papers else one.when): one for one in bearing}.values()


def _bearing(concerned: tuple[Ready, ...], question: Question) -> tuple[list[Ready], list[Ready]]:
    """Return the rules that would allow, and those that would deny, at some time or other."""
    bearing = [
        ready
        for ready in concerned
        if ready.rule.effect in _BEARING and ready.fits_some_day(question)
    ]
    allowing = [ready for ready in bearing if ready.rule.effect is Effect.ALLOW]
    return allowing, [ready for ready in bearing if ready.rule.effect is not Effect.ALLOW]


def _foresight(ready: Ready, question: Question) -> Foresight | None:
    """Return how to look ahead for a rule that allows; None: it does so at any time."""
    if not ready.papers:
        return None if ready.when is None else ready.when.foresee

    def foresee(moment: datetime) -> tuple[bool, datetime]:
        day, midnight = ready.rule.local.foresee(moment)
        if not ready.has_papers(replace(question, now=moment, day=day)):
            return False, midnight
        if ready.when is None:
            return True, midnight
        holds, turn = ready.when.foresee(moment)
        return holds, min(turn, midnight)

    return foresee


def _follow(
    closing: Closing,
    allowing: Sequence[Foresight | None],
    denying: Sequence[Foresight],
    limit: datetime,
) -> Closing:
    """Return *closing* up to its end, or up to *limit* or somewhat further if it goes on."""
    moment = closing.end
    for _ in range(_TURNS):
        if moment > limit:
            break
        looks = [foresee(moment) for foresee in denying]
        denied = [turn for holds, turn in looks if holds]
        if denied:
            moment = max(denied)
            continue
        looks = [(True, moment) if foresee is None else foresee(moment) for foresee in allowing]
        if any(holds for holds, _ in looks):
            return Closing(closing.begin, moment, opens=True)
        moment = min(turn for _, turn in looks)
    return Closing(closing.begin, moment, opens=False)
