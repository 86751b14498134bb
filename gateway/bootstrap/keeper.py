"""Keeps one program running: starts it, hears when it serves, starts it again, ends it.

A program is started by exec: it inherits no memory, and of open files only what its row in the
process table names. It is asked for nothing but that it understands `--ready-fd` and
`--life-fd`, and `--control-fd`, `--in-force-fd` and `--pulse-fd` where its row says so; see
`process` for what those mean.
"""

import asyncio
import logging
import os
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass

from gateway.bootstrap.control import Unanswered, ask
from gateway.bootstrap.in_force import SettingsInForce
from gateway.bootstrap.outcome import Outcome, Report, refused
from gateway.bootstrap.process import PULSE_SECONDS, READY

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
HEALTHY_SECONDS = 30.0
"""A process that lived this long did not die of how it was started."""
READY_SECONDS = 60.0
"""How long a process may take until it serves."""
RELOAD_SECONDS = 30.0
"""How long a process may take until it has taken up what has changed."""
HASTE_SECONDS = 1.0
"""What is left to a process when whoever stops it asks a second time."""

# Addressed to this process alone; a child would speak to systemd in our name.
_OURS_ALONE = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID")

log = logging.getLogger("pusterla")


@dataclass(frozen=True, slots=True)
class Program:
    """One row of the process table."""

    name: str
    command: tuple[str, ...]
    descriptors: tuple[int, ...] = ()
    """Open files that it inherits under the same numbers, besides its pipes."""
    reloads: bool = False
    """Whether it is given a control socket, over which it is asked to take up changes."""
    in_force: Callable[[], SettingsInForce] | None = None
    """What it is to begin with, asked for at each start."""
    pulseless_seconds: float | None = None
    """For how long it may show no sign of life before it is ended; None: it need show none."""


def restart_delay(previous: float | None, lived: float) -> float:
    """Return the seconds to wait before a process that lived *lived* seconds starts again.

    *previous* is what was waited the last time, None before the first. Doubles from
    `FIRST_DELAY` to `LONGEST_DELAY`; a process that was healthy begins anew.
    """
    if previous is None or lived >= HEALTHY_SECONDS:
        return FIRST_DELAY
    return min(LONGEST_DELAY, previous * 2)


def how_it_ended(status: int) -> str:
    """Say in words what *status*, as `subprocess` gives it, means."""
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


