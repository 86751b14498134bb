"""What somebody may open of one application, as it is told beforehand, to themselves.

Whom no allow rule is for learns nothing of the application. Whoever is meant to have it sees
that it is there, and why it does not open now.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from policies.decide import FRONT_PAGE, decide, opens_at
from policies.match import MISS, judge_groups, judge_users
from policies.model import (
    Allow,
    AppPolicy,
    Deny,
    Effect,
    Question,
    Reason,
    RequestFacts,
    StepUp,
    Subject,
)


@dataclass(frozen=True, slots=True)
class Opens:
    """It opens now."""


@dataclass(frozen=True, slots=True)
class Closed:
    """It is for this person and does not open now.

    *reason* None means that they must prove more first. *opens_at* is the next moment at which
    nothing but the time will have to be another; None: time alone does not open it soon.
    """

    reason: Reason | None
    opens_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Hidden:
    """It is not for this person."""


Prospect = Opens | Closed | Hidden


def prospect(
    policy: AppPolicy, subject: Subject, now: datetime, request: RequestFacts = FRONT_PAGE
) -> Prospect:
    """Return what *subject* has of *policy* at *now*, as far as *request*, its front page, tells.

    Never `Opens` where `decide` does not allow the request, and always where it does.
    """
    match decide(policy, subject, request, now):
        case Allow():
            return Opens()
        case StepUp():
            return Closed(None)
        case Deny(reason):
            if not is_meant(policy, Question(subject, request, now)):
                return Hidden()
            return Closed(reason, opens_at(policy, subject, now, request))
        case other:
            assert_never(other)


def is_meant(policy: AppPolicy, question: Question) -> bool:
    """Say whether any rule is there to let this person in, be it at another time or place."""
    return any(
        rule.effect is Effect.ALLOW
        and judge_users(rule, question) is not MISS
        and judge_groups(rule, question) is not MISS
        for rule in policy.rules
    )
