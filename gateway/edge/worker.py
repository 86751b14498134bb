"""One worker of the edge: takes connections from its sockets until it is told to end."""

import asyncio
import gc
import logging
import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.core.assertion import Asserter
from gateway.core.ports import EdgeStore
from gateway.core.site import Application, Site, Upstream
from gateway.edge.access_log import AccessLog
from gateway.edge.admission import Admission
from gateway.edge.arrival import Arrival
from gateway.edge.cut_reasons import CutReason
from gateway.edge.edge import Edge
from gateway.edge.follower import distrust, follow, reconsider, watch_silent, watch_turns
from gateway.edge.gate import Gate
from gateway.edge.keepalive import keep_probing
from gateway.edge.presenting import Elsewhere
from gateway.edge.telemetry import Telemetry
from gateway.edge.tls import Contexts, make_contexts, read_issuers, read_names

log = logging.getLogger("pusterla.edge")

BACKLOG = 2048
_COLLECTOR_THRESHOLDS = (20_000, 20, 20)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a worker proves itself with, and whom it believes."""

    server_certificate: Path
    server_key: Path
    client_trust: Path
    cookie_key: bytes
    asserter: Asserter


@dataclass(frozen=True, slots=True)
class Identity:
    """What was read from the files of `Credentials`, ready for use."""

    contexts: Contexts
    issuers: tuple[bytes, ...]
    elsewhere: Elsewhere


def read_identity(credentials: Credentials, site: Site, foreign: Sequence[bytes] = ()) -> Identity:
    """Read certificates and keys; raise `OSError` (`ssl.SSLError` is one) or `ValueError`.

    *foreign* are the CAs that are not ours and whose certificates may come in, in DER.
    """
    contexts = make_contexts(
        credentials.server_certificate,
        credentials.server_key,
        credentials.client_trust,
        site.public_host,
        site.certificate,
        foreign=foreign,
    )
    return Identity(
        contexts,
        (*read_issuers(credentials.client_trust), *foreign),
        Elsewhere(bool(foreign), read_names(credentials.client_trust)),
    )


class Worker:
    """A worker between `run` and the end of it; `adopt` changes what it serves meanwhile."""

    def __init__(
        self,
        *,
        site: Site,
        applications: Mapping[str, Application],
        credentials: Credentials,
        portal_socket: Path,
        store: EdgeStore,
        clock: Callable[[], datetime],
        access_log: AccessLog | None = None,
        foreign: Sequence[bytes] = (),
    ) -> None:
        """Prepare a worker; must be called in the loop that it will run in."""
        self.credentials = credentials
        admission = Admission(store, credentials.asserter, site.feed_grace, clock)
        identity = read_identity(credentials, site, foreign)
        self._issuers = identity.issuers
        admission.believe(identity.elsewhere)
        self.edge = Edge(
            site=site,
            applications=applications,
            contexts=identity.contexts,
            portal=Upstream("localhost", 0, unix_path=str(portal_socket)),
            store=store,
            admission=admission,
            gate=Gate(
                site,
                applications,
                admission,
                credentials.cookie_key,
                identity.issuers,
                clock,
            ),
            telemetry=Telemetry(secrets.token_bytes, access_log, clock()),
            clock=clock,
        )

    def adopt(self, applications: Mapping[str, Application]) -> None:
        """Serve *applications* from now on, and cut what they no longer allow."""
        self.edge.adopt(applications)
        self.edge.spawn(reconsider(self.edge))

    async def reload(
        self, site: Site, applications: Mapping[str, Application], identity: Identity
    ) -> int:
        """Serve by all of this from now on, and cut what it no longer allows.

        Everything is exchanged at once, before anything is waited for. Returns how many
        connections were cut because nobody vouches for their certificates any more.
        """
        before = self.edge.contexts.authorities
        decided_by = self.edge.site, self._issuers, self.edge.applications
        # Whatever else must be exchanged with the configuration has its place here.
        self.edge.adopt_site(site, identity.contexts, identity.issuers)
        self.edge.admission.believe(identity.elsewhere)
        self._issuers = identity.issuers
        if (site, identity.issuers, applications) != decided_by:
            # What was decided by the same stands, so nothing is decided and signed anew.
            self.adopt(applications)
        if before <= identity.contexts.authorities:
            return 0
        return await distrust(self.edge)

    async def run(
        self,
        https: socket.socket,
        http: socket.socket,
        ready: Callable[[], None],
        stopping: asyncio.Event,
    ) -> None:
        """Serve on both sockets until *stopping*, then finish what is under way.

        *ready* is called when the change feed has been heard and connections
        are taken. What is not finished within the limit for draining is cut.
        """
        heard = asyncio.Event()
        # Should following or sweeping ever fail, the worker ends with it and is
        # started again: without them it would go on with what was true before.
        async with asyncio.TaskGroup() as group:
            watching = (
                group.create_task(follow(self.edge, heard.set)),
                group.create_task(self.edge.sweep()),
                group.create_task(watch_turns(self.edge)),
                group.create_task(watch_silent(self.edge)),
            )
            # Not before the feed was heard: until then everybody would be refused.
            if await _first(heard, stopping):
                await self._serve(https, http, ready, stopping)
            for task in watching:
                task.cancel()
        self.edge.services.close()
        await self.edge.telemetry.close()

    async def _serve(
        self,
        https: socket.socket,
        http: socket.socket,
        ready: Callable[[], None],
        stopping: asyncio.Event,
    ) -> None:
        loop = asyncio.get_running_loop()
        for listener in (https, http):
            keep_probing(listener)
        secure = await loop.create_server(
            lambda: Arrival(self.edge, encrypted=True), sock=https, backlog=BACKLOG
        )
        plain = await loop.create_server(
            lambda: Arrival(self.edge, encrypted=False), sock=http, backlog=BACKLOG
        )
        try:
            _spare_the_collector()
            ready()
            await stopping.wait()
        finally:
            secure.close()
            plain.close()
        await self._drain()

    async def _drain(self) -> None:
        edge = self.edge
        edge.draining = True
        for connection in edge.connections:
            connection.drain()
        with suppress(TimeoutError):
            async with asyncio.timeout(edge.limits.drain.total_seconds()):
                await edge.connections.vacant.wait()
        if len(edge.connections):
            log.info("%d connections are cut: their time is over", len(edge.connections))
        edge.connections.cut_all(CutReason.DRAINED)


def _spare_the_collector() -> None:
    """Keep what lives for ever out of the cyclic collector's rounds, and make them rarer.

    Requests leave few cycles behind, and a round over all modules costs more
    than a thousand of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECTOR_THRESHOLDS)


async def _first(wanted: asyncio.Event, other: asyncio.Event) -> bool:
    """Wait for either event; say whether the *wanted* one came."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(event.wait()) for event in (wanted, other)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
    return wanted.is_set() and not other.is_set()
