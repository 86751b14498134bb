"""The revocation lists of one trust: had, ordered, kept, and asked.

What arrives changes what is in force only when it is whole, signed by one of the trust's CAs, and
newer than what is held. Everything else is an event with words, and the last good state stays.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from ca.foreign.certificates import UNREADABLE
from ca.foreign.coverage import HeldList, Points, ask_lists, covers, points_of
from ca.foreign.facts import ListFacts, authority_of
from gateway.core.foreign import ForeignList
from gateway.core.trusts import Trust
from gateway.verifier.fetching import Fetcher
from gateway.verifier.files import FileFailed
from gateway.verifier.list_words import (
    ListEvent,
    ListEventKind,
    ListStatus,
    ended_words,
    in_force,
    status_of,
)
from gateway.verifier.reading import LIMITS, ReadingLimits
from gateway.verifier.shelf import Shelf
from gateway.verifier.sources import Source, read_sources, write_sources
from gateway.verifier.supply import Supply

MOST_SOURCES: Final = 256
"""More distribution points than one CA has; what more certificates name is not fetched."""
_SOURCES: Final = "sources.json"
_CHANCE: Final = random.SystemRandom().random


class RevocationLists:
    """What one trust knows of revocations. One object at a time works on one folder."""

    def __init__(
        self,
        directory: Path,
        trust: Trust,
        fetcher: Fetcher,
        *,
        limits: ReadingLimits = LIMITS,
        chance: Callable[[], float] = _CHANCE,
    ) -> None:
        """Take up what *directory*, which is only for this trust, holds from the last time.

        Reads each index once, so it is slow beside a loop that must not wait: some tens of
        milliseconds for a million entries.
        """
        self._trust = trust
        self._path = directory / _SOURCES
        self._cas = [x509.load_der_x509_certificate(one) for one in trust.certificates]
        self._shelf = Shelf(directory, frozenset(map(authority_of, self._cas)))
        # A CA's own server may show a certificate of that CA, which nobody else knows.
        asking = fetcher.believing(trust.certificates)
        self._supply = Supply(trust, asking, self._shelf, limits, chance)
        self._sources: dict[str, Source] = {}
        self._kept = read_sources(self._path)
        self._take_up(self._kept)
        self._saving = asyncio.Lock()
        self._ended: set[str] = set()

    def due(self) -> datetime | None:
        """Return when `refresh` is next of use, in the past for at once; None: nowhere to ask.

        What is being asked at this moment is left out.
        """
        free = (source for source in self._sources.values() if self._is_free(source))
        return min((source.due for source in free), default=None)

    def hurry(self) -> None:
        """Have `refresh` ask everywhere the next time: somebody says that there is news."""
        for source in self._sources.values():
            source.hurry()

    def learn(self, certificate: x509.Certificate) -> tuple[Source, ...]:
        """Take up where *certificate*, whose path is valid, says that its lists are.

        Its sources are returned. Nothing is learnt where the trust says itself where they are, and
        not of more than `MOST_SOURCES` points.
        """
        return () if self._is_told() else self._learn(points_of(certificate))

    def learn_authority(self, authority: x509.Certificate) -> tuple[Source, ...]:
        """Take up where *authority*, a CA below the anchor, says that the lists of its issuer are.

        Also where the trust says itself where lists are, since those mostly are of the CA that
        issues to people; unless one that is held from there speaks for *authority* as well.
        """
        if self._is_told() and self._speaking_for(authority):
            return ()
        return self._learn(points_of(authority))

    def _learn(self, points: Points) -> tuple[Source, ...]:
        named = [Source(urls) for urls in points.lists]
        named += [Source(urls, delta=True) for urls in points.deltas]
        found = [self._add(self._as_left(source)) for source in named]
        return tuple(source for source in found if source is not None)

    async def refresh(
        self,
        now: datetime,
        *,
        about: x509.Certificate | None = None,
        above: Sequence[x509.Certificate] = (),
        tell: Callable[[ListEvent], None] = lambda _: None,
    ) -> tuple[ListEvent, ...]:
        """Ask for what is due, and put in force what may be; return what is to be logged.

        That takes as long as the slowest source, so *tell* hears of each event when it happens.
        *about* keeps it to what has not been had yet and may speak for this certificate, or for the
        CAs *above* it: what is wanted when somebody shows one for the first time. Several may be
        under way at once; no source is asked twice.
        """
        events: list[ListEvent] = []

        def note(news: Iterable[ListEvent]) -> None:
            for event in news:
                events.append(event)
                tell(event)

        note(await self._supply.mend(now))
        learnt = None if about is None else self._learnt(about, above)
        asked: set[str] = set()
        under_way: dict[asyncio.Task[ListEvent | None], Source] = {}
        async with asyncio.TaskGroup() as group:
            while True:
                due = self._askable(now, learnt, under_way.values())
                for source in [one for one in due if one.key not in asked]:
                    asked.add(source.key)
                    under_way[group.create_task(self._supply.ask(source, now))] = source
                if not under_way:
                    break
                done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                note(event for one in done if (event := one.result()) is not None)
                for one in done:
                    del under_way[one]
        if asked:
            note(await self._save())
        note(self._find_ended(now))
        return tuple(events)

    def _askable(
        self, now: datetime, learnt: set[str] | None, under_way: Iterable[Source]
    ) -> list[Source]:
        """Return what is due, wanted, and need wait for nothing that is *under_way*.

        Full lists first: a delta is judged beside its own, which says where the delta is. What is
        kept up asks nobody who is being asked already: who has begun that puts in force what comes.
        """
        for _, held in self._shelf.all():
            self._learn_fresh(held.full.facts, {})
        due = [
            source
            for source in self._sources.values()
            if source.is_due(now) and _is_wanted(source, learnt)
        ]
        if learnt is None:
            due = [source for source in due if not source.asking.locked()]
        full = [source for source in due if not source.delta]
        beside = [*full, *under_way]
        return [*full, *(one for one in due if one.delta and not self._awaits_full(one, beside))]

    def _awaits_full(self, delta: Source, under_way: Iterable[Source] = ()) -> bool:
        """Say whether a list beside which *delta* is judged, or may be, is on its way."""
        busy = [one for one in self._sources.values() if one.asking.locked()]
        coming = {one.scope for one in (*busy, *under_way) if not one.delta}
        its = {scope for scope, held in self._shelf.all() if delta.urls in held.full.facts.fresh}
        return bool(coming & its) if its else bool(coming)

    def _is_free(self, source: Source) -> bool:
        return not source.asking.locked() and not (source.delta and self._awaits_full(source))

    def awaits_news(self, certificate: x509.Certificate) -> bool:
        """Say whether a delta that may speak of *certificate* was not asked for yet."""
        held = self._speaking_for(certificate) or []
        named = [urls for one in held for urls in one.full.facts.fresh]
        keys = {Source(urls).key for urls in (*named, *points_of(certificate).deltas)}
        deltas = (one for one in self._sources.values() if one.delta and one.key in keys)
        return any(one.fetched_at is None and not one.failures for one in deltas)

    def status(self, certificate: x509.Certificate, now: datetime) -> ListStatus:
        """Say what the lists in force know of *certificate*, whose path is valid."""
        lists = self._speaking_for(certificate)
        if lists is None:
            return ListStatus(None, None, f"none of the CAs of {self._trust.name} has issued it")
        known = ask_lists(lists, certificate.serial_number)
        if known is None:
            return ListStatus(None, None, self._why_unknown())
        return status_of(known, self._trust, now)

    def health(self) -> tuple[ForeignList, ...]:
        """Say how each source is, and what of it is in force; each has a name of its own."""
        told = [self._health(source) for source in self._sources.values()]
        names = Counter(one.source for one in told)
        for place, (key, one) in enumerate(zip(self._sources, told, strict=True)):
            # Two points that begin with the same address are told by all of theirs.
            if names[one.source] > 1:
                told[place] = replace(one, source=key)
        brought = {source.scope for source in self._sources.values()}
        for scope, held in self._shelf.all():
            if scope not in brought:
                file = str(self._shelf.copy_of(held.full.facts))
                told.append(in_force(ForeignList(self._trust.name, file), held.full))
        return tuple(told)

    def _learnt(self, about: x509.Certificate, above: Sequence[x509.Certificate]) -> set[str]:
        """Name the sources of *about*, with those of the CAs *above*; none where any may do."""
        authorities = {source.key for one in above for source in self.learn_authority(one)}
        learnt = {source.key for source in self.learn(about)}
        return learnt | authorities if learnt else learnt

    def _speaking_for(self, certificate: x509.Certificate) -> list[HeldList] | None:
        """Return the lists in force that speak for *certificate*; None: its CA is not known."""
        authority = self._authority(certificate)
        if authority is None:
            return None
        points = points_of(certificate)
        return [
            one for one in self._shelf.of(authority) if covers(one.full.facts, certificate, points)
        ]

    def _as_left(self, source: Source) -> Source:
        """Return *source* as it was left before the restart, if its list is still held."""
        kept = self._kept.get(source.key)
        return source if kept is None or self._supply.held(kept) is None else kept

    def _is_told(self) -> bool:
        return self._trust.crl_file is not None or bool(self._trust.crl_urls)

    def _take_up(self, kept: dict[str, Source]) -> None:
        """Begin with what the trust names, or with what was learnt before, as it was left."""
        if self._is_told():
            for source in self._told():
                self._sources[source.key] = kept.get(source.key, source)
        else:
            self._sources |= {key: one for key, one in kept.items() if one.file is None}
        for _, held in self._shelf.all():
            self._learn_fresh(held.full.facts, kept)
        for source in self._sources.values():
            if self._supply.held(source) is None:
                source.begin_again()

    def _told(self) -> Iterator[Source]:
        if self._trust.crl_file is not None:
            yield Source(file=self._trust.crl_file)
        for url in self._trust.crl_urls:
            yield Source((url,))

    def _learn_fresh(self, facts: ListFacts, kept: dict[str, Source]) -> None:
        for urls in facts.fresh:
            source = Source(urls, delta=True)
            self._add(kept.get(source.key, source))

    def _add(self, source: Source) -> Source | None:
        if source.key not in self._sources and len(self._sources) >= MOST_SOURCES:
            return None
        return self._sources.setdefault(source.key, source)

    async def _save(self) -> list[ListEvent]:
        try:
            async with self._saving:
                await asyncio.to_thread(write_sources, self._path, [*self._sources.values()])
        except FileFailed as failed:
            return [self._supply.event(ListEventKind.FAILED, str(self._path), str(failed))]
        return []

    def _authority(self, certificate: x509.Certificate) -> str | None:
        named = [ca for ca in self._cas if ca.subject == certificate.issuer]
        found = {authority_of(ca): ca for ca in named}
        if len(found) > 1:
            found = {one: ca for one, ca in found.items() if _has_issued(ca, certificate)}
        return next(iter(found), None)

    def _why_unknown(self) -> str:
        failures = [source.failure for source in self._sources.values() if source.failure]
        why = "; ".join(failures[:2]) or "none that speaks for it was had"
        return f"no revocation list of {self._trust.name} speaks for it: {why}"

    def _find_ended(self, now: datetime) -> Iterator[ListEvent]:
        """Tell once of each list in force that has ended."""
        for _, held in self._shelf.all():
            facts = held.full.facts
            if now <= facts.next_update or facts.digest in self._ended:
                continue
            self._ended.add(facts.digest)
            words = ended_words(facts, self._trust)
            yield self._supply.event(ListEventKind.ENDED, str(self._shelf.copy_of(facts)), words)

    def _health(self, source: Source) -> ForeignList:
        plain = ForeignList(
            self._trust.name,
            source.name,
            fetched_at=source.fetched_at,
            failed_at=source.failed_at,
            failure=source.failure,
        )
        held = self._supply.held(source)
        return plain if held is None else in_force(plain, held)


def _is_wanted(source: Source, learnt: set[str] | None) -> bool:
    """Say whether *source* is asked when only what was not had yet, of *learnt* or told, is."""
    if learnt is None:
        return True
    return source.fetched_at is None and (source.delta or not learnt or source.key in learnt)


def _has_issued(ca: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(ca)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True
