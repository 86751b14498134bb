from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ca.ledger import record_issuer
from ca.lists import CRLRecord, record_crl
from ca.scopes import CRLKind
from gateway.bootstrap.snapshot import crl_snapshot, foreign_snapshot
from gateway.core.foreign import ForeignList
from gateway.store import Store, address_of, create_store, open_store

NOW = datetime(2026, 11, 21, 9, 0, tzinfo=UTC)
ISSUER = "issuing-1"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A store with a full list and a delta."""
    address = address_of(tmp_path / "store" / "pusterla.sqlite3")
    await create_store(address)
    async with open_store(address, lambda: NOW) as store:
        async with store.begin() as connection:
            await record_issuer(connection, name=ISSUER, der=b"der")
            for number, kind, days in ((1, CRLKind.FULL, 7), (2, CRLKind.DELTA, 1)):
                end = NOW + timedelta(days=days)
                await record_crl(
                    connection, CRLRecord(ISSUER, number, NOW, end, b"", kind=kind, base=1)
                )
        yield store


async def test_each_list_is_told_by_its_kind(store: Store) -> None:
    """With its number, its age and what is left of it."""
    assert await crl_snapshot(store, NOW + timedelta(days=2), deltas=True) == [
        {
            "issuer": ISSUER,
            "kind": kind,
            "partition": "",
            "number": number,
            "age_seconds": 2 * 86400,
            "seconds_to_next_update": left * 86400,
        }
        for kind, number, left in (("full", 1, 5), ("delta", 2, -1))
    ]


async def test_a_delta_that_nobody_signs_any_more_is_not_told(store: Store) -> None:
    """Its end is not somebody's failure."""
    found = await crl_snapshot(store, NOW, deltas=False)
    assert found is not None
    assert [one["kind"] for one in found] == ["full"]


async def test_lists_of_other_cas_are_told_as_far_as_they_are_known(store: Store) -> None:
    """Where none was ever had there is no end, and that is a failure."""
    end = NOW + timedelta(days=1)
    had = ForeignList("corp", "http://a", "CN=Corp", "7", NOW, end, entries=3)
    await store.note_lists("corp", [had, ForeignList("corp", "http://b", failure="no answer")])
    facts = {"trust": "corp", "source": "http://a", "entries": 3, "failing": 0}
    assert await foreign_snapshot(store, NOW + timedelta(days=2)) == [
        facts | {"age_seconds": 2 * 86400, "seconds_to_next_update": -86400},
        {"trust": "corp", "source": "http://b", "entries": 0, "failing": 1},
    ]
