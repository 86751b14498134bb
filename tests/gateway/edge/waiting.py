"""Waiting in tests: for what must come, with a limit that only a failure reaches."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

PATIENCE: Final = 10.0
_LOOK: Final = 0.005

T = TypeVar("T")


async def soon(what: Awaitable[T]) -> T:
    """Wait for *what*, which comes soon or never."""
    async with asyncio.timeout(PATIENCE):
        return await what


async def until(holds: Callable[[], object]) -> None:
    """Wait until *holds* says yes."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - looks into parts that know nothing of tests
            await asyncio.sleep(_LOOK)


async def turns(count: int = 5) -> None:
    """Let everything else that is ready have its turn, *count* times."""
    for _ in range(count):
        await asyncio.sleep(0)
