"""One connection of a client: bytes in, requests out, one at a time."""

import asyncio
from datetime import datetime
from math import inf
from typing import TYPE_CHECKING, Final

from gateway.core.people import Holder
from gateway.core.ports import StoreUnavailable
from gateway.core.refusal_kinds import STATUS, Refusal
from gateway.core.sessions import SessionId
from gateway.core.site import Limits
from gateway.edge.admission import (
    DayMissing,
    Grant,
    HolderMissing,
    Missing,
)
from gateway.edge.answers import redirect, refuse
from gateway.edge.buffering import BufferedExchange
from gateway.edge.connections import reset
from gateway.edge.cut_reasons import CutReason, explain_cut
from gateway.edge.exchange import Exchange
from gateway.edge.figures import NO_STATUS
from gateway.edge.heads import CHUNKED, HEAD_END, NO_BODY, Reached, RequestHead, parse_request
from gateway.edge.manner import Manner, learn_manner
from gateway.edge.memo import Memo
from gateway.edge.plain import PLAIN_LINE, Lines, read_request_lines, understand
from gateway.edge.shape import Shape
from gateway.edge.stream import CLOSED, EXCHANGE, HEAD, State, Stream
from gateway.edge.telemetry import CLIENT_GONE, Account
from gateway.edge.tls import Channel
from gateway.edge.tunnel import Tunnel
from gateway.edge.uploads import body_maximum, too_large
from gateway.edge.verdicts import Door, Forward, Peer, Redirect, Refuse, Verdict
from policies.model import RequestFacts

if TYPE_CHECKING:
    from gateway.edge.edge import Edge

_BUFFER_MAXIMUM: Final = 64 * 1024
# On average: each piece that a transport holds costs it a hundred octets, and somebody may send
# records of one.
_WORTH: Final = 4 * 1024
_EMPTY_LINE: Final = b"\r\n"
_VERDICTS: Final = (Forward, Refuse, Redirect)
_LOOKUPS: Final = 12
_HEAD_END_LENGTH: Final = len(HEAD_END)
SEE_OTHER: Final = 303


