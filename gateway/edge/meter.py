"""What one connection has moved, and the request that is under way on it."""

from collections.abc import Iterator
from itertools import count
from time import perf_counter

from gateway.core.request_ids import second_part


def request_ids(second: int, node: str) -> Iterator[bytes]:
    """Yield the ids of the requests that one worker takes from *second* on, in their order.

    *node* is the worker's `node_part`. Every request takes an id, so none of this runs as
    Python code.
    """
    return map(f"{second_part(second)}-{node}-%x".encode().__mod__, count(1))


class Meter:
    """Counts for one connection; set back by `begin` at each request.

    Bytes are those of HTTP, as they are before encryption: heads, bodies, and what a
    tunnel carries.
    """

    __slots__ = ("answered", "begun", "id", "received", "received_before", "sent", "sent_before")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.received = 0
        self.sent = 0
        self.id = b""
        """The id of the request under way; empty between two."""
        self.begun = 0.0
        """When the request under way had its whole head."""
        self.answered = 0.0
        """When its answer had; 0.0 while it has not."""
        self.received_before = 0
        self.sent_before = 0

    def moved(self, unread: int) -> tuple[int, int]:
        """Return how many bytes the exchange has received and sent.

        The last *unread* bytes that came belong to later requests.
        """
        return self.received - unread - self.received_before, self.sent - self.sent_before

    def begin(self, number: bytes, waiting: int) -> None:
        """Begin with request *number*, which is within the last *waiting* bytes that came."""
        self.id = number
        self.begun = perf_counter()
        self.answered = 0.0
        self.received_before = self.received - waiting
        self.sent_before = self.sent
