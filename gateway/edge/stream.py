"""The bytes of a client's connection: encrypted, held back, and brought to an end.

Whatever way a connection ends, and whoever takes no more for the moment, it is
seen to here; what the bytes mean is `Downstream`'s.
"""

import asyncio
from abc import ABC, abstractmethod
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, Final

from gateway.core.refusal_kinds import Refusal
from gateway.edge.connections import LINGER_SECONDS
from gateway.edge.cut_reasons import CutReason
from gateway.edge.exchange import Exchange
from gateway.edge.meter import Meter
from gateway.edge.receiving import FOR_ANY, RECEIVED, for_body
from gateway.edge.tls import Channel
from gateway.edge.tunnel import Tunnel
from gateway.edge.untaken import untaken_octets

if TYPE_CHECKING:
    from gateway.edge.edge import Edge

_PIECE: Final = 64 * 1024
_UNASKED_MAXIMUM: Final = 16 * 1024
"""How much OpenSSL may say by itself on one connection: of some 600 times that its keys change,
which who has anything to send does after 2^24 records at the earliest."""


class State(Enum):
    """What a client's connection is in the middle of."""

    HEAD = auto()
    """Waiting for a request, or in the middle of its head."""
    JUDGING = auto()
    EXCHANGE = auto()
    LINGER = auto()
    """Everything is said; what still comes is read and dropped, so that no reset overtakes it."""
    CLOSED = auto()


# A member is looked up in its enumeration each time, and these with every request.
HEAD: Final = State.HEAD
EXCHANGE: Final = State.EXCHANGE
CLOSED: Final = State.CLOSED


