"""What requests with the same fields have in common."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.core.sessions import SessionId
from gateway.edge.admission import Grant
from gateway.edge.heads import RequestHead
from gateway.edge.service import Service

if TYPE_CHECKING:
    from gateway.edge.telemetry import Account


@dataclass(slots=True, eq=False)  # made for each request: not frozen, which costs
class Shape:
    """All of a request but its request line; the same for the next one with the same fields."""

    head: RequestHead
    tail: bytes
    service: Service
    grant: Grant | None
    session: SessionId | None
    account: "Account | None" = None
    """What `Telemetry` remembers of it."""
