from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ca.ledger import record_issuer
from ca.lists import CRLRecord, record_crl
from ca.scopes import CRLKind
from gateway.bootstrap.snapshot import crl_snapshot
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
