"""A worker in the test's own loop: on real sockets, before a real store and scripted applications."""

import asyncio
import gc
import json
import logging
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from gateway.bootstrap.command import settings_of
from gateway.bootstrap.folder import read_assertion_key, read_cookie_key
from gateway.core.assertion import Asserter
from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.cookies import COOKIE_NAME, mint_cookie
from gateway.core.people import Fingerprint
from gateway.core.sessions import Session, SessionId
from gateway.core.site import Application, Limits, Site, Upstream
from gateway.edge.access_log import AccessLog
from gateway.edge.arrival import Arrival
from gateway.edge.cut_reasons import CutReason
from gateway.edge.downstream import Downstream
from gateway.edge.edge import Edge
from gateway.edge.worker import Credentials, Worker
from gateway.store import Store, address_of, open_store
from policies.model import AppPolicy, Effect, Level, Rule
from tests.gateway.edge.recorder import Recorder, bound_socket
from tests.gateway.edge.site import HOST, WIKI, MadeSite
from tests.gateway.edge.sticks import Stick
from tests.gateway.edge.stores import HeldStore
from tests.gateway.edge.waiting import soon, until
from tests.gateway.edge.wire import Wire

LOG = "pusterla.edge"
PORTAL = "portal.sock"
ACCESS = "log/access.jsonl"


@dataclass
class Clock:
    """A clock that a test can put forward or back."""

    shift: timedelta = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.shift


def application(
    name: str,
    upstream: Upstream | tuple[Upstream, ...],
    group: str = "technicians",
    **more: Any,
) -> Application:
    """Return an application at *upstream*, or at several, that opens to *group*."""
    upstreams = (upstream,) if isinstance(upstream, Upstream) else upstream
    rule = Rule(group, Effect.ALLOW, users=None, groups=frozenset({group}))
    policy = AppPolicy(name, (rule,), Level.PASSWORD_TOTP)
    return Application(name, f"{name}.{HOST}", upstreams, policy, title=name.title(), **more)


