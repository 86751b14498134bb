"""What policies are asked about: who holds a certificate; and what their refusals are called here."""

from dataclasses import replace
from datetime import datetime
from typing import Final

from gateway.core.people import Holder
from gateway.core.refusal_kinds import Refusal
from gateway.core.sessions import Session
from policies.model import OWN_ISSUER, Level, Reason, Subject

REFUSALS: Final = {
    Reason.OUTSIDE_CERTIFICATE_SCOPE: Refusal.OUTSIDE_CERTIFICATE_SCOPE,
    Reason.RULE_DENIES: Refusal.NOT_ALLOWED,
    Reason.NO_RULE_MATCHES: Refusal.NOT_ALLOWED,
    Reason.OUTSIDE_HOURS: Refusal.OUTSIDE_HOURS,
    Reason.OUTSIDE_PERIOD: Refusal.OUTSIDE_PERIOD,
    Reason.OUTSIDE_NETWORK: Refusal.OUTSIDE_NETWORK,
    Reason.OTHER_CERTIFICATE: Refusal.OTHER_CERTIFICATE,
    Reason.OTHER_PATH: Refusal.PART_NOT_ALLOWED,
    Reason.OTHER_METHOD: Refusal.PART_NOT_ALLOWED,
    Reason.APPROVAL_MISSING: Refusal.APPROVAL_MISSING,
    Reason.AGREEMENT_MISSING: Refusal.AGREEMENT_MISSING,
    Reason.DAYS_SPENT: Refusal.DAYS_SPENT,
}
"""The page that a person sees for each reason of a policy."""


def subject_of(holder: Holder, level: Level, signed_in_at: datetime | None = None) -> Subject:
    """Return who asks: the holder of a certificate that was judged, on a session at *level*."""
    assert holder.person is not None  # noqa: S101 - a certificate without its person is refused
    return Subject(
        user=holder.user,
        groups=holder.person.groups,
        scope=holder.scope,
        level=level,
        device=holder.device,
        issuer=holder.trust or OWN_ISSUER,
        papers=holder.papers,
        proved_at=signed_in_at,
        signed_in_at=signed_in_at,
    )


def subject_on(holder: Holder, session: Session, used_at: datetime | None = None) -> Subject:
    """Return who asks on *session*, having last used the application at *used_at*."""
    subject = subject_of(holder, session.level, session.signed_in_at)
    return replace(subject, proved_at=session.last_proof, used_at=used_at)
