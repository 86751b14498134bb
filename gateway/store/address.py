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
        fits = False
    else:
        # A question mark ends an SQLite path: what stands behind it was meant to be part of it.
        fits = (
            Path(url.database or "").is_absolute() and "?" not in text
            if url.drivername == SQLITE
            else url.drivername == POSTGRESQL and bool(url.database)
        )
    if not fits:
        # The text may hold a password, so it is not repeated.
        raise ValueError(
            f"a store's address is {SQLITE}:////absolute/path/pusterla.sqlite3"
            f" or {POSTGRESQL}://user:password@host/database"
        )
    return url


def address_of(path: Path) -> str:
    """Return the address of the SQLite store in *path*, which is absolute."""
    return URL.create(SQLITE, database=str(path)).render_as_string()


def file_of(url: URL) -> Path | None:
    """Return the file of an SQLite store; a PostgreSQL has none."""
    return Path(url.database or "") if url.drivername == SQLITE else None


def file_uri(path: Path) -> str:
    """Name *path* as SQLite does, so that opening it never makes it.

    A store that has been moved away must be an error and not an empty store.
    """
    return f"file:{quote(str(path))}?mode=rw"
