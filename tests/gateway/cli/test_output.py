import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.output import local, names, printable, spell, table, utc

MOMENT = datetime(2026, 11, 24, 18, 40, 5, 123456, tzinfo=UTC)


@pytest.fixture
def rome(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine in Rome."""
    monkeypatch.setenv("TZ", "Europe/Rome")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_people_read_local_times_with_their_offset(rome: None) -> None:
    """Also where two clocks meet, nobody has to guess."""
    assert local(MOMENT) == "2026-11-24 19:40:05+01:00"
    assert local(None) == ""


def test_programs_read_utc(rome: None) -> None:
    """ISO 8601, whole seconds."""
    assert utc(MOMENT) == "2026-11-24T18:40:05Z"
    assert utc(None) is None


def test_columns_are_aligned_and_nothing_is_cut_off() -> None:
    """An empty cell is a dash, so that columns can be counted."""
    rows = [("USER", "NAME"), ("anna", "Anna Rossi"), ("b", "")]
    assert table(rows) == "USER  NAME\nanna  Anna Rossi\nb     -"


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Lima"])
def test_what_never_ends_can_be_written(
    zone: str, rome: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last second of the year 9999 in UTC is in no year further east."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    assert local(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)).startswith("9999-12-31 ")


@given(st.text())
def test_nothing_that_is_printed_moves_the_cursor(text: str) -> None:
    """Whatever people are called."""
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    "duration, words",
    [
        (timedelta(days=6, hours=23, minutes=5), "6 days 23 hours"),
        (timedelta(days=1), "1 day 0 hours"),
        (timedelta(hours=1, minutes=1, seconds=59), "1 hour 1 minute"),
        (timedelta(seconds=1), "1 second"),
        (timedelta(seconds=-5), "0 seconds"),
    ],
)
def test_durations_are_spelt_with_two_units(duration: timedelta, words: str) -> None:
    """More would be noise."""
    assert spell(duration) == words


def test_names_are_in_a_fixed_order() -> None:
    """And nothing named at all has words of its own."""
    assert names({"b", "a"}, everything="any") == "a, b"
    assert names(None, everything="any") == "any"