@dataclass(eq=False)
class Stage:
    """Everything that a test of the edge plays with."""

    made: MadeSite
    site: Site
    held: HeldStore
    clock: Clock
    worker: Worker
    wiki: Recorder
    crm: Recorder
    portal: Recorder
    https_port: int
    http_port: int
    access_path: Path
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    running: "asyncio.Task[None] | None" = None
    errors: list[str] = field(default_factory=list)
    """What went wrong inside the edge; must be empty when the test ends."""
    wires: list[Wire] = field(default_factory=list)

    @property
    def store(self) -> Store:
        """The store itself, as the portal and the command use it."""
        return self.held.store

    @property
    def edge(self) -> Edge:
        """What the worker's connections share."""
        return self.worker.edge

    @property
    def connections(self) -> list[Downstream]:
        """The worker's connections that serve requests."""
        return [*self.edge.connections]

    @property
    def arrivals(self) -> list[Arrival]:
        """The worker's connections that are in the middle of their handshakes."""
        return cast("list[Arrival]", [*self.edge.connections._arriving])

    def applications(self, **changes: Application) -> dict[str, Application]:
        """Return the applications of the site, with *changes*."""
        upstreams = {
            "wiki": Upstream("127.0.0.1", self.wiki.port),
            "crm": Upstream("127.0.0.1", self.crm.port),
        }
        return {name: application(name, upstreams[name]) for name in upstreams} | changes

    # Clients ----------------------------------------------------------------

    async def connect(
        self,
        host: str | None = WIKI,
        stick: Stick | None = None,
        version: ssl.TLSVersion | None = None,
        **how: Any,
    ) -> Wire:
        """Connect with TLS under the name *host*, showing *stick*; *before* goes before TLS."""
        wire = await self.tcp(receive_buffer=how.pop("receive_buffer", None))
        wire.writer.write(how.pop("before", b""))
        context = how.pop("context", None) or self.made.context(stick, version)
        if host is None:
            context.check_hostname = False
        wire.writer.write(wire.begin_tls(context, host, **how))
        await wire.shake_hands()
        # In TLS 1.3 the client is done first.
        here = wire.writer.get_extra_info("sockname")

        def arriving() -> bool:
            transports = [one._transport for one in self.arrivals if not one._over]
            return here in [one.get_extra_info("peername") for one in transports if one]

        await until(lambda: not arriving())
        return wire

    async def tcp(self, port: int | None = None, *, receive_buffer: int | None = None) -> Wire:
        """Connect to the TLS port, or another one, and say nothing yet."""
        wire = await Wire.connect(port or self.https_port, receive_buffer=receive_buffer)
        self.wires.append(wire)
        return wire

    async def plain(self, *, receive_buffer: int | None = None) -> Wire:
        """Connect to the port of plain http."""
        return await self.tcp(self.http_port, receive_buffer=receive_buffer)

    async def sign_in(
        self,
        stick: Stick | None = None,
        user: str = "anna",
        lifetime: timedelta = timedelta(hours=8),
    ) -> Session:
        """Open a session in the store, as the portal does."""
        stick = stick or self.made.anna
        now = self.clock()
        session = Session(
            id=SessionId(secrets.token_hex(16)),
            user=user,
            fingerprint=Fingerprint(stick.fingerprint),
            level=Level.PASSWORD_TOTP,
            created_at=now,
            expires_at=now + lifetime,
            address="127.0.0.1",
        )
        verified = await self.store.credentials(user)
        assert verified is not None
        await self.store.open_session(session, "stick-1", stick.serial, verified=verified)
        return session

    def cookie(self, session: Session, host: str = WIKI) -> bytes:
        """Return the line of a request that carries the cookie of *session*."""
        value = mint_cookie(read_cookie_key(self.made.folder), session.id, host)
        return f"Cookie: {COOKIE_NAME}={value}\r\n".encode()

    async def enter(self, host: str = WIKI, **how: Any) -> "Visitor":
        """Connect as Anna, signed in."""
        session = await self.sign_in()
        wire = await self.connect(host, self.made.anna, **how)
        return Visitor(wire, host, self.cookie(session, host), session)

    # The worker -------------------------------------------------------------

    def sweep(self, after: float = 0.0) -> None:
        """Look after time-outs as if *after* seconds had passed since the last look."""
        self.edge.connections.sweep(self.edge.tick + after, self.clock())

    async def settle(self) -> None:
        """Wait until the edge has no connection and works at nothing."""
        await until(lambda: not len(self.edge.connections))
        await until(lambda: not self.edge._tasks)

    async def access(self, count: int = 1) -> list[dict[str, Any]]:
        """Return the lines of the access log, once there are *count* of them."""
        log = self.edge.telemetry.log
        assert log is not None

        def enough() -> bool:
            log.flush()
            return len(self.access_lines()) >= count

        await until(enough)
        return self.access_lines()

    def access_lines(self) -> list[dict[str, Any]]:
        """Return what is in the access log now; each line must be whole."""
        text = self.access_path.read_bytes() if self.access_path.is_file() else b""
        assert not text or text.endswith(b"\n")
        return [json.loads(line) for line in text.splitlines()]

    async def audit(self, kind: AuditKind) -> list[AuditEvent]:
        """Return what the audit log holds of *kind*, once everything that is told is written."""
        lines = await self.store.audit_tail(500)
        return [line.event for line in lines if line.event.kind is kind]

    async def wait_for_audit(self, kind: AuditKind, reason: str) -> AuditEvent:
        """Return the newest event of *kind* for *reason*, once it is there."""
        async with asyncio.timeout(10):
            while True:
                found = [event for event in await self.audit(kind) if event.reason == reason]
                if found:
                    return found[-1]
                await asyncio.sleep(0.01)

    def close_wires(self) -> None:
        """Break off every connection of the test's clients."""
        for wire in self.wires:
            wire.reset()

    async def stop(self) -> None:
        """End the worker as SIGTERM does, and wait for its end."""
        self.stopping.set()
        if self.running is not None:
            await soon(self.running)


@dataclass(eq=False)
class Visitor:
    """Somebody who is signed in, on one connection."""

    wire: Wire
    host: str
    cookie: bytes
    session: Session

    def request(
        self, target: str = "/", method: str = "GET", *fields: bytes, body: bytes = b""
    ) -> bytes:
        """Return the bytes of a request."""
        lines = [f"{method} {target} HTTP/1.1\r\nHost: {self.host}\r\n".encode(), self.cookie]
        lines += [field + b"\r\n" for field in fields]
        return b"".join(lines) + b"\r\n" + body

    async def ask(
        self, target: str = "/", method: str = "GET", *fields: bytes, body: bytes = b""
    ) -> Any:
        """Make a request and read the response to it."""
        return await self.wire.ask(self.request(target, method, *fields, body=body))