class Downstream(Stream):
    """A client's connection: requests off its bytes, one at a time, and an answer to each."""

    def __init__(
        self,
        edge: "Edge",
        transport: asyncio.Transport,
        channel: Channel | None,
        peer: Peer,
        *,
        crowded: str = "",
    ) -> None:
        """Take over *transport*; `begin` when its bytes come here.

        *crowded* says of what it is one connection too many: it is only told so.
        """
        super().__init__(edge, transport, channel)
        self.fingerprint = peer.fingerprint
        self.user = ""
        """Whose certificate it is, once that is known."""
        self.trust = ""
        """The trust that it rests on, where its CA is not ours."""
        self.session: SessionId | None = None
        """The session that the last request rested on."""
        self.grant: Grant | None = None
        """And the decision, where it went to an application."""
        self.peer = peer
        self._settled: tuple[Grant, datetime | None] | None = None
        self._crowded = crowded
        self._reached: Reached | None = None
        self._ends: datetime | None = None
        """When its certificate ends, once that is known to be good."""
        self.since = inf
        """When its handshake was over, by `Edge.tick`."""
        self._doubted = False
        """Whether its certificate is known to open nothing."""
        self._asked = False
        """Whether there was a verdict on a request."""
        self._known_until: datetime | None = None
        self._begun = False
        self._memo = Memo()
        self._manner: Manner | None = None
        self.accounted: tuple[object, Account] | None = None
        """What `Telemetry` remembers of the last request, and of which requests it holds."""
        self._end = CLIENT_GONE

    def begin(self) -> None:
        """Wait for the first request."""
        self.since = self.edge.tick
        self._await_request()
        self._look_up_holder()
        if self._crowded or self._doubted:
            # Whoever comes to be told something is not waited for.
            self.deadline = self.edge.tick + self.edge.head_seconds
        if self._channel is not None:
            # It may have asked, or said goodbye, in the same breath as it shook hands.
            self.receive(b"")

    # asyncio.Protocol -------------------------------------------------------

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything that was under way."""
        del exc
        self._state = CLOSED
        self._transport = None
        self.edge.connections.remove(self)
        self._drop_exchange()

    # Requests ---------------------------------------------------------------

    def _await_request(self) -> None:
        self._state = HEAD
        self._begun = False
        self.deadline = self.edge.tick + self.edge.idle_seconds

    def _take(self, pieces: list[bytes]) -> None:
        state, exchange = self._state, self.exchange
        if state is EXCHANGE and exchange is not None and exchange.wants_body:
            octets = sum(map(len, pieces))
            self.meter.received += octets
            if octets < len(pieces) * _WORTH:
                pieces = [b"".join(pieces)]
            self._buffer += exchange.request_data(pieces)
            self._make_place()
            return
        data = b"".join(pieces)
        self.meter.received += len(data)
        if state is HEAD:
            self._buffer = self._buffer + data if self._buffer else data
            self._next()
        elif state in {EXCHANGE, State.JUDGING}:
            self._buffer += data
            if len(self._buffer) > _BUFFER_MAXIMUM:
                self.hold_reading(True)

    def _next(self) -> None:
        """Serve the requests that lie in the buffer, until one has to wait."""
        while self._state is HEAD and self._buffer:
            if self._congested:
                # Whoever does not take answers is not asked for questions.
                self.hold_reading(True)
                return
            data = self._buffer
            if data.startswith(_EMPTY_LINE):
                # RFC 9112, section 2.2: one before a request is nothing.
                if data.startswith(_EMPTY_LINE, len(_EMPTY_LINE)):
                    self._refuse(Refusal.BAD_REQUEST, None, "empty lines instead of a request")
                    return
                self._buffer = data[len(_EMPTY_LINE) :]
                continue
            limit = self.edge.limits.head_bytes
            line_end = data.find(b"\r\n")
            block = self._memo.last
            if block and data.startswith(block, line_end + 2):
                # The end of the head is known with it.
                shape = self._memo.shape
                end = line_end + 2 + len(block) - _HEAD_END_LENGTH
            else:
                shape = None
                end = data.find(HEAD_END)
            if end < 0 and len(data) <= limit:
                self._await_rest()
                return
            if end < 0 or end > limit:
                self._refuse(self._excess(data), None, "head too large")
                return
            end += _HEAD_END_LENGTH
            self.meter.begin(next(self.edge.telemetry.ids), len(data))
            self._buffer = data[end:]
            if shape is None:
                block = data[line_end + 2 : end]
                shape = self._memo.find(block)
            if shape is None or not self._from_memo(shape, data, line_end):
                self._from_scratch(data[:end], block)

    def _excess(self, data: bytes) -> Refusal:
        """Say what is too large in a head that is: the request line, or its fields."""
        line_end = data.find(b"\r\n", 0, self.edge.limits.head_bytes)
        return Refusal.TARGET_TOO_LONG if line_end < 0 else Refusal.HEAD_TOO_LARGE

    def _await_rest(self) -> None:
        # Counted from the first byte of a head, not from each.
        if not self._begun:
            self._begun = True
            self.deadline = self.edge.tick + self.edge.head_seconds

    def _from_memo(self, shape: Shape, data: bytes, line_end: int) -> bool:
        """Serve a request whose fields are those of an earlier one, as far as that still holds."""
        line = PLAIN_LINE.fullmatch(data, 0, line_end)
        grant = shape.grant
        if line is None or grant is None or line_end > self.edge.limits.target_bytes:
            return False
        if not self._still_good(grant):
            return False
        # The policy is not asked again: where rules look at the path, nothing is remembered.
        self._start(Exchange(self, line[1], line[2], shape))
        return True

    def _still_good(self, grant: Grant) -> bool:
        """Say whether a request may rest on *grant*, as an earlier one did."""
        now = self.edge.clock()
        return grant.live and grant.until > now and self.edge.admission.reliable(now)

    def _from_scratch(self, data: bytes, block: bytes) -> None:
        limits = self.edge.limits
        lines = read_request_lines(data, limits)
        manner = self._manner
        if (
            lines is not None
            and manner is not None
            and manner.fits(lines)
            and self._still_good(manner.grant)
        ):
            self._in_manner(manner, lines, block)
            return
        head = (lines and understand(lines)) or self._parse(data, limits)
        if isinstance(head, Refusal):
            self._refuse(head, None, "no request with one reading")
            return
        self._judge(head, block)

    def _parse(self, data: bytes, limits: Limits) -> RequestHead | Refusal:
        reached = self._reached
        if reached is None:
            site, name = self.edge.site, self.peer.server_name
            if self.peer.door is Door.PLAIN:
                reached = Reached(b"http", site.public_host)
            else:
                reached = Reached(b"https", name and site.authority(name))
            self._reached = reached
        return parse_request(data, limits, reached)

    def _in_manner(self, manner: Manner, lines: Lines, block: bytes) -> None:
        """Serve a request that differs from an earlier one only in fields that pass unseen."""
        shape = manner.shape(lines)
        if manner.account is None:
            manner.account = shape.account = self.edge.telemetry.account(self, shape)
        self._memo.keep(block, shape)
        self._start(Exchange(self, lines.method, lines.target, shape))

    def _judge(self, head: RequestHead, block: bytes) -> None:
        if self._crowded:
            self._refuse(Refusal.OVERLOADED, head, self._crowded)
            return
        verdict = self.edge.gate.judge(self.peer, head)
        if isinstance(verdict, _VERDICTS):
            self._act(verdict, head, block)
        else:
            self._state = State.JUDGING
            self.deadline = self.edge.tick + self.edge.response_seconds
            self.edge.spawn(self._learn(verdict, head, block))

    async def _learn(self, missing: Missing, head: RequestHead, block: bytes) -> None:
        verdict: Verdict = Refuse(Refusal.INTERNAL, close=True)
        try:
            verdict = await self._ask(missing, head)
        except StoreUnavailable as error:
            self.edge.note("refused, the store does not answer: %s", error)
            verdict = Refuse(Refusal.STORE_UNAVAILABLE, close=True)
        finally:
            # After an error of our own too: nobody is left waiting for an answer.
            if self._state is State.JUDGING:
                self._state = HEAD
                self.hold_reading(False)
                self._act(verdict, head, block)
                self._next()
            else:
                self._account(head, NO_STATUS, self._end)

    async def _ask(self, missing: Missing, head: RequestHead) -> Verdict:
        """Learn what is *missing*, and whatever else turns out to be, and judge."""
        verdict: Verdict | Missing = missing
        looked: set[type[Missing]] = set()
        for _ in range(_LOOKUPS):
            if isinstance(verdict, _VERDICTS):
                return verdict
            if isinstance(verdict, DayMissing) and not self.edge.services.of(verdict.app).at_hand:
                # Nobody uses up a day for the page that says so.
                return Refuse(Refusal.NO_UPSTREAM)
            await self.edge.admission.learn(verdict)
            looked.add(type(verdict))
            verdict = self.edge.gate.judge(self.peer, head, looked=looked)
        message = "what is asked changes all the time"
        raise StoreUnavailable(message)

    def _act(self, verdict: Verdict, head: RequestHead, block: bytes) -> None:
        if verdict.event is not None:
            self.edge.tell(verdict.event, self.meter.id)
        self._asked = True
        if self._ends is None:
            self._remember_holder(verdict)
        if isinstance(verdict, Forward):
            self._forward(verdict, head, block)
            return
        # A body that nobody reads cannot be told from the next request.
        stay = head.keep_alive and head.body is NO_BODY and not self.closing
        match verdict:
            case Refuse(refusal, _, close, opens_at):
                if close or not stay:
                    self._refuse(refusal, head, str(refusal), opens_at)
                else:
                    self._answer_refusal(refusal, head, opens_at, close=False)
                    self._await_request()
            case Redirect(location, set_cookie):
                number = self.meter.id
                self.write(
                    redirect(location, set_cookie=set_cookie, request=number, close=not stay)
                )
                self._account(head, SEE_OTHER, b"")
                if stay:
                    self._await_request()
                else:
                    self._linger()

    def _forward(self, verdict: Forward, head: RequestHead, block: bytes) -> None:
        grant = verdict.grant
        if verdict.observed is not None:
            self.edge.tell(verdict.observed, self.meter.id)
        if head.body is not NO_BODY and self._announces_too_much(head, grant):
            # Before a byte of it goes on, and before anybody is asked to send it.
            self._refuse(Refusal.BODY_TOO_LARGE, head, "the body is announced as too large")
            return
        services = self.edge.services
        service = services.portal if grant is None else services.of(grant.app)
        shape = Shape(head, verdict.tail, service, grant, verdict.session)
        if verdict.rememberable and head.rememberable:
            self._memo.keep(block, shape)
            self._manner = learn_manner(head, verdict, shape, self.peer.address)
        held = head.body is CHUNKED and service.buffer_body is not None
        make = BufferedExchange if held else Exchange
        self._start(make(self, head.method, head.target.wire, shape))

    def _announces_too_much(self, head: RequestHead, grant: Grant | None) -> bool:
        application = None if grant is None else grant.app
        return too_large(head.body, body_maximum(self.edge.limits, application))

    def _remember_holder(self, verdict: Verdict) -> None:
        if isinstance(verdict, Forward) and verdict.grant is not None:
            # Memory may have lost whom the grant still knows.
            self.rest_on(verdict.grant.holder)
        else:
            self._look_up_holder()

    def _look_up_holder(self) -> None:
        """Take in what memory knows of the certificate, if there is one and it does."""
        if self.fingerprint is None:
            return
        admission = self.edge.admission
        holder = admission.holder(self.fingerprint, self.peer.certificate)
        if isinstance(holder, HolderMissing):
            return
        if admission.judge_holder(holder, self.edge.clock()) is not None or holder is None:
            self.user, self.trust = ("", "") if holder is None else (holder.user, holder.trust)
            self._doubted = True
            self.edge.connections.doubt(self)
        else:
            self.rest_on(holder)

    def rest_on(self, holder: Holder) -> None:
        """Take in whose certificate it is, that it is good now, and for how long."""
        self.user, self.trust = holder.user, holder.trust
        self._ends, self._known_until = holder.ends, holder.good_until
        self._doubted = False
        self.edge.connections.hold(self)

    def _start(self, exchange: Exchange) -> None:
        self._state = EXCHANGE
        self.exchange = exchange
        self.session, self.grant = exchange.shape.session, exchange.shape.grant
        # What was said of nothing being asked does not bear on what is.
        self._settled = None
        exchange.start()

    # For the exchange -------------------------------------------------------

    def exchange_done(self, *, keep_alive: bool) -> None:
        """Go on to the next request, or close."""
        if self._state is not EXCHANGE:
            return
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            self.edge.telemetry.exchange_ended(self, exchange, b"", len(self._buffer))
        if not keep_alive or self.closing:
            self._linger()
            return
        self._await_request()
        if self._held:
            self.hold_reading(False)
        if self._buffer:
            self._next()

    def exchange_failed(self, refusal: Refusal, why: str, *, begun: bool) -> None:
        """Say what went wrong; where the answer has *begun*, only a broken end can say it."""
        exchange, self.exchange = self.exchange, None
        if self._state is not EXCHANGE:
            return
        if begun:
            self.edge.note("%s: answer cut short: %s", self.meter.id.decode(), why)
            if exchange is not None:
                self._end_exchange(exchange, refusal.encode())
            self._abort()
        else:
            self._refuse(refusal, exchange.head if exchange else None, why)

    # For the follower -------------------------------------------------------

    @property
    def under_way(self) -> RequestFacts | None:
        """What an application is being asked, as its policy sees it; None where it is nothing."""
        exchange = self.exchange
        if exchange is None:
            return None
        path = exchange.target.partition(b"?")[0]
        return RequestFacts(exchange.method.decode(), path.decode(), self.peer.address)

    def due(self, now: datetime) -> bool:
        """Say whether the policy has to be asked again for what it let in, for its time is over."""
        grant, settled = self.grant, self._settled
        if grant is None:
            return False
        # Judged anew since, it rests on what was said then: rules and groups may be others now.
        turn = grant.turn if settled is None or settled[0] is not grant else settled[1]
        return turn is not None and turn <= now

    def settle(self, grant: Grant, until: datetime | None) -> None:
        """Note that what *grant* allowed is still allowed, and until when; None: for ever."""
        self._settled = grant, until

    # For the register -------------------------------------------------------

    def time_out(self) -> None:
        """End what has taken too long."""
        if self._state is HEAD and self._buffer:
            self._refuse(Refusal.REQUEST_TIMEOUT, None, "the head stopped coming")
        elif self._state is HEAD:
            self._linger()
        elif self._state is EXCHANGE and self.exchange is not None:
            if self.exchange.answering and self._congested:
                self._judge_taking()
            else:
                self.exchange.time_out()
        else:
            if self._state is State.JUDGING:
                self._end = Refusal.STORE_UNAVAILABLE.encode()
            self._abort()

    @property
    def awaits_refusal(self) -> bool:
        """Whether nothing rests on it, or did before, and a page is what tells it so."""
        return self._doubted or (self._state is State.JUDGING and not self._asked)

    @property
    def silent(self) -> bool:
        """Whether nothing is asked on it, nor begun to be."""
        return self._state is HEAD and not self._buffer

    def ends_at(self) -> datetime | None:
        """Return when the certificate, or the session of what is under way, ends."""
        grant = self.exchange.shape.grant if self.exchange is not None else None
        if grant is None or self._ends is None:
            return self._ends
        return min(self._ends, grant.session.expires_at)

    def cut(self, reason: CutReason | Refusal) -> None:
        """Close at once, whatever is under way."""
        if self._transport is None:
            return
        known = self._known_until
        if reason is CutReason.EXPIRED and known is not None and known < self.edge.clock():
            # Not the certificate has ended, but what is known of its revocation.
            reason = Refusal.CERTIFICATE_STATUS_STALE
        if self._state is not CLOSED:
            whose = self.user or self.peer.address
            self.edge.note("connection of %s cut: %s", whose, explain_cut(reason))
            self._end = reason.encode()
        reset(self._transport)
        self._abort()

    def cut_session(self, reason: CutReason | Refusal) -> None:
        """Close because the session is over, but let the portal finish saying so."""
        if self.exchange is not None and self.exchange.shape.grant is None:
            self.closing = True
        else:
            self.cut(reason)

    def drain(self) -> None:
        """Close after the exchange under way, or at once where there is none."""
        self.closing = True
        if self._state is HEAD and not self._buffer:
            self._linger()

    # Ends -------------------------------------------------------------------

    def _refuse(
        self,
        refusal: Refusal,
        head: RequestHead | None,
        why: str,
        opens_at: datetime | None = None,
    ) -> None:
        """Answer with a refusal and close."""
        if not self.meter.id:
            self.meter.begin(next(self.edge.telemetry.ids), len(self._buffer))
        number = self.meter.id.decode()
        self.edge.note("%s: %s: %s: %s", number, self.peer.address, refusal, why)
        self._answer_refusal(refusal, head, opens_at, close=True)
        self._linger()

    def _answer_refusal(
        self,
        refusal: Refusal,
        head: RequestHead | None,
        opens_at: datetime | None,
        *,
        close: bool,
    ) -> None:
        site, number = self.edge.site, self.meter.id
        self.write(refuse(refusal, head, site, request=number, close=close, opens_at=opens_at))
        self.edge.telemetry.refused(refusal)
        self._account(head, STATUS[refusal], refusal.encode())

    def _account(self, head: RequestHead | None, status: int, reason: bytes) -> None:
        self.edge.telemetry.answered(self, head, status, reason, len(self._buffer))

    def _end_exchange(self, exchange: Exchange | Tunnel, reason: bytes) -> None:
        self.edge.telemetry.exchange_ended(self, exchange, reason, len(self._buffer))

    def _drop_exchange(self) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.downstream_lost()
            self._end_exchange(exchange, self._end)
