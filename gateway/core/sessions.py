"""What a sign-in leaves behind: a session, bound to one certificate."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from gateway.core.people import Fingerprint
from policies.model import Level

SessionId = NewType("SessionId", str)
"""128 random bits as 32 lower-case hexadecimal digits."""

SESSION_ID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Session:
    """A live or ended session.

    It is worth nothing on a connection with another certificate than
    *fingerprint*: a stolen cookie opens nothing.
    """

    id: SessionId
    user: str
    fingerprint: Fingerprint
    level: Level
    created_at: datetime
    expires_at: datetime
    address: str
    ended_at: datetime | None = None
    proved_at: datetime | None = None
    """When a code was last given on it; None: when it began."""
    renewed_at: datetime | None = None
    """When password and code were last given on it; None: when it began."""

    @property
    def signed_in_at(self) -> datetime:
        """When password and code were last given on it."""
        return self.renewed_at or self.created_at

    @property
    def last_proof(self) -> datetime:
        """When a code was last given on it."""
        return self.proved_at or self.signed_in_at

    def live(self, now: datetime) -> bool:
        """Say whether the session still opens anything at *now*.

        Its beginning is not looked at: the clocks of two machines differ a little.
        """
        return self.ended_at is None and now < self.expires_at
