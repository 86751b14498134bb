"""What an exchange is after 101 Switching Protocols: bytes both ways, until one side ends.

Here nothing is read any more, and nobody is late: a WebSocket may be silent for ever.
"""

from math import inf
from typing import TYPE_CHECKING

from gateway.edge.upstream import UpstreamConnection

if TYPE_CHECKING:
    from gateway.edge.downstream import Downstream
    from gateway.edge.sending import Sending


class Tunnel:
    """Two connections, and the request that has made one of them."""

    __slots__ = ("_connection", "_down", "head", "method", "response", "sent_to", "shape", "target")

    answering = True
    body_left = 0
    patience = inf
    """As those of an exchange."""

    def __init__(
        self, down: "Downstream", request: "Sending", connection: UpstreamConnection
    ) -> None:
        """Stand between *down* and *connection*, as *request* has asked and was answered."""
        self.shape = request.shape
        self.head = request.head
        self.method = request.method
        self.target = request.target
        self.sent_to = request.sent_to
        self.response = request.response
        self._down = down
        self._connection: UpstreamConnection | None = connection

    def begin(self, first: bytes) -> None:
        """Take both connections over; *first* goes to the client before everything else."""
        connection, down = self._connection, self._down
        assert connection is not None  # noqa: S101 - it has just been given
        connection.customer = self
        down.exchange = self
        down.watch_taking()
        connection.answered()
        down.write(first)
        down.feed_exchange()

    # From the client --------------------------------------------------------

    @property
    def wants_body(self) -> bool:
        """Whether bytes of the client still lead anywhere."""
        return self._connection is not None

    def request_data(self, pieces: list[bytes]) -> bytes:
        """Take bytes from the client, all of them."""
        transport = self._connection.transport if self._connection else None
        if transport is None:
            return b"".join(pieces)
        transport.writelines(pieces)
        return b""

    def downstream_lost(self) -> None:
        """Drop everything: nobody is there any more."""
        if self._connection is not None:
            self._connection.discard()

    def downstream_writable(self, writable: bool) -> None:  # noqa: FBT001 - what it says
        """Let the application go on, or wait, as the client takes bytes."""
        if self._connection is not None:
            self._connection.hold_reading(not writable)

    def time_out(self) -> None:
        """Do nothing, for its patience has no end."""

    # From the application ---------------------------------------------------

    def upstream_writable(self, writable: bool) -> None:  # noqa: FBT001 - what it says
        """Let the client go on, or wait, as the application takes bytes."""
        self._down.hold_reading(not writable)

    def response_data(self, data: bytes | memoryview) -> None:
        """Take bytes from the application."""
        self._down.write(data)

    def response_end(self, *, clean: bool) -> None:
        """End with the application's connection, however that has ended."""
        del clean
        self._connection = None
        self._down.exchange_done(keep_alive=False)
