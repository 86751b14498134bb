"""The real store, behind a wrapper with which a test decides when it answers."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from enum import StrEnum
from typing import Any

from gateway.core.audit import AuditEvent
from gateway.core.changes import Batch
from gateway.core.days import DayUse, Spending
from gateway.core.people import Fingerprint, Holder
from gateway.core.ports import StoreUnavailable
from gateway.core.sessions import Session, SessionId
from gateway.store import Store
from tests.gateway.edge.waiting import until


class Question(StrEnum):
    """What the edge asks of a store."""

    HOLDER = "holder"
    PRESENT = "present"
    SESSION = "session"
    RECORD = "record"
    DAY = "day"


class HeldStore:
    """A store whose answers can be held back, refused, and whose feed can fall silent.

    An answer that is held back was read before: it is what the store said
    *then*. So it can be overtaken by a change, at the will of the test.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.asked: list[Question] = []
        self.followers = 0
        self._held: dict[Question, asyncio.Event] = {}
        self._waiting: dict[Question, int] = dict.fromkeys(Question, 0)
        self._failing: dict[Question, int] = {}
        self._errors: dict[Question, Exception] = {}
        self._silent = asyncio.Event()
        self._speaks = asyncio.Event()
        self._speaks.set()
        self._extra: asyncio.Queue[Batch] = asyncio.Queue()
        self.swallow = False
        """Whether batches with changes go missing on their way."""

    # What tests say ---------------------------------------------------------

    def hold(self, question: Question) -> None:
        """Hold back the answers to *question* from now on."""
        self._held[question] = asyncio.Event()

    def release(self, question: Question) -> None:
        """Let the answers to *question* go."""
        self._held.pop(question).set()

    async def wait_asked(self, question: Question, count: int = 1) -> None:
        """Wait until *count* answers to *question* are held back."""
        await until(lambda: self._waiting[question] >= count)

    def fail(
        self, question: Question, times: int = 1_000_000, error: Exception | None = None
    ) -> None:
        """Answer *question* with an error, so many *times*."""
        self._failing[question] = times
        self._errors[question] = error or StoreUnavailable("the test says so")

    def heal(self) -> None:
        """Answer everything again."""
        self._failing.clear()
        self._silent.clear()
        self._speaks.set()

    def silence(self) -> None:
        """Break the feed off; whoever follows anew is refused until `heal`."""
        self._speaks.clear()
        self._silent.set()

    def put(self, batch: Batch) -> None:
        """Let the feed say *batch*, which the store has not said."""
        self._extra.put_nowait(batch)

    # What the edge asks -----------------------------------------------------

    async def holder(self, fingerprint: Fingerprint) -> Holder | None:
        """Ask the store, and wait where the test says so."""
        self._ask(Question.HOLDER)
        answer = await self.store.holder(fingerprint)
        await self._wait(Question.HOLDER)
        return answer

    async def present(self, fingerprint: Fingerprint, certificate: bytes) -> None:
        """Tell the store, unless the test has it refuse."""
        self._ask(Question.PRESENT)
        await self.store.present(fingerprint, certificate)

    async def session(self, session: SessionId) -> Session | None:
        """Ask the store, and wait where the test says so."""
        self._ask(Question.SESSION)
        answer = await self.store.session(session)
        await self._wait(Question.SESSION)
        return answer

    async def used_at(self, session: SessionId, app: str) -> datetime | None:
        """Ask the store."""
        return await self.store.used_at(session, app)

    async def note_use(self, session: SessionId, app: str, at: datetime) -> datetime:
        """Tell the store."""
        return await self.store.note_use(session, app, at)

    async def record(self, *events: AuditEvent) -> None:
        """Tell the store, and wait where the test says so."""
        self._ask(Question.RECORD)
        await self.store.record(*events)
        await self._wait(Question.RECORD)

    async def spend_day(self, use: DayUse) -> Spending:
        """Tell the store, and wait where the test says so."""
        self._ask(Question.DAY)
        answer = await self.store.spend_day(use)
        await self._wait(Question.DAY)
        return answer

    async def follow(self) -> AsyncGenerator[Batch]:
        """Pass on what the real feed says, and what the test adds."""
        if not self._speaks.is_set():
            raise StoreUnavailable("silent")
        self.followers += 1
        async with aclosing(self.store.follow()) as feed:
            while True:
                # Not cancelled while it waits: that would end the generator.
                coming = asyncio.ensure_future(anext(feed))
                try:
                    async for batch in self._until(coming):
                        yield batch
                finally:
                    if not coming.done():
                        coming.cancel()
                        await asyncio.gather(coming, return_exceptions=True)
                batch = coming.result()
                if not (self.swallow and batch.changes):
                    yield batch

    async def _until(self, coming: "asyncio.Future[Batch]") -> AsyncGenerator[Batch]:
        while not coming.done():
            extra = asyncio.ensure_future(self._extra.get())
            silent = asyncio.ensure_future(self._silent.wait())
            awaited: set[asyncio.Future[Any]] = {coming, extra, silent}
            try:
                await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            finally:
                extra.cancel()
                silent.cancel()
            if self._silent.is_set():
                raise StoreUnavailable("fell silent")
            if extra.done() and not extra.cancelled():
                yield extra.result()

    def _ask(self, question: Question) -> None:
        self.asked.append(question)
        left = self._failing.get(question, 0)
        if left:
            self._failing[question] = left - 1
            raise self._errors[question]

    async def _wait(self, question: Question) -> None:
        held = self._held.get(question)
        if held is not None:
            self._waiting[question] += 1
            try:
                await held.wait()
            finally:
                self._waiting[question] -= 1
