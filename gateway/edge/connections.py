"""All live connections of one worker: found by certificate, and ended when their time is over."""

import asyncio
import socket
import struct
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain
from typing import Final, Generic, Protocol, TypeVar

from gateway.core.people import Fingerprint
from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Limits
from gateway.edge.cut_reasons import CutReason

SWEEP_SECONDS: Final = 0.5
"""How often everybody's time is looked at."""
LINGER_SECONDS: Final = 2.0
TOLD: Final = 32
"""How many connections beyond a limit are taken all the same, to be told so in a page."""
_AT_ONCE: Final = struct.pack("ii", 1, 0)
_LOOKS: Final = 64


class Newcomer(Protocol):
    """What the register needs of a connection that is in the middle of its handshake."""

    deadline: float
    """The monotonic time at which whatever it waits for has taken too long."""

    def time_out(self) -> None:
        """End what has taken too long."""
        ...

    def cut(self, reason: CutReason | Refusal) -> None:
        """Close at once, whatever is under way."""
        ...


class Connection(Newcomer, Protocol):
    """What the register needs of a connection that serves requests."""

    fingerprint: Fingerprint | None

    @property
    def exchange(self) -> object | None:
        """What is under way between it and an application."""
        ...

    def ends_at(self) -> datetime | None:
        """Return when the right that it rests on ends by itself, where it rests on one."""
        ...

    def drain(self) -> None:
        """Close after the exchange under way, or at once where there is none."""
        ...


C = TypeVar("C", bound=Connection)  # PEP 695 is not in Python 3.11


class Connections(Generic[C]):
    """The register of one worker's client connections."""

    def __init__(self) -> None:
        """Begin empty."""
        self.vacant = asyncio.Event()
        """Set while there is no connection."""
        self.vacant.set()
        # Dicts, for they keep the order in which they came.
        self._arriving: dict[Newcomer, None] = {}
        self._all: set[C] = set()
        self._strangers: dict[C, None] = {}
        self._unjudged: dict[C, None] = {}
        self._by_fingerprint: dict[Fingerprint, set[C]] = {}

    def __len__(self) -> int:
        """Return how many connections there are, with those that are shaking hands."""
        return len(self._arriving) + len(self._all)

    def __iter__(self) -> Iterator[C]:
        """Yield every connection that serves requests; the register may change meanwhile."""
        return iter([*self._all])

    @property
    def held(self) -> int:
        """How many are of people with a good certificate, which nobody has to leave for."""
        return len(self._all) - len(self._strangers) - len(self._unjudged)

    def unjudged(self) -> list[C]:
        """Return those of whose certificates nobody has said yet whether they are good."""
        return [*self._unjudged]

    # Coming -----------------------------------------------------------------

    def make_room(self, limits: Limits) -> bool:
        """Cut whoever must go for one more connection; say whether there is room for it.

        The oldest handshake goes for a new one. When all connections are taken a
        stranger goes, that is one without a good certificate, then a handshake, then one whose
        certificate was not judged yet: never a holder of a good one. Where holders have
        taken them all, there is room for `TOLD` more, who are only told so.
        """
        if len(self._arriving) >= limits.handshakes:
            self._evict(next(iter(self._arriving)))
        if len(self) < limits.connections:
            return True
        leaving = self._oldest_stranger()
        if leaving is None:
            if self.held >= limits.connections and len(self) < limits.connections + TOLD:
                return True
            others: Iterator[Newcomer] = chain(self._arriving, self._unjudged)
            leaving = next(others, None)
        if leaving is not None:
            self._evict(leaving)
        return leaving is not None

    def arrive(self, newcomer: Newcomer) -> None:
        """Take in a connection that has just been accepted."""
        self._arriving[newcomer] = None
        self.vacant.clear()

    def leave(self, newcomer: Newcomer) -> None:
        """Strike out a connection that came to nothing."""
        self._arriving.pop(newcomer, None)
        self._look_for_vacancy()

    def enter(self, newcomer: Newcomer, connection: C) -> None:
        """Take in *connection*, which *newcomer* has become."""
        self._arriving.pop(newcomer, None)
        self.add(connection)

    def add(self, connection: C) -> None:
        """Take in a connection that serves requests."""
        self._all.add(connection)
        self.vacant.clear()
        fingerprint = connection.fingerprint
        if fingerprint is None:
            self._strangers[connection] = None
        else:
            self._unjudged[connection] = None
            self._by_fingerprint.setdefault(fingerprint, set()).add(connection)

    def hold(self, connection: C) -> None:
        """Let nobody take the room of *connection*: its certificate is good."""
        self._unjudged.pop(connection, None)
        self._strangers.pop(connection, None)

    def doubt(self, connection: C) -> None:
        """Let *connection* go before others: its certificate opens nothing."""
        if connection in self._all:
            self._unjudged.pop(connection, None)
            self._strangers[connection] = None

    def remove(self, connection: C) -> None:
        """Strike out a connection that is closed."""
        self._all.discard(connection)
        self._strangers.pop(connection, None)
        self._unjudged.pop(connection, None)
        if connection.fingerprint is not None:
            same = self._by_fingerprint.get(connection.fingerprint, set())
            same.discard(connection)
            if not same:
                self._by_fingerprint.pop(connection.fingerprint, None)
        self._look_for_vacancy()

    def of(self, fingerprint: Fingerprint) -> list[C]:
        """Return the connections of one certificate."""
        return [*self._by_fingerprint.get(fingerprint, ())]

    def count(self, fingerprint: Fingerprint) -> int:
        """Return how many connections one certificate has."""
        return len(self._by_fingerprint.get(fingerprint, ()))

    # Going ------------------------------------------------------------------

    def sweep(self, tick: float, now: datetime) -> None:
        """End what has waited too long by *tick*, and what has lost its right by *now*."""
        for newcomer in [*self._arriving]:
            if newcomer.deadline < tick:
                newcomer.time_out()
        for connection in self:
            if connection.deadline < tick:
                connection.time_out()
                continue
            ends = connection.ends_at()
            if ends is not None and ends < now:
                connection.cut(CutReason.EXPIRED)

    def cut_all(self, reason: CutReason | Refusal) -> None:
        """Cut every connection, handshakes too."""
        cut_all([*self._arriving, *self._all], reason)

    def _evict(self, leaving: Newcomer) -> None:
        leaving.cut(CutReason.NO_ROOM)
        # Not when its transport says so, which is after the newcomer is in.
        self._arriving.pop(leaving, None)
        for connection in self._all & {leaving}:
            self.remove(connection)

    def _oldest_stranger(self) -> Newcomer | None:
        """Find the first stranger that waits for nothing of an application, or else the first.

        Whoever is in the middle of something goes behind the others, so that no
        look passes it twice: a second chance, which costs the same however many there are.
        """
        for _ in range(min(_LOOKS, len(self._strangers))):
            stranger = next(iter(self._strangers))
            if stranger.exchange is None:
                return stranger
            self._strangers[stranger] = self._strangers.pop(stranger)
        return next(iter(self._strangers), None)

    def _look_for_vacancy(self) -> None:
        if not self._all and not self._arriving:
            self.vacant.set()


def cut_all(connections: Iterable[Newcomer], reason: CutReason | Refusal) -> int:
    """Cut *connections* and return how many there were."""
    count = 0
    for connection in connections:
        connection.cut(reason)
        count += 1
    return count


def reset(transport: asyncio.Transport) -> None:
    """Break a connection off with a reset.

    What the kernel still holds for a slow client does not reach it either, nor
    what we hold for one that has closed its own side.
    """
    sock = transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    transport.abort()
