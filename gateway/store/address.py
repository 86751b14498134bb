"""Addresses of stores: the two kinds there are, and where the file of one lies."""

from pathlib import Path
from urllib.parse import quote

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

SQLITE = "sqlite+aiosqlite"
POSTGRESQL = "postgresql+asyncpg"


def parse_address(text: str) -> URL:
    """Read the address of a store, or raise `ValueError` that says what is expected."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # The text may hold a password, so it is not repeated.
        url = None
    if url is not None and url.drivername == SQLITE and Path(url.database or "").is_absolute():
        return url
    if url is not None and url.drivername == POSTGRESQL and url.database:
        return url
    raise ValueError(
        f"a store's address is {SQLITE}:////absolute/path/pusterla.sqlite3"
        f" or {POSTGRESQL}://user:password@host/database"
    )


def file_of(url: URL) -> Path | None:
    """Return the file of an SQLite store; a PostgreSQL has none."""
    return Path(url.database or "") if url.drivername == SQLITE else None


def file_uri(path: Path) -> str:
    """Name *path* as SQLite does, so that opening it never makes it.

    A store that has been moved away must be an error and not an empty store.
    """
    return f"file:{quote(str(path))}?mode=rw"
