"""An application as the edge reaches it: which upstream, how patiently, and what if it fails.

An application with one upstream and no checks is that upstream's pool, and costs
a request nothing more. With several, `balancing` says which is next, and a
connection that cannot be made is made to another: no byte of the request has
gone out yet, so that is safe for every method.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from math import inf

from gateway.core.site import AppLimits, HealthCheck, Limits, Upstream
from gateway.edge.balancing import Standing, choose
from gateway.edge.connections import SWEEP_SECONDS
from gateway.edge.health import ask
from gateway.edge.rewriting import Rewriting
from gateway.edge.upstream import Pool, UpstreamConnection
from gateway.edge.upstream_tls import UpstreamContext

log = logging.getLogger("pusterla.edge")


class NoUpstream(Exception):
    """None of an application's upstreams is fit for a request; it has reached none of them."""


class WatchedPool(Pool):
    """The pool of one upstream among several, or of one that is checked, and how it stands."""

    def __init__(self, upstream: Upstream, tls: UpstreamContext, *, alone: bool) -> None:
        """Begin empty, and think well of the upstream. One that is *alone* is never put aside."""
        super().__init__(upstream, tls)
        self.alone = alone
        self.standing = Standing()
        self.connecting = 0

    @property
    def load(self) -> int:
        """How many requests are on their way to it or there."""
        return self.busy + self.connecting

    def keep(self, connection: UpstreamConnection) -> None:
        """Take a connection back, on which there was an answer."""
        self.standing.answer()
        super().keep(connection)

    def note_answer(self) -> None:
        """Learn that the upstream has answered on a connection that does not come back."""
        self.standing.answer()

    def note_unanswered(self, why: str) -> None:
        """Learn that the upstream has not answered a request, and *why* that is said."""
        if not self.alone and self.standing.fail_to_answer(_now()):
            self._tell(why)

    def note_abandoned(self) -> None:
        """Learn that a request on trial was given up: another one may try."""
        self.standing.abandon(_now())

    async def connect(self, seconds: float) -> UpstreamConnection:
        """Open a connection; raise `OSError` or `TimeoutError`, after taking note of it."""
        trial = self.standing.aside
        self.standing.begin(_now())
        self.connecting += 1
        try:
            connection = await super().connect(seconds)
        except OSError as error:  # TimeoutError is one
            if not self.alone and self.standing.refuse(_now()):
                self._tell(str(error) or "no connection in time")
            raise
        except BaseException:
            # Given up, or an error of our own: it says nothing of the upstream.
            if trial:
                self.standing.abandon(_now())
            raise
        finally:
            self.connecting -= 1
        connection.trial = trial
        self.standing.accept()
        return connection

    async def check(self, settings: HealthCheck, authority: str) -> None:
        """Ask the upstream how it is, and say so in the log when that has changed."""
        wrong = await ask(self, settings, authority)
        if self.standing.check(good=not wrong):
            if wrong:
                log.warning("%s fails its checks and gets no requests: %s", self.upstream, wrong)
            else:
                log.warning("%s passes its checks again", self.upstream)

    def _tell(self, why: str) -> None:
        log.warning("%s is put aside for %g s: %s", self.upstream, self.standing.pause, why)


class Service:
    """One application as the edge reaches it. Made anew when its settings change, pools apart."""

    __slots__ = (
        "_connect",
        "_connect_seconds",
        "_limits",
        "_name",
        "_standings",
        "_turn",
        "buffer_body",
        "idle_seconds",
        "pools",
        "response_seconds",
        "rewriting",
        "take",
    )

    take: Callable[[], UpstreamConnection | None]
    """Return an idle connection to the upstream whose turn it is, or None: then `connect`."""

    def __init__(self, name: str, pools: tuple[Pool, ...], limits: AppLimits, site: Limits) -> None:
        """*limits* of the application go before those of the *site*."""
        self._name = name
        self._limits = limits
        self.settle(site)
        self.pools = pools
        self.buffer_body: int | None = None
        """Up to how many bytes a body in chunks is held until it is whole; None: not at all."""
        self.rewriting: Rewriting | None = None
        """What its answers need; None for the portal, which knows where it is."""
        self._turn = 0
        watched = [pool for pool in pools if isinstance(pool, WatchedPool)]
        self._standings = [pool.standing for pool in watched]
        self._connect: Callable[[], Awaitable[UpstreamConnection]]
        if watched:
            self.take = lambda: self._take_next(watched)
            self._connect = lambda: self._connect_next(watched)
        else:
            (pool,) = pools
            self.take = pool.take
            self._connect = lambda: pool.connect(self._connect_seconds)

    def __str__(self) -> str:
        """Name it as a log line needs it."""
        return self._name if len(self.pools) > 1 else str(self.pools[0].upstream)

    def settle(self, site: Limits) -> None:
        """Go by the limits of *site* from now on, where the application has none of its own.

        What is waited for is counted from the last sweep, and nobody shall have less
        time than was promised.
        """
        connect = self._limits.upstream_connect or site.upstream_connect
        response = self._limits.upstream_response or site.upstream_response
        idle = self._limits.upstream_idle
        self._connect_seconds = connect.total_seconds()
        self.response_seconds = response.total_seconds() + SWEEP_SECONDS
        self.idle_seconds = inf if idle is None else idle.total_seconds() + SWEEP_SECONDS

    @property
    def at_hand(self) -> bool:
        """Whether there may be an upstream for the next request, as far as is known."""
        now = _now()
        return not self._standings or any(one.open(now) for one in self._standings)

    async def connect(self) -> UpstreamConnection:
        """Open a connection to the upstream whose turn it is, or to another where that fails.

        Where there is but one upstream its failure is raised: `OSError` or
        `TimeoutError`. Where there are several, or none is sound: `NoUpstream`.
        """
        return await self._connect()

    def _take_next(self, pools: list[WatchedPool]) -> UpstreamConnection | None:
        position = self._choose(pools, ())
        # A trial is a new connection, which alone tells whether it takes any.
        if position is None or pools[position].standing.aside:
            return None
        connection = pools[position].take()
        if connection is not None:
            self._turn = position + 1
        return connection

    async def _connect_next(self, pools: list[WatchedPool]) -> UpstreamConnection:
        tried: list[int] = []
        why = "the checks speak against it" if len(pools) == 1 else "none is left"
        while (position := self._choose(pools, tried)) is not None:
            self._turn = position + 1
            pool = pools[position]
            try:
                return await pool.connect(self._connect_seconds)
            except OSError as error:
                if len(pools) == 1:
                    raise
                tried.append(position)
                why = f"none is left; {pool.upstream}: {str(error) or 'no connection in time'}"
        raise NoUpstream(why)

    def _choose(self, pools: list[WatchedPool], tried: Collection[int]) -> int | None:
        loads = [pool.load for pool in pools]
        return choose(self._standings, loads, self._turn, _now(), tried)


def _now() -> float:
    return asyncio.get_running_loop().time()
