"""Where certificates of other CAs are judged: when they are first shown, and whenever more is known.

Verdicts go into the store, and only those that have changed: of a new list most certificates
learn no more than that they are good for longer.
"""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing, suppress
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from gateway.core.changes import Batch, ChangeKind
from gateway.core.foreign import (
    NO_TRUST,
    TOO_COSTLY,
    ForeignList,
    ForeignState,
    Presented,
    Verdict,
)
from gateway.core.people import Fingerprint
from gateway.core.ports import StoreUnavailable
from gateway.core.trusts import Trust
from gateway.store import Store, StoreError
from gateway.verifier.containment import Containment, logged
from gateway.verifier.fetching import Fetcher
from gateway.verifier.findings import Found, begins_to_hold, find, refusal
from gateway.verifier.keeping import Keeping
from gateway.verifier.knowledge import Knowledge, verdict_of

log = logging.getLogger("pusterla.verifier")

BY: Final = "verifier"
JUDGES: Final = 8
"""How many certificates are judged at once; those that wait for somebody's server are apart."""
LOOKS: Final = 4
"""How many paths are looked at at once, which is what costs."""
QUEUE: Final = 1000
"""How many wait in memory to be judged, or for a server; the others are found in the store."""
BROKEN: Final = "not-judged"
"""The fault of one at which the judging itself has failed: it opens nothing."""
_BY_WHAT_IS_KNOWN: Final = "is judged by what is known: not everything of it could be had"
PATH_SECONDS: Final = 2.0
"""How long the path of one may take; what is validated is bounded to milliseconds."""
LOOK_SECONDS: Final = 60.0
"""How often it is looked for what the feed has not told, and for paths that have ended."""
KEPT: Final = timedelta(days=30)
"""How long a certificate that has ended, or was refused, is still shown to operators."""
MOST_AGAIN: Final = 10_000
"""Of how many refused certificates it is remembered when their day comes; a reload knows all."""
_TIDY_LOOKS: Final = 5
_SLICE: Final = 200
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0
_T = TypeVar("_T")  # PEP 695 is not in Python 3.11


