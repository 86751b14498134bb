"""A short queue of letters, and another try for each that the mail server did not take.

What a letter tells of is durable before the letter is written; so a letter that cannot be
delivered, or is lost with this process, is written down and holds nothing up.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final

from gateway.core.audit import AuditEvent, AuditKind
from gateway.core.ports import StoreUnavailable
from gateway.core.site import Site
from gateway.mail.letters import Letter, message_of
from gateway.mail.posting import MailServer, PostFailed, post

QUEUE: Final = 100
"""How many letters may wait: as many people as can lose a stick while a mail server is away."""
WAITS: Final = (5.0, 30.0, 120.0, 600.0)
"""After how many seconds a letter is tried once more."""
FINISH_SECONDS: Final = 5.0

log = logging.getLogger("pusterla.mail")


class Postman:
    """Delivers letters, as long as `at_work` lasts."""

    def __init__(
        self,
        site: Callable[[], Site],
        server: Callable[[], MailServer],
        record: Callable[[AuditEvent], Awaitable[None]],
        clock: Callable[[], datetime],
        waits: Sequence[float] = WAITS,
    ) -> None:
        """*site* and *server* are asked anew for each try, since the settings may change."""
        self._site = site
        self._server = server
        self._record = record
        self._clock = clock
        self._waits = waits
        self._working = False
        self._under_way: dict[asyncio.Task[None], Letter] = {}
        self._turn = asyncio.Lock()
        self._stopping = asyncio.Event()

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Deliver what is handed over within the block; its end waits a little for the rest."""
        self._working = True
        try:
            yield
        finally:
            self._working = False
            await self._finish()

    async def _finish(self) -> None:
        # Whoever waits for another try has it now, and none after that.
        self._stopping.set()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=FINISH_SECONDS)
        for task, letter in [*self._under_way.items()]:
            task.cancel()
            await self._note(letter, "stopped")

    @property
    def room(self) -> int:
        """How many letters that can wait may be handed over now.

        Half of the queue is left to those that cannot, of a lost stick, while no server takes any.
        """
        return max(0, QUEUE // 2 - len(self._under_way))

    def take(self, letter: Letter) -> None:
        """Take *letter*, to be delivered; where too many wait already, it is written down as lost."""
        if not self._working:
            log.error("a letter about %s comes too late and is lost", letter.about)
            return
        full = len(self._under_way) >= QUEUE
        work = self._note(letter, "queue-full") if full else self._deliver(letter)
        task = asyncio.create_task(work)  # noqa: TID251 - kept, and waited for at the end
        self._under_way[task] = letter
        task.add_done_callback(self._put_away)

    def _put_away(self, task: asyncio.Task[None]) -> None:
        letter = self._under_way.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.critical(
                "a letter about %s is lost by an error of ours", letter.about, exc_info=error
            )

    async def _deliver(self, letter: Letter) -> None:
        number = secrets.token_hex(16)
        reason = "not-reached"
        for wait in (0.0, *self._waits):
            await self._pause(wait)
            try:
                # One at a time: a crowd of letters is no crowd of connections.
                async with self._turn:
                    await self._post(letter, number)
            except PostFailed as error:
                log.error("a letter about %s was not taken: %s", letter.about, error)
                reason = "refused" if error.for_good else "not-reached"
                if error.for_good or self._stopping.is_set():
                    break
            else:
                await self._note(letter, None)
                return
        await self._note(letter, reason)

    async def _post(self, letter: Letter, number: str) -> None:
        site = self._site()
        try:
            message = message_of(letter, site, self._clock(), number)
        except ValueError as error:
            raise PostFailed(f"an address in it is none: {error}", for_good=True) from error
        await post(self._server(), message, letter.to)

    async def _pause(self, seconds: float) -> None:
        if seconds:
            try:
                async with asyncio.timeout(seconds):
                    await self._stopping.wait()
            except TimeoutError:
                return

    async def _note(self, letter: Letter, reason: str | None) -> None:
        """Write down what became of *letter*."""
        if reason is not None:
            log.error("a letter about %s is lost: %s", letter.about, reason)
        event = AuditEvent(
            AuditKind.MAIL_SENT if reason is None else AuditKind.MAIL_FAILED,
            self._clock(),
            reason=reason or "",
            detail={"about": letter.about, "to": " ".join(letter.to)},
        )
        try:
            await self._record(event)
        except StoreUnavailable as error:
            log.error("what became of a letter about %s: %s", letter.about, error)
