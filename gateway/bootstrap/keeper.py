"""Keeps one program running: starts it, hears when it serves, starts it again, ends it.

A program is started by exec: it inherits no memory, and of open files only what its row in the
process table names. It is asked for nothing but that it understands `--ready-fd` and
`--life-fd`; see `process` for what those mean.
"""

import asyncio
import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from gateway.bootstrap.process import READY

FIRST_DELAY = 0.1
LONGEST_DELAY = 5.0
HEALTHY_SECONDS = 30.0
"""A process that lived this long did not die of how it was started."""
READY_SECONDS = 60.0
"""How long a process may take until it serves."""
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
    """Open files that it inherits under the same numbers, besides the two pipes."""


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

    async def _run_once(self) -> int:
        begun = asyncio.get_running_loop().time()
        reading, writing = os.pipe()
        try:
            process = await self._exec(writing)
        except OSError as error:
            os.close(reading)
            log.error("%s cannot be started: %s", self.program.name, error)
            return 127
        finally:
            os.close(writing)
        self._process = process

        def serves() -> None:
            lasted = asyncio.get_running_loop().time() - begun
            log.info("%s (pid %d) serves after %.1f s", self.program.name, process.pid, lasted)
            if not self.started.done():
                self.started.set_result(True)

        with self._watching(reading, serves):
            if self._stopping.is_set():
                # Told to stop while it was being started: the signal found nobody.
                self._signal(signal.SIGTERM)
            status = await process.wait()
        self._process = None
        return status

    async def _exec(self, ready: int) -> asyncio.subprocess.Process:
        # A process group of its own: Ctrl-C at the terminal reaches the supervisor alone,
        # which then ends the others in their order.
        return await asyncio.create_subprocess_exec(
            *self.program.command,
            "--ready-fd",
            str(ready),
            "--life-fd",
            str(self._life),
            stdin=subprocess.DEVNULL,
            pass_fds=(ready, self._life, *self.program.descriptors),
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
