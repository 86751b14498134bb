"""Have one list from one source: fetched, read, judged, put in force or refused with words."""

import asyncio
import filecmp
from collections.abc import Callable
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Final

from ca.foreign.crls import CRLFault, RefusedCRL
from ca.foreign.ordering import Step
from ca.foreign.revoked import IndexDamaged, RevokedIndex
from gateway.core.trusts import Trust
from gateway.verifier.addresses import why_not_asked
from gateway.verifier.fetching import Downloaded, Fetcher, FetchFailed, Unchanged
from gateway.verifier.files import FileFailed, remove
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
        if isinstance(outcome, Downloaded) and not await self._is_held(source, file):
            taken = await self._take(file, source, now)
        if isinstance(taken, RefusedCRL):
            source.forget()
            self._fail(source, now, f"{source.name} {taken.words}")
            return self._refuse(source, taken)
        if isinstance(outcome, Downloaded):
            source.mark = outcome.mark
        self._succeed(source, now)
        return taken

    async def _fetch(self, source: Source, file: Path) -> Downloaded | Unchanged | FetchFailed:
        if source.file is not None:
            return await self._fetcher.copy(source.file, file, mark=source.mark)
        failures = []
        # What is not asked at all is only spoken of where there is nothing else.
        for url in [one for one in source.urls if not why_not_asked(one)] or source.urls[:1]:
            mark = source.mark if url == source.marked else None
            outcome = await self._fetcher.download(url, file, mark=mark)
            if not isinstance(outcome, FetchFailed):
                source.marked = url
                return outcome
            failures.append(outcome.words)
        return FetchFailed("; ".join(failures))

    async def _is_held(self, source: Source, file: Path) -> bool:
        """Say whether *file* is, to the octet, what this source has brought before."""
        held = self.held(source)
        if held is None:
            return False
        copy = self._shelf.copy_of(held.facts)
        try:
            return await asyncio.to_thread(filecmp.cmp, file, copy, shallow=False)
        except OSError:
            return False

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
        held = self.held(source)
        if source.file is not None:
            source.succeed(now, now + FILE_PAUSE)
        elif held is None:
            # A delta to which the full list has caught up: the next is not far.
            source.succeed(now, after_failure(1, now, self._chance()))
        else:
            facts, chance = held.facts, self._chance()
            due = after_success(facts.this_update, facts.next_update, now, chance)
            source.succeed(now, due)

    def _fail(self, source: Source, now: datetime, words: str) -> ListEvent:
        due = after_failure(source.failures + 1, now, self._chance())
        source.fail(now, words, due)
        words = f"{words}; {stays_words(self.held(source))}"
        return self.event(ListEventKind.FAILED, source.name, words)

    def _refuse(self, source: Source, refused: RefusedCRL) -> ListEvent:
        words = f"{source.name} {refused.words}; {stays_words(self.held(source))}"
        return self.event(ListEventKind.REFUSED, source.name, words, refused.reason)
