"""What the gate makes of an answer of the policy."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from gateway.core.asking import REFUSALS, subject_of
from gateway.core.people import Holder
from gateway.core.refusal_kinds import Refusal
from gateway.core.sessions import Session
from gateway.edge.admission import Ground
from policies.decide import FRONT_PAGE, decide
from policies.model import Allow, AppPolicy, Deny, Level, RequestFacts, Subject
from policies.openings import opens_at

TOLD_TO_ANYBODY: Final = frozenset({Refusal.NOT_ALLOWED, Refusal.OUTSIDE_CERTIFICATE_SCOPE})
"""Refusals that say nothing of the rules for somebody, and are told before the sign-in too."""


def subject_in(holder: Holder, session: Session | None) -> Subject:
    """Return who asks: with a session at its level, without one with the certificate alone."""
    if session is None:
        return subject_of(holder, Level.CERTIFICATE)
    return subject_of(holder, session.level, session.last_proof)


def ground_of(policy: AppPolicy, address: str) -> Ground:
    """Return what every grant rests on beside session and application: where one asks from."""
    return (address,) if policy.asks_network else ()


def ground_by(policy: AppPolicy, address: str, allowed: Allow) -> Ground:
    """Return what a grant by the decision *allowed* rests on, as far as *policy* looks."""
    place = ground_of(policy, address)
    # Where each request is decided, those that are decided alike share a grant.
    return (*place, allowed) if policy.asks_target else place


def refusal_of(
    policy: AppPolicy, subject: Subject, facts: RequestFacts, denied: Deny, now: datetime
) -> tuple[Refusal, datetime | None]:
    """Return the page for *denied*, and when the same opens, where that is a matter of time.

    Then it is one page for all, whichever rule keeps the hours.
    """
    opens = None if denied.until is None else opens_at(policy, subject, now, facts)
    return REFUSALS[denied.reason] if opens is None else Refusal.OUTSIDE_HOURS, opens


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
    return REFUSALS[decision.reason] if isinstance(decision, Deny) else Refusal.NOT_ALLOWED
