"""Starts the processes of a site, watches over them, and ends them in order.

The supervisor makes the listening sockets and the life pipe (see `bootstrap.process`), and
reads no key: what it does not hold, no process can inherit from it.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from gateway.bootstrap.control_socket import control_socket, socket_of_service
from gateway.bootstrap.folder import FolderError, SiteFolder, open_folder
from gateway.bootstrap.in_force import SettingsInForce
from gateway.bootstrap.keeper import HASTE_SECONDS, Keeper, Program
from gateway.bootstrap.listeners import open_listeners
from gateway.bootstrap.outcome import Report
from gateway.bootstrap.process import ProcessFailed, log, log_failure, notify, start_log
from gateway.bootstrap.reloading import Reloading
from gateway.config import Configuration
from gateway.core.site import Site

PROCESSES = frozenset({"edge", "portal", "authority", "verifier"})
"""What `only` may name."""

_INNER = ("portal", "authority", "verifier")
"""Those that serve before the edge takes anybody in."""

Stages = Sequence[Sequence[Program]]
"""Programs in the order in which they start: a stage begins when the one before it serves."""

# The edge drains within the limit of the site; a little more until it is killed.
_AFTER_DRAIN = 2.0


# A worker that stands still keeps its share of new connections waiting; one that only has much
# to do at once shows a sign of life long before.
_PULSELESS = 30.0


@dataclass(frozen=True, slots=True)
class SiteProcesses:
    """The process table of a site and, until `close`, the sockets that it names."""

    stages: Stages
    close: Callable[[], None]


def serve(
    folder: Path,
    *,
    only: frozenset[str] | None = None,
    tell: Callable[[Configuration], None] | None = None,
) -> int:
    """Run the site in *folder* until SIGTERM or SIGINT, and return the exit status.

    Checks the configuration first; a problem is said on stderr, all of them at once, and
    nothing is started. *only* names the processes to run here, None all of them: in `deploy/`
    each has a unit of its own. *tell* is called once, when all of them serve.
    """
    start_log("supervisor")
    try:
        place = open_folder(folder)
        reloading = Reloading(place, _socket_of(place, only or PROCESSES))
        processes = prepare(place, reloading.site, only or PROCESSES, reloading.in_force)
    except (FolderError, ProcessFailed) as error:
        log_failure(error)
        return 1
    return run_stages(
        processes.stages,
        limit=limit_of(reloading.site),
        on_ready=lambda: _announce(reloading.configuration, only or PROCESSES, tell),
        on_stopping=processes.close,
        reloading=reloading,
    )


def _socket_of(folder: SiteFolder, only: frozenset[str]) -> Path | None:
    """Return where this supervisor is asked for reloads; None: by SIGHUP alone."""
    # One of several on the same folder leaves that place to whoever runs the whole site.
    return folder.control_socket if only == PROCESSES else socket_of_service()


def prepare(
    folder: SiteFolder,
    site: Site,
    only: frozenset[str],
    in_force: Callable[[str], SettingsInForce] | None = None,
) -> SiteProcesses:
    """Open the sockets of *site* and write its process table; raise `ProcessFailed`.

    The sockets stay open here as well: a worker that is started again finds the connections
    that came meanwhile in its queue. *in_force* is asked at each start for the settings that
    the process of that name is to begin with; without it they read the file.
    """
    if unknown := only - PROCESSES:
        message = f"no process is called {', '.join(sorted(unknown))}"
        raise ValueError(message)
    with ExitStack() as opened:
        workers: list[Program] = []
        if "edge" in only:
            https = open_listeners(site.listen, site.port, site.workers)
            for socket in https:
                opened.enter_context(socket)
            http = open_listeners(site.listen, site.http_port, site.workers)
            for socket in http:
                opened.enter_context(socket)
            workers = [
                _worker(folder, index, one.fileno(), other.fileno())
                for index, (one, other) in enumerate(zip(https, http, strict=True))
            ]
            if site.metrics_port is not None:
                workers = opened.enter_context(_counted(workers, site.metrics_port))
        inner = [_process(folder, name) for name in _INNER if name in only]
        stages = [
            [
                replace(program, in_force=in_force and partial(in_force, program.name))
                for program in stage
            ]
            for stage in (inner, workers)
            if stage
        ]
        return SiteProcesses(stages, opened.pop_all().close)


def limit_of(site: Site) -> float:
    """Return the seconds after which a process that was told to end is killed."""
    return site.limits.drain.total_seconds() + _AFTER_DRAIN


def _process(folder: SiteFolder, module: str) -> Program:
    return Program(module, _command(folder, module), reloads=True)


def _worker(folder: SiteFolder, index: int, https: int, http: int) -> Program:
    options = ("--index", str(index), "--https-fd", str(https), "--http-fd", str(http))
    command = (*_command(folder, "edge"), *options)
    return Program(
        *(f"edge-{index}", command, (https, http)), reloads=True, pulseless_seconds=_PULSELESS
    )


@contextmanager
def _counted(workers: list[Program], port: int) -> Iterator[list[Program]]:
    """Give each worker a socket on which it says what it has counted, and show that on *port*."""
    # A library and a server that a site without metrics does without.
    from gateway.bootstrap.metrics import open_counting, serving_metrics

    with ExitStack() as opened:
        sockets = [opened.enter_context(one) for one in open_counting(len(workers))]
        opened.enter_context(serving_metrics(port, sockets))
        yield [
            replace(
                worker,
                command=(*worker.command, "--metrics-fd", str(one.fileno())),
                descriptors=(*worker.descriptors, one.fileno()),
            )
            for worker, one in zip(workers, sockets, strict=True)
        ]


def _command(folder: SiteFolder, module: str) -> tuple[str, ...]:
    # -P: a folder named gateway where the command happens to be called is not our code.
    interpreter = (sys.executable, "-P", "-m", f"gateway.bootstrap.{module}")
    return (*interpreter, "--site", str(folder.path))


def _announce(
    configuration: Configuration, only: frozenset[str], tell: Callable[[Configuration], None] | None
) -> None:
    site = configuration.site
    if tell is not None:
        tell(configuration)
    if "edge" not in only:
        log.info("serving as %s", " and ".join(sorted(only)))
        return
    log.info("serving %s with %d workers", site.origin(site.host), site.workers)
    for app in configuration.applications.values():
        log.info("  %s at %s", app.name, site.origin(app.host))


def run_stages(
    stages: Stages,
    *,
    limit: float,
    on_ready: Callable[[], None] = lambda: None,
    on_stopping: Callable[[], None] = lambda: None,
    reloading: Reloading | None = None,
) -> int:
    """Run *stages* until SIGTERM or SIGINT, and return the exit status.

    *on_ready* is called when all of them serve, *on_stopping* before any is told to end. They
    end in reverse order, each stage within *limit* seconds; a second signal hastens them.
    Returns 1 when a program's first start fails, for then nothing would be gained by trying
    again, and 0 after an orderly end. However this process ends, the programs end with it.

    SIGHUP, where there is no terminal that it could be of, and the socket of *reloading* ask
    for a reload; 1 is returned as well when that socket cannot be made.
    """
    return asyncio.run(_Supervision(stages, limit, reloading).run(on_ready, on_stopping))


class _Supervision:
    def __init__(self, stages: Stages, limit: float, reloading: Reloading | None) -> None:
        self._stages = stages
        self._limit = limit
        self._reloading = reloading
        self._one_reload = asyncio.Lock()
        self._reloads: set[asyncio.Task[Report]] = set()
        self._asked = asyncio.Event()
        self._running: list[list[Keeper]] = []

    async def run(self, on_ready: Callable[[], None], on_stopping: Callable[[], None]) -> int:
        self._hear_signals()
        with _life_pipe() as life:
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(self._asked.wait())
                failed = False
                try:
                    if await self._start(group, life, asked):
                        await self._stand(on_ready, asked)
                    failed = not self._asked.is_set()
                finally:
                    self._asked.set()
                    notify("STOPPING=1")
                    on_stopping()
                    for keepers in reversed(self._running):
                        await asyncio.gather(*(keeper.stop(self._limit) for keeper in keepers))
        return 1 if failed else 0

    async def _stand(self, on_ready: Callable[[], None], asked: "asyncio.Task[bool]") -> None:
        try:
            async with self._controlled():
                notify("READY=1")
                on_ready()
                await asked
        except ProcessFailed as error:
            # A site that nobody could reload is not what was asked for.
            log_failure(error)

    async def _start(
        self, group: asyncio.TaskGroup, life: int, asked: "asyncio.Task[bool]"
    ) -> bool:
        for stage in self._stages:
            keepers = [Keeper(program, life) for program in stage]
            self._running.append(keepers)
            for keeper in keepers:
                group.create_task(keeper.keep())
            if not await _all_serve(keepers, asked):
                return False
        return True

    def _hear_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, number.name)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up)

    def _stop(self, why: str) -> None:
        if not self._asked.is_set():
            log.info("%s: ending", why)
            self._asked.set()
            return
        log.warning("%s once more: ending now", why)
        self._limit = min(self._limit, HASTE_SECONDS)
        for keepers in self._running:
            for keeper in keepers:
                keeper.hasten()

    def _hang_up(self) -> None:
        # At a terminal it means that the terminal is gone; to a service it means "reload".
        if os.isatty(0):
            self._stop("SIGHUP")
        elif self._reloading is None:
            log.info("SIGHUP: nothing to do, changed files are read by themselves")
        elif not self._asked.is_set():
            # Kept: the loop alone would not keep it from the collector.
            task = asyncio.get_running_loop().create_task(self.reload())
            self._reloads.add(task)
            task.add_done_callback(self._reloads.discard)

    @asynccontextmanager
    async def _controlled(self) -> AsyncIterator[None]:
        path = self._reloading.socket if self._reloading is not None else None
        if path is None:
            yield
            return
        async with control_socket(path, self.reload):
            yield

    async def reload(self) -> Report:
        """Let every process take up what has changed; one reload after the other."""
        reloading = self._reloading
        if reloading is None:
            return {}
        async with self._one_reload:
            notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
            try:
                report = await reloading.run(keeper for stage in self._running for keeper in stage)
                if not self._asked.is_set():
                    self._limit = limit_of(reloading.site)
            finally:
                # Else systemd would wait for it, and end the site when that takes too long.
                notify("READY=1")
        return report


async def _all_serve(keepers: Sequence[Keeper], asked: "asyncio.Task[bool]") -> bool:
    # False as soon as one has failed, or when somebody asks to stop meanwhile.
    waited: set[asyncio.Future[bool]] = {keeper.started for keeper in keepers}
    while waited:
        done, _ = await asyncio.wait({asked, *waited}, return_when=asyncio.FIRST_COMPLETED)
        if asked in done or not all(future.result() for future in done):
            return False
        waited -= done
    return True


@contextmanager
def _life_pipe() -> Iterator[int]:
    reading, writing = os.pipe()
    try:
        yield reading
    finally:
        os.close(writing)
        os.close(reading)
