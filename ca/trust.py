"""Judge whether a certificate is to be trusted now: dates and a record, no signatures.

*Revoked*, *unknown* and *stale* are three different answers (RFC 6960 section 2.2 keeps the
first two apart; the third is ours) and are never merged: all are refused, each with its own
reason, log line and alarm. Only the standard library is used, since this runs in the process
that faces the network.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

CLOCK_SLACK = timedelta(minutes=5)
"""How far apart the clocks of two machines may be before we speak of it."""


class RevocationReason(StrEnum):
    """Why a certificate was revoked, by its RFC 5280 name (section 5.3.1).

    *certificateHold* is the only one with a way back. Left out: *removeFromCRL*, which is no
    reason but the end of one (`ca.status` writes it into delta CRLs), and the reasons about
    attribute authorities. Values are written to the ledger: only ever added.
    """

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"
    CERTIFICATE_HOLD = "certificateHold"

    @property
    def is_final(self) -> bool:
        """Whether there is no way back from it."""
        return self is not RevocationReason.CERTIFICATE_HOLD


@dataclass(frozen=True, slots=True)
class Validity:
    """The two dates on the face of a certificate, both still inside (RFC 5280, 4.1.2.5)."""

    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True)
class Revocation:
    """When a certificate was revoked, and why."""

    at: datetime
    reason: RevocationReason


@dataclass(frozen=True, slots=True)
class Standing:
    """What our records say of one certificate, and until when that may be relied on.

    *recorded* is false when no record shows the certificate as issued (a serial that was only
    reserved counts as not issued). *reliable_until* is the end of the information itself: the
    grace after the last confirmed feed, or a CRL's nextUpdate; None means that the record was
    read just now.
    """

    recorded: bool
    revocation: Revocation | None = None
    reliable_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Good:
    """Inside its dates, recorded, and not revoked as far as fresh information goes."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """Revoked at *at*. Neither dates nor stale information take it back.

    On hold, too: the reason then is *certificateHold*, and the hold may be released.
    """

    at: datetime
    reason: RevocationReason


@dataclass(frozen=True, slots=True)
class Stale:
    """Nobody can say: the information ended at *since* and no newer was had."""

    since: datetime


@dataclass(frozen=True, slots=True)
class Unknown:
    """Signed in the CA's name and yet in no record: worth an alarm, the key may be misused."""


@dataclass(frozen=True, slots=True)
class NotYetValid:
    """Its first moment, *not_before*, is still to come (or a clock is wrong)."""

    not_before: datetime


@dataclass(frozen=True, slots=True)
class Expired:
    """Its last moment, *not_after*, is over."""

    not_after: datetime


DateJudgement = Good | NotYetValid | Expired
Judgement = Good | Revoked | Stale | Unknown | NotYetValid | Expired

_GOOD = Good()
_UNKNOWN = Unknown()


def judge_dates(validity: Validity, now: datetime) -> DateJudgement:
    """Judge only the dates on the certificate: two comparisons, cheap enough for every request.

    A certificate also ends while it is connected, so this is asked again after the handshake.
    """
    if now < validity.not_before:
        return NotYetValid(validity.not_before)
    if now > validity.not_after:
        return Expired(validity.not_after)
    return _GOOD


def judge(validity: Validity, standing: Standing, now: datetime) -> Judgement:
    """Judge a certificate whose chain and signatures somebody else has verified.

    The order is the order of weight. A revocation that is known stands, however old the
    information. Stale comes before unknown, since a record that is missing from old information
    may simply be newer than it. Unknown comes before the dates, since a certificate that nobody
    recorded is an alarm even after its end.
    """
    if standing.revocation is not None:
        return Revoked(standing.revocation.at, standing.revocation.reason)
    if standing.reliable_until is not None and now > standing.reliable_until:
        return Stale(standing.reliable_until)
    if not standing.recorded:
        return _UNKNOWN
    return judge_dates(validity, now)
