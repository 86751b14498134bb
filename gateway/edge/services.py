"""All applications of a worker as it reaches them, kept as far as their settings stay."""

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass

from gateway.core.site import Application, AppLimits, Site, Upstream, UpstreamTLS
from gateway.edge.health import Rounds
from gateway.edge.rewriting import Rewriting
from gateway.edge.service import Service, WatchedPool
from gateway.edge.upstream import Pool
from gateway.edge.upstream_tls import UpstreamContext

log = logging.getLogger("pusterla.edge")


@dataclass(slots=True, eq=False)
class _Entry:
    """What is kept of one application."""

    app: Application
    service: Service
    context: UpstreamContext
    rounds: Rounds | None


class Services:
    """All applications of a worker, and the portal."""

    def __init__(self, site: Site, portal: Upstream) -> None:
        """Begin with the portal alone."""
        self._site = site
        pool = Pool(portal, UpstreamContext(UpstreamTLS()))
        self.portal = Service("portal", (pool,), AppLimits(), site.limits)
        self._entries: dict[str, _Entry] = {}
        self.buffered = 0
        """How many bytes of bodies are held: until they are whole, and the application has them."""
        self._checking: set[asyncio.Task[None]] = set()

    def of(self, app: Application) -> Service:
        """Return the service of *app* as it is now."""
        entry = self._entries.get(app.name)
        return entry.service if entry is not None and entry.app is app else self._make(app)

    def adopt(self, applications: Mapping[str, Application]) -> None:
        """Keep what *applications* still have, close the idle connections to everything else."""
        for app in applications.values():
            self.of(app)
        for name in [*self._entries]:
            if name not in applications:
                _close(self._entries.pop(name).service.pools)

    def settle(self, site: Site) -> None:
        """Go by the limits of *site* from now on."""
        self._site = site
        for service in self._all():
            service.settle(site.limits)

    def sweep(self, tick: float) -> None:
        """Close what has been idle for long, and begin the checks that are due."""
        for service in self._all():
            for pool in service.pools:
                pool.sweep(tick)
        for entry in self._entries.values():
            if entry.rounds is not None and entry.rounds.due(tick):
                task = asyncio.get_running_loop().create_task(self._check(entry, entry.rounds))
                self._checking.add(task)
                task.add_done_callback(self._checked)

    def close(self) -> None:
        """Close every idle connection, and break off the checks."""
        for task in self._checking:
            task.cancel()
        for service in self._all():
            _close(service.pools)

    def _all(self) -> list[Service]:
        return [self.portal, *(entry.service for entry in self._entries.values())]

    def _check(self, entry: _Entry, rounds: Rounds) -> Coroutine[None, None, None]:
        # Asked under the name under which requests come: some answer to no other.
        authority = entry.app.upstream_host
        if authority is None:
            authority = self._site.authority(entry.app.host)
        pools = [pool for pool in entry.service.pools if isinstance(pool, WatchedPool)]
        return rounds.run([pool.check(rounds.settings, authority) for pool in pools])

    def _checked(self, task: asyncio.Task[None]) -> None:
        self._checking.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a check of upstreams failed", exc_info=error)

    def _make(self, app: Application) -> Service:
        """Make the service of *app*; upstreams that stay keep their connections and standing."""
        before = self._entries.get(app.name)
        context, rounds = UpstreamContext(app.tls), None
        old: tuple[Pool, ...] = ()
        if before is not None:
            old = before.service.pools
            context = before.context if before.app.tls == app.tls else context
        if app.health is not None:
            same = before is not None and before.app.health == app.health
            rounds = before.rounds if same and before is not None else Rounds(app.health)
        alone = len(app.upstreams) == 1
        watched = not alone or app.health is not None
        kept = {
            pool.upstream: pool
            for pool in old
            if pool.upstream in app.upstreams
            and pool.tls is context
            and isinstance(pool, WatchedPool) is watched
            and (not isinstance(pool, WatchedPool) or pool.alone is alone)
        }

        def pool_to(upstream: Upstream) -> Pool:
            if upstream in kept:
                return kept[upstream]
            if watched:
                return WatchedPool(upstream, context, alone=alone)
            return Pool(upstream, context)

        pools = tuple(map(pool_to, app.upstreams))
        _close(pool for pool in old if pool not in pools)
        service = Service(app.name, pools, app.limits, self._site.limits)
        service.buffer_body = app.buffer_body
        service.rewriting = Rewriting(app, self._site)
        self._entries[app.name] = _Entry(app, service, context, rounds)
        return service


def _close(pools: Iterable[Pool]) -> None:
    for pool in pools:
        pool.close()
