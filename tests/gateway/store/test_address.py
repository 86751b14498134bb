"""Addresses of stores."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.store.address import address_of, file_of, parse_address


@pytest.mark.parametrize(
    "path", ["/site/store/x.sqlite3", "/a b/x", "/a%20b/x", "/50%/x", "/why?/x", "/a#b/x", "/à/x"]
)
def test_every_path_survives_its_address(path: str) -> None:
    """Whatever is in a path, its address leads back to it."""
    assert file_of(parse_address(address_of(Path(path)))) == Path(path)


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1))
def test_any_name_of_a_file_survives_its_address(name: str) -> None:
    """No character of a file's name means anything in its address."""
    path = Path("/") / name
    assert file_of(parse_address(address_of(path))) == path


def test_a_postgresql_has_no_file() -> None:
    """The other kind of store is no file."""
    assert file_of(parse_address("postgresql+asyncpg://gate:secret@db/pusterla")) is None


@pytest.mark.parametrize(
    "address",
    [
        "",
        "pusterla.sqlite3",
        "/site/store/pusterla.sqlite3",
        "sqlite:////site/pusterla.sqlite3",
        "sqlite+aiosqlite:///relative.sqlite3",
        "sqlite+aiosqlite://",
        "sqlite+aiosqlite:////why?/pusterla.sqlite3",
        "postgresql://gate:secret@db/pusterla",
        "postgresql+asyncpg://gate:secret@db",
        "postgresql+asyncpg://gate:secret@db:port/pusterla",
        "mysql+aiomysql://gate:secret@db/pusterla",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_a_password(address: str) -> None:
    """The error says what is expected, and no password that was in the address."""
    with pytest.raises(ValueError, match="a store's address is") as refused:
        parse_address(address)
    assert "secret" not in str(refused.value)
