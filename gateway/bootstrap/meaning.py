"""What the records of a request mean: why it ended as it did, and what is to be done about it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from gateway.bootstrap.access_lines import AccessLine
from gateway.bootstrap.ruling import Ruling
from gateway.core.asking import REFUSALS
from gateway.core.audit import AuditKind, AuditLine
from gateway.core.people import Holder
from gateway.core.refusal_advice import ADVICE, fill
from gateway.core.refusal_kinds import Refusal
from gateway.core.standing import judge_holder
from gateway.edge.cut_reasons import CutReason, explain_cut
from policies.model import Allow, Reason, StepUp

PORTAL: Final = frozenset({"portal", "public", "plain_http"})
"""What the access log calls those who answer without being an application."""
REFUSING: Final = frozenset(
    {
        *(AuditKind.CERTIFICATE_REFUSED, AuditKind.ACCESS_DENIED, AuditKind.SESSION_REFUSED),
        *(AuditKind.SIGN_IN_FAILED, AuditKind.REQUEST_REFUSED, AuditKind.LOST_REPORT_REFUSED),
    }
)
CLIENT_GONE: Final = "client-gone"
_SIGN_IN_STATUS: Final = 303
_ERRORS: Final = 400


def refusal_named(reason: str) -> Refusal | None:
    """Return the refusal that *reason* of a log names, or None where it is none."""
    try:
        return REFUSALS[Reason(reason)]
    except ValueError:
        return Refusal(reason) if reason in {*Refusal} else None


def refusal_of(line: AccessLine | None, told: Sequence[AuditLine]) -> Refusal | None:
    """Return how a request was refused, by its line in the access log or by the audit log."""
    found = None if line is None else refusal_named(line.reason)
    reasons = [one.event.reason for one in told if one.event.kind in REFUSING]
    return found or next((named for one in reasons if (named := refusal_named(one))), None)


def why(line: AccessLine | None, told: Sequence[AuditLine], refusal: Refusal | None) -> str:
    """Say in a sentence why a request ended as it did; also where nothing was refused."""
    reasons = ", ".join(one.event.reason for one in told if one.event.kind in REFUSING)
    if refusal is not None:
        return ADVICE[refusal].when
    if line is None:
        return f"It was refused: {reasons}." if reasons else ""
    if line.reason == CLIENT_GONE:
        return "The client went away before the answer was complete."
    if line.reason in {*CutReason}:
        return f"The connection was cut: {explain_cut(CutReason(line.reason))}."
    if line.reason:
        return f"It did not end well: {line.reason}."
    if line.app in PORTAL:
        return _of_the_portal(line, reasons)
    if line.status == _SIGN_IN_STATUS and not line.upstream:
        because = f" ({reasons})" if reasons else ""
        return (
            f"There was no session that counts{because}, or none that was fresh enough: they were "
            "brought to the sign-in, or to where a code is asked for."
        )
    return _of_the_application(line)


def _of_the_portal(line: AccessLine, reasons: str) -> str:
    if reasons:
        return f"The portal refused: {reasons}."
    if line.status >= _ERRORS:
        return f"The portal answered {line.status}; why, the log of the service says."
    return f"Nothing was refused: the portal answered {line.status}."


def _of_the_application(line: AccessLine) -> str:
    by = f"by the rule {line.rule!r}" if line.rule else "by the rules"
    if line.status >= _ERRORS:
        return (
            f"Pusterla let it in {by}; the {line.status} is the application's own answer, and its "
            "log knows why."
        )
    return f"Nothing was refused: it was let in {by}, and the application answered {line.status}."


def over_by_now(
    refusal: Refusal | None, holder: Holder | None, ruling: Ruling | None, now: datetime
) -> Iterator[str]:
    """Say what has been done already, so that nobody does it twice."""
    if holder is None or refusal is None:
        return
    if judge_holder(holder, now, now) is not None:
        return
    if refusal.startswith("certificate-"):
        yield "Let them try again: the certificate is good now."
    if refusal.startswith("person-"):
        yield "Let them try again: the account is switched on now."
    decided = None if ruling is None or ruling.now is None else ruling.now.decision
    if refusal in REFUSALS.values() and isinstance(decided, Allow | StepUp):
        yield "Let them try again: the rules let it pass now."


def steps(
    refusal: Refusal | None, line: AccessLine | None, known: Mapping[str, str]
) -> Iterator[str]:
    """Yield what is to be done, with what is *known* filled in."""
    if refusal is not None:
        yield from (fill(step, known) for step in ADVICE[refusal].do)
    elif line is not None and line.app in PORTAL and line.status >= _ERRORS:
        yield fill("The log says why: `journalctl -u 'pusterla-*' | grep {id}`.", known)
    elif line is not None and line.reason in {CutReason.SESSION_ENDED, CutReason.EXPIRED}:
        yield "The person signs in again; nothing is to be done."


def is_refusing(line: AuditLine) -> bool:
    """Say whether *line* of the audit log tells of somebody who was refused."""
    return line.event.kind in REFUSING
