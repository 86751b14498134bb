"""Have one list from one source: fetched, read, judged, put in force or refused with words."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Final

from ca.foreign.crls import CRLFault, RefusedCRL
from ca.foreign.ordering import Step
from ca.foreign.revoked import IndexDamaged, RevokedIndex
from gateway.core.trusts import Trust
from gateway.verifier.fetching import Downloaded, Fetcher, FetchFailed, Unchanged
from gateway.verifier.files import FileFailed, digest_of, remove
from gateway.verifier.list_words import ListEvent, ListEventKind, stays_words, told_of
from gateway.verifier.reading import ReadingLimits, read_list
from gateway.verifier.schedule import FILE_PAUSE, after_failure, after_success
from gateway.verifier.shelf import Shelf
from gateway.verifier.sources import Source

_AT_ONCE: Final = 8


class Supply:
    """Brings lists onto a shelf. A few are fetched at once, and one is read at a time."""

    def __init__(
        self,
        trust: Trust,
        fetcher: Fetcher,
        shelf: Shelf,
        limits: ReadingLimits,
        chance: Callable[[], float],
    ) -> None:
        """Take what it works with."""
        self._trust = trust
        self._fetcher = fetcher
        self._shelf = shelf
        self._limits = limits
        self._chance = chance
        self._numbers = count()
        self._fetching = asyncio.Semaphore(_AT_ONCE)
        self._reading = asyncio.Lock()

    async def ask(self, source: Source, now: datetime) -> ListEvent | None:
        """Ask *source*, if it is still due when its turn has come; None: nothing to tell."""
        async with source.asking, self._fetching:
            if not source.is_due(now):
                return None
            file = self._shelf.new_path(f"{next(self._numbers)}.crl")
            try:
                return await self._ask_into(file, source, now)
            except (FileFailed, IndexDamaged) as failed:
                return self._fail(source, now, f"{source.name}: {failed}")
            finally:
                remove(file)

    async def mend(self, now: datetime) -> list[ListEvent]:
        """Make anew what was damaged on the disk, from the copies as they were received."""
        events: list[ListEvent] = []
        while self._shelf.damaged:
            damaged = self._shelf.damaged.pop()
            source = Source(file=damaged.copy)
            events.append(self.event(ListEventKind.FAILED, source.name, damaged.words))
            try:
                taken = await self._take(damaged.copy, source, now)
            except (FileFailed, IndexDamaged) as failed:
                taken = RefusedCRL(CRLFault.UNREADABLE, f"cannot be read: {failed}")
            if isinstance(taken, RefusedCRL):
                events.append(self._refuse(source, taken))
            elif taken is not None:
                events.append(taken)
        return events

    def held(self, source: Source) -> RevokedIndex | None:
        """Return the list in force that *source* is for."""
        held = self._shelf.get(source.scope)
        if held is None:
            return None
        return held.delta if source.delta else held.full

    def event(self, kind: ListEventKind, source: str, words: str, reason: str = "") -> ListEvent:
        """Make an event that names the trust."""
        words = f"trust {self._trust.name}: {words}"
        return ListEvent(kind, self._trust.name, source, words, reason)

    async def _ask_into(self, file: Path, source: Source, now: datetime) -> ListEvent | None:
        outcome = await self._fetch(source, file)
        if isinstance(outcome, FetchFailed):
            return self._fail(source, now, outcome.words)
        taken: ListEvent | RefusedCRL | None = None
        digest = source.digest
        if isinstance(outcome, Downloaded):
            digest = await asyncio.to_thread(digest_of, file)
            if digest != source.digest:
                taken = await self._take(file, source, now)
        if isinstance(taken, RefusedCRL):
            source.forget()
            self._fail(source, now, f"{source.name} {taken.words}")
            return self._refuse(source, taken)
        if isinstance(outcome, Downloaded):
            # Not before the list is in its place: after a crash it is read again.
            source.mark, source.digest = outcome.mark, digest
        self._succeed(source, now)
        return taken

    async def _fetch(self, source: Source, file: Path) -> Downloaded | Unchanged | FetchFailed:
        if source.file is not None:
            return await self._fetcher.copy(source.file, file, mark=source.mark)
        failures = []
        for url in source.asked:
            mark = source.mark if url == source.marked else None
            outcome = await self._fetcher.download(url, file, mark=mark)
            if not isinstance(outcome, FetchFailed):
                source.marked = url
                return outcome
            failures.append(outcome.words)
        return FetchFailed("; ".join(failures))

    async def _take(
        self, file: Path, source: Source, now: datetime
    ) -> ListEvent | RefusedCRL | None:
        """Read *file*, and put it in force if it is the next; None: no news in it."""
        async with self._reading:
            index_file = self._shelf.new_path(f"{next(self._numbers)}.index")
            try:
                index = await read_list(
                    file, index_file, self._trust.certificates, now, self._limits
                )
                if isinstance(index, RefusedCRL):
                    return index
                step = self._shelf.judge(index.facts)
                if isinstance(step, RefusedCRL):
                    return step
                if step is Step.NEXT:
                    self._shelf.put(index, index_file, file)
            finally:
                remove(index_file)
        source.scope, source.delta = index.facts.scope, index.facts.base is not None
        if step is not Step.NEXT:
            return None
        return self.event(ListEventKind.TAKEN, source.name, f"{source.name}: {told_of(index)}")

    def _succeed(self, source: Source, now: datetime) -> None:
        held = self._shelf.get(source.scope)
        if source.file is not None or held is None:
            source.succeed(now, now + FILE_PAUSE)
            return
        # The full list's dates, where it has caught up with the delta.
        index = held.delta if source.delta and held.delta is not None else held.full
        facts, chance = index.facts, self._chance()
        source.succeed(now, after_success(facts.this_update, facts.next_update, now, chance))

    def _fail(self, source: Source, now: datetime, words: str) -> ListEvent:
        due = after_failure(source.failures + 1, now, self._chance())
        source.fail(now, words, due)
        words = f"{words}; {stays_words(self.held(source))}"
        return self.event(ListEventKind.FAILED, source.name, words)

    def _refuse(self, source: Source, refused: RefusedCRL) -> ListEvent:
        words = f"{source.name} {refused.words}; {stays_words(self.held(source))}"
        return self.event(ListEventKind.REFUSED, source.name, words, refused.reason)
