"""A connection until it is known whose it is: the handshake, bounded in number and time."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, cast

from gateway.core.audit import AuditEvent
from gateway.core.people import Fingerprint
from gateway.core.ports import StoreUnavailable
from gateway.core.refusal_kinds import Refusal
from gateway.edge.admission import HolderMissing
from gateway.edge.connections import LINGER_SECONDS, TOLD, reset
from gateway.edge.cut_reasons import CutReason, explain_cut
from gateway.edge.downstream import Downstream
from gateway.edge.proxy_protocol import (
    Incomplete,
    ProxyHeaderBroken,
    plain_address,
    read_header,
)
from gateway.edge.tls import Channel, HandshakeFailed
from gateway.edge.verdicts import Door, Peer, Refuse

if TYPE_CHECKING:
    from gateway.edge.edge import Edge


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
        self._figures = edge.telemetry.figures
        self._begun = perf_counter()
        self._transport: asyncio.Transport | None = None
        self._channel = Channel(edge.contexts) if encrypted else None
        self._header: bytes | None = None
        """What has come of a PROXY header, while one is waited for."""
        self._over = False
        """Everything is said; what still comes is dropped, so that no reset overtakes it."""

    # asyncio.Protocol -------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there is no room."""
        self._transport = cast("asyncio.Transport", transport)
        edge = self._edge
        if edge.draining or not edge.connections.make_room(edge.room):
            edge.note("connection refused: %d are open", len(edge.connections))
            self._figures.connections_refused["draining" if edge.draining else "full"] += 1
            self._over = True
            self._transport.abort()
            return
        peer = transport.get_extra_info("peername")
        if not isinstance(peer, tuple):
            # Gone before it was looked at.
            self._over = True
            self._transport.abort()
            return
        self.address, self.port = plain_address(str(peer[0])), int(peer[1])
        edge.connections.arrive(self)
        self._figures.connections_accepted += 1
        self.deadline = edge.tick + edge.handshake_seconds
        if edge.site.balancers and self._from_balancer():
            self._header = b""
        elif self._channel is None:
            self._enter(Peer(Door.PLAIN, None, None, self.address), None)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the handshake, and of what a balancer says before it."""
        if self._over:
            return
        if self._header is not None:
            self._header += data
            self._read_header(self._header)
            return
        channel = self._channel
        if channel is not None:
            self._shake_hands(channel, lambda: channel.shake_hands(data))

    # A balancer's word --------------------------------------------------------

    def _from_balancer(self) -> bool:
        address = ip_address(self.address)
        return any(address in network for network in self._edge.site.balancers)

    def _read_header(self, data: bytes) -> None:
        try:
            header = read_header(data)
        except ProxyHeaderBroken as error:
            self._edge.note("%s: closed, no PROXY header: %s", self.address, error)
            self._count("refused")
            self._abort()
            return
        if isinstance(header, Incomplete):
            return
        self._header = None
        if header.address is not None:
            self.address, self.port = header.address, header.port
        rest = data[header.length :]
        if self._channel is None:
            self._enter(Peer(Door.PLAIN, None, None, self.address), None, rest)
        elif rest:
            self.data_received(rest)

    # Handshake --------------------------------------------------------------

    def _shake_hands(self, channel: Channel, step: Callable[[], None]) -> None:
        """Take a *step*, and as many more as need only an answer that memory has."""
        try:
            step()
            while channel.asking is not None:
                judged = self._judge(channel, channel.asking)
                if isinstance(judged, HolderMissing):
                    self._learn_first(channel, judged)
                    return
                channel.answer(judged)
        except HandshakeFailed as error:
            self._edge.note("%s: handshake refused: %s", self.address, error)
            self._count("refused")
            self._send(channel.pending())
            # In TLS 1.3 a client that has shown its certificate thinks that all is well. If
            # the connection ends with the alert, Chromium does not read it, and says "socket
            # not connected" in the place of "certificate not accepted".
            self._linger(half_close=not channel.answered)
            return
        self._send(channel.pending())
        if not channel.established:
            return
        if channel.trusted_by(self._edge.contexts):
            public = channel.server_name == self._edge.site.public_host
            self._enter(self._peer(channel, Door.PUBLIC if public else Door.PROTECTED), channel)
        else:
            # The CAs were exchanged while it shook hands.
            self._edge.note("%s: its CA is not trusted any more", self.address)
            self._count("refused")
            self._abort()

    def _judge(self, channel: Channel, fingerprint: Fingerprint) -> Refusal | HolderMissing | None:
        peer = Peer(
            *(Door.PROTECTED, channel.server_name, fingerprint, self.address), channel.shown
        )
        judged = self._edge.gate.judge_certificate(peer)
        if isinstance(judged, Refuse):
            # A certificate is shown before its key is proven, and may be somebody else's.
            self._edge.tell(_unproven(judged.event))
            self._edge.note("%s: %s, in the handshake", self.address, judged.refusal)
            self._edge.telemetry.refused(judged.refusal)
            return judged.refusal
        return judged

    def _learn_first(self, channel: Channel, missing: HolderMissing) -> None:
        if self._transport is not None:
            # What comes meanwhile may wait with the kernel.
            self._transport.pause_reading()
        self._edge.spawn(self._learn(channel, missing))

    async def _learn(self, channel: Channel, missing: HolderMissing) -> None:
        refusal: Refusal | None = Refusal.INTERNAL
        try:
            await self._edge.admission.learn(missing)
            refusal = None
        except StoreUnavailable as error:
            refusal = Refusal.STORE_UNAVAILABLE
            self._edge.note("handshake refused, the store does not answer: %s", error)
        finally:
            # After an error of our own too: no handshake is left standing.
            if not self._over:
                self._go_on(channel, refusal)

    def _go_on(self, channel: Channel, refusal: Refusal | None) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        if refusal is None:
            # Memory knows now, or has forgotten it again: either way it is asked.
            self._shake_hands(channel, lambda: None)
        else:
            self._edge.telemetry.refused(refusal)
            self._shake_hands(channel, lambda: channel.answer(refusal))

    def _peer(self, channel: Channel, door: Door) -> Peer:
        return Peer(
            *(door, channel.server_name, channel.fingerprint, self.address), channel.certificate
        )

    def _enter(self, peer: Peer, channel: Channel | None, rest: bytes = b"") -> None:
        """Hand the connection on to who serves requests, with the *rest* of what has come."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        edge = self._edge
        if channel is not None:
            self._count("established")
            self._figures.handshake_seconds.observe(perf_counter() - self._begun)
        crowd = 0 if peer.fingerprint is None else edge.connections.count(peer.fingerprint)
        limit = edge.limits.certificate_connections
        if crowd >= limit + TOLD and channel is not None:
            edge.note("%s: connection refused: its certificate has %d", self.address, crowd)
            self._figures.connections_refused["certificate"] += 1
            self._send(channel.close())
            self._linger()
            return
        crowded = ""
        if crowd >= limit:
            crowded = "its certificate has too many connections"
        elif edge.connections.held >= edge.room.connections:
            crowded = "people with certificates have taken all connections"
        downstream = Downstream(edge, transport, channel, peer, crowded=crowded)
        edge.connections.enter(self, downstream)
        self._transport = None
        transport.set_protocol(downstream)
        downstream.begin()
        if rest:
            downstream.receive(rest)

    def _count(self, outcome: str) -> None:
        if self._channel is not None:
            self._figures.handshakes[outcome] += 1

    def eof_received(self) -> None:
        """Take the client's end as the end of the connection."""
        if self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go."""
        del exc
        if not self._over:
            self._count("abandoned")
        self._over = True
        self._transport = None
        self._edge.connections.leave(self)
        channel = self._channel
        if channel is not None and channel.asking is not None:
            # OpenSSL is in the middle of it, and must come to an end.
            with suppress(HandshakeFailed):
                channel.answer(Refusal.INTERNAL)

    # For the register -------------------------------------------------------

    def time_out(self) -> None:
        """End what has taken too long."""
        if not self._over:
            self._edge.note("%s: handshake took too long", self.address)
            self._count("timed-out")
        self._abort()

    def cut(self, reason: CutReason | Refusal) -> None:
        """Close at once."""
        if self._transport is None:
            return
        if not self._over:
            self._edge.note("%s: handshake cut: %s", self.address, explain_cut(reason))
            self._count("cut")
        reset(self._transport)
        self._over = True

    # Ends -------------------------------------------------------------------

    def _send(self, data: bytes) -> None:
        transport = self._transport
        if data and transport is not None and not transport.is_closing():
            transport.write(data)

    def _linger(self, *, half_close: bool = True) -> None:
        transport = self._transport
        self._over = True
        if transport is None or transport.is_closing():
            return
        self.deadline = self._edge.tick + LINGER_SECONDS
        if half_close:
            transport.write_eof()

    def _abort(self) -> None:
        self._over = True
        if self._transport is not None:
            self._transport.abort()


def _unproven(event: AuditEvent | None) -> AuditEvent | None:
    if event is None:
        return None
    return replace(event, detail={**event.detail, "possession": "unproven"})
