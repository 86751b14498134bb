"""What the gate makes of an answer of the policy."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from gateway.core.asking import REFUSALS, subject_of, subject_on
from gateway.core.people import Holder
from gateway.core.refusal_kinds import Refusal
from gateway.core.sessions import Session
from gateway.edge.admission import Ground
from policies.decide import FRONT_PAGE, decide
from policies.model import Allow, AppPolicy, Deny, Level, RequestFacts, Subject
from policies.openings import opens_at

TOLD_TO_ANYBODY: Final = frozenset({Refusal.NOT_ALLOWED, Refusal.OUTSIDE_CERTIFICATE_SCOPE})
"""Refusals that say nothing of the rules for somebody, and are told before the sign-in too."""

_NOTED_EVERY: Final = timedelta(minutes=1)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


def subject_in(holder: Holder, session: Session | None, used_at: datetime | None = None) -> Subject:
    """Return who asks: with a session at its level, without one with the certificate alone."""
    if session is None:
        return subject_of(holder, Level.CERTIFICATE)
    return subject_on(holder, session, used_at)


def ground_of(policy: AppPolicy, address: str) -> Ground:
    """Return what every grant rests on beside session and application: where one asks from."""
    return (address,) if policy.asks_network else ()


def ground_by(policy: AppPolicy, address: str, allowed: Allow) -> Ground:
    """Return what a grant by the decision *allowed* rests on, as far as *policy* looks."""
    place = ground_of(policy, address)
    if not policy.asks_target:
        return place
    # Each request is decided, and those that are decided alike share a grant, however long ago
    # a code was given.
    return (*place, allowed if allowed.fresh_until is None else replace(allowed, fresh_until=None))


def use_noted_until(idle: timedelta | None, used_at: datetime | None) -> datetime | None:
    """Return until when it is enough that the use of *used_at* was written down; None: no matter.

    So what is remembered of a use is older than the use by a part of *idle*, never younger.
    """
    if idle is None:
        return None
    return _LONG_AGO if used_at is None else used_at + min(_NOTED_EVERY, idle / 4)


_WITH_ITS_DAY: Final = frozenset(
    {Refusal.DAYS_SPENT, Refusal.APPROVAL_MISSING, Refusal.AGREEMENT_MISSING}
)
"""Refusals that keep their own page, whenever it opens: another would not tell what is missing."""


def refusal_of(
    policy: AppPolicy, subject: Subject, facts: RequestFacts, denied: Deny, now: datetime
) -> tuple[Refusal, datetime | None]:
    """Return the page for *denied*, and when the same opens, where that is a matter of time.

    Then it is one page for all, whichever rule keeps the hours; but for days that are used up, or
    not approved.
    """
    refusal = REFUSALS[denied.reason]
    opens = None if denied.until is None else opens_at(policy, subject, now, facts)
    keeps = opens is None or refusal in _WITH_ITS_DAY
    return refusal if keeps else Refusal.OUTSIDE_HOURS, opens


def rule_again(
    policy: AppPolicy,
    subject: Subject,
    facts: RequestFacts | None,
    address: str,
    rule: str,
    now: datetime,
) -> Allow | Refusal:
    """Say whether what *rule* let in is let in now; *facts* None: nothing is being asked.

    Where the policy looks at what is asked for, nothing can be said of a connection that
    waits: what comes next on it is judged by what it asks for.
    """
    if facts is None and policy.asks_target:
        return Allow(rule)
    # A code is asked for before a request, not in the middle of one.
    subject = replace(subject, proved_at=now)
    decision = decide(policy, subject, facts or replace(FRONT_PAGE, address=address), now)
    if isinstance(decision, Allow):
        # A new day is for a new request to begin.
        return decision if decision.spends is None else Refusal.DAYS_SPENT
    return REFUSALS[decision.reason] if isinstance(decision, Deny) else Refusal.SESSION_REQUIRED
