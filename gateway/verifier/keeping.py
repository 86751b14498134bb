"""Keep up what is known of one trust: fetch what is due, and have it judged as soon as it is had.

No source waits for another: a server that hangs costs those who need its word, and nobody else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final

from gateway.verifier.containment import Containment, logged
from gateway.verifier.findings import Found
from gateway.verifier.knowledge import Knowledge

FETCH_SECONDS: Final = 4.0
"""How long a first contact waits for a list: less than the edge waits for the verdict."""
_BREATH: Final = 0.2
"""The least time between two looks at what is due of one trust, and between two judgements."""
_FIRST_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 30.0


class Keeping:
    """Works for one trust until `run` is cancelled; nothing that it has begun goes on after that."""

    def __init__(
        self,
        knowledge: Knowledge,
        clock: Callable[[], datetime],
        judge: Callable[[Knowledge], Awaitable[None]],
        longest: Callable[[], float],
    ) -> None:
        """Begin with nothing; *judge* is called whenever more may be known than the last time.

        And every *longest* seconds, as looks at what is due are.
        """
        self.knowledge = knowledge
        self._clock = clock
        self._judge = judge
        self._longest = longest
        self._group: asyncio.TaskGroup | None = None
        self._failures = 0

    async def run(self) -> None:
        """Fetch and have judged, for ever."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            group.create_task(self._judge_for_ever())
            group.create_task(self._fetch_for_ever(group))

    def end(self) -> None:
        """Begin nothing more: `run` is about to be cancelled."""
        self._group = None

    async def ask_about(self, found: Found) -> None:
        """Fetch what speaks of *found*, whom somebody shows for the first time; not for long.

        What takes longer goes on, and is news when it is there.
        """
        knowledge, now = self.knowledge, self._clock()
        await knowledge.take_up(found, now)
        if self._group is None or knowledge.is_enough(found, now):
            return
        told = asyncio.Event()
        fetch = partial(knowledge.refresh_about, found, now, told)
        fetching = self._group.create_task(self._fetch(fetch))
        fetching.add_done_callback(lambda _: told.set())
        fetching.add_done_callback(lambda _: knowledge.wake())
        with suppress(TimeoutError):
            async with asyncio.timeout(FETCH_SECONDS):
                while not (fetching.done() or knowledge.is_enough(found, self._clock())):
                    await told.wait()
                    told.clear()

    async def _fetch_for_ever(self, group: asyncio.TaskGroup) -> None:
        while True:
            group.create_task(self._refresh())
            await asyncio.sleep(_BREATH)
            if self._failures:
                await asyncio.sleep(_pause(self._failures))
            await self.knowledge.wait(self._clock(), self._longest())

    async def _refresh(self) -> None:
        # What first contacts fetch is not counted: whoever comes, this goes on in its own time.
        had = await self._fetch(partial(self.knowledge.refresh, self._clock()))
        self._failures = 0 if had else self._failures + 1

    async def _fetch(self, fetch: Callable[[], Awaitable[None]]) -> bool:
        """Fetch, tell of news either way, and say whether nothing has failed."""
        words = f"{self.knowledge.trust.name}: not everything could be fetched"
        with Containment(logged(words)) as fetching:
            await fetch()
        self.knowledge.announce()
        return not fetching.failed

    async def _judge_for_ever(self) -> None:
        failures, words = 0, f"{self.knowledge.trust.name}: could not be kept up"
        while True:
            news = self.knowledge.news
            with Containment(logged(words)) as judging:
                await self._judge(self.knowledge)
            if judging.failed:
                failures += 1
                await asyncio.sleep(_pause(failures))
                continue
            failures = 0
            await asyncio.sleep(_BREATH)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._longest()):
                    await news.wait()


def _pause(failures: int) -> float:
    return min(_FIRST_WAIT * 2.0 ** min(failures - 1, 10), _LONGEST_WAIT)
