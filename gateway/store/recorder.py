"""Writes the audit events of many tasks in one commit.

No access without its line: so when everybody comes at once (Monday, eight
o'clock), everybody waits for the log, and a commit each would be a long queue.
While one batch is being written, whoever comes is gathered for the next.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.core.audit import AuditEvent
from gateway.store import audit
from gateway.store.database import Database


@dataclass(slots=True)
class _Batch:
    """Events that become durable together; *writing* has ended well when they are."""

    events: list[AuditEvent] = field(default_factory=list)
    writing: asyncio.Task[None] | None = None


class Recorder:
    """Writes to the audit log of one database, in the order in which it is asked."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._gathering = _Batch()
        self._turn = asyncio.Lock()

    async def record(self, events: Sequence[AuditEvent]) -> None:
        """Write *events*; returns when they are durable, or raises `StoreUnavailable`.

        Whoever is cancelled meanwhile takes nothing back: others may be in the same batch.
        """
        batch = self._gathering
        batch.events.extend(events)
        if batch.writing is None:
            batch.writing = asyncio.create_task(self._write(batch))  # noqa: TID251 - each who has asked awaits it, and `close`
            batch.writing.add_done_callback(_look_at)
        await asyncio.shield(batch.writing)

    async def _write(self, batch: _Batch) -> None:
        async with self._turn:
            self._gathering = _Batch()
            async with self._database.write() as connection:
                await audit.append(connection, batch.events)

    async def close(self) -> None:
        """Wait for what nobody waits for any more."""
        async with self._turn:
            writing = self._gathering.writing
        if writing is not None:
            await asyncio.wait([writing])


def _look_at(task: asyncio.Task[None]) -> None:
    # If all who waited were cancelled, nobody else asks for the exception.
    if not task.cancelled():
        task.exception()
