"""Calendars from TOML, and the one that is there without being written."""

import tomllib
from datetime import date, timedelta
from pathlib import Path

import pytest

import policies
from policies.calendars import read_calendar
from policies.days import AroundEaster, Calendar, Dates, Yearly
from policies.reading import Problem, Section

ITALY = Path(policies.__file__).parent / "holidays" / "it.toml"


def read(text: str) -> tuple[Calendar | None, list[str]]:
    """Read a calendar, with the problems that there are."""
    problems: list[Problem] = []
    found = read_calendar("x", Section(tomllib.loads(text), "holidays/x.toml", problems))
    return found, [str(problem).removeprefix("holidays/x.toml: ") for problem in problems]


def test_each_kind_of_holiday() -> None:
    """By month and day, by Easter, by date."""
    text = """
    holidays = [
        {name = "Saint Ambrose", every = "12-07"},
        {every = "10-04", since = 2026},
        {easter = 1},
        {date = 2026-12-24},
        {date = 2026-08-10, until = 2026-08-21},
    ]
    """
    assert read(text) == (
        Calendar(
            "x",
            (
                Yearly(12, 7),
                Yearly(10, 4, 2026),
                AroundEaster(1),
                Dates(date(2026, 12, 24), date(2026, 12, 24)),
                Dates(date(2026, 8, 10), date(2026, 8, 21)),
            ),
        ),
        [],
    )


@pytest.mark.parametrize(
    "text, said",
    [
        ("", "holidays: missing: a calendar has one [[holidays]] at least"),
        ("holidays = [{}]", "holidays[1]: say when it is by one of 'every', 'easter' and 'date'"),
        (
            "holidays = [{every = '12-25', easter = 1}]",
            "holidays[1]: say when it is by one of 'every', 'easter' and 'date'",
        ),
        (
            "holidays = [{every = '25-12'}]",
            "holidays[1].every: '25-12' is no day of a year, month first, as in '12-25'",
        ),
        (
            "holidays = [{every = 'Christmas'}]",
            "holidays[1].every: 'Christmas' is no day of a year: write month and day, as in '12-25'",
        ),
        (
            "holidays = [{date = 2026-08-21, until = 2026-08-10}]",
            "holidays[1].until: 2026-08-10 is before date, 2026-08-21",
        ),
        (
            "holidays = [{every = '12-25', until = 2026-08-10}]",
            "holidays[1].until: belongs to 'date'",
        ),
        (
            "holidays = [{date = 2026-08-21, since = 2026}]",
            "holidays[1].since: belongs to 'every' and 'easter'",
        ),
        (
            "holidays = [{everi = '12-25', easter = 1}]",
            "holidays[1].everi: unknown key; did you mean 'every'?",
        ),
    ],
)
def test_problems_have_their_place(text: str, said: str) -> None:
    """One message for one mistake."""
    assert read(text) == (None, [said])


def test_the_public_holidays_of_italy() -> None:
    """All of 2026, with Easter Monday and, for the first time again, Saint Francis."""
    italy, problems = read(ITALY.read_text(encoding="utf-8"))
    assert italy is not None, problems
    year = [date(2026, 1, 1) + timedelta(days=day) for day in range(365)]
    assert [f"{day:%m-%d}" for day in year if italy.has(day)] == [
        *("01-01", "01-06", "04-05", "04-06", "04-25", "05-01", "06-02"),
        *("08-15", "10-04", "11-01", "12-08", "12-25", "12-26"),
    ]
    assert not italy.has(date(2025, 10, 4))
