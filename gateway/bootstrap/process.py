"""What every process of a site has in common: log lines, signals, and the pipes of its life.

A process that the supervisor starts is given two descriptors. Into the *ready* pipe it writes
`ready` once it serves. The *life* pipe never carries a byte: its other end is held by the
supervisor alone, so it closes when the supervisor is gone, however it went, and the process
then ends as if it had been told to. Over the *control* socket it is asked to take up what has
changed in the files (see `control`), and a file in memory holds the settings that it begins with
(see `in_force`). Into the *pulse* pipe of those that have one goes a byte every few seconds from
then on, for as long as its loop turns. Started without them (by hand, by systemd) a process
reports to systemd, signals alone end it, and SIGHUP asks for a reload.
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import uvloop

from gateway.bootstrap.control import answer
from gateway.bootstrap.folder import FolderError
from gateway.bootstrap.in_force import SettingsInForce, pick_up
from gateway.bootstrap.outcome import Outcome, Report

READY = b"ready\n"
PULSE = b"."
PULSE_SECONDS = 2.0
"""How often a process shows that it goes on."""
ORPHAN_SECONDS = 30
"""How long a process that lost its supervisor may take to finish before the kernel ends it."""

log = logging.getLogger("pusterla")


class ProcessFailed(Exception):
    """A process cannot start or go on, for a reason that an operator can put right.

    The message becomes the last line of its log; there is no traceback to read.
    """


@dataclass(frozen=True, slots=True)
class ProcessArguments:
    """What each process is told on its command line."""

    site: Path
    ready_fd: int | None
    life_fd: int | None
    control_fd: int | None = None
    in_force: SettingsInForce | None = None
    pulse_fd: int | None = None


class Lifecycle:
    """How a process says that it serves, and learns that it must take up changes, or end."""

    def __init__(self, name: str, on_ready: Callable[[], None] = lambda: None) -> None:
        """*on_ready* is called at most once, by the first `ready`."""
        self.name = name
        self.in_force: SettingsInForce | None = None
        """The settings to begin with; None: those in the file."""
        self.stopping = asyncio.Event()
        """Set once and for good: take on nothing new, finish, return from *main*."""
        self._on_ready: Callable[[], None] | None = on_ready
        self._take_up: Callable[[], Awaitable[Outcome]] | None = None
        self._reloads = asyncio.Event()
        self._reloading = asyncio.Lock()

    def ready(self) -> None:
        """Tell whoever started this process that it serves; later calls do nothing."""
        told, self._on_ready = self._on_ready, None
        if told is not None:
            told()

    def stop(self) -> None:
        """Ask *main* to finish, as a signal would."""
        self.stopping.set()

    def on_reload(self, take_up: Callable[[], Awaitable[Outcome]]) -> None:
        """Have *take_up* called whenever the process is to take up what has changed."""
        self._take_up = take_up
        self._reloads.set()

    async def reload(self) -> Outcome:
        """Take up what has changed, one reload after the other, and log what came of it.

        Whoever asks before there is somebody to ask waits: the files may have been read already.
        """
        await self._reloads.wait()
        async with self._reloading:
            assert self._take_up is not None  # noqa: S101 - the event says so
            outcome = await self._take_up()
        for line in outcome.lines():
            log.log(logging.ERROR if outcome.problems else logging.INFO, "reload: %s", line)
        return outcome


def argument_parser(name: str, purpose: str) -> argparse.ArgumentParser:
    """Return a parser of the options that `read_arguments` reads; a process adds its own."""
    parser = argparse.ArgumentParser(
        prog=f"python -m gateway.bootstrap.{name}",
        description=f"{purpose} Started by `pusterla serve`.",
    )
    parser.add_argument("--site", type=Path, required=True, help="the site folder")
    parser.add_argument("--ready-fd", type=int, help="where to write `ready` once it serves")
    parser.add_argument("--life-fd", type=int, help="a pipe; when it closes, the process ends")
    parser.add_argument("--control-fd", type=int, help="a socket that asks for a reload")
    parser.add_argument("--pulse-fd", type=int, help="where to show that it goes on")
    parser.add_argument("--in-force-fd", type=int, help="a file with the settings to begin with")
    return parser


def read_arguments(options: argparse.Namespace) -> ProcessArguments:
    """Take the common options out of what the parser found; the site folder becomes absolute."""
    for descriptor in (*(options.ready_fd, options.life_fd, options.control_fd, options.pulse_fd),):
        if descriptor is not None:
            # What this process may start itself has no business with our pipes.
            os.set_inheritable(descriptor, False)
    return ProcessArguments(
        *(options.site.absolute(), options.ready_fd, options.life_fd, options.control_fd),
        None if options.in_force_fd is None else pick_up(options.in_force_fd),
        options.pulse_fd,
    )


def run_process(
    main: Callable[[Lifecycle], Coroutine[None, None, None]],
    name: str,
    arguments: ProcessArguments,
) -> int:
    """Run *main* on uvloop until it returns, and return the exit status.

    SIGTERM and SIGINT set `Lifecycle.stopping`; a second one ends the process on the spot,
    with 1, which costs nothing that was acknowledged. 0: ended as it was told to. 1: *main*
    raised, which was logged, `ProcessFailed` without a traceback.
    """
    start_log(name)
    # Nobody outside owner and group reads what we write; a unit or shell may ask for less.
    os.umask(os.umask(0o077) | 0o007)

    def on_ready() -> None:
        _tell_ready(arguments.ready_fd)
        if arguments.pulse_fd is not None:
            os.set_blocking(arguments.pulse_fd, False)
            _beat(arguments.pulse_fd)

    lifecycle = Lifecycle(name, on_ready)
    lifecycle.in_force = arguments.in_force
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_live(main, lifecycle, arguments))
    except Exception as error:  # noqa: BLE001 - the top of a process
        log_failure(error)
        return 1
    log.info("ended")
    return 0


async def _live(
    main: Callable[[Lifecycle], Coroutine[None, None, None]],
    lifecycle: Lifecycle,
    arguments: ProcessArguments,
) -> None:
    loop = asyncio.get_running_loop()
    life_fd = arguments.life_fd
    async with asyncio.TaskGroup() as group:
        serving = group.create_task(main(lifecycle))
        if arguments.control_fd is not None:
            listening = group.create_task(_listen(arguments.control_fd, lifecycle))
            serving.add_done_callback(lambda _: listening.cancel())

        def reload() -> None:
            asking = group.create_task(lifecycle.reload())
            serving.add_done_callback(lambda _: asking.cancel())

        def end(reason: str) -> None:
            if lifecycle.stopping.is_set():
                log.warning("%s once more: ending now", reason)
                leave(1)
            log.info("%s: finishing", reason)
            notify("STOPPING=1")
            lifecycle.stop()

        def orphaned() -> None:
            if life_fd is not None:
                loop.remove_reader(life_fd)
            # Nobody is left to kill us if finishing hangs, so the kernel is asked to.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(ORPHAN_SECONDS)
            if not lifecycle.stopping.is_set():
                end("the supervisor is gone")

        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, end, number.name)
        loop.add_signal_handler(signal.SIGHUP, reload)
        if life_fd is not None:
            loop.add_reader(life_fd, orphaned)


async def _listen(control_fd: int, lifecycle: Lifecycle) -> None:
    """Answer the supervisor for as long as it is there."""

    async def reload() -> Report:
        return {lifecycle.name: await lifecycle.reload()}

    reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=control_fd))
    await answer(reader, writer, reload)


def leave(status: int) -> NoReturn:
    """End this process with *status*, at once.

    What Python does at its end (a quarter of a second to take modules apart) helps nobody, and
    whoever waits for this process waits for that too.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def log_failure(error: BaseException) -> None:
    """Write why a process ends: plain lines for what an operator can correct, else a traceback."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            log_failure(one)
    elif isinstance(error, (ProcessFailed, FolderError)):
        for line in str(error).splitlines():
            log.error("%s", line)
    else:
        log.critical("ended by an error of its own", exc_info=error)


def _tell_ready(ready_fd: int | None) -> None:
    if ready_fd is None:
        notify("READY=1")
        return
    try:
        os.write(ready_fd, READY)
    except BrokenPipeError:
        # Whoever wanted to know is gone; the life pipe will say so.
        log.debug("nobody waits for the word that this process is ready")
    finally:
        os.close(ready_fd)


def _beat(pulse_fd: int) -> None:
    # When nobody reads the pipe is full some day, and says as much as one byte more would.
    with suppress(BlockingIOError, BrokenPipeError):
        os.write(pulse_fd, PULSE)
    asyncio.get_running_loop().call_later(PULSE_SECONDS, _beat, pulse_fd)


def notify(state: str) -> None:
    """Tell systemd *state* (sd_notify(3)); without NOTIFY_SOCKET nothing happens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as datagram:
            datagram.sendto(state.encode(), address)
    except OSError as error:
        log.warning("systemd could not be told %s: %s", state, error)


class LineFormatter(logging.Formatter):
    """One line an event: time in UTC, process, level, message; a traceback is indented."""

    def __init__(self, name: str) -> None:
        """*name* is the process's."""
        super().__init__(f"%(asctime)s {name} %(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802 - logging's name and shape
        """Write the moment as RFC 3339 does, to the millisecond."""
        moment = datetime.fromtimestamp(record.created, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Keep what strangers sent from beginning a line of its own."""
        record.message = "".join(
            character if character.isprintable() else character.encode("unicode_escape").decode()
            for character in record.message
        )
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        """Indent a traceback, so that it is seen to belong to the line before it."""
        text = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join(f"    {line}" for line in text.splitlines())


def start_log(name: str) -> None:
    """Send this process's log to stderr, under *name*; replaces what was set up before."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LineFormatter(name))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    # Tells how it is put together, at every start.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # A reader of the log that went away must not end the process or fill it with tracebacks.
    logging.raiseExceptions = False
