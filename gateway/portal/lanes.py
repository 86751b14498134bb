"""A queue with an end, for work that costs memory and a core."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

QUEUE: Final = 16
"""How many may wait until their password is hashed: some seconds."""


class LaneFull(Exception):
    """Nobody more may wait."""


class Lane:
    """One password after the other, and an end to the queue."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for one's turn, and have it; raises `LaneFull` where the queue is too long."""
        if self._waiting >= QUEUE:
            raise LaneFull
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1
