"""Holidays, and the date of Easter."""

from datetime import date, timedelta

import pytest

from policies.days import AroundEaster, Calendar, Dates, Yearly, easter

# From the tables of the US Naval Observatory and of the Book of Common Prayer.
SUNDAYS = {
    1818: date(1818, 3, 22),
    1943: date(1943, 4, 25),
    1981: date(1981, 4, 19),
    2000: date(2000, 4, 23),
    2019: date(2019, 4, 21),
    2024: date(2024, 3, 31),
    2025: date(2025, 4, 20),
    2026: date(2026, 4, 5),
    2027: date(2027, 3, 28),
    2038: date(2038, 4, 25),
    2049: date(2049, 4, 18),
    2076: date(2076, 4, 19),
}


@pytest.mark.parametrize("year, day", SUNDAYS.items())
def test_easter(year: int, day: date) -> None:
    """The earliest and the latest there can be, and the exceptions of the rule among them."""
    assert easter(year) == day


def test_easter_is_a_sunday_in_spring() -> None:
    """From 22 March to 25 April, in each of 500 years."""
    for year in range(1900, 2400):
        assert easter(year).weekday() == 6
        assert date(year, 3, 22) <= easter(year) <= date(year, 4, 25)


def test_days_around_easter() -> None:
    """Good Friday lies before it, Easter Monday behind."""
    assert AroundEaster(1).has(date(2026, 4, 6))
    assert not AroundEaster(1).has(date(2026, 4, 5))
    assert AroundEaster(-2).has(date(2026, 4, 3))
    assert not AroundEaster(1, since=2027).has(date(2026, 4, 6))


def test_a_day_of_each_year() -> None:
    """From the year on from which it is one; 29 February in leap years alone."""
    francis = Yearly(10, 4, since=2026)
    assert francis.has(date(2026, 10, 4))
    assert not francis.has(date(2025, 10, 4))
    assert not francis.has(date(2026, 10, 5))
    leap = Yearly(2, 29)
    year = [date(2027, 1, 1) + timedelta(days=day) for day in range(730)]
    assert [day for day in year if leap.has(day)] == [date(2028, 2, 29)]


def test_a_calendar_has_the_days_of_all_its_holidays() -> None:
    """Both ends of a span count."""
    calendar = Calendar("x", (Yearly(12, 25), Dates(date(2026, 8, 10), date(2026, 8, 12))))
    for day in (date(2030, 12, 25), date(2026, 8, 10), date(2026, 8, 12)):
        assert calendar.has(day)
    assert not calendar.has(date(2026, 8, 13))
