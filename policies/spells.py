"""The times at which something changes, in words: by weekdays where weeks are alike, or by dates."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final

from policies.calendar import show_moment, show_weekdays

_WEEK: Final = 7
_DAY: Final = timedelta(days=1)
_DATES_SHOWN: Final = 4


@dataclass(frozen=True, slots=True)
class Window:
    """Days that are looked at, and the moments in them at which something changes."""

    begin: datetime
    end: datetime
    turns: tuple[datetime, ...]
    holiday: bool
    """A day by itself, since its like may not come for months."""

    @property
    def dates(self) -> list[date]:
        """All its days."""
        begin = self.begin.date()
        return [begin + number * _DAY for number in range((self.end.date() - begin).days)]


def times_in_words(
    signs: Sequence[Sequence[int]], windows: Sequence[Window], zone: tzinfo, wanted: int
) -> str:
    """Say at which times of *windows*, by the clock of *zone*, the sign is the *wanted* one.

    *signs* are those from each turn of each window on. "" stands for always. The windows of
    holidays come last, and are told of where they are not as their weekday is otherwise.
    """
    if all(sign == wanted for each in signs for sign in each):
        return ""
    parts: list[str] = []
    before: str | None = None
    usual: dict[int, str] = {}
    unusual: dict[str, list[date]] = {}
    for each, window in zip(signs, windows, strict=True):
        days = _days(each, window, zone, wanted)
        if window.holiday:
            day = window.begin.date()
            if days.get(day, "") != usual.get(day.weekday(), ""):
                unusual.setdefault(days.get(day, ""), []).append(day)
            continue
        usual |= {day.weekday(): days.get(day, "") for day in window.dates}
        words = _window_in_words(each, window, days, wanted)
        if before is None:
            parts += [words] if words else []
        elif words != before:
            parts.append(f"from {window.begin.date()} on {words or 'no more'}")
        before = words
    for hours, dates in unusual.items():
        parts.append(f"{'on' if hours else 'not on'} {_listed(map(str, dates))}{hours}".strip())
    return "; ".join(parts)


def _listed(texts: Iterable[str]) -> str:
    found = list(texts)
    more = len(found) - _DATES_SHOWN
    return ", ".join(found[:_DATES_SHOWN]) + (f" and on {more} more days" if more > 0 else "")


def _window_in_words(
    signs: Sequence[int], window: Window, days: Mapping[date, str], wanted: int
) -> str:
    """Say when in *window* it is as *wanted*: by weekdays where weeks are alike, or by dates."""
    if all(sign == wanted for sign in signs):
        return "at all times"
    week = {day.weekday(): days.get(day, "") for day in window.dates[:_WEEK]}
    if all(days.get(day, "") == week[day.weekday()] for day in window.dates):
        hours = dict.fromkeys(words for words in week.values() if words)
        return "; ".join(
            f"{_weekdays([day for day in week if week[day] == words])}{words}".strip()
            for words in hours
        )
    return _listed(f"{day}{words}".strip() for day, words in days.items())


def _weekdays(days: Sequence[int]) -> str:
    return "" if len(days) == _WEEK else show_weekdays(frozenset(days))


def _days(signs: Sequence[int], window: Window, zone: tzinfo, wanted: int) -> dict[date, str]:
    """Return the hours of each day, by the clock on the wall; a day as a whole has none."""
    spans: dict[date, list[tuple[str, str]]] = {}
    ends = (*window.turns[1:], window.end)
    for sign, begin, end in zip(signs, window.turns, ends, strict=True):
        if sign != wanted:
            continue
        start = begin
        while start.timestamp() < end.timestamp():
            day = start.astimezone(zone).date()
            midnight = datetime.combine(day + _DAY, time(tzinfo=zone))
            stop = min(end, midnight, key=datetime.timestamp)
            until = "24:00" if stop == midnight else _clock(stop, zone)
            mine = spans.setdefault(day, [])
            if mine and mine[-1][1] == _clock(start, zone):
                mine[-1] = (mine[-1][0], until)
            else:
                mine.append((_clock(start, zone), until))
            start = stop
    return {
        day: "".join(f" {start}-{end}" for start, end in mine)
        if mine != [("00:00", "24:00")]
        else " "
        for day, mine in spans.items()
    }


def _clock(moment: datetime, zone: tzinfo) -> str:
    return show_moment(moment, zone)[-5:]
