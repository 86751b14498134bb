"""One form, one answer: a double tap, a weak network or a reload is not a second attempt.

A form has a mark that is new with each page. What is sent again with the same mark and the same
words, within a minute, gets the answer that the first one had, or will have. So nobody reads "this
code was used" because their finger trembled, and what is shown once is not lost by it.

Kept in memory, in one process, under a key that nobody else ever has. It guards nothing: what may
happen once, the store lets happen once.
"""

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, Generic, TypeVar

Answer = TypeVar("Answer")

MARK_BYTES: Final = 16
MARK_MAXIMUM: Final = 64
_TWICE: Final = timedelta(minutes=1)
"""How long a form that is sent again gets the answer it had."""
_FORMS: Final = 500


def new_mark() -> str:
    """Return what tells one form from the next; it is no secret, and opens nothing."""
    return secrets.token_hex(MARK_BYTES)


def digest_of(key: bytes, *words: str) -> bytes:
    """Return what stands for *words*, and for no others, to whoever has *key*."""
    message = b"".join(
        len(octets).to_bytes(4) + octets
        for octets in (word.encode(errors="surrogatepass") for word in words)
    )
    return hmac.digest(key, message, sha256)


class Repeats(Generic[Answer]):
    """The answers that were given lately."""

    def __init__(self, clock: Callable[[], datetime], final: Callable[[Answer], bool]) -> None:
        """An answer that is not *final* is given to those who wait for it, and to nobody later."""
        self._clock = clock
        self._final = final
        self._forms: OrderedDict[bytes, tuple[datetime, asyncio.Future[Answer]]] = OrderedDict()
        self._key = secrets.token_bytes(32)

    async def once(
        self, mark: str, words: tuple[str, ...], do: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        """Return what *do* answers to a form with *mark* and *words*; without a mark, each time."""
        if not mark:
            return await do()
        form, now = digest_of(self._key, mark, *words), self._clock()
        self._forget(now)
        if form in self._forms:
            return await asyncio.shield(self._forms[form][1])
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()
        self._forms[form] = (now, answer)
        # It may show what is shown once: kept no longer, though no other form ever comes.
        loop.call_later(_TWICE.total_seconds(), self._forget_one, form, answer)
        try:
            found = await do()
            answer.set_result(found)
            if not self._final(found):
                # Whoever is told to try again, tries again.
                self._forms.pop(form, None)
        except BaseException as error:
            self._forms.pop(form, None)
            answer.set_exception(error if isinstance(error, Exception) else TimeoutError())
            # Nobody may be waiting who would look at it.
            answer.exception()
            raise
        return found

    def _forget(self, now: datetime) -> None:
        while self._forms:
            since, _ = next(iter(self._forms.values()))
            if len(self._forms) <= _FORMS and since <= now < since + _TWICE:
                return
            self._forms.popitem(last=False)

    def _forget_one(self, form: bytes, answer: "asyncio.Future[Answer]") -> None:
        if form in self._forms and self._forms[form][1] is answer:
            del self._forms[form]
