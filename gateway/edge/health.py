"""Active checks: a small request to each upstream, again and again, by every worker.

A check has a connection of its own, made anew each time: it also tells whether
connections can be made. What it brings is judged by `balancing`.
"""

import asyncio
import random
from collections.abc import Coroutine
from math import inf
from typing import Final, cast

from gateway.core.site import HealthCheck
from gateway.edge.heads import HEAD_END, OK, UpstreamGarbled, parse_response
from gateway.edge.upstream import Pool

_HEAD_MAXIMUM: Final = 64 * 1024
_LOWEST_BAD: Final = 400
_METHOD: Final = b"GET"


class Rounds:
    """When the upstreams of one application are checked: not by all workers at once."""

    def __init__(self, settings: HealthCheck) -> None:
        """Begin with a check as soon as possible."""
        self.settings = settings
        self._interval = settings.interval.total_seconds()
        self._next = -inf
        self._under_way = False

    def due(self, tick: float) -> bool:
        """Say whether a round is to begin at *tick*; it is then taken to have begun."""
        if self._under_way or tick < self._next:
            return False
        self._under_way = True
        # Workers that began together drift apart.
        self._next = tick + self._interval * random.uniform(0.9, 1.1)  # noqa: S311 - no secret
        return True

    async def run(self, checks: list[Coroutine[None, None, None]]) -> None:
        """Make all *checks* of a round."""
        try:
            async with asyncio.TaskGroup() as group:
                for check in checks:
                    group.create_task(check)
        finally:
            self._under_way = False


async def ask(pool: Pool, settings: HealthCheck, authority: str) -> str:
    """Check the upstream of *pool*; return what is wrong with it, "" for nothing."""
    request = (
        f"GET {settings.path} HTTP/1.1\r\nHost: {authority}\r\n"
        "User-Agent: Pusterla\r\nConnection: close\r\n\r\n"
    )
    seconds = settings.timeout.total_seconds()
    question: _Question | None = None
    try:
        async with asyncio.timeout(seconds):
            question = await pool.open(_Question, seconds)
            status = await question.ask(request.encode("ascii"))
    except TimeoutError:
        return f"no answer within {seconds:g} s"
    except (OSError, UpstreamGarbled) as error:
        return str(error) or "the connection broke"
    finally:
        if question is not None:
            question.end()
    return "" if OK <= status < _LOWEST_BAD else f"status {status}"


class _Question(asyncio.Protocol):
    """One request on a connection of its own, of whose answer only the status counts."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._status = asyncio.get_running_loop().create_future()
        self._received = b""

    async def ask(self, request: bytes) -> int:
        """Send *request* and return the status of the answer."""
        assert self._transport is not None  # noqa: S101 - made by create_connection
        self._transport.write(request)
        return cast(int, await self._status)

    def end(self) -> None:
        """Close, whatever is still to come."""
        self._status.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Look for the end of the head."""
        if self._status.done():
            return
        self._received += data
        try:
            self._read()
        except UpstreamGarbled as error:
            self._status.set_exception(error)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell whoever waits."""
        if not self._status.done():
            error = exc if isinstance(exc, OSError) else None
            self._status.set_exception(error or ConnectionError("closed before an answer"))

    def _read(self) -> None:
        while (end := self._received.find(HEAD_END)) >= 0:
            end += len(HEAD_END)
            head = parse_response(self._received[:end], _METHOD)
            self._received = self._received[end:]
            if head.status >= OK:
                self._status.set_result(head.status)
                return
        if len(self._received) > _HEAD_MAXIMUM:
            raise UpstreamGarbled("the head of the response has no end")