class Stream(asyncio.BufferedProtocol, ABC):
    """A client's connection as bytes in clear, from the end of its handshake on."""

    def __init__(self, edge: "Edge", transport: asyncio.Transport, channel: Channel | None) -> None:
        """Take over *transport*; without a *channel* it is in clear."""
        self.edge = edge
        self.deadline = inf
        self.closing: bool = edge.draining
        self.exchange: Exchange | Tunnel | None = None
        """Where bytes of the client go, and from where those for it come."""
        self.meter: Meter = Meter()
        self._transport: asyncio.Transport | None = transport
        self._channel = channel
        self._state = HEAD
        self._buffer = b""
        """What has come, and nobody has taken yet."""
        self._place = FOR_ANY
        """Where it is read to; of all that is offered here, the bytes lie at the beginning."""
        self._held = False
        self._congested = False
        self._untaken = 0
        self._unasked = 0

    # From the client ----------------------------------------------------------

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where to read the client's bytes to."""
        del sizehint
        return self._place

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read of the client's bytes."""
        self.receive(RECEIVED[:nbytes])

    def receive(self, data: bytes | memoryview) -> None:
        """Take *data* from the client; it need not stay what it is."""
        channel = self._channel
        if self._state is CLOSED:
            return
        if channel is None:
            self._take([bytes(data)])
            return
        pieces = channel.decrypt(data)
        if pieces:
            self._take(pieces)
        if channel.ended or channel.outgoing.pending:
            self._let_speak(channel)

    def eof_received(self) -> None:
        """Take the client's end as the end of the connection."""
        self._hang_up()

    @property
    def tls_version(self) -> str:
        """The version of TLS that was agreed on; empty for a connection in clear."""
        return self._channel.version if self._channel is not None else ""

    def trusted(self) -> bool:
        """Say whether the CAs that are trusted now vouch for the certificate, if there is one."""
        return self._channel is None or self._channel.trusted_by(self.edge.contexts)

    # For who reads requests -------------------------------------------------

    @abstractmethod
    def _take(self, pieces: list[bytes]) -> None:
        """Take what the client has said, in *pieces*, of which there is at least one."""

    @abstractmethod
    def _next(self) -> None:
        """Go on with what waits in the buffer."""

    @abstractmethod
    def _drop_exchange(self) -> None:
        """Let go of what is under way, for it ends here."""

    @abstractmethod
    def cut(self, reason: CutReason | Refusal) -> None:
        """Close at once, whatever is under way."""

    # To the client ------------------------------------------------------------

    def write(self, data: bytes | memoryview) -> None:
        """Send plaintext to the client; *data* need not stay what it is."""
        transport = self._transport
        if transport is None or self._state is CLOSED or transport.is_closing():
            return
        channel = self._channel
        self.meter.sent += len(data)
        if channel is None:
            transport.write(bytes(data))
        elif len(data) <= _PIECE:
            transport.write(channel.encrypt(data))
        else:
            # In pieces that stay in the processor's cache until they are sent.
            view = memoryview(data)
            for start in range(0, len(data), _PIECE):
                transport.write(channel.encrypt(view[start : start + _PIECE]))

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if data and transport is not None and not transport.is_closing():
            transport.write(data)

    def _let_speak(self, channel: Channel) -> None:
        """Send what OpenSSL says by itself, but not for ever.

        An alert, that a record does not decrypt or that it does not renegotiate; or that its
        keys change as the client's have (RFC 8446, section 4.6.3). For the latter two nobody
        has to pay with a request, nor take them.
        """
        words = channel.pending()
        if self._state is not State.LINGER:
            self._send(words)
            self._unasked += len(words)
        if channel.ended:
            self._hang_up()
        elif self._unasked > _UNASKED_MAXIMUM:
            self.cut(CutReason.KEY_CHANGES)

    # Holding back -------------------------------------------------------------

    def pause_writing(self) -> None:
        """Pass backpressure on to the application; further requests have to wait."""
        self._congested = True
        if self.exchange is not None:
            self.exchange.downstream_writable(False)
            if self.exchange.answering:
                self.watch_taking()

    def resume_writing(self) -> None:
        """Pass the end of backpressure on."""
        self._congested = False
        if self.exchange is not None:
            self.exchange.downstream_writable(True)
            if self.exchange.answering:
                self.watch_taking()
        elif self._state is HEAD:
            self.hold_reading(False)
            self._next()

    def hold_reading(self, hold: bool) -> None:  # noqa: FBT001 - what it says
        """Stop or go on reading from the client."""
        if hold == self._held or self._transport is None or self._transport.is_closing():
            return
        self._held = hold
        if hold:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def feed_exchange(self) -> None:
        """Give the exchange what has come for it meanwhile."""
        data, self._buffer = self._buffer, b""
        # First, since the application may have enough of it at once.
        self.hold_reading(False)
        if data and self.exchange is not None:
            self._buffer = self.exchange.request_data([data])
        self._make_place()

    def _make_place(self) -> None:
        """Offer room for what is to come of a body, and for little else."""
        self._place = for_body(0 if self.exchange is None else self.exchange.body_left)

    def watch_taking(self) -> None:
        """Give a client that holds the answer back its time, and any other all the time there is.

        An answer that has begun may take for ever, but not because nobody takes it.
        """
        if self._congested and self._transport is not None:
            self._untaken = untaken_octets(self._transport)
            self.deadline = self.edge.tick + self.edge.taken_seconds
        else:
            self.watch_answer()

    def watch_answer(self) -> None:
        """Give the application its time for the next bytes of an answer that has begun.

        While the client holds the answer back, the application is not late.
        """
        if not self._congested:
            patience = inf if self.exchange is None else self.exchange.patience
            self.deadline = self.edge.tick + patience

    def _judge_taking(self) -> None:
        before = self._untaken
        self.watch_taking()
        if self._congested and self._untaken >= before:
            self.cut(CutReason.NOT_TAKING)

    # Ends ---------------------------------------------------------------------

    def _linger(self) -> None:
        transport = self._transport
        if transport is None or self._state is CLOSED or transport.is_closing():
            return
        self._state = State.LINGER
        self._buffer = b""
        if self._channel is not None:
            self._send(self._channel.close())
        # What a slow client has not taken yet must not be cut off.
        unsent = transport.get_write_buffer_size()
        patience = self.edge.idle_seconds if unsent else LINGER_SECONDS
        self.deadline = self.edge.tick + patience
        self.hold_reading(False)
        transport.write_eof()

    def _hang_up(self) -> None:
        """Close, since the client has; what it still wants to take of our last words, it may."""
        self._state = CLOSED
        self._drop_exchange()
        self.deadline = self.edge.tick + LINGER_SECONDS
        if self._transport is not None:
            self._transport.close()

    def _abort(self) -> None:
        # At once, and not when the transport says so: until then a connection to
        # the application could come about and the request go out after all.
        self._state = CLOSED
        self._drop_exchange()
        if self._transport is not None:
            self._transport.abort()
