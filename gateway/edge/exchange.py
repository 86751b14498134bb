"""One request and its response.

The bytes of a request go to one upstream connection and the answer of that
connection goes to one client; as soon as anything is odd, neither connection is
used again. After 101 Switching Protocols a `Tunnel` takes both over.
"""

from math import inf
from time import perf_counter
from typing import Final

from gateway.core.refusal_kinds import Refusal
from gateway.edge.bodies import ChunkedBodyBroken
from gateway.edge.downloads import Download
from gateway.edge.forwarding import interim_block, response_block
from gateway.edge.heads import (
    CHUNKED,
    CONTINUED,
    HEAD_END,
    NO_BODY,
    OK,
    UNTIL_CLOSE,
    Length,
    ResponseHead,
    UpstreamGarbled,
)
from gateway.edge.plain import read_response
from gateway.edge.rewriting import PLACES
from gateway.edge.sending import BODY, DONE, HEAD, Sending
from gateway.edge.tunnel import Tunnel
from gateway.edge.uploads import Upload
from gateway.edge.upstream import UpstreamConnection

RESPONSE_HEAD_MAXIMUM: Final = 64 * 1024
_HEAD_END_LENGTH: Final = len(HEAD_END)
INTERIM_MAXIMUM: Final = 32
"""How many interim responses (RFC 9110, section 15.2) one request may have."""


class Exchange(Sending):
    """The way of one request to an application and back."""

    __slots__ = ("_download", "_remaining")

    def response_data(self, data: bytes | memoryview) -> None:
        """Take bytes from the application."""
        phase = self._phase
        if phase is BODY:
            if self.shape.service.idle_seconds < inf:
                self._down.watch_answer()
            self._body(b"", data)
        elif phase is HEAD:
            self._head(self._pending + data if self._pending else bytes(data))

    # Heads ------------------------------------------------------------------

    def _head(self, data: bytes) -> None:
        while True:
            end = data.find(HEAD_END)
            if end < 0 or end > RESPONSE_HEAD_MAXIMUM:
                if len(data) > RESPONSE_HEAD_MAXIMUM:
                    self._fail(Refusal.UPSTREAM_BROKEN, "the head of the response has no end")
                self._pending = data
                return
            end += _HEAD_END_LENGTH
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
        http_1_1 = self.shape.head.http_1_1
        if unframed and not http_1_1:
            keep_alive = False
        self.keep_alive = keep_alive
        block = response_block(
            response,
            http_1_1=http_1_1,
            keep_alive=keep_alive,
            ours=self.shape.grant is None,
        )
        self._phase = BODY
        # What is still to come: so many octets, or what only the body itself says.
        if isinstance(body, Length):
            self._remaining = body.octets
        elif unframed:
            self._download = Download(self.shape.head, chunked=body is CHUNKED)
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
            if self.shape.head.http_1_1:
                self._down.write(interim_block(response, ours=self.shape.grant is None))
        elif upload is not None:
            self._invite(upload)

    def _begin_tunnel(self, response: ResponseHead, data: bytes) -> None:
        if not self.shape.head.websocket:
            self._fail(Refusal.UPSTREAM_BROKEN, "101 that nobody asked for")
            return
        connection, self._connection = self._connection, None
        assert connection is not None  # noqa: S101 - the answer came over it
        self._phase = DONE
        self._figures.websockets += 1
        head = response_block(response, http_1_1=True, keep_alive=True)
        Tunnel(self._down, self, connection).begin(head + data)

    # The body, and the end --------------------------------------------------

    def _body(self, block: bytes, data: bytes | memoryview) -> None:
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
        else:
            self._pass_on(block, bytes(data))

    def _pass_on(self, block: bytes, data: bytes) -> None:
        download = self._download
        try:
            out = block + download.take(data)
        except ChunkedBodyBroken as error:
            self._down.write(block)
            self._fail(Refusal.UPSTREAM_BROKEN, str(error))
            return
        if out:
            self._down.write(out)
        if download.complete:
            self._finish(reusable=not download.excess)

    def response_end(self, *, clean: bool) -> None:
        """Learn that the application has closed or broken the connection."""
        connection = self._connection
        if self._phase is HEAD:
            if connection is not None and self._retry(connection):
                return
            self._fail(Refusal.UPSTREAM_BROKEN, "the connection closed before the response")
        elif self._phase is BODY:
            self._end_body(clean=clean)

    def _end_body(self, *, clean: bool) -> None:
        """Take the end of the connection as that of the body, where it is."""
        response = self.response
        if not clean or response is None or response.body is not UNTIL_CLOSE:
            self._fail(Refusal.UPSTREAM_BROKEN, "the response ended in the middle")
            return
        last = self._download.end()
        if last:
            self._down.write(last)
        self._phase = DONE
        self._connection = None
        self._down.exchange_done(keep_alive=self.keep_alive)

    def _finish(self, *, reusable: bool) -> None:
        """End well: the response is complete."""
        self._phase = DONE
        connection, self._connection = self._connection, None
        response = self.response
        if connection is not None:
            upload = self._upload
            complete = upload is None or upload.complete
            settled = reusable and complete and self._settled
            if upload is not None and upload.begun and settled:
                settled = _all_taken(connection, upload)
            if settled and response is not None and response.keep_alive:
                connection.release()
            else:
                connection.answered()
                connection.discard()
            if not complete:
                self.keep_alive = False
        self._down.exchange_done(keep_alive=self.keep_alive)


def _all_taken(connection: UpstreamConnection, upload: Upload) -> bool:
    """Say whether the application has taken the whole body, as far as we can tell.

    One that answers first may never read the rest, and whoever came next would
    wait behind it. One that knows no trailers may take them for the next request.
    """
    return not upload.trailed and not connection.unsent
