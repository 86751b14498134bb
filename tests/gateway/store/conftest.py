"""Fixtures of the store's tests: each test runs on SQLite and on PostgreSQL."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.store import Store, address_of, create_store, open_store
from tests.gateway.store.scenes import Clock


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    """Say on which database the test runs."""
    return str(request.param)


@pytest.fixture
def empty_url(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Return an address at which there is no store yet."""
    if database == "postgresql":
        return str(request.getfixturevalue("postgres_url"))
    return address_of(tmp_path / "store" / "pusterla.sqlite3")


@pytest.fixture
def postgres_or_none(database: str, request: pytest.FixtureRequest) -> str | None:
    """Return the address of a PostgreSQL with a store in it, if the test runs on one."""
    if database == "postgresql":
        return str(request.getfixturevalue("postgres_store_url"))
    return None


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a store with nobody in it, to be copied."""
    file = tmp_path_factory.mktemp("template") / "pusterla.sqlite3"
    # In a thread, since the loop of whoever asks must not be disturbed.
    with ThreadPoolExecutor(1) as aside:
        aside.submit(lambda: asyncio.run(create_store(address_of(file)))).result()
    return file


@pytest.fixture
def store_url(postgres_or_none: str | None, sqlite_template: Path, tmp_path: Path) -> str:
    """Return the address of a store with nobody in it."""
    if postgres_or_none is not None:
        return postgres_or_none
    file = tmp_path / "store" / sqlite_template.name
    file.parent.mkdir(mode=0o700)
    shutil.copy(sqlite_template, file)
    return address_of(file)


@pytest.fixture
def clock() -> Clock:
    """Return the clock that the store looks at."""
    return Clock()


@pytest.fixture
async def store(store_url: str, clock: Clock) -> AsyncIterator[Store]:
    """Yield an open store with nobody in it."""
    async with open_store(store_url, clock) as opened:
        yield opened


async def sqlite_store(folder: Path) -> str:
    """Make an SQLite store in *folder* and return its address."""
    url = address_of(folder / "store" / "pusterla.sqlite3")
    await create_store(url)
    return url
