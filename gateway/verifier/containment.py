"""Keep to itself whatever goes wrong with one certificate, one responder or one trust.

What is judged and read here strangers have written, and a library may break at it. Its panic is no
`Exception`, so that `except Exception` would end the process, and with it everybody's judging.
"""

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from gateway.core.ports import StoreUnavailable
from gateway.store import StoreError

log = logging.getLogger("pusterla.verifier")

_PASSING: Final = (asyncio.CancelledError, KeyboardInterrupt, SystemExit)
"""What is no failure: somebody wants an end. All else may be."""


class Containment:
    """A block in a coroutine that is left at whatever fails in it, and goes on behind it.

    What wants an end of the task or of the process passes, also out of a group, and where
    something else has failed while the task was being ended.
    """

    def __init__(self, tell: Callable[[BaseException], None]) -> None:
        """*tell* is called with what has failed."""
        self._tell = tell
        self.failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> bool:
        if error is None or _passes(error):
            return False
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # A group of tasks raises their failures in the place of its own cancellation.
            raise asyncio.CancelledError from error
        self.failed = True
        self._tell(error)
        return True


def _passes(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(_PASSING) is not None
    return isinstance(error, _PASSING)


def logged(words: str) -> Callable[[BaseException], None]:
    """Return what tells the log of a failure: how, but for the store's, which says it in words."""

    def tell(error: BaseException) -> None:
        if isinstance(error, (StoreError, StoreUnavailable)):
            log.error("%s: %s", words, error)
        else:
            log.error("%s", words, exc_info=error)

    return tell
