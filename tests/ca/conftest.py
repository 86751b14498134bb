"""Fixtures of the certificate authority's tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from ca import ledger
from tests.ca.databases import Begin, sqlite_engine
from tests.ca.makers import CA, make_ca
from tests.postgres import Postgres


@pytest.fixture(scope="session")
def ca() -> CA:
    """Return root and issuing CA, made at `makers.NOW`."""
    return make_ca()


@pytest.fixture(scope="session")
def one_postgres_url(postgres: Postgres) -> str:
    """Return the address of a database that these tests use one after the other."""
    return postgres.url(postgres.create())


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncEngine:
    """Return a real database."""
    if request.param == "postgresql":
        return create_async_engine(request.getfixturevalue("one_postgres_url"))
    return sqlite_engine(tmp_path / "ledger.sqlite3")


@pytest.fixture
async def begin(engine: AsyncEngine) -> AsyncIterator[Begin]:
    """Yield what opens a transaction on a database with the ledger's tables, all empty."""
    async with engine.begin() as connection:
        await connection.run_sync(ledger.metadata.drop_all)
        await connection.run_sync(ledger.metadata.create_all)
    yield engine.begin
    await engine.dispose()
