"""When somebody who is refused need only wait, and until when.

A decision says until when it stays the same, but most of what can change it then lets nobody in.
Here only those rules are looked at that are for the request whatever the time, so most are told
without looking ahead at all; and what was found is kept for all for whom it is the same rules.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final, TypeVar

from policies.calendar import Timetable
from policies.decide import FRONT_PAGE
from policies.match import MISS, judge_scope
from policies.model import AppPolicy, Effect, Question, RequestFacts, Subject
from policies.plan import Closing, plan_of

LOOK_AHEAD: Final = timedelta(days=14)

_TURNS: Final = 1000
_REMEMBERED: Final = 256
_T = TypeVar("_T")  # PEP 695 is not in Python 3.11


def opens_at(
    policy: AppPolicy,
    subject: Subject,
    now: datetime,
    request: RequestFacts = FRONT_PAGE,
    ahead: timedelta = LOOK_AHEAD,
) -> datetime | None:
    """Return the first moment, from *now* on, at which *request* is not refused.

    That is *now* itself where it is not refused now, and None where it is throughout the time
    *ahead*. Whether the person must still sign in makes no difference.
    """
    if judge_scope(subject.scope, policy.app) is MISS:
        return None
    plan, question = plan_of(policy), Question(subject, request, now)
    allowing: dict[int, Timetable | None] = {}
    denying: dict[int, Timetable] = {}
    for ready in plan.concerning(subject):
        if ready.rule.effect is Effect.OBSERVE or not ready.fits(question):
            continue
        if ready.rule.effect is Effect.ALLOW:
            allowing[ready.position] = ready.when
        elif ready.when is None:
            return None
        else:
            denying[ready.position] = ready.when
    if not allowing:
        return None
    rules = frozenset((*allowing, *denying))
    closing = plan.closings.get(rules)
    if closing is None or not closing.begin <= now < closing.end:
        closing = Closing(now, now, opens=False)
    limit = now + ahead
    if not closing.opens and closing.end <= limit:
        closing = _follow(closing, _different(allowing), _different(denying), limit)
        if len(plan.closings) >= _REMEMBERED:
            plan.closings.clear()
        plan.closings[rules] = closing
    return closing.end if closing.opens and closing.end <= limit else None


def _different(times: Mapping[int, _T]) -> Collection[_T]:
    """Return each of *times* once: rules that say the same hours share one object."""
    return {id(when): when for when in times.values()}.values()


def _follow(
    closing: Closing,
    allowing: Collection[Timetable | None],
    denying: Collection[Timetable],
    limit: datetime,
) -> Closing:
    """Return *closing* up to its end, or up to *limit* or somewhat further if it goes on."""
    moment = closing.end
    for _ in range(_TURNS):
        if moment > limit:
            break
        looks = [when.foresee(moment) for when in denying]
        denied = [turn for holds, turn in looks if holds]
        if denied:
            moment = max(denied)
            continue
        looks = [(True, moment) if when is None else when.foresee(moment) for when in allowing]
        if any(holds for holds, _ in looks):
            return Closing(closing.begin, moment, opens=True)
        moment = min(turn for _, turn in looks)
    return Closing(closing.begin, moment, opens=False)
