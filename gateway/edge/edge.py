"""What all connections of one worker share."""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from gateway.core.audit import AuditEvent
from gateway.core.ports import EdgeStore, StoreUnavailable
from gateway.core.site import Application, Site, Upstream
from gateway.edge.admission import Admission
from gateway.edge.connections import SWEEP_SECONDS, Connections
from gateway.edge.cut_reasons import CutReason
from gateway.edge.descriptors import bearable, descriptor_limit
from gateway.edge.gate import Gate
from gateway.edge.services import Services
from gateway.edge.telemetry import Telemetry
from gateway.edge.tls import Contexts

if TYPE_CHECKING:
    from gateway.edge.downstream import Downstream

log = logging.getLogger("pusterla.edge")

_AUDIT_QUIET_SECONDS = 60.0
_AUDIT_REMEMBERED = 10_000
_LOG_LINES_PER_SWEEP = 20


class Edge:
    """One worker: its gate, its memory, its connections, its clock."""

    def __init__(
        self,
        *,
        site: Site,
        applications: Mapping[str, Application],
        contexts: Contexts,
        portal: Upstream,
        store: EdgeStore,
        admission: Admission,
        gate: Gate,
        telemetry: Telemetry,
        clock: Callable[[], datetime],
    ) -> None:
        """Begin without a connection."""
        self._settle(site, contexts)
        self.applications = applications
        self.store = store
        self.admission = admission
        self.gate = gate
        self.telemetry = telemetry
        self.clock = clock
        self.services = Services(site, portal)
        self.connections: Connections[Downstream] = Connections()
        self.draining = False
        self.tick = asyncio.get_running_loop().time()
        """Monotonic seconds, as of the last sweep: near enough for time-outs, and free."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._told: dict[tuple[str, ...], float] = {}
        self._lines = 0
        self.audit_waiting = 0
        """How many events are on their way into the audit log."""
        self.audit_lost = 0
        """How many did not get there."""

    def _settle(self, site: Site, contexts: Contexts) -> None:
        self.site = site
        self.limits = site.limits
        self.room = bearable(site.limits, descriptor_limit())
        """The same, with no more connections than this process may open files for."""
        if self.room.connections < site.limits.connections:
            log.warning(
                "%d connections at once and not %d: only %d files may be open (LimitNOFILE, "
                "ulimit -n), and each connection takes two",
                *(self.room.connections, site.limits.connections, descriptor_limit()),
            )
        # Asked for with every request, so not computed each time. What is waited for is
        # counted from the last sweep, and nobody shall have less time than was promised.
        self.handshake_seconds = site.limits.handshake.total_seconds() + SWEEP_SECONDS
        self.head_seconds = site.limits.request_head.total_seconds() + SWEEP_SECONDS
        self.idle_seconds = site.limits.idle.total_seconds() + SWEEP_SECONDS
        self.response_seconds = site.limits.upstream_response.total_seconds() + SWEEP_SECONDS
        self.body_seconds = site.limits.request_body.total_seconds() + SWEEP_SECONDS
        self.taken_seconds = site.limits.response_taken.total_seconds() + SWEEP_SECONDS
        self.contexts = contexts

    def adopt_site(self, site: Site, contexts: Contexts, issuers: tuple[bytes, ...]) -> None:
        """Serve by *site* from now on, and shake hands by *contexts*.

        Connections that are there keep what they began with, and every wait that has
        begun keeps its limit; what comes next, on them too, goes by the new ones.
        """
        self._settle(site, contexts)
        self.services.settle(site)
        self.gate.adopt_site(site, issuers)
        self.admission.adopt(site.feed_grace)
        self.telemetry.adopt(site)

    def adopt(self, applications: Mapping[str, Application]) -> None:
        """Serve *applications* from now on."""
        self.applications = applications
        self.gate.adopt(applications)
        self.services.adopt(applications)

    def spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Run *work* beside the connections; a failure in it is logged, never lost."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a task of the edge failed", exc_info=error)

    def tell(self, event: AuditEvent | None, request: bytes = b"") -> None:
        """Put a refusal of *request* into the audit log, the same one at most once a minute.

        It does not wait: what is refused is refused whether it is recorded or not.
        """
        if event is None:
            return
        what = event.detail.get("fingerprint", "") + event.detail.get("rule", "")
        key = (event.kind, event.user, event.serial, event.app, event.reason, event.address, what)
        if self._told.get(key, float("-inf")) > self.tick - _AUDIT_QUIET_SECONDS:
            return
        if len(self._told) >= _AUDIT_REMEMBERED:
            self._told.clear()
        self._told[key] = self.tick
        if request:
            event = replace(event, detail={**event.detail, "request": request.decode()})
        self.spawn(self._record(event))

    async def _record(self, event: AuditEvent) -> None:
        self.audit_waiting += 1
        try:
            await self.store.record(event)
        except StoreUnavailable as error:
            self.audit_lost += 1
            log.error("not in the audit log, for %s: %s", error, event)
        finally:
            self.audit_waiting -= 1

    def note(self, message: str, *values: object) -> None:
        """Write a log line about what a stranger did; a flood of them is cut short."""
        self._lines += 1
        if self._lines <= _LOG_LINES_PER_SWEEP:
            log.info(message, *values)

    async def sweep(self) -> None:
        """Look after time-outs and ends, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self.tick = loop.time()
            if self._lines > _LOG_LINES_PER_SWEEP:
                log.info("%d further lines left out", self._lines - _LOG_LINES_PER_SWEEP)
            self._lines = 0
            now = self.clock()
            self.telemetry.sweep(now)
            self.connections.sweep(self.tick, now)
            self.services.sweep(self.tick)
            if not self.admission.reliable(now):
                # Nobody can say any more who has been revoked. What has been allowed
                # ends; whoever comes now is refused with a page that says why.
                for connection in self.connections:
                    if connection.session is not None:
                        connection.cut(CutReason.STALE)