class Keeper:
    """Keeps one program running from `keep` until `stop`."""

    def __init__(self, program: Program, life: int) -> None:
        """*life* is the end of the life pipe that the program inherits."""
        self.program = program
        self.started: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        """True once it serves; False when its first start failed, and then it is left."""
        self._life = life
        self._process: asyncio.subprocess.Process | None = None
        self._control: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()

    async def keep(self) -> None:
        """Start the program, again whenever it ends, until told to stop."""
        loop = asyncio.get_running_loop()
        delay: float | None = None
        try:
            while not self._stopping.is_set():
                begun = loop.time()
                status = await self._run_once()
                if self._stopping.is_set():
                    return
                end = f"{self.program.name} {how_it_ended(status)}"
                if not self.started.done():
                    log.error("%s before it served; its last lines above say why", end)
                    return
                delay = restart_delay(delay, loop.time() - begun)
                log.error("%s; starting it again in %.1f s", end, delay)
                with suppress(TimeoutError):
                    async with asyncio.timeout(delay):
                        await self._stopping.wait()
        finally:
            self._ended.set()
            if not self.started.done():
                self.started.set_result(False)

    async def stop(self, limit: float) -> None:
        """End the program: SIGTERM, and SIGKILL after *limit* seconds. Returns when it is gone."""
        self._stopping.set()
        self._signal(signal.SIGTERM)
        killer = asyncio.get_running_loop().call_later(limit, self._kill)
        await self._ended.wait()
        killer.cancel()

    def hasten(self) -> None:
        """Give a program that is being stopped no more than `HASTE_SECONDS`."""
        if self._stopping.is_set() and not self._ended.is_set():
            asyncio.get_running_loop().call_later(HASTE_SECONDS, self._kill)

    @property
    def runs(self) -> bool:
        """Whether there is a process that can be asked."""
        return self._control is not None

    async def reload(self, seconds: float = RELOAD_SECONDS) -> Report:
        """Ask the program to take up what has changed; return what it answers, or why it does not.

        One that is being started answers as soon as it serves. Ask one time after the other.
        """
        if self._control is None:
            name = self.program.name
            return {name: refused("it does not run; it reads the files when it starts again")}
        try:
            return await ask(*self._control, seconds)
        except Unanswered as error:
            return {self.program.name: Outcome(problems=(str(error),))}

    async def _run_once(self) -> int:
        begun = asyncio.get_running_loop().time()
        reading, writing = os.pipe()
        feeling, beating = os.pipe()
        ours, theirs = socket.socketpair()
        try:
            process = await self._exec(writing, theirs.fileno(), beating)
        except OSError as error:
            os.close(reading)
            os.close(feeling)
            ours.close()
            log.error("%s cannot be started: %s", self.program.name, error)
            return 127
        finally:
            os.close(writing)
            os.close(beating)
            theirs.close()
        self._process = process

        def serves() -> None:
            lasted = asyncio.get_running_loop().time() - begun
            log.info("%s (pid %d) serves after %.1f s", self.program.name, process.pid, lasted)
            if not self.started.done():
                self.started.set_result(True)

        with self._watching(reading, serves), self._feeling(feeling):
            if self._stopping.is_set():
                # Told to stop while it was being started: the signal found nobody.
                self._signal(signal.SIGTERM)
            async with self._controlled(ours):
                status = await process.wait()
        self._process = None
        return status

    @asynccontextmanager
    async def _controlled(self, ours: socket.socket) -> AsyncIterator[None]:
        reader, writer = await asyncio.open_connection(sock=ours)
        self._control = (reader, writer) if self.program.reloads else None
        try:
            yield
        finally:
            self._control = None
            writer.close()

    async def _exec(self, ready: int, control: int, pulse: int) -> asyncio.subprocess.Process:
        # A process group of its own: Ctrl-C at the terminal reaches the supervisor alone,
        # which then ends the others in their order.
        options: dict[str, int] = {"--ready-fd": ready, "--life-fd": self._life}
        if self.program.reloads:
            options["--control-fd"] = control
        if self.program.pulseless_seconds is not None:
            options["--pulse-fd"] = pulse
        if self.program.in_force is not None:
            options["--in-force-fd"] = self.program.in_force().lay_down()
        try:
            return await self._start(options)
        finally:
            if "--in-force-fd" in options:
                os.close(options["--in-force-fd"])

    async def _start(self, options: Mapping[str, int]) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self.program.command,
            *(word for name, value in options.items() for word in (name, str(value))),
            stdin=subprocess.DEVNULL,
            pass_fds=(*options.values(), *self.program.descriptors),
            process_group=0,
            env={name: text for name, text in os.environ.items() if name not in _OURS_ALONE},
        )

    @contextmanager
    def _watching(self, reading: int, serves: Callable[[], None]) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        late = loop.call_later(READY_SECONDS, self._too_late)

        def heard() -> None:
            loop.remove_reader(reading)
            late.cancel()
            # The end of the pipe without the word: it is about to end, which is waited for.
            if os.read(reading, len(READY)) == READY:
                serves()

        loop.add_reader(reading, heard)
        try:
            yield
        finally:
            late.cancel()
            loop.remove_reader(reading)
            os.close(reading)

    @contextmanager
    def _feeling(self, pulse: int) -> Iterator[None]:
        """End the process when its pulse has stopped, for what waits for it would wait for ever."""
        loop = asyncio.get_running_loop()
        late: list[asyncio.TimerHandle] = []

        def wait_for_it(seconds: float, then: Callable[[], None]) -> None:
            while late:
                late.pop().cancel()
            late.append(loop.call_later(seconds, then))

        def felt() -> None:
            if not os.read(pulse, 1024):
                loop.remove_reader(pulse)
            elif (seconds := self.program.pulseless_seconds) is not None:
                # Once more: perhaps it was this process that stood still, or both of them.
                wait_for_it(seconds, lambda: wait_for_it(2 * PULSE_SECONDS, self._pulseless))

        loop.add_reader(pulse, felt)
        try:
            yield
        finally:
            for one in late:
                one.cancel()
            loop.remove_reader(pulse)
            os.close(pulse)

    def _pulseless(self) -> None:
        if not self._stopping.is_set():
            log.error("%s shows no sign of life: killing it", self.program.name)
            self._signal(signal.SIGKILL)

    def _too_late(self) -> None:
        log.error("%s does not serve after %.0f s: ending it", self.program.name, READY_SECONDS)
        self._signal(signal.SIGKILL)

    def _kill(self) -> None:
        if not self._ended.is_set():
            log.warning("%s has not ended in time: killing it", self.program.name)
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)
