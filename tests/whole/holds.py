"""Connections held open, of every kind and on every worker, to see which of them are cut."""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from h11 import RemoteProtocolError

from tests.whole.guests import Guest
from tests.whole.people import Stick
from tests.whole.sites import HOST, LiveSite
from tests.whole.sockets import closed_within, echoes, open_socket
from tests.whole.wire import Wire, wire_of

WIKI, CHAT = f"wiki.{HOST}", f"chat.{HOST}"
ATTEMPTS = 60
"""The kernel chooses the worker for each new connection, so both are soon met."""


@dataclass(frozen=True, slots=True)
class Held:
    """An open connection: which kind on which worker, and how to look at it."""

    kind: str
    worker: int
    closed_within: Callable[[float], bool]
    alive: Callable[[], bool]

    def __str__(self) -> str:
        """Name it in messages."""
        return f"{self.kind} on worker {self.worker}"


def hold_everything(guest: Guest, stack: ExitStack) -> list[Held]:
    """Open an idle connection, a download and a WebSocket of *guest* on each worker."""
    return [
        held
        for opener in (hold_idle, hold_download, hold_socket)
        for held in hold_on_each_worker(guest.site, partial(opener, guest), stack)
    ]


def hold_on_each_worker(
    site: LiveSite, opener: Callable[[ExitStack], Held], stack: ExitStack
) -> list[Held]:
    """Open connections by *opener* until each worker has one; close what is too much."""
    held: list[Held] = []
    waiting = set(site.workers())
    for _ in range(ATTEMPTS):
        with ExitStack() as trial:
            found = opener(trial)
            if found.worker in waiting:
                waiting.discard(found.worker)
                held.append(found)
                stack.enter_context(trial.pop_all())
        if not waiting:
            return held
    raise AssertionError(f"no connection came to worker {waiting}")


def hold_idle(guest: Guest, stack: ExitStack) -> Held:
    """Open a connection that has served a request and waits for the next."""
    wire = stack.enter_context(wire_of(guest, WIKI))
    cookie = guest.cookie_field(WIKI)

    def alive() -> bool:
        return wire.ask("GET", "/idle", cookie).status == 200

    assert alive()
    return Held("idle", guest.site.worker_of(wire.socket), wire.closed_within, alive)


def hold_idle_at_the_door(site: LiveSite, stick: Stick, stack: ExitStack) -> Held:
    """Open a connection that has served the sign-in form and waits for the next request."""
    wire = stack.enter_context(Wire(site, HOST, stick))

    def alive() -> bool:
        return wire.ask("GET", "/sign-in").status == 200

    assert alive()
    return Held("door", site.worker_of(wire.socket), wire.closed_within, alive)


def hold_download(guest: Guest, stack: ExitStack) -> Held:
    """Open a connection in the middle of a download without end."""
    wire = stack.enter_context(wire_of(guest, WIKI))
    wire.begin("GET", "/endless", guest.cookie_field(WIKI))
    assert wire.read_head().status_code == 200
    pieces = wire.pieces()

    def alive() -> bool:
        # What was sent before may have lain in buffers while the connection was cut behind it.
        asked, text = time.monotonic(), b""
        while True:
            *lines, text = (text + next(pieces)).split(b"\n")
            if any(float(line.split()[0]) > asked for line in lines):
                return True

    assert alive()
    return Held("download", guest.site.worker_of(wire.socket), wire.closed_within, alive)


def hold_socket(guest: Guest, stack: ExitStack) -> Held:
    """Open a WebSocket."""
    socket = stack.enter_context(open_socket(guest, CHAT))
    assert echoes(socket)
    return Held(
        "WebSocket",
        guest.site.worker_of(socket.socket),
        lambda seconds: closed_within(socket, seconds),
        lambda: echoes(socket),
    )


def still_open_after(held: Iterable[Held], seconds: float) -> list[str]:
    """Return which of *held* are not closed *seconds* from now."""
    end = time.monotonic() + seconds
    return [str(one) for one in held if not one.closed_within(max(end - time.monotonic(), 0.01))]


def not_alive(held: Iterable[Held]) -> list[str]:
    """Return which of *held* do not work any more."""
    return [str(one) for one in held if not _works(one)]


def _works(one: Held) -> bool:
    try:
        return one.alive()
    except (OSError, AssertionError, StopIteration, RemoteProtocolError):
        return False
