"""A month as a form shows it: weeks of days that can be ticked, each with what there is to say."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

_DAY: Final = timedelta(days=1)
_WEEK: Final = 7


class Mark(StrEnum):
    """What is to be said of a day; the values are part of keys of sentences."""

    OVER = "over"
    """It is past, or too far ahead."""
    APPROVED = "approved"
    ASKED = "asked"
    USED = "used"
    """It has been counted already."""
    GONE = "gone"
    """It has been counted, and is past."""
    SPENT = "spent"
    """No day of the quota would be left for it, as things are."""


CLOSED: Final = frozenset({Mark.OVER, Mark.GONE, Mark.APPROVED, Mark.ASKED})
"""Marks of days that cannot be asked for."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One day of a month."""

    day: date
    mark: Mark | None
    ticked: bool

    @property
    def closed(self) -> bool:
        """Whether it cannot be asked for."""
        return self.mark in CLOSED


@dataclass(frozen=True, slots=True)
class Month:
    """One month of one year; its text is `2026-11`."""

    year: int
    month: int

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month, 1)

    @property
    def next(self) -> "Month":
        """The month after it."""
        return month_of(self.first + 31 * _DAY)

    @property
    def previous(self) -> "Month":
        """The month before it."""
        return month_of(self.first - _DAY)

    def __str__(self) -> str:
        """As forms and addresses have it (HTML, `<input type=month>`)."""
        return f"{self.year:04}-{self.month:02}"


def month_of(day: date) -> Month:
    """Return the month that *day* is in."""
    return Month(day.year, day.month)


def parse_month(text: str) -> Month | None:
    """Read `2026-11`; None for anything else."""
    try:
        return month_of(date.fromisoformat(f"{text}-01"))
    except ValueError:
        return None


def weeks_of(
    month: Month, mark: Callable[[date], Mark | None], ticked: Collection[date]
) -> list[list[Cell | None]]:
    """Return the weeks of *month*, each from Monday to Sunday; None is a day of another month."""
    day = month.first
    weeks: list[list[Cell | None]] = [[None] * day.weekday()]
    while month_of(day) == month:
        if len(weeks[-1]) == _WEEK:
            weeks.append([])
        weeks[-1].append(Cell(day, mark(day), day in ticked))
        day += _DAY
    weeks[-1] += [None] * (_WEEK - len(weeks[-1]))
    return weeks
