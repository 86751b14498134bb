"""What the edge needs of a store; `gateway.store` keeps these promises."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Protocol

from gateway.core.audit import AuditEvent
from gateway.core.changes import Batch
from gateway.core.days import DayUse, Spending
from gateway.core.people import Fingerprint, Holder
from gateway.core.sessions import Session, SessionId


class StoreUnavailable(Exception):
    """The store could not be asked or could not answer; nothing may be concluded from it."""


class EdgeStore(Protocol):
    """The store as one worker of the edge sees it.

    Every method may raise `StoreUnavailable`; the caller then refuses.
    """

    async def holder(self, fingerprint: Fingerprint) -> Holder | None:
        """Return the certificate with *fingerprint* that we know of, and its person.

        None: we never issued it, and have not judged it either.
        """
        ...

    async def present(self, fingerprint: Fingerprint, certificate: bytes) -> None:
        """Let *certificate* (DER), which another CA has issued, be judged.

        Whoever is told by the feed that it changed finds the verdict with `holder`.
        """
        ...

    async def session(self, session: SessionId) -> Session | None:
        """Return the session, ended or not, or None if there never was one."""
        ...

    async def used_at(self, session: SessionId, app: str) -> datetime | None:
        """Return when *app* was last used on *session*, as far as `note_use` was told."""
        ...

    async def note_use(self, session: SessionId, app: str, at: datetime) -> datetime:
        """Note that *app* is used on *session*; return when it was last, which is *at* or later."""
        ...

    async def spend_day(self, use: DayUse) -> Spending:
        """Let a day of a quota count, if one is left, whoever else asks at the same instant.

        What is asked of the store afterwards knows it.
        """
        ...

    def follow(self) -> AsyncIterator[Batch]:
        """Yield every later change of the feed, and an empty batch at least each second.

        The first batch comes at once and stands for "from here on": what is
        asked of the store after it is covered by the batches that follow.
        """
        ...

    async def record(self, *events: AuditEvent) -> None:
        """Write *events* to the audit log; returns when they are durable."""
        ...
