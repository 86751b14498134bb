"""holidays/NAME.toml → `Calendar`, or all problems at once.

[[holidays]]
name = "New Year"                 # for people; nothing asks for it
every = "01-01"                   # month and day of each year, or
easter = 1                        # so many days after Easter Sunday (before: -2), or
date = 2026-08-10                 # one date, perhaps
until = 2026-08-21                # to another
since = 2026                      # with `every` and `easter`: the first year
"""

import re
from datetime import date
from typing import Final

from policies.days import AroundEaster, Calendar, Dates, Holiday, Yearly
from policies.reading import Section

_EVERY: Final = re.compile(r"([0-9]{2})-([0-9]{2})")
_LEAP_YEAR: Final = 2000
_FARTHEST: Final = 100
_LAST_YEAR: Final = 9999


def read_calendar(name: str, document: Section) -> Calendar | None:
    """Make the calendar *name* of *document*, or `None` after recording every problem."""
    before = document.problem_count
    sections = document.sections("holidays")
    if not sections and document.problem_count == before:
        document.report("holidays", "missing: a calendar has one [[holidays]] at least")
    found = [_read_holiday(section) for section in sections]
    document.finish()
    if document.problem_count > before:
        return None
    return Calendar(name, tuple(each for each in found if each is not None))


def _read_holiday(section: Section) -> Holiday | None:
    before = section.problem_count
    section.text("name", default="")
    every = section.text("every", default=None, check=_month_and_day)
    easter = section.integer("easter", default=None, minimum=-_FARTHEST, maximum=_FARTHEST)
    first = section.date("date", default=None)
    last = section.date("until", default=None)
    since = section.integer("since", default=None, minimum=1, maximum=_LAST_YEAR)
    section.finish()
    kinds = [key for key in ("every", "easter", "date") if key in section]
    if len(kinds) != 1:
        section.report(None, "say when it is by one of 'every', 'easter' and 'date'")
    if "until" in section and "date" not in section:
        section.report("until", "belongs to 'date'")
    if "since" in section and "date" in section:
        section.report("since", "belongs to 'every' and 'easter'")
    if first is not None and last is not None and last < first:
        section.report("until", f"{last} is before date, {first}")
    if section.problem_count > before:
        return None
    if every is not None:
        month, day = _month_and_day(every)
        return Yearly(month, day, since or 1)
    if easter is not None:
        return AroundEaster(easter, since or 1)
    return None if first is None else Dates(first, last or first)


def _month_and_day(text: str) -> tuple[int, int]:
    match = _EVERY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no day of a year: write month and day, as in '12-25'")
    month, day = int(match[1]), int(match[2])
    try:
        # Of a leap year, for 29 February is a day too.
        date(_LEAP_YEAR, month, day)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day of a year, month first, as in '12-25'") from error
    return month, day
