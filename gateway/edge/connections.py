"""All live connections of one worker: found by certificate, and ended when their time is over."""

import asyncio
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from gateway.core.people import Fingerprint


class Connection(Protocol):
    """What the register needs of a connection."""

    fingerprint: Fingerprint | None
    deadline: float
    """The monotonic time at which whatever it waits for has taken too long."""

    def time_out(self) -> None:
        """End what has taken too long."""
        ...

    def ends_at(self) -> datetime | None:
        """Return when the right that it rests on ends by itself, where it rests on one."""
        ...

    def cut(self, reason: str) -> None:
        """Close at once, whatever is under way."""
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
        self._all: set[C] = set()
        self._by_fingerprint: dict[Fingerprint, set[C]] = {}

    def __len__(self) -> int:
        """Return how many connections there are."""
        return len(self._all)

    def __iter__(self) -> Iterator[C]:
        """Yield every connection; the register may change meanwhile."""
        return iter([*self._all])

    def add(self, connection: C) -> None:
        """Take in a connection that has just been accepted."""
        self._all.add(connection)
        self.vacant.clear()

    def identify(self, connection: C, fingerprint: Fingerprint) -> None:
        """Note which certificate a connection has shown."""
        self._by_fingerprint.setdefault(fingerprint, set()).add(connection)

    def remove(self, connection: C) -> None:
        """Strike out a connection that is closed."""
        self._all.discard(connection)
        if connection.fingerprint is not None:
            same = self._by_fingerprint.get(connection.fingerprint, set())
            same.discard(connection)
            if not same:
                self._by_fingerprint.pop(connection.fingerprint, None)
        if not self._all:
            self.vacant.set()

    def of(self, fingerprint: Fingerprint) -> list[C]:
        """Return the connections of one certificate."""
        return [*self._by_fingerprint.get(fingerprint, ())]

    def sweep(self, tick: float, now: datetime) -> None:
        """End what has waited too long by *tick*, and what has lost its right by *now*."""
        for connection in self:
            if connection.deadline < tick:
                connection.time_out()
                continue
            ends = connection.ends_at()
            if ends is not None and ends < now:
                connection.cut("expired")


def cut_all(connections: Iterable[Connection], reason: str) -> int:
    """Cut *connections* and return how many there were."""
    count = 0
    for connection in connections:
        connection.cut(reason)
        count += 1
    return count
