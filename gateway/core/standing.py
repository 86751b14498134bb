"""What a certificate is worth that somebody holds: the one judgement of edge and command."""

from datetime import datetime

from ca.trust import (
    Expired,
    Good,
    NotYetValid,
    Revocation,
    RevocationReason,
    Revoked,
    Stale,
    Standing,
    Unknown,
    Validity,
    judge,
)
from gateway.core.foreign import refusal_of
from gateway.core.people import Holder
from gateway.core.refusal_kinds import Refusal


def judge_holder(holder: Holder, reliable_until: datetime, now: datetime) -> Refusal | None:
    """Say why the certificate of *holder* opens nothing at *now*, or None where it is good.

    *reliable_until* is until when the answer of the store can be relied on.
    """
    if holder.fault:
        return refusal_of(holder.fault)
    validity = Validity(holder.not_before, holder.not_after)
    match judge(validity, _standing(holder, reliable_until), now):
        case Good():
            return _judge_person(holder)
        case Revoked():
            return Refusal.CERTIFICATE_HELD if holder.held else Refusal.CERTIFICATE_REVOKED
        case Unknown():
            return Refusal.CERTIFICATE_UNKNOWN
        case Expired():
            return Refusal.CERTIFICATE_EXPIRED
        case NotYetValid():
            return Refusal.CERTIFICATE_NOT_YET_VALID
        case Stale():
            return Refusal.CERTIFICATE_STATUS_STALE


def _standing(holder: Holder, reliable_until: datetime) -> Standing:
    revocation = None
    if holder.revoked_at is not None:
        # The reason makes no difference here, and may be one of a newer version.
        revocation = Revocation(holder.revoked_at, RevocationReason.UNSPECIFIED)
    if holder.good_until is not None:
        reliable_until = min(reliable_until, holder.good_until)
    return Standing(True, revocation, reliable_until)


def _judge_person(holder: Holder) -> Refusal | None:
    if holder.person is None:
        return Refusal.PERSON_UNKNOWN if holder.trust else Refusal.PERSON_REMOVED
    return None if holder.person.enabled else Refusal.PERSON_DISABLED
