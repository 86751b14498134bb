"""What is found of a certificate that a CA which is not ours has issued.

The edge writes such a certificate down when somebody shows it for the first time; the verifier,
which alone holds the lists of the other CA, says what it is worth; and the store keeps that for
every edge.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from ca.trust import Revocation, RevocationReason
from gateway.core.people import Fingerprint
from gateway.core.refusal_kinds import Refusal


class ForeignState(StrEnum):
    """How far a certificate of another CA has come here; never renamed, only added."""

    WAITING = "waiting"
    """Shown, and not judged yet."""
    ACCEPTED = "accepted"
    """It comes from a CA that we trust. Whose it is, and whether it is revoked, is said apart."""
    REFUSED = "refused"
    """It does not, or names nobody in the way that the trust asks for."""


class PersonBy(StrEnum):
    """By what of ours a certificate's holder is found; never renamed, only added."""

    EMAIL = "email"
    """The mail address, which must be that of one person alone. Case makes no difference."""
    USER = "user"
    """The name that the person signs in with."""


TOO_COSTLY: Final = "too-costly"
"""The fault of one that could not be judged in time: no news of one that was judged before."""
NO_TRUST: Final = "no-trust"
"""The fault of one whose trust was taken away."""

_BY_ITS_DATES = {
    "expired": Refusal.CERTIFICATE_EXPIRED,
    "not-yet-valid": Refusal.CERTIFICATE_NOT_YET_VALID,
}


def refusal_of(fault: str) -> Refusal:
    """Return how a certificate with *fault* is refused: by its dates, or as untrusted."""
    return _BY_ITS_DATES.get(fault, Refusal.CERTIFICATE_UNTRUSTED)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the verifier says of a certificate of another CA.

    *trust*, *issuer* and *serial* are empty, and the dates None, where the certificate cannot even
    be read. *fault* names why it is refused, *words* says it to people; both are empty where it is
    accepted. *identity* is compared with what *by* says. *good_until* is the end of what is known
    of its revocation, with the grace of the trust; None: nothing is known, so it opens nothing.
    """

    fingerprint: Fingerprint
    state: ForeignState
    trust: str = ""
    issuer: str = ""
    serial: str = ""
    not_before: datetime | None = None
    not_after: datetime | None = None
    by: PersonBy | None = None
    identity: str = ""
    fault: str = ""
    words: str = ""
    revocation: Revocation | None = None
    good_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Presented:
    """A certificate of another CA as the store keeps it: what was shown, and what was found."""

    verdict: Verdict
    der: bytes
    presented_at: datetime
    judged_at: datetime | None
    blocked: Revocation | None
    """Whether somebody here has revoked or held it, whatever its own CA says."""
    user: str
    """Whose it is at present; empty: nobody's."""

    def is_blocked_for(self, reason: RevocationReason) -> bool:
        """Say whether to block it for *reason* changes nothing: only what is final tops a hold."""
        return self.blocked is not None and (self.blocked.reason.is_final or not reason.is_final)


@dataclass(frozen=True, slots=True)
class ForeignList:
    """A revocation list of another CA, or a responder, as doctor and metrics speak of it.

    *source* is its address or file. All but *failure* speak of the one that is in force, if any;
    *failure* is what came of the last attempt to get the next one, empty where that went well.
    """

    trust: str
    source: str
    issuer: str = ""
    number: str = ""
    this_update: datetime | None = None
    next_update: datetime | None = None
    entries: int = 0
    fetched_at: datetime | None = None
    failed_at: datetime | None = None
    failure: str = ""
