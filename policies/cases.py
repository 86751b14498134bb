"""Cases: what is expected of the rules, judged by the code that decides.

A case speaks of somebody whose certificate is good and who has signed in; of certificates
that are revoked or over it says nothing.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta, tzinfo
from typing import Final

from policies.calendar import show_moment
from policies.decide import decide
from policies.model import Allow, AppPolicy, Deny, Level, Reason, RequestFacts, StepUp, Subject
from policies.openings import opens_at
from policies.papers import NO_PAPERS, Papers

ALLOW: Final = "allow"
DENY: Final = "deny"
SIGN_IN: Final = "sign-in"
STEP_UP: Final = "step-up"
EXPECTATIONS: Final = (ALLOW, DENY, STEP_UP, SIGN_IN, *(reason.value for reason in Reason))
"""What may be expected: to be let in; to be refused, or to be refused for one reason; to be asked
for a code first, or for password and code."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case, and its *place* in a file.

    *groups* of None are those that the person has in the store; *at* None is now.
    """

    place: str
    name: str
    app: str
    user: str
    groups: frozenset[str] | None
    device: str
    issuer: str
    scope: frozenset[str] | None
    request: RequestFacts
    at: datetime | None
    expect: str
    rule: str | None = None
    """The rule that is to be the cause; None: any."""
    opens: datetime | None = None
    """When it is to open again; None: that is not asked."""
    papers: Papers = NO_PAPERS
    """What the person has accepted, been granted and used; never what they have in the store."""
    code_age: timedelta = timedelta()
    """How long ago password and code were given, and the application was used last."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case: *answer* is `allow`, `sign-in`, `step-up` or a reason."""

    answer: str
    rule: str | None = None
    opens: datetime | None = None


def judge_case(
    case: Case, policy: AppPolicy, groups: frozenset[str] | None, now: datetime
) -> Outcome:
    """Decide *case* under *policy*, with *groups* where it names none itself."""
    mine = groups if case.groups is None else case.groups
    moment = case.at or now
    subject = Subject(
        case.user,
        mine or frozenset(),
        case.scope,
        Level.PASSWORD_TOTP,
        case.device,
        case.issuer,
        case.papers,
        proved_at=moment - case.code_age,
        signed_in_at=moment - case.code_age,
    )
    match decide(policy, subject, case.request, moment):
        case Allow(rule):
            return Outcome(ALLOW, rule)
        case StepUp(_, _, within, rule):
            return Outcome(SIGN_IN if within is None else STEP_UP, rule)
        case Deny(reason, rule, until):
            found = Outcome(reason.value, rule)
            if until is None:
                return found
            return replace(found, opens=opens_at(policy, subject, moment, case.request))


def difference(case: Case, outcome: Outcome, zone: tzinfo) -> str:
    """Say how *outcome* is not what *case* expects, by the clock of *zone*; "" where it is."""
    if (
        _answers(case.expect, outcome.answer)
        and case.rule in (None, outcome.rule)
        and case.opens in (None, outcome.opens)
    ):
        return ""
    expected = _in_words(Outcome(case.expect, case.rule, case.opens), zone)
    return f"expected {expected}, found {_in_words(outcome, zone)}"


def _answers(expected: str, answer: str) -> bool:
    return expected == answer or (expected == DENY and answer not in (ALLOW, SIGN_IN, STEP_UP))


def _in_words(outcome: Outcome, zone: tzinfo) -> str:
    by = f" by rule {outcome.rule!r}" if outcome.rule else ""
    opens = f", opens {show_moment(outcome.opens, zone)}" if outcome.opens else ""
    return f"{outcome.answer}{by}{opens}"
