"""One request, its response, and the connection to the application in between.

After 101 Switching Protocols the same object is a tunnel. The bytes of a
request go to one upstream connection and the answer of that connection goes to
one client; as soon as anything is odd, neither connection is used again.
"""

import asyncio
from dataclasses import dataclass, replace
from enum import Enum, auto
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Final

from gateway.core.refusal_kinds import Refusal
from gateway.core.sessions import SessionId
from gateway.edge.admission import Grant
from gateway.edge.answers import CONTINUE
from gateway.edge.bodies import LAST_CHUNK, ChunkedBodyBroken, ChunkedDecoder, chunk, last_chunk
from gateway.edge.figures import ApplicationFigures
from gateway.edge.forwarding import interim_block, response_block
from gateway.edge.heads import (
    CHUNKED,
    CONTINUED,
    HEAD_END,
    NO_BODY,
    OK,
    UNTIL_CLOSE,
    Chunked,
    Length,
    RequestHead,
    ResponseHead,
    UpstreamGarbled,
)
from gateway.edge.plain import read_response
from gateway.edge.rewriting import PLACES
from gateway.edge.service import NoUpstream, Service
from gateway.edge.trailers import trailer_lines
from gateway.edge.uploads import Upload, UploadRefused, body_maximum
from gateway.edge.upstream import UpstreamConnection

if TYPE_CHECKING:
    from gateway.edge.downstream import Downstream
    from gateway.edge.telemetry import Account

RESPONSE_HEAD_MAXIMUM: Final = 64 * 1024
INTERIM_MAXIMUM: Final = 32
"""How many interim responses (RFC 9110, section 15.2) one request may have."""
CONTINUE_SECONDS: Final = 1.0
"""How long the application has the word whether a body that waits is wanted."""
_REPLAYABLE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})


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


class _Phase(Enum):
    HEAD = auto()
    BODY = auto()
    TUNNEL = auto()
    DONE = auto()


# A member is looked up in its enumeration each time, and these with every request.
_HEAD: Final = _Phase.HEAD
_BODY: Final = _Phase.BODY
_TUNNEL: Final = _Phase.TUNNEL
_DONE: Final = _Phase.DONE


