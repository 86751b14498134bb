"""What a worker counts, as plain numbers: nothing here is allowed to cost a request much.

`snapshot` gives all of it at once, for whoever makes metrics of it. Names that come
from strangers are never counted by: applications are those of the configuration, reasons ours.
"""

from bisect import bisect_left
from collections import defaultdict
from http import HTTPStatus
from typing import Any, Final

from gateway.core.refusal_kinds import Refusal

REQUEST_BOUNDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
"""Seconds up to which the buckets of a `Histogram` reach; the last has no end."""
CONNECTION_REFUSALS: Final = ("full", "draining", "certificate")
HANDSHAKE_OUTCOMES: Final = ("established", "refused", "abandoned", "timed-out", "cut")
NO_STATUS: Final = 499
"""Stands for the status where the client went away before there was one (as nginx has it)."""

_STATUSES: Final = {status.value for status in HTTPStatus} | {NO_STATUS}


class Histogram:
    """How long things took, in seconds."""

    __slots__ = ("buckets", "seconds")

    def __init__(self) -> None:
        """Begin empty."""
        self.buckets = [0] * (len(REQUEST_BOUNDS) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self.buckets[bisect_left(REQUEST_BOUNDS, seconds)] += 1
        self.seconds += seconds

    def snapshot(self) -> dict[str, Any]:
        """Return the numbers."""
        return {"buckets": [*self.buckets], "seconds": self.seconds}


class ApplicationFigures:
    """What is counted for one application, or for the portal and its doors."""

    __slots__ = (
        "connects",
        "connects_failed",
        "first_byte",
        "received",
        "sent",
        "statuses",
        "websockets",
    )

    def __init__(self) -> None:
        """Begin with nothing."""
        self.statuses: defaultdict[int, int] = defaultdict(int)
        self.first_byte = Histogram()
        """From a whole head of a request to the whole head of its answer."""
        self.received = 0
        self.sent = 0
        self.websockets = 0
        """Tunnels that are open now."""
        self.connects = 0
        self.connects_failed = 0

    def snapshot(self) -> dict[str, Any]:
        """Return the numbers; statuses that HTTP does not know count as `other`."""
        statuses: defaultdict[str, int] = defaultdict(int)
        for status, count in self.statuses.items():
            statuses[str(status) if status in _STATUSES else "other"] += count
        return {
            "statuses": statuses,
            "first_byte": self.first_byte.snapshot(),
            "received": self.received,
            "sent": self.sent,
            "websockets": self.websockets,
            "connects": self.connects,
            "connects_failed": self.connects_failed,
        }


class Figures:
    """Everything that one worker counts."""

    def __init__(self) -> None:
        """Begin with nothing, and with every reason at zero."""
        self.applications: defaultdict[str, ApplicationFigures] = defaultdict(ApplicationFigures)
        """By name, as `Telemetry` gives it; "" is what reached none."""
        self.refusals: dict[str, int] = {refusal.value: 0 for refusal in Refusal}
        self.connections_accepted = 0
        # All that there is from the beginning, so that the first one shows as a rise.
        self.connections_refused = dict.fromkeys(CONNECTION_REFUSALS, 0)
        self.handshakes = dict.fromkeys(HANDSHAKE_OUTCOMES, 0)
        self.handshake_seconds = Histogram()

    def snapshot(self) -> dict[str, Any]:
        """Return all numbers, as JSON can carry them."""
        return {
            "applications": {name: one.snapshot() for name, one in self.applications.items()},
            "refusals": {**self.refusals},
            "connections_accepted": self.connections_accepted,
            "connections_refused": {**self.connections_refused},
            "handshakes": {**self.handshakes},
            "handshake_seconds": self.handshake_seconds.snapshot(),
        }
