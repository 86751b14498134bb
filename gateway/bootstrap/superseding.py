"""What was renewed ends by itself: the old certificate is superseded when its overlap is over.

Part of the authority's process, though it needs no key: a revocation is a row, and the lists that
say so follow from the feed. What came due while nothing ran is caught up at the start.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime

from gateway.bootstrap.process import log
from gateway.core.ports import StoreUnavailable
from gateway.store import Store, StoreError

LOOK_SECONDS = 60.0
"""How often it looks when nothing calls: a clock that was set is not heard of otherwise."""
AGAIN_SECONDS = 5.0
"""How long it waits after the store has failed."""


class Superseder:
    """Revokes as *superseded* what has been renewed and has come to the end of its overlap."""

    def __init__(self, store: Store, clock: Callable[[], datetime], by: str) -> None:
        """Do it in *store*, told in feed and audit log as done *by*."""
        self._store = store
        self._clock = clock
        self._by = by
        self._called = asyncio.Event()

    def look(self) -> None:
        """Look again: a certificate has changed, so another moment may be the next."""
        self._called.set()

    async def supersede(self) -> None:
        """Revoke all that is due now, in slices; raise as the store does."""
        while revoked := await self._store.supersede_due(by=self._by):
            for record in revoked:
                log.info(
                    "certificate %s of %s on %s is superseded by its renewal",
                    record.serial,
                    record.username,
                    record.device,
                )

    async def supersede_for_ever(self) -> None:
        """Revoke what is due, on time, whatever the store does meanwhile."""
        while True:
            # Cleared before it looks: what changes meanwhile calls for another look.
            self._called.clear()
            looked = self._clock()
            try:
                await self.supersede()
                pause = await self._pause(looked)
            except (StoreError, StoreUnavailable) as error:
                log.error("nothing could be superseded: %s", error)
                pause = AGAIN_SECONDS
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._called.wait()

    async def _pause(self, looked: datetime) -> float:
        # From before it looked on: what came due meanwhile would be in neither answer.
        moment = await self._store.next_superseding(looked)
        if moment is None:
            return LOOK_SECONDS
        return min(LOOK_SECONDS, max(0.0, (moment - self._clock()).total_seconds()))
