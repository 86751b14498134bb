"""The end of every exchange: the one place where it is counted and written down.

Whatever ends an exchange, or answers a request without one, calls here once. So there is one
line in the access log for each request, and the counters agree with it.
"""

from bisect import bisect_left
from collections.abc import Callable
from datetime import datetime
from time import perf_counter
from typing import TYPE_CHECKING, Final

from gateway.core.people import Holder
from gateway.core.refusal_kinds import Refusal
from gateway.core.request_ids import NODE_BYTES, node_part
from gateway.core.site import Site
from gateway.edge.access_log import AccessLog, constant_part
from gateway.edge.admission import Grant, HolderMissing
from gateway.edge.exchange import Exchange
from gateway.edge.figures import NO_STATUS, REQUEST_BOUNDS, ApplicationFigures, Figures
from gateway.edge.heads import RequestHead
from gateway.edge.meter import request_ids
from gateway.edge.shape import Shape
from gateway.edge.tunnel import Tunnel
from gateway.edge.verdicts import Door

if TYPE_CHECKING:
    from gateway.edge.downstream import Downstream

CLIENT_GONE: Final = b"client-gone"
"""The reason of what ended because the client went away."""

# No application can be called so: their names have no underscore.
_DOORS: Final = {Door.PROTECTED: "portal", Door.PUBLIC: "public", Door.PLAIN: "plain_http"}


class Account:
    """What the requests of one shape have in common: where they count, and half of their line."""

    __slots__ = ("constant", "figures")

    def __init__(self, figures: ApplicationFigures, constant: bytes) -> None:
        """*constant* is a `constant_part`."""
        self.figures = figures
        self.constant = constant


class Telemetry:
    """What one worker knows about its own work."""

    def __init__(
        self, entropy: Callable[[int], bytes], log: AccessLog | None, now: datetime
    ) -> None:
        """*entropy* makes ids unlike those of all other workers; without *log* none is written."""
        if log is not None:
            log.set_time(now)
        self._node = node_part(entropy(NODE_BYTES))
        self._second = int(now.timestamp())
        self.ids = request_ids(self._second, self._node)
        self.figures = Figures()
        self.log = log

    def exchange_ended(
        self, down: "Downstream", exchange: Exchange | Tunnel, reason: bytes, unread: int
    ) -> None:
        """Count an exchange that is over; *reason* says why it did not end well, else empty.

        *unread* is how many of the bytes that came belong to later requests.
        """
        ended = perf_counter()
        meter = down.meter
        shape = exchange.shape
        account = shape.account
        if account is None:
            account = shape.account = self.account(down, shape)
        figures = account.figures
        response = exchange.response
        status = NO_STATUS if response is None else response.status
        figures.statuses[status] += 1
        answered = meter.answered
        if answered:
            first = figures.first_byte
            seconds = answered - meter.begun
            first.buckets[bisect_left(REQUEST_BOUNDS, seconds)] += 1
            first.seconds += seconds
            if response is not None and response.upgraded:
                figures.websockets -= 1
                if reason == CLIENT_GONE:
                    # That is how a tunnel ends.
                    reason = b""
        moved = received, sent = meter.moved(unread)
        figures.received += received
        figures.sent += sent
        if self.log is not None:
            request = (exchange.method, exchange.target, exchange.sent_to)
            self.log.add(meter, ended, moved, status, reason, request, account.constant)
        meter.id = b""

    def answered(
        self,
        down: "Downstream",
        head: RequestHead | None,
        status: int,
        reason: bytes,
        unread: int,
    ) -> None:
        """Count a request that the edge has answered itself; *head* is None where it has none."""
        ended = perf_counter()
        meter = down.meter
        name = self._place(down, head)
        figures = self.figures.applications[name]
        figures.statuses[status] += 1
        moved = meter.moved(unread)
        figures.received += moved[0]
        figures.sent += moved[1]
        if self.log is not None:
            request = (b"", b"", b"")
            if head is not None:
                request = (head.method, head.target.wire, b"")
            constant = self._constant(down, head, name, None)
            meter.answered = ended
            self.log.add(meter, ended, moved, status, reason, request, constant)
        meter.id = b""

    def adopt(self, site: Site) -> None:
        """Write by the settings of *site* from now on."""
        if self.log is not None:
            self.log.queries = site.log_queries

    def sweep(self, now: datetime) -> None:
        """Write what has come together since the last sweep, and let ids say the time of it."""
        second = int(now.timestamp())
        if second > self._second:
            # A clock that was set back waits: the same second twice would give an id twice.
            self._second = second
            self.ids = request_ids(second, self._node)
        if self.log is not None:
            self.log.set_time(now)
            self.log.flush()

    async def close(self) -> None:
        """Write what is left."""
        if self.log is not None:
            await self.log.close()

    def refused(self, refusal: Refusal) -> None:
        """Count a refusal, besides the request that it answers."""
        self.figures.refusals[refusal.value] += 1

    def application(self, down: "Downstream", grant: Grant | None) -> ApplicationFigures:
        """Return where requests count that rest on *grant*, or without one go to the portal."""
        name = _DOORS[down.peer.door] if grant is None else grant.app.name
        return self.figures.applications[name]

    def account(self, down: "Downstream", shape: Shape) -> Account:
        """Return where requests of *shape* count, and what they have in common in the log."""
        grant = shape.grant
        name = _DOORS[down.peer.door] if grant is None else grant.app.name
        service = shape.service
        head = shape.head
        # Mostly the same as for the request before, though other fields differ.
        same = grant, service, head.authority, head.first(b"user-agent")
        if grant is not None and down.accounted is not None and down.accounted[0] == same:
            return down.accounted[1]
        constant = self._constant(down, head, name, grant)
        account = Account(self.figures.applications[name], constant)
        down.accounted = same, account
        return account

    def _place(self, down: "Downstream", head: RequestHead | None) -> str:
        """Return for which application a request was that never came to it."""
        if head is None or (
            down.peer.server_name != head.host and down.peer.door is not Door.PLAIN
        ):
            return ""
        if down.peer.door is not Door.PROTECTED or head.host == down.edge.site.host:
            return _DOORS[down.peer.door]
        return down.edge.gate.name_of(head.host)

    def _constant(
        self,
        down: "Downstream",
        head: RequestHead | None,
        name: str,
        grant: Grant | None,
    ) -> bytes:
        peer, fingerprint = down.peer, down.fingerprint
        if grant is not None:
            known: Holder | None = grant.holder
        else:
            holder = None if fingerprint is None else down.edge.admission.holder(fingerprint)
            known = None if isinstance(holder, HolderMissing) else holder
        agent = None if head is None else head.first(b"user-agent")
        return constant_part(
            {
                "address": peer.address,
                "user": known.user if known else "",
                "serial": known.serial if known else "",
                "device": known.device if known else "",
                "app": name,
                "rule": grant.rule if grant else "",
                "observed": ", ".join(grant.observed) if grant else "",
                "host": head.authority if head else "",
                "tls": down.tls_version,
                "user_agent": agent or b"",
            }
        )