class Exchange:
    """The way of one request to an application and back."""

    __slots__ = (
        "_connecting",
        "_connection",
        "_decoder",
        "_down",
        "_http_1_1",
        "_interims",
        "_line",
        "_pending",
        "_phase",
        "_received",
        "_remaining",
        "_retried",
        "_settled",
        "_upload",
        "keep_alive",
        "method",
        "response",
        "sent_to",
        "shape",
        "target",
    )

    def __init__(self, down: "Downstream", method: bytes, wire: bytes, shape: Shape) -> None:
        """*wire* is the request target as it goes upstream."""
        head = shape.head
        self.shape = shape
        self.keep_alive = head.keep_alive
        self._down = down
        self.method = method
        self.target = wire
        self.sent_to = b""
        """Which upstream has it, as the access log has it."""
        # Here and not in the tail, which is the same for many requests.
        self._line = b"%b %b HTTP/1.1\r\nX-Request-Id: %b\r\n" % (method, wire, down.meter.id)
        self._http_1_1 = head.http_1_1
        self._connection: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._phase = _HEAD
        self.response: ResponseHead | None = None
        self._pending = b""
        self._received = False
        self._retried = False
        self._interims = 0
        self._settled = True
        # What is still to come: of the request's body, and of the response's.
        self._upload = None if head.body is NO_BODY else self._expect(head)
        self._remaining = 0
        self._decoder: ChunkedDecoder | None = None

    def _expect(self, head: RequestHead) -> Upload:
        assert isinstance(head.body, Length | Chunked)  # noqa: S101 - the caller has looked
        limits, grant = self._down.edge.limits, self.shape.grant
        return Upload(
            head.body,
            maximum=body_maximum(limits, None if grant is None else grant.app),
            user_header=None if grant is None else grant.app.user_header,
            pace=limits.body_rate,
            invited=not head.expects_continue,
        )

    # The request ------------------------------------------------------------

    def start(self) -> None:
        """Send the request on, over an idle connection or a new one."""
        connection = self.shape.service.take()
        if connection is None:
            # Connecting has a limit of its own.
            self._down.deadline = inf
            self._connecting = self._down.edge.spawn(self._connect())
        else:
            self._attach(connection)

    async def _connect(self) -> None:
        try:
            connection = await self.shape.service.connect()
        except NoUpstream as error:
            self._figures.connects_failed += 1
            self._fail(Refusal.NO_UPSTREAM, str(error))
            return
        except TimeoutError:
            self._figures.connects_failed += 1
            self._fail(Refusal.UPSTREAM_TIMEOUT, "no connection in time")
            return
        except OSError as error:
            self._figures.connects_failed += 1
            self._fail(Refusal.UPSTREAM_UNREACHABLE, str(error))
            return
        self._figures.connects += 1
        self._connecting = None
        if self._phase is _DONE:
            connection.release()
        else:
            self._attach(connection)

    def _attach(self, connection: UpstreamConnection) -> None:
        transport = connection.transport
        assert transport is not None  # noqa: S101 - the pool gives out what is connected
        self._connection = connection
        connection.customer = self
        self.sent_to = connection.shown
        self._down.deadline = self._down.edge.tick + self.shape.service.response_seconds
        transport.write(self._line + self.shape.tail)
        upload = self._upload
        if upload is not None and not upload.begun:
            self._await_body(upload)
            self._down.feed_exchange()

    def _await_body(self, upload: Upload) -> None:
        """Wait for the client's next bytes, or for the word that they are wanted."""
        edge = self._down.edge
        seconds = edge.body_seconds if upload.invited else CONTINUE_SECONDS
        self._down.deadline = edge.tick + seconds

    def _invite(self, upload: Upload) -> None:
        """Tell a client that waits for it to send the body."""
        if not upload.invited:
            upload.invited = True
            if not upload.begun:
                self._down.write(CONTINUE)
                self._await_body(upload)

    @property
    def head(self) -> RequestHead:
        """The head of the request; a remembered one may have been of GET where this is HEAD."""
        head = self.shape.head
        return head if head.method == self.method else replace(head, method=self.method)

    @property
    def _figures(self) -> ApplicationFigures:
        return self._down.edge.telemetry.application(self._down, self.shape.grant)

    @property
    def wants_body(self) -> bool:
        """Whether bytes of the client belong to this exchange now."""
        if self._connection is None:
            return False
        return self._phase is _TUNNEL or not self.request_complete

    @property
    def request_complete(self) -> bool:
        """Whether the whole request has been sent on."""
        return self._upload is None or self._upload.complete

    @property
    def patience(self) -> float:
        """For how many seconds an answer that has begun may stop coming."""
        return inf if self._phase is _TUNNEL else self.shape.service.idle_seconds

    @property
    def _response_seconds(self) -> float:
        return self.shape.service.response_seconds

    @property
    def answering(self) -> bool:
        """Whether the answer has begun, or the exchange is a tunnel."""
        return self._phase is not _HEAD

    def request_data(self, data: bytes) -> bytes:
        """Take bytes of the request's body and return what lies behind its end."""
        transport = self._connection.transport if self._connection else None
        if transport is None:
            return data
        if self._phase is _TUNNEL:
            transport.write(data)
            return b""
        upload = self._upload
        assert upload is not None  # noqa: S101 - only a body is wanted before the tunnel
        down = self._down
        edge = down.edge
        waiting = self._phase is _HEAD
        try:
            framed, rest = upload.take(data, edge.tick if waiting else None)
        except UploadRefused as error:
            self._fail(error.refusal, str(error))
            return b""
        if framed:
            transport.write(framed)
        if waiting and not upload.held:
            seconds = self._response_seconds if upload.complete else edge.body_seconds
            down.deadline = edge.tick + seconds
        if not upload.keep_alive:
            self.keep_alive = False
        return rest

    def downstream_lost(self) -> None:
        """Drop everything: nobody waits for the answer."""
        self._phase = _DONE
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            self._connection.discard()

    def downstream_writable(self, writable: bool) -> None:  # noqa: FBT001 - what it says
        """Let the application go on, or wait, as the client takes bytes."""
        transport = self._connection.transport if self._connection else None
        if transport is None or transport.is_closing():
            return
        if writable:
            transport.resume_reading()
        else:
            transport.pause_reading()

    def time_out(self) -> None:
        """Give up waiting for the application, or for the rest of the request."""
        upload = self._upload
        silent = not self.answering and (upload is None or upload.complete or upload.held)
        if silent and self._connection is not None:
            self._connection.fell_silent()
        if upload is None or upload.complete or self.answering:
            late = "the answer stopped coming" if self.answering else "no answer in time"
            self._fail(Refusal.UPSTREAM_TIMEOUT, late)
        elif upload.held:
            self._fail(Refusal.UPSTREAM_TIMEOUT, "the request's body is not taken")
        elif not upload.invited and not upload.begun:
            # Not every application knows of 100 Continue, and not every client
            # sends its body without it.
            self._invite(upload)
        else:
            self._fail(Refusal.REQUEST_TIMEOUT, "the request's body stopped coming")

    # The response -----------------------------------------------------------

    def upstream_writable(self, writable: bool) -> None:  # noqa: FBT001 - what it says
        """Let the client go on, or wait, as the application takes bytes."""
        down = self._down
        down.hold_reading(not writable)
        upload = self._upload
        if upload is None or self._phase is not _HEAD:
            return
        upload.hold(not writable)
        edge = down.edge
        ours = upload.held or upload.complete
        down.deadline = edge.tick + (self._response_seconds if ours else edge.body_seconds)

    def response_data(self, data: bytes) -> None:
        """Take bytes from the application."""
        self._received = True
        phase = self._phase
        if phase is _BODY:
            if self.shape.service.idle_seconds < inf:
                self._down.watch_answer()
            self._body(b"", data)
        elif phase is _TUNNEL:
            self._down.write(data)
        elif phase is _HEAD:
            self._head(self._pending + data if self._pending else data)

    def _head(self, data: bytes) -> None:
        while True:
            end = data.find(HEAD_END)
            if end < 0 or end > RESPONSE_HEAD_MAXIMUM:
                if len(data) > RESPONSE_HEAD_MAXIMUM:
                    self._fail(Refusal.UPSTREAM_BROKEN, "the head of the response has no end")
                self._pending = data
                return
            end += len(HEAD_END)
            try:
                response = read_response(data[:end], self.method)
            except UpstreamGarbled as error:
                self._fail(Refusal.UPSTREAM_BROKEN, str(error))
                return
            data = data[end:]
            if response.upgraded or response.status >= OK:
                self._begin(response, data)
                return
            self._interim(response)
            if self._interims > INTERIM_MAXIMUM:
                self._fail(Refusal.UPSTREAM_BROKEN, "interim responses without end")
                return

    def _begin(self, response: ResponseHead, data: bytes) -> None:
        """Begin the answer with its head, *response*, and the *data* behind it."""
        self._pending = b""
        rewriting = self.shape.service.rewriting
        if rewriting is not None and (response.status in PLACES or rewriting.insists):
            response = rewriting.response(response)
        self.response = response
        self._down.meter.answered = perf_counter()
        if self._interims:
            # They may have filled the client's buffer already.
            self._down.watch_taking()
        else:
            self._down.deadline = self._down.edge.tick + self.shape.service.idle_seconds
        if response.upgraded:
            self._begin_tunnel(response, data)
            return
        body = response.body
        unframed = body is UNTIL_CLOSE or body is CHUNKED
        complete = self._upload is None or self._upload.complete
        keep_alive = self.keep_alive and complete and not self._down.closing
        if unframed and not self._http_1_1:
            keep_alive = False
        self.keep_alive = keep_alive
        block = response_block(
            response,
            http_1_1=self._http_1_1,
            keep_alive=keep_alive,
            ours=self.shape.grant is None,
        )
        self._phase = _BODY
        if isinstance(body, Length):
            self._remaining = body.octets
        elif body is CHUNKED:
            self._decoder = ChunkedDecoder()
        self._body(block, data)

    def _interim(self, response: ResponseHead) -> None:
        """Pass an interim response on; 100 only to whom waits for it."""
        self._interims += 1
        # What announces a body or an end here is no interim response to rely on.
        self._settled = self._settled and response.keep_alive
        upload, edge = self._upload, self._down.edge
        if upload is None or upload.complete:
            self._down.deadline = edge.tick + self._response_seconds
        if response.status != CONTINUED:
            if self._http_1_1:
                self._down.write(interim_block(response, ours=self.shape.grant is None))
        elif upload is not None:
            self._invite(upload)

    def _body(self, block: bytes, data: bytes) -> None:
        """Pass a piece of the response on, behind *block* if the head goes with it."""
        response = self.response
        assert response is not None  # noqa: S101 - the phase says so
        body = response.body
        if isinstance(body, Length):
            piece = data if len(data) <= self._remaining else data[: self._remaining]
            self._remaining -= len(piece)
            self._down.write(block + piece if block else piece)
            if not self._remaining:
                self._finish(reusable=len(piece) == len(data))
        elif body is NO_BODY:
            self._down.write(block)
            self._finish(reusable=not data)
        elif body is UNTIL_CLOSE:
            self._down.write(block + self._framed(data))
        else:
            self._chunked(block, data)

    def _chunked(self, block: bytes, data: bytes) -> None:
        decoder = self._decoder
        assert decoder is not None  # noqa: S101 - the body says so
        try:
            payload = decoder.feed(data)
        except ChunkedBodyBroken as error:
            self._down.write(block)
            self._fail(Refusal.UPSTREAM_BROKEN, str(error))
            return
        out = block + self._framed(payload)
        if decoder.complete and self._http_1_1:
            out += self._last_chunk(decoder)
        if out:
            self._down.write(out)
        if decoder.complete:
            self._finish(reusable=not decoder.excess)

    def _last_chunk(self, decoder: ChunkedDecoder) -> bytes:
        if not decoder.trailers or not self.shape.head.accepts_trailers:
            return LAST_CHUNK
        return last_chunk(trailer_lines(decoder.trailers, from_client=False))

    def _framed(self, payload: bytes) -> bytes:
        return chunk(payload) if payload and self._http_1_1 else payload

    def _begin_tunnel(self, response: ResponseHead, data: bytes) -> None:
        if not self.shape.head.websocket:
            self._fail(Refusal.UPSTREAM_BROKEN, "101 that nobody asked for")
            return
        self._phase = _TUNNEL
        self._figures.websockets += 1
        self._down.watch_taking()
        if self._connection is not None:
            self._connection.answered()
        self._down.write(response_block(response, http_1_1=True, keep_alive=True) + data)
        self._down.feed_exchange()

    def response_end(self, *, clean: bool) -> None:
        """Learn that the application has closed or broken the connection."""
        connection, self._connection = self._connection, None
        if self._phase is _HEAD:
            used = connection is not None and connection.used
            untouched = self._upload is None or not self._upload.begun
            fresh_start = not self._received and untouched and not self._retried
            if used and fresh_start and self.method in _REPLAYABLE:
                # It was closed while idle, before the request reached it.
                self._retried = True
                self._connecting = self._down.edge.spawn(self._connect())
                return
            self._fail(Refusal.UPSTREAM_BROKEN, "the connection closed before the response")
        elif self._phase is _TUNNEL:
            self._phase = _DONE
            self._down.exchange_done(keep_alive=False)
        elif self._phase is _BODY:
            response = self.response
            if clean and response is not None and response.body is UNTIL_CLOSE:
                if self._http_1_1:
                    self._down.write(LAST_CHUNK)
                self._phase = _DONE
                self._down.exchange_done(keep_alive=self.keep_alive)
            else:
                self._fail(Refusal.UPSTREAM_BROKEN, "the response ended in the middle")

    # Ends -------------------------------------------------------------------

    def _finish(self, *, reusable: bool) -> None:
        """End well: the response is complete."""
        self._phase = _DONE
        connection, self._connection = self._connection, None
        response = self.response
        if connection is not None:
            upload = self._upload
            complete = upload is None or upload.complete
            settled = reusable and complete and self._settled
            if upload is not None and upload.begun and settled:
                settled = self._all_taken(connection, upload)
            if settled and response is not None and response.keep_alive:
                connection.release()
            else:
                connection.answered()
                connection.discard()
            if not complete:
                self.keep_alive = False
        self._down.exchange_done(keep_alive=self.keep_alive)

    def _all_taken(self, connection: UpstreamConnection, upload: Upload) -> bool:
        """Say whether the application has taken the whole body, as far as we can tell.

        One that answers first may never read the rest, and whoever came next would
        wait behind it. One that knows no trailers may take them for the next request.
        """
        transport = connection.transport
        unsent = transport is not None and transport.get_write_buffer_size()
        return not upload.trailed and not unsent

    def _fail(self, refusal: Refusal, why: str) -> None:
        """End badly: with a page where nothing was sent yet, else by cutting the answer short."""
        if self._phase is _DONE:
            return
        begun = self._phase is not _HEAD
        self._phase = _DONE
        self._connecting = None
        where: object = self.shape.service
        if self._connection is not None:
            where = self._connection.upstream
            self._connection.discard()
            self._connection = None
        self._down.exchange_failed(refusal, f"{where}: {why}", begun=begun)
