"""A connection until it is known whose it is: the handshake, bounded in number and time."""

import asyncio
from math import inf
from typing import TYPE_CHECKING, Final, cast

from gateway.edge.connections import LINGER_SECONDS, reset
from gateway.edge.downstream import Downstream
from gateway.edge.gate import Door, Peer
from gateway.edge.tls import Channel, HandshakeFailed

if TYPE_CHECKING:
    from gateway.edge.edge import Edge

_TOLD: Final = 32
"""How many connections beyond the limit of a certificate wait to be told so in a page."""


class Arrival(asyncio.Protocol):
    """A connection that has just been accepted.

    When the handshake is done the transport goes on to a `Downstream`, and
    this object is forgotten. *encrypted* is false on the plain http port only.
    """

    def __init__(self, edge: "Edge", *, encrypted: bool) -> None:
        """Begin unconnected."""
        self.deadline = inf
        self.address = ""
        self.port = 0
        """The client's own, by which its operator finds the connection in logs of his."""
        self._edge = edge
        self._transport: asyncio.Transport | None = None
        self._channel = Channel(edge.contexts) if encrypted else None
        self._over = False
        """Everything is said; what still comes is dropped, so that no reset overtakes it."""

    # asyncio.Protocol -------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there is no room."""
        self._transport = cast("asyncio.Transport", transport)
        edge = self._edge
        if edge.draining or not edge.connections.make_room(edge.limits):
            edge.note("connection refused: %d are open", len(edge.connections))
            self._over = True
            self._transport.abort()
            return
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self.address, self.port = str(peer[0]), int(peer[1])
        edge.connections.arrive(self)
        self.deadline = edge.tick + edge.handshake_seconds
        if self._channel is None:
            self._enter(Peer(Door.PLAIN, None, None, self.address), None)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the handshake."""
        channel = self._channel
        if self._over or channel is None:
            return
        try:
            channel.shake_hands(data)
        except HandshakeFailed as error:
            self._edge.note("%s: handshake refused: %s", self.address, error)
            self._send(channel.pending())
            self._linger()
            return
        self._send(channel.pending())
        if not channel.established:
            return
        if channel.trusted_by(self._edge.contexts):
            public = channel.server_name == self._edge.site.public_host
            door = Door.PUBLIC if public else Door.PROTECTED
            self._enter(
                Peer(
                    *(door, channel.server_name, channel.fingerprint, self.address),
                    channel.certificate,
                ),
                channel,
            )
        else:
            # The CAs were exchanged while it shook hands.
            self._edge.note("%s: its CA is not trusted any more", self.address)
            self._abort()

    def _enter(self, peer: Peer, channel: Channel | None) -> None:
        """Hand the connection on to who serves requests."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        edge = self._edge
        crowd = 0 if peer.fingerprint is None else edge.connections.count(peer.fingerprint)
        limit = edge.limits.certificate_connections
        if crowd >= limit + _TOLD and channel is not None:
            edge.note("%s: connection refused: its certificate has %d", self.address, crowd)
            self._send(channel.close())
            self._linger()
            return
        downstream = Downstream(edge, transport, channel, peer, crowded=crowd >= limit)
        edge.connections.enter(self, downstream)
        self._transport = None
        transport.set_protocol(downstream)
        downstream.begin()

    def eof_received(self) -> None:
        """Take the client's end as the end of the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go."""
        del exc
        self._over = True
        self._transport = None
        self._edge.connections.leave(self)

    # For the register -------------------------------------------------------

    def time_out(self) -> None:
        """End what has taken too long."""
        if not self._over:
            self._edge.note("%s: handshake took too long", self.address)
        self._abort()

    def cut(self, reason: str) -> None:
        """Close at once."""
        if self._transport is None:
            return
        if not self._over:
            self._edge.note("%s: handshake cut: %s", self.address, reason)
        reset(self._transport)
        self._over = True

    # Ends -------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if data and transport is not None and not transport.is_closing():
            transport.write(data)

    def _linger(self) -> None:
        transport = self._transport
        self._over = True
        if transport is None or transport.is_closing():
            return
        self.deadline = self._edge.tick + LINGER_SECONDS
        transport.write_eof()

    def _abort(self) -> None:
        self._over = True
        if self._transport is not None:
            self._transport.abort()