class Desk:
    """Everything that the verifier's process does, until it is cancelled."""

    def __init__(
        self, store: Store, directory: Path, fetcher: Fetcher, clock: Callable[[], datetime]
    ) -> None:
        """Believe nobody yet; *directory* is for what is kept of each trust."""
        self._store = store
        self._directory = directory
        self._fetcher = fetcher
        self._clock = clock
        self._trusts: dict[str, Trust] = {}
        self._known: dict[str, Knowledge] = {}
        self._found: dict[Fingerprint, Found] = {}
        self._written: dict[Fingerprint, Verdict] = {}
        self._failed: set[Fingerprint] = set()
        self._again: dict[Fingerprint, datetime] = {}
        """When a path must be looked at again, since it ends or begins then."""
        self._noted: dict[str, tuple[ForeignList, ...]] = {}
        self._queue: asyncio.Queue[Fingerprint] = asyncio.Queue(QUEUE)
        self._queued: set[Fingerprint] = set()
        self._concluding: set[Fingerprint] = set()
        """Those that have been looked at, and wait for a server."""
        self._looks = asyncio.Semaphore(LOOKS)
        self._group: asyncio.TaskGroup | None = None
        self._keeping: dict[str, Keeping] = {}
        self._kept_up: dict[str, asyncio.Task[None]] = {}
        self._changing = asyncio.Lock()
        self._unjudged = True
        """Whether there is something in the store that was judged by other trusts."""
        self._looking = asyncio.Event()

    async def run(self, ready: Callable[[], None]) -> None:
        """Judge for ever; *ready* is called when it has begun."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            for name in self._known:
                self._keep_up(name)
            for _ in range(JUDGES):
                group.create_task(self._judge_for_ever())
            group.create_task(self._follow_for_ever())
            group.create_task(self._look_for_ever())
            ready()

    async def believe(self, trusts: Mapping[str, Trust]) -> list[str]:
        """Judge by *trusts* from now on, and soon what was judged before; say what has changed.

        That may be thousands, for which nobody waits: the edge goes by the same CAs already.
        """
        async with self._changing:
            changes = _difference(self._trusts, trusts)
            for name in [one for one in self._known if trusts.get(one) != self._trusts[one]]:
                await self._give_up(name)
            await asyncio.to_thread(_clear, self._directory, set(trusts))
            self._trusts = dict(trusts)
            # Whatever fails by these, or fails still, is to be told.
            self._failed.clear()
            for name, trust in trusts.items():
                if name not in self._known:
                    place = self._directory / name
                    knowledge = await asyncio.to_thread(Knowledge, trust, place, self._fetcher)
                    self._known[name] = knowledge
                    if self._group is not None:
                        self._keep_up(name)
            self._unjudged = self._unjudged or bool(changes)
            self._looking.set()
            for knowledge in self._known.values():
                # Whoever asks for a reload wants the newest of everything.
                knowledge.hurry()
        return changes

    def _keep_up(self, name: str) -> None:
        assert self._group is not None  # noqa: S101 - only while it runs
        keeping = Keeping(self._known[name], self._clock, self._keep_up_with, lambda: LOOK_SECONDS)
        self._keeping[name] = keeping
        self._kept_up[name] = self._group.create_task(keeping.run())

    async def _give_up(self, name: str) -> None:
        """Stop what works in the directory of a trust, which somebody else is to work in."""
        self._noted.pop(name, None)
        del self._known[name]
        for fingerprint in [key for key, found in self._found.items() if found.trust == name]:
            del self._found[fingerprint]
            self._written.pop(fingerprint, None)
        if (keeping := self._keeping.pop(name, None)) is not None:
            keeping.end()
        kept_up = self._kept_up.pop(name, None)
        if kept_up is not None:
            kept_up.cancel()
            await asyncio.wait([kept_up])

    # ---------------------------------------------------------------- first contact

    async def _follow_for_ever(self) -> None:
        """Hear of certificates that were shown; a broken feed is taken up again."""
        wait = _FIRST_WAIT
        while True:
            try:
                async with aclosing(self._store.follow()) as batches:
                    first = True
                    async for batch in batches:
                        wait = _FIRST_WAIT
                        await self._hear(batch, everything=first or batch.gap)
                        first = False
            except (StoreError, StoreUnavailable) as error:
                log.error("the feed is broken, again in %.1f s: %s", wait, error)
            await asyncio.sleep(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    async def _hear(self, batch: Batch, *, everything: bool) -> None:
        if everything:
            await self._look_for_waiting()
        for change in batch.changes:
            if change.kind is ChangeKind.PRESENTED:
                self._enqueue(Fingerprint(change.key))

    async def _look_for_waiting(self) -> None:
        for one in await self._store.presented(state=ForeignState.WAITING):
            self._enqueue(one.verdict.fingerprint)

    def _enqueue(self, fingerprint: Fingerprint) -> None:
        if fingerprint not in self._queued and not self._queue.full():
            self._queued.add(fingerprint)
            self._queue.put_nowait(fingerprint)

    async def _judge_for_ever(self) -> None:
        while True:
            fingerprint = await self._queue.get()
            self._queued.discard(fingerprint)
            if fingerprint not in self._concluding:
                await self._sparing(fingerprint, partial(self._judge_first, fingerprint))

    async def _sparing(
        self, fingerprint: Fingerprint, judge: Callable[[], Awaitable[None]]
    ) -> None:
        # It stays unjudged, so it opens nothing; the others are not to wait for it.
        with Containment(logged(f"{fingerprint} could not be judged")):
            await judge()

    def _log_refused(self, fingerprint: Fingerprint, error: BaseException) -> None:
        """Log how the judging has failed, once for a certificate until it can be judged."""
        if fingerprint not in self._failed:
            if len(self._failed) >= MOST_AGAIN:
                self._failed.clear()
            self._failed.add(fingerprint)
            log.error("%s could not be judged, and is refused", fingerprint, exc_info=error)

    async def _judge_first(self, fingerprint: Fingerprint) -> None:
        """Judge a certificate that waits for it, or let it wait for what others have to say."""
        trusts = self._trusts
        for row in await self._store.presented(state=ForeignState.WAITING, fingerprint=fingerprint):
            found = await self._look_at(row)
            keeping = None if isinstance(found, Verdict) else self._keeping.get(found.trust)
            if isinstance(found, Verdict) or keeping is None or self._group is None:
                await self._conclude(found, trusts)
            elif len(self._concluding) < QUEUE:
                self._concluding.add(fingerprint)
                # Not here: those who need nobody's word are not to wait behind this one.
                conclude = partial(self._conclude_after, keeping, found, trusts)
                self._group.create_task(self._sparing(fingerprint, conclude))

    async def _conclude_after(
        self, keeping: Keeping, found: Found, trusts: Mapping[str, Trust]
    ) -> None:
        try:
            with Containment(logged(f"{found.fingerprint} {_BY_WHAT_IS_KNOWN}")):
                await keeping.ask_about(found)
        finally:
            self._concluding.discard(found.fingerprint)
        await self._conclude(found, trusts)

    async def _conclude(self, found: Found | Verdict, trusts: Mapping[str, Trust]) -> None:
        if trusts is not self._trusts:
            # By those of before; what is judged by the present ones is not to be undone.
            self._enqueue(found.fingerprint)
            return
        verdict = self._verdict(found)
        if verdict is not None:
            log.info("%s: %s", _name_of(verdict), _words_of(verdict))
            # Its row may have been taken out since the last time; what waits has no verdict.
            await self._write([verdict], {})

    async def _look_at(self, row: Presented) -> Found | Verdict:
        """Look at path and identity, outside the loop, and remember what is found."""
        async with self._looks:
            now = self._clock()
            found = await self._find(row, now)
        self._remember(found, now)
        return found

    async def _find(self, row: Presented, now: datetime) -> Found | Verdict:
        fingerprint = row.verdict.fingerprint
        with Containment(partial(self._log_refused, fingerprint)):
            try:
                async with asyncio.timeout(PATH_SECONDS):
                    return await asyncio.to_thread(find, fingerprint, row.der, self._trusts, now)
            except TimeoutError:
                return refusal(fingerprint, b"", TOO_COSTLY, "its path takes too long to validate")
        return _broken(fingerprint, row.verdict.trust)

    def _remember(self, found: Found | Verdict, now: datetime) -> None:
        fingerprint = found.fingerprint
        self._again.pop(fingerprint, None)
        if isinstance(found, Found):
            self._found[fingerprint] = found
            self._again[fingerprint] = found.ends
            return
        # What cost too much may have cost it on a machine that had no time: what was found of it
        # before still holds, and it is looked at once more.
        costly = found.fault == TOO_COSTLY
        if not costly:
            self._found.pop(fingerprint, None)
            self._written.pop(fingerprint, None)
        begins = now if costly else begins_to_hold(found, self._trusts, now)
        if begins is not None and len(self._again) - len(self._found) < MOST_AGAIN:
            self._again[fingerprint] = begins

    # ---------------------------------------------------------------- whenever more is known

    async def _keep_up_with(self, knowledge: Knowledge) -> None:
        """Judge by what is known of one trust by now, and tell how that is."""
        await self._judge_known(knowledge.trust.name)
        await self._note(knowledge)

    async def _judge_known(self, trust: str) -> None:
        """Judge the certificates of *trust* by what is known of them now."""
        mine = [found for found in self._found.values() if found.trust == trust]
        for some in _slices(mine):
            # Those who wait for their first verdict are given one that has heard their server.
            told = [found for found in some if found.fingerprint not in self._concluding]
            await self._write([self._verdict(found) for found in told])
            await asyncio.sleep(0)

    async def _note(self, knowledge: Knowledge) -> None:
        """Tell doctor and metrics on every node how the lists are."""
        health = knowledge.health()
        if self._noted.get(knowledge.trust.name) != health:
            await self._store.note_lists(knowledge.trust.name, health)
            self._noted[knowledge.trust.name] = health

    async def _look_for_ever(self) -> None:
        """Look at paths that have ended or begun, and at what the feed has not told."""
        looks = 0
        while True:
            with Containment(logged("could not be looked at")):
                if self._unjudged:
                    await self._judge_all()
                await self._look_for_waiting()
                await self._judge_paths()
                if looks % _TIDY_LOOKS == 0:
                    await self._store.forget_presented(self._clock() - KEPT)
                looks += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._looking.wait()
            self._looking.clear()

    async def _judge_paths(self) -> None:
        now, trusts = self._clock(), self._trusts
        for fingerprint in [one for one, when in self._again.items() if when < now]:
            rows = await self._store.presented(fingerprint=fingerprint)
            if not rows:
                self._forget(fingerprint)
            for row in rows:
                verdict = await self._verdict_again(row)
                if trusts is not self._trusts:
                    return
                await self._write([verdict])

    async def _judge_all(self) -> None:
        """Judge everything anew that was judged before: the trusts are others now.

        What was found before counts until it is found anew, but for that of a trust that is gone: a
        list that arrives meanwhile is heard by everybody.
        """
        trusts, before = self._trusts, {*self._found, *self._again}
        await self._store.keep_lists([*trusts])
        rows = await self._store.presented()
        judged = (row for row in rows if row.verdict.state is not ForeignState.WAITING)
        for some in _slices(judged):
            verdicts = [await self._verdict_again(row) for row in some]
            if trusts is not self._trusts:
                # Once more, by those that there are by now; the next look does.
                return
            await self._write(verdicts, {row.verdict.fingerprint: row.verdict for row in some})
        for fingerprint in before - {row.verdict.fingerprint for row in rows}:
            self._forget(fingerprint)
        self._unjudged = False
        for knowledge in self._known.values():
            knowledge.wake()

    async def _verdict_again(self, row: Presented) -> Verdict | None:
        """Judge what was judged before."""
        found = await self._look_at(row)
        if isinstance(found, Found) and (knowledge := self._known.get(found.trust)) is not None:
            with Containment(logged(f"{found.fingerprint} {_BY_WHAT_IS_KNOWN}")):
                await knowledge.take_up(found, self._clock())
        elif (
            isinstance(found, Verdict)
            and found.fault == TOO_COSTLY
            and row.verdict.trust not in {"", *self._trusts}
        ):
            # Whatever its path is worth now, what it was worth is over.
            return refusal(found.fingerprint, row.der, NO_TRUST, "its trust was taken away")
        return self._verdict(found)

    def _verdict(self, found: Found | Verdict) -> Verdict | None:
        """Return what is to be written; None: nothing at the moment, since its trust changes."""
        if isinstance(found, Verdict):
            return found
        knowledge = self._known.get(found.trust)
        if knowledge is None:
            return None
        with Containment(partial(self._log_refused, found.fingerprint)):
            return verdict_of(found, knowledge.status(found, self._clock()))
        return _broken(found.fingerprint, found.trust)

    async def _write(
        self,
        verdicts: Iterable[Verdict | None],
        stored: Mapping[Fingerprint, Verdict] | None = None,
    ) -> None:
        """Write what is other than it is *stored*, or than it was written the last time."""
        stored = self._written if stored is None else stored
        known = [one for one in verdicts if one is not None]
        changed = [one for one in known if stored.get(one.fingerprint) != one]
        if changed:
            await self._store.judge(changed, by=BY)
        self._failed -= {one.fingerprint for one in known if one.fault != BROKEN}
        # Of what is refused nothing is to be remembered: nobody judges it again and again.
        self._written |= {one.fingerprint: one for one in known if one.fingerprint in self._found}

    def _forget(self, fingerprint: Fingerprint) -> None:
        self._found.pop(fingerprint, None)
        self._written.pop(fingerprint, None)
        self._again.pop(fingerprint, None)


def _clear(directory: Path, trusts: set[str]) -> None:
    """Keep nothing of a trust that was taken away: added again, it begins anew."""
    for place in directory.iterdir() if directory.is_dir() else ():
        if place.name not in trusts:
            shutil.rmtree(place, ignore_errors=True)


def _slices(rows: Iterable[_T]) -> Iterator[list[_T]]:
    left = iter(rows)
    while some := [*islice(left, _SLICE)]:
        yield some


def _broken(fingerprint: Fingerprint, trust: str) -> Verdict:
    """Return the verdict that refuses a certificate at which the judging itself has failed."""
    words = "judging it has failed; the log of the verifier says how"
    return refusal(fingerprint, b"", BROKEN, words, trust=trust)


def _name_of(verdict: Verdict) -> str:
    return f"{verdict.trust or 'no trust'}: certificate {verdict.serial or verdict.fingerprint}"


def _words_of(verdict: Verdict) -> str:
    if verdict.state is ForeignState.REFUSED:
        return f"refused: {verdict.words} ({verdict.fault})"
    whose = f"{verdict.by} {verdict.identity}" if verdict.identity else "nobody"
    return f"taken for {whose}: {verdict.words}"


def _difference(old: Mapping[str, Trust], new: Mapping[str, Trust]) -> list[str]:
    return [
        *(f"trust {name} added" for name in new if name not in old),
        *(f"trust {name} removed" for name in old if name not in new),
        *(f"trust {name} changed" for name in new if name in old and new[name] != old[name]),
    ]
