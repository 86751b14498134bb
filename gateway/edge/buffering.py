"""Requests for an application that needs to know a body's length before it reads it.

A body in chunks is held until it is whole and then sent with its length: in
memory alone, up to the limit of the application and, for all that a worker
holds at once, up to `ROOM`; what the application has not taken yet is held
still. Apart from that nothing here is different from a plain `Exchange` once
the body is whole.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gateway.core.refusal_kinds import Refusal
from gateway.edge.answers import CONTINUE
from gateway.edge.bodies import ChunkedDecoder
from gateway.edge.exchange import Exchange
from gateway.edge.forwarding import with_length
from gateway.edge.heads import RequestHead
from gateway.edge.shape import Shape
from gateway.edge.uploads import Upload, UploadRefused
from gateway.edge.upstream import UpstreamConnection

if TYPE_CHECKING:
    from gateway.edge.downstream import Downstream

ROOM: Final = 64 * 1024 * 1024
"""How many bytes of bodies one worker holds at once, in all."""


class BufferedExchange(Exchange):
    """An exchange whose request goes out when its body is whole."""

    __slots__ = ("_body_bytes", "_held", "_holding", "_room")

    def __init__(self, down: "Downstream", method: bytes, wire: bytes, shape: Shape) -> None:
        """*shape* is that of a request with a body in chunks."""
        self._held = bytearray()
        self._holding = True
        self._room = 0
        """How much of `ROOM` it takes, until the application has taken the body."""
        self._body_bytes = b""
        super().__init__(down, method, wire, shape)

    def _expect(self, head: RequestHead) -> Upload:
        return super()._expect(head).limited_to(self.shape.service.buffer_body)

    def start(self) -> None:
        """Ask for the body, and wait for it."""
        upload, down = self._upload, self._down
        assert upload is not None  # noqa: S101 - the caller has seen a body
        if not upload.invited:
            upload.invited = True
            down.write(CONTINUE)
        down.deadline = down.edge.tick + down.edge.body_seconds
        down.feed_exchange()

    @property
    def wants_body(self) -> bool:
        """Whether bytes of the client belong to this exchange now."""
        return self._holding or super().wants_body

    def request_data(self, pieces: list[bytes]) -> bytes:
        """Take bytes of the request's body and return what lies behind its end."""
        upload, edge = self._upload, self._down.edge
        if not self._holding or upload is None:
            return super().request_data(pieces)
        try:
            framed, rest = upload.take(pieces, edge.tick)
        except UploadRefused as error:
            self._fail(error.refusal, str(error))
            return b""
        octets = sum(map(len, framed))
        if edge.services.buffered + octets > ROOM:
            self._fail(Refusal.OVERLOADED, "no room for a further body that is to be held")
            return b""
        for piece in framed:
            self._held += piece
        self._take_room(self._room + octets)
        self._down.deadline = edge.tick + edge.body_seconds
        self.keep_alive = self.keep_alive and upload.keep_alive
        if upload.complete:
            self._send_on(upload)
        return rest

    def downstream_lost(self) -> None:
        """Drop everything: nobody waits for the answer."""
        self._let_go()
        super().downstream_lost()

    def _send_on(self, upload: Upload) -> None:
        body = ChunkedDecoder().feed(bytes(self._held))
        self._held, self._holding = bytearray(), False
        self._body_bytes = body
        # Behind a length there is no place for trailer fields; they are left out.
        upload.trailed = False
        self.shape = replace(self.shape, tail=with_length(self.shape.tail, len(body)))
        super().start()

    def _attach(self, connection: UpstreamConnection) -> None:
        super()._attach(connection)
        body, self._body_bytes = self._body_bytes, b""
        if connection.transport is not None:
            connection.transport.write(body)

    def _fail(self, refusal: Refusal, why: str) -> None:
        self._let_go()
        super()._fail(refusal, why)

    def upstream_writable(self, writable: bool) -> None:  # noqa: FBT001 - what it says
        """Make room as the application takes the body."""
        super().upstream_writable(writable)
        if writable:
            self._make_room()

    def response_data(self, data: bytes | memoryview) -> None:
        """Take bytes from the application, which mostly has the whole body by then."""
        self._make_room()
        super().response_data(data)

    def _make_room(self) -> None:
        if self._connection is not None:
            self._take_room(min(self._room, self._connection.unsent))

    def _finish(self, *, reusable: bool) -> None:
        self._let_go()
        super()._finish(reusable=reusable)

    def _end_body(self, *, clean: bool) -> None:
        self._let_go()
        super()._end_body(clean=clean)

    def _let_go(self) -> None:
        self._holding = False
        self._held, self._body_bytes = bytearray(), b""
        self._take_room(0)

    def _take_room(self, octets: int) -> None:
        self._down.edge.services.buffered += octets - self._room
        self._room = octets
