"""Who asks, and what becomes of a request: the words that gate and connections share."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.core.audit import AuditEvent
from gateway.core.people import Fingerprint
from gateway.core.refusal_kinds import Refusal
from gateway.core.sessions import SessionId
from gateway.edge.admission import Grant


class Door(StrEnum):
    """How a connection came in; it never changes for the connection's life."""

    PROTECTED = "protected"
    """TLS on which a certificate was asked for."""
    PUBLIC = "public"
    """TLS under the public host's name; no certificate was asked for."""
    PLAIN = "plain"
    """No TLS: revocation lists only."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection, as the handshake has shown it."""

    door: Door
    server_name: str | None
    fingerprint: Fingerprint | None
    address: str
    certificate: bytes = b""
    """The certificate itself, in DER."""


@dataclass(slots=True, eq=False)  # made for each request: not frozen, which costs
class Forward:
    """Pass the request on with *tail* behind its request line.

    *grant* is what an application's request rests on; None leads to the portal.
    """

    tail: bytes
    grant: Grant | None
    session: SessionId | None = None
    event: AuditEvent | None = None
    observed: AuditEvent | None = None
    """Tells of rules on trial that would have refused it."""
    rememberable: bool = False
    """Whether another request of the same fields may rest on the same grant, for any target."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer with a refusal; with *close* nothing more is to be expected of the connection.

    *opens_at*, in the site's zone, is when the same will not be refused any more, if that is known.
    """

    refusal: Refusal
    event: AuditEvent | None = None
    close: bool = False
    opens_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Send the browser on, perhaps with a cookie."""

    location: str
    set_cookie: str | None = None
    event: AuditEvent | None = None


Verdict = Forward | Refuse | Redirect
"""What becomes of a request. Its *event* is for the audit log, where it is worth a line."""
