"""Fixtures of the certificate authority's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ca import ledger
from tests.ca.databases import Begin, sqlite_engine


@pytest.fixture
async def begin(tmp_path: Path) -> AsyncIterator[Begin]:
    """Yield what opens a transaction on a real database with the ledger's tables."""
    engine = sqlite_engine(tmp_path / "ledger.sqlite3")
    async with engine.begin() as connection:
        await connection.run_sync(ledger.metadata.create_all)
    yield engine.begin
    await engine.dispose()