@asynccontextmanager
async def open_stage(
    made: MadeSite,
    directory: Path,
    limits: Mapping[str, Any] | None = None,
    *,
    buffers: int | None = None,
    **site_changes: Any,
) -> AsyncIterator[Stage]:
    """Yield a stage whose worker serves; nothing may have gone wrong inside it at the end.

    With *buffers* the kernel holds about so many bytes between the edge and its
    neighbours, so that a slow one is soon felt.
    """
    clock = Clock()
    site = replace(
        settings_of(made.folder), limits=replace(Limits(), **(limits or {})), **site_changes
    )
    recorders = Recorder(), Recorder(), Recorder()
    async with AsyncExitStack() as stack:
        for recorder, path in zip(recorders, (None, None, directory / PORTAL), strict=True):
            stack.push_async_callback(recorder.close)
            await recorder.listen(path, buffers=buffers)
        sockets = [stack.enter_context(bound_socket(send=buffers)) for _ in range(2)]
        address = address_of(made.copy_store(directory))
        held = HeldStore(await stack.enter_async_context(open_store(address, clock)))
        worker = _worker(made, site, directory, held, clock)
        ports = (one.getsockname()[1] for one in sockets)
        stage = Stage(
            *(made, site, held, clock, worker, *recorders, *ports, directory / ACCESS),
        )
        worker.edge.adopt(stage.applications())
        stack.callback(stage.close_wires)
        stack.enter_context(_noting_errors(stage.errors))
        await stack.enter_async_context(_running(stage, *sockets))
        yield stage
        stage.close_wires()
        await stage.settle()
        await stage.stop()
    numbers = [line["id"] for line in stage.access_lines()]
    assert len({*numbers}) == len(numbers)
    assert stage.errors == []
    assert [recorder.failures for recorder in recorders] == [[], [], []]
    assert [recorder.complaints for recorder in recorders] == [[], [], []]


def _worker(made: MadeSite, site: Site, directory: Path, held: HeldStore, clock: Clock) -> Worker:
    credentials = Credentials(
        server_certificate=made.folder.server_certificate,
        server_key=made.folder.server_key,
        client_trust=made.folder.client_trust,
        cookie_key=read_cookie_key(made.folder),
        asserter=Asserter(read_assertion_key(made.folder), site.origin(site.host)),
    )
    return Worker(
        site=site,
        applications={},
        credentials=credentials,
        portal_socket=directory / PORTAL,
        store=held,
        clock=clock,
        access_log=AccessLog(directory / ACCESS),
    )


@contextmanager
def _noting_errors(errors: list[str]) -> Iterator[None]:
    """Take down what the loop and the edge's log call an error."""
    loop, log, handler = asyncio.get_running_loop(), logging.getLogger(LOG), _Errors(errors)
    loop.set_exception_handler(lambda _, context: errors.append(str(context)))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        loop.set_exception_handler(None)


class _Errors(logging.Handler):
    def __init__(self, errors: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        self._errors.append(self.format(record))


@asynccontextmanager
async def _running(stage: Stage, https: socket.socket, http: socket.socket) -> AsyncIterator[None]:
    ready = asyncio.Event()
    thresholds = gc.get_threshold()
    running = asyncio.get_running_loop().create_task(
        stage.worker.run(https, http, ready.set, stage.stopping)
    )
    stage.running = running
    try:
        await soon(ready.wait())
        yield
    finally:
        stage.stopping.set()
        stage.edge.draining = True
        stage.edge.connections.cut_all(CutReason.DRAINED)
        await asyncio.wait([running], timeout=5)
        running.cancel()
        await asyncio.gather(running, *stage.edge._tasks, return_exceptions=True)
        # The worker has spared the collector for the life of its process, which this is not.
        # What it froze stays so until the last test: thawed, it would be gone through each time.
        gc.set_threshold(*thresholds)
