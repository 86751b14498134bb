"""The way of one request to an application: a connection, and the body over it.

What comes back is not read here. Where the request cannot be sent on, or nothing
comes of it in time, it ends here with a refusal.
"""

import asyncio
from abc import ABC, abstractmethod
from dataclasses import replace
from enum import Enum, auto
from math import inf
from typing import TYPE_CHECKING, Final

from gateway.core.refusal_kinds import Refusal
from gateway.edge.answers import CONTINUE
from gateway.edge.figures import ApplicationFigures
from gateway.edge.heads import NO_BODY, Chunked, Length, RequestHead, ResponseHead
from gateway.edge.service import NoUpstream
from gateway.edge.shape import Shape
from gateway.edge.uploads import Upload, UploadRefused, body_maximum
from gateway.edge.upstream import UpstreamConnection

if TYPE_CHECKING:
    from gateway.edge.downstream import Downstream

CONTINUE_SECONDS: Final = 1.0
"""How long the application has the word whether a body that waits is wanted."""
_REPLAYABLE: Final = frozenset({b"GET", b"HEAD", b"OPTIONS"})
_UNANSWERED: Final = frozenset({Refusal.UPSTREAM_TIMEOUT, Refusal.UPSTREAM_BROKEN})
"""What says of the upstream that nothing usable comes from it, where no answer has begun."""


class Phase(Enum):
    """How far the answer is."""

    HEAD = auto()
    """No head of it has come."""
    BODY = auto()
    DONE = auto()
    """It is over, or has become a `Tunnel`."""


# A member is looked up in its enumeration each time, and these with every request.
HEAD: Final = Phase.HEAD
BODY: Final = Phase.BODY
DONE: Final = Phase.DONE


class Sending(ABC):
    """A request on its way to an application; `Exchange` adds the answer."""

    __slots__ = (
        "_connecting",
        "_connection",
        "_down",
        "_interims",
        "_line",
        "_pending",
        "_phase",
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
        self._connection: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._phase = HEAD
        self.response: ResponseHead | None = None
        """The head of the answer, once it has begun."""
        self._retried = False
        # What has come back while there was no whole head of the answer.
        self._pending = b""
        self._interims = 0
        self._settled = True
        """Whether every interim response was one to rely on."""
        # What is still to come of the request's body.
        self._upload = None if head.body is NO_BODY else self._expect(head)

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
        failure: tuple[Refusal, str] | None = Refusal.INTERNAL, "connecting came to nothing"
        try:
            connection = await self.shape.service.connect()
            failure = None
        except (NoUpstream, OSError) as error:
            failure = _unreached(error)
        finally:
            # After an error of our own too: nobody is left waiting for an answer.
            if failure is not None and self._phase is not DONE:
                self._figures.connects_failed += 1
                self._fail(*failure)
        if failure is not None:
            return
        self._figures.connects += 1
        self._connecting = None
        if self._phase is DONE:
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

    def _retry(self, connection: UpstreamConnection) -> bool:
        """Send the request once more if *connection* was closed before the request reached it.

        That happens to one that was idle; whatever may have been acted on is not repeated.
        """
        begun = self._upload is not None and self._upload.begun
        if self._pending or self._interims or begun or self._retried:
            return False
        if not connection.used or self.method not in _REPLAYABLE:
            return False
        self._retried = True
        self._connection = None
        self._connecting = self._down.edge.spawn(self._connect())
        return True

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
        return self._connection is not None and not self.request_complete

    @property
    def body_left(self) -> int:
        """How many octets of the request's body are still to come, as far as that is known."""
        return 0 if self._upload is None or self._connection is None else self._upload.left

    @property
    def request_complete(self) -> bool:
        """Whether the whole request has been sent on."""
        return self._upload is None or self._upload.complete

    @property
    def answering(self) -> bool:
        """Whether the answer has begun."""
        return self._phase is not HEAD

    @property
    def patience(self) -> float:
        """For how many seconds an answer that has begun may stop coming."""
        return self.shape.service.idle_seconds

    @property
    def _response_seconds(self) -> float:
        return self.shape.service.response_seconds

    # From the client --------------------------------------------------------

    def request_data(self, pieces: list[bytes]) -> bytes:
        """Take bytes of the request's body and return what lies behind its end."""
        transport = self._connection.transport if self._connection else None
        if transport is None:
            return b"".join(pieces)
        upload = self._upload
        assert upload is not None  # noqa: S101 - only a body is wanted
        down = self._down
        edge = down.edge
        waiting = self._phase is HEAD
        try:
            framed, rest = upload.take(pieces, edge.tick if waiting else None)
        except UploadRefused as error:
            self._fail(error.refusal, str(error))
            return b""
        if framed:
            transport.writelines(framed)
        if waiting and not upload.held:
            seconds = self._response_seconds if upload.complete else edge.body_seconds
            down.deadline = edge.tick + seconds
        if not upload.keep_alive:
            self.keep_alive = False
        return rest

    def downstream_lost(self) -> None:
        """Drop everything: nobody waits for the answer."""
        begun = self._phase is not HEAD
        self._phase = DONE
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None:
            if begun:
                self._connection.answered()
            else:
                self._connection.abandoned()
            self._connection.discard()

    def downstream_writable(self, writable: bool) -> None:  # noqa: FBT001 - what it says
        """Let the application go on, or wait, as the client takes bytes."""
        if self._connection is not None:
            self._connection.hold_reading(not writable)

    def time_out(self) -> None:
        """Give up waiting for the application, or for the rest of the request."""
        upload = self._upload
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

    # From the application ---------------------------------------------------

    @abstractmethod
    def response_data(self, data: bytes | memoryview) -> None:
        """Take bytes from the application."""

    @abstractmethod
    def response_end(self, *, clean: bool) -> None:
        """Learn that the application has closed or broken the connection."""

    def upstream_writable(self, writable: bool) -> None:  # noqa: FBT001 - what it says
        """Let the client go on, or wait, as the application takes bytes."""
        down = self._down
        # Of one that has sent everything there is nothing to hold back, and its end to see.
        down.hold_reading(not writable and not self.request_complete)
        upload = self._upload
        if upload is None or self._phase is not HEAD:
            return
        upload.hold(not writable)
        edge = down.edge
        ours = upload.held or upload.complete
        down.deadline = edge.tick + (self._response_seconds if ours else edge.body_seconds)

    # Ends -------------------------------------------------------------------

    def _fail(self, refusal: Refusal, why: str) -> None:
        """End badly: with a page where nothing was sent yet, else by cutting the answer short."""
        if self._phase is DONE:
            return
        begun = self._phase is not HEAD
        self._phase = DONE
        self._connecting = None
        where: object = self.shape.service
        connection, self._connection = self._connection, None
        if connection is not None:
            where = connection.upstream
            if begun:
                connection.answered()
            elif refusal in _UNANSWERED:
                connection.unanswered(why)
            else:
                connection.abandoned()
            connection.discard()
        self._down.exchange_failed(refusal, f"{where}: {why}", begun=begun)


def _unreached(error: NoUpstream | OSError) -> tuple[Refusal, str]:
    """Return how it is called, and told in the log, that there is no connection."""
    if isinstance(error, NoUpstream):
        return Refusal.NO_UPSTREAM, str(error)
    if isinstance(error, TimeoutError):
        return Refusal.UPSTREAM_TIMEOUT, "no connection in time"
    return Refusal.UPSTREAM_UNREACHABLE, str(error)
