"""The body of one request on its way to the application: framed, counted, paced.

Made only where there is a body, so that a request without one costs nothing here.
"""

from typing import Final

from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Application, Limits
from gateway.edge.bodies import ChunkedBodyBroken, ChunkedDecoder, chunk, last_chunk
from gateway.edge.heads import Chunked, Length, RequestBody
from gateway.edge.trailers import trailer_lines

PACE_SECONDS: Final = 30.0
"""Over how long the pace of a body is averaged before it is judged."""


class UploadRefused(Exception):
    """The body is not one that goes on: *refusal* says what is wrong with it."""

    def __init__(self, refusal: Refusal, why: str) -> None:
        """Say *why* for the log."""
        super().__init__(why)
        self.refusal = refusal


def body_maximum(limits: Limits, application: Application | None) -> int | None:
    """Return how large a body to *application* (None: the portal) may be; None is any size."""
    own = None if application is None else application.limits.body_bytes
    return limits.body_bytes if own is None else own


def too_large(body: RequestBody, maximum: int | None) -> bool:
    """Say whether the head already announces more than *maximum* bytes (None: no limit)."""
    return maximum is not None and isinstance(body, Length) and body.octets > maximum


class Upload:
    """One body: what has come of it, and whether it comes fast enough.

    *begun* turns true with its first bytes, *complete* with its last. *invited*
    is false while the client waits for 100 Continue (RFC 9110, section 10.1.1).
    *held* is true while the application takes nothing, which is no fault of the
    client's. The *pace* is bytes a second, 0 for any; *maximum* as in `too_large`.
    """

    __slots__ = (
        "_came",
        "_decoder",
        "_maximum",
        "_pace",
        "_passed",
        "_since",
        "_user_header",
        "begun",
        "complete",
        "held",
        "invited",
        "keep_alive",
        "left",
        "trailed",
    )

    def __init__(
        self,
        body: Length | Chunked,
        *,
        maximum: int | None,
        pace: int,
        invited: bool,
        user_header: str | None = None,
    ) -> None:
        """Stand before the first byte; *user_header* as in `trailer_lines`."""
        self.left = body.octets if isinstance(body, Length) else 0
        """How many octets are still to come, as far as that was said: 0 of a body in chunks."""
        self._decoder = None if isinstance(body, Length) else ChunkedDecoder()
        self._maximum = maximum
        self._pace = pace
        self._passed = 0
        self._came = 0
        self._since: float | None = None
        self._user_header = user_header
        self.begun = False
        self.complete = False
        self.held = False
        self.invited = invited
        self.keep_alive = True
        """Whether the client's connection can carry a further request behind the body."""
        self.trailed = False
        """Whether trailer fields went on: not every application knows where those end."""

    def limited_to(self, maximum: int | None) -> "Upload":
        """Let no more than *maximum* bytes pass, where that is less than was allowed."""
        if maximum is not None and (self._maximum is None or maximum < self._maximum):
            self._maximum = maximum
        return self

    def take(self, pieces: list[bytes], tick: float | None) -> tuple[list[bytes], bytes]:
        """Return what of *pieces* goes on, framed, and what lies behind the body's end.

        Without *tick* the pace is nobody's business: the application has begun to
        answer, and may want the rest as slowly as it comes. Raise `UploadRefused`
        where no further byte may go on.
        """
        self.begun = True
        octets = sum(map(len, pieces))
        if self._decoder is not None:
            framed, rest = self._by_chunks(self._decoder, b"".join(pieces))
        elif octets <= self.left:
            self.left -= octets
            self.complete = not self.left
            framed, rest = pieces, b""
        else:
            data = b"".join(pieces)
            framed, rest = [data[: self.left]], data[self.left :]
            self.left, self.complete = 0, True
        if self._pace and tick is not None and not self.complete:
            self._judge_pace(octets, tick)
        return framed, rest

    def hold(self, held: bool) -> None:  # noqa: FBT001 - what it says
        """Learn that the application takes no more, or does again: the pace counts anew."""
        self.held = held
        self._since = None

    def _by_chunks(self, decoder: ChunkedDecoder, data: bytes) -> tuple[list[bytes], bytes]:
        try:
            payload, rest = decoder.take(data)
        except ChunkedBodyBroken as error:
            raise UploadRefused(Refusal.BAD_REQUEST, f"request body: {error}") from error
        self._passed += len(payload)
        if self._maximum is not None and self._passed > self._maximum:
            raise UploadRefused(Refusal.BODY_TOO_LARGE, f"a body of over {self._maximum} bytes")
        framed = [chunk(payload)] if payload else []
        if decoder.complete:
            self.complete = True
            lines = b""
            if decoder.trailers:
                own = self._user_header
                lines = trailer_lines(decoder.trailers, from_client=True, user_header=own)
            self.trailed = bool(lines)
            framed.append(last_chunk(lines))
            # Where more was read together with the body, nobody can say where the
            # next request begins.
            self.keep_alive = not decoder.excess
        return framed, rest

    def _judge_pace(self, octets: int, tick: float) -> None:
        if self._since is None:
            self._since, self._came = tick, octets
            return
        self._came += octets
        seconds = tick - self._since
        if seconds < PACE_SECONDS:
            return
        if self._came < self._pace * seconds:
            why = f"{self._came} bytes of a body in {seconds:.0f} s"
            raise UploadRefused(Refusal.REQUEST_TIMEOUT, why)
        self._since, self._came = tick, 0
