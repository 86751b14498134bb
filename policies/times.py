"""Hours, weekdays, dates and holidays of a rule, as TOML says them → `Timetable`.

hours = "08:00-19:00"             # or ["08:00-12:30", "13:30-18:00"]; "22:00-06:00" is a night
weekdays = "mon-fri"              # or ["mon-wed", "sat"]
valid_from = 2026-11-01           # that day too
valid_until = 2026-12-31          # that day too
except_holidays = ["it"]          # not on the days of these calendars
only_holidays = ["it"]            # on these days alone
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Final

from policies.calendar import DAY_SECONDS, WEEKDAYS, Span, Timetable
from policies.days import Calendar
from policies.papers import Agreement, LocalDays
from policies.reading import Section
from policies.values import suggest

_TIME: Final = r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?"
_SPAN: Final = re.compile(rf"{_TIME} ?- ?{_TIME}")
_MINUTE: Final = 60
_HOUR: Final = 3600
# Beyond them the zones of the world are anybody's guess, and dates soon cannot be written.
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2199
_NOTHING: Final[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Almanac:
    """What rules rest on: the zone of the site, its calendars and its agreements by name."""

    zone: tzinfo = UTC
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    agreements: Mapping[str, Agreement] = field(default_factory=dict)
    local: LocalDays = field(init=False, compare=False, repr=False)
    _made: dict[Timetable, Timetable] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Have one clock of days for all rules."""
        object.__setattr__(self, "local", LocalDays(self.zone))

    def share(self, timetable: Timetable) -> Timetable:
        """Return one object for all rules with the same times: what one works out, all know."""
        return self._made.setdefault(timetable, timetable)


def read_timetable(section: Section, almanac: Almanac) -> Timetable | None:
    """Take the keys about times from *section*; None where there are none."""
    hours = section.one_or_more("hours", check=parse_span)
    weekdays = section.one_or_more("weekdays", check=parse_weekdays)
    first = section.date("valid_from", default=None)
    last = section.date("valid_until", default=None)
    off = _read_calendars(section, "except_holidays", almanac)
    only = _read_calendars(section, "only_holidays", almanac)
    if first is not None and last is not None and last < first:
        section.report("valid_until", f"{last} is before valid_from, {first}")
    if not (hours or weekdays or first or last or off or only):
        return None
    days = frozenset(day for text in weekdays for day in parse_weekdays(text))
    spans = tuple(sorted(map(parse_span, hours)))
    return almanac.share(
        Timetable(almanac.zone, spans, days if weekdays else None, first, last, off, only)
    )


def parse_span(text: str) -> Span:
    """Read `08:00-19:00`, or raise `ValueError` with a message for people."""
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} are no hours: write them as in '08:00-19:00'")
    start = _second(match.group(1, 2, 3), text)
    end = _second(match.group(4, 5, 6), text)
    if start == DAY_SECONDS:
        raise ValueError(f"{text!r}: a day begins at 00:00, and 24:00 is its end")
    if start == end:
        raise ValueError(f"{text!r} ends where it begins: write '00:00-24:00' for a whole day")
    # Midnight as an end is the end of the day that has begun.
    return Span(start, end or DAY_SECONDS)


def parse_weekdays(text: str) -> frozenset[int]:
    """Read `mon-fri`, `sat-mon` or `mon,wed,fri`, or raise `ValueError`; Monday is 0."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = (each.strip() for each in part.partition("-"))
        begin = _weekday(first)
        end = _weekday(last) if dash else begin
        while begin != end:
            found.add(begin)
            begin = (begin + 1) % len(WEEKDAYS)
        found.add(end)
    return frozenset(found)


def parse_moment(text: str, zone: tzinfo) -> datetime:
    """Read `2026-11-24 19:40`, in *zone* where it has no offset, or raise `ValueError`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f'{text!r} is no moment; write "2026-11-24 19:40"') from error
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise ValueError(f"{text!r}: only years from {_FIRST_YEAR} to {_LAST_YEAR}")
    return found if found.tzinfo is not None else found.replace(tzinfo=zone)


def _second(parts: tuple[str, ...], text: str) -> int:
    hour, minute, second = (int(part or 0) for part in parts)
    total = hour * _HOUR + minute * _MINUTE + second
    if minute >= _MINUTE or second >= _MINUTE or total > DAY_SECONDS:
        shown = ":".join(part for part in parts if part)
        raise ValueError(f"{text!r}: {shown} is no time of day, which goes from 00:00 to 24:00")
    return total


def _weekday(text: str) -> int:
    if text in WEEKDAYS:
        return WEEKDAYS.index(text)
    # Whole names are what people write first.
    short = text.lower()[:3]
    hint = f"; did you mean {short!r}?" if short in WEEKDAYS else suggest(text, WEEKDAYS)
    raise ValueError(f"{text!r} is no weekday: {', '.join(WEEKDAYS)}{hint}")


def _read_calendars(section: Section, key: str, almanac: Almanac) -> tuple[Calendar, ...]:
    def check(name: str) -> None:
        if name not in almanac.calendars:
            known = ", ".join(sorted(almanac.calendars)) or "none"
            hint = suggest(name, almanac.calendars) or f"; the calendars are: {known}"
            raise ValueError(f"there is no calendar {name!r} (holidays/{name}.toml){hint}")

    names = section.texts(key, default=_NOTHING, check=check)
    return tuple(almanac.calendars[name] for name in sorted(names))
