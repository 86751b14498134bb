"""What the edge needs of a store, kept by a store that is always out of order."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from gateway.core.audit import AuditEvent
from gateway.core.changes import Batch
from gateway.core.days import DayUse, Spending
from gateway.core.people import Fingerprint, Holder
from gateway.core.ports import EdgeStore, StoreUnavailable
from gateway.core.sessions import Session, SessionId


class BrokenStore:
    """The least that a store must offer: its type is what this file tests."""

    async def holder(self, fingerprint: Fingerprint) -> Holder | None:
        raise StoreUnavailable

    async def present(self, fingerprint: Fingerprint, certificate: bytes) -> None:
        raise StoreUnavailable

    async def session(self, session: SessionId) -> Session | None:
        raise StoreUnavailable

    async def used_at(self, session: SessionId, app: str) -> datetime | None:
        raise StoreUnavailable

    async def note_use(self, session: SessionId, app: str, at: datetime) -> datetime:
        raise StoreUnavailable

    async def spend_day(self, use: DayUse) -> Spending:
        raise StoreUnavailable

    async def follow(self) -> AsyncIterator[Batch]:
        yield Batch(())
        raise StoreUnavailable

    async def record(self, *events: AuditEvent) -> None:
        raise StoreUnavailable


async def test_a_store_that_cannot_answer_says_so() -> None:
    """Never None, which would mean that there is no such certificate or session."""
    store: EdgeStore = BrokenStore()
    with pytest.raises(StoreUnavailable):
        await store.holder(Fingerprint("ab" * 32))
    with pytest.raises(StoreUnavailable):
        await store.present(Fingerprint("ab" * 32), b"der")
    with pytest.raises(StoreUnavailable):
        await store.session(SessionId("00" * 16))
    with pytest.raises(StoreUnavailable):
        await store.used_at(SessionId("00" * 16), "wiki")
    with pytest.raises(StoreUnavailable):
        await store.note_use(SessionId("00" * 16), "wiki", datetime.now(UTC))
    with pytest.raises(StoreUnavailable):
        await store.record()


async def test_a_feed_ends_with_an_error_and_not_in_silence() -> None:
    """The first batch comes at once; what the store cannot tell later is raised."""
    store: EdgeStore = BrokenStore()
    feed = store.follow()
    assert await anext(feed) == Batch(())
    with pytest.raises(StoreUnavailable):
        await anext(feed)


def test_an_unavailable_store_is_no_other_error() -> None:
    """It is caught by its own name, not together with what sockets and files raise."""
    assert StoreUnavailable.__bases__ == (Exception,)
