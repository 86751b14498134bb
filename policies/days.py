"""Days that are not like others: public holidays, and the days on which an office is closed."""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Yearly:
    """The same day of each year, from the year *since* on."""

    month: int
    day: int
    since: int = 1

    def has(self, day: date) -> bool:
        """Say whether *day* is one."""
        return (day.month, day.day) == (self.month, self.day) and day.year >= self.since


@dataclass(frozen=True, slots=True)
class AroundEaster:
    """So many *days* after Easter Sunday of the Western churches, before it where negative."""

    days: int
    since: int = 1

    def has(self, day: date) -> bool:
        """Say whether *day* is one."""
        return day - timedelta(days=self.days) == easter(day.year) and day.year >= self.since


@dataclass(frozen=True, slots=True)
class Dates:
    """The days from *first* to *last*, both of them too."""

    first: date
    last: date

    def has(self, day: date) -> bool:
        """Say whether *day* is one."""
        return self.first <= day <= self.last


Holiday = Yearly | AroundEaster | Dates


@dataclass(frozen=True, slots=True)
class Calendar:
    """A calendar of holidays, which rules know by its *name*."""

    name: str
    holidays: tuple[Holiday, ...]

    def has(self, day: date) -> bool:
        """Say whether *day* is a holiday."""
        return any(holiday.has(day) for holiday in self.holidays)


@lru_cache(maxsize=64)
def easter(year: int) -> date:
    """Return Easter Sunday in the Gregorian calendar (Meeus, Astronomical Algorithms, chapter 8).

    Its letters are kept, for the steps have no meaning of their own.
    """
    a = year % 19
    b, c = divmod(year, 100)
    d, e = divmod(b, 4)
    g = (b - (b + 8) // 25 + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    el = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * el) // 451
    month, day = divmod(h + el - 7 * m + 114, 31)
    return date(year, month, day + 1)
