"""What somebody sees of their own: the certificates that name them, and how each stands."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.core.people import Fingerprint


class Standing(StrEnum):
    """What becomes of whoever shows a certificate at present."""

    GOOD = "good"
    NOT_YET = "not-yet"
    HELD = "held"
    STALE = "stale"
    """Of another CA, and whether it is revoked is not known."""
    REVOKED = "revoked"
    REPLACED = "replaced"
    """Revoked, as another has taken its place."""
    ENDED = "ended"

    @property
    def over(self) -> bool:
        """Whether it will never open anything again."""
        return self in {Standing.REVOKED, Standing.REPLACED, Standing.ENDED}


@dataclass(frozen=True, slots=True)
class Possession:
    """One certificate, as its holder knows it.

    *trust* is the name of the CA where it is not ours, and then there is no *device*. *ended_at*
    is when it was revoked, or when it came to its end. *successor* is the serial of the
    certificate that takes its place, and *goes_at* when that lets this one be revoked; None where
    it goes on until its own end.
    """

    fingerprint: Fingerprint
    serial: str
    device: str
    since: datetime
    until: datetime
    standing: Standing
    ended_at: datetime | None = None
    trust: str = ""
    successor: str | None = None
    goes_at: datetime | None = None
