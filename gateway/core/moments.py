"""Days, and the moment at which something opens again, in the words of a language.

A moment is told in the time zone that it carries, with its name beside it: the reader may be in
another.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Final

from gateway.core.refusal_words import Language
from gateway.core.spans import DaySpan

WEEKDAYS: Final[dict[Language, tuple[str, ...]]] = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "it": ("lunedì", "martedì", "mercoledì", "giovedì", "venerdì", "sabato", "domenica"),
}
MONTHS: Final[dict[Language, tuple[str, ...]]] = {
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    "it": (
        *("gennaio", "febbraio", "marzo", "aprile", "maggio", "giugno"),
        *("luglio", "agosto", "settembre", "ottobre", "novembre", "dicembre"),
    ),
}
_INSTANT: Final = timedelta(microseconds=1)
# "alle 01:00" is one o'clock, which Italian has in the singular.
_AT: Final[dict[Language, str]] = {"en": "at", "it": "alle ore"}


def opening_in_words(moment: datetime, language: Language) -> str:
    """Return *moment*, which is aware, as `Monday 23 November at 08:00 (CET)`.

    Where that is when the day begins, it is the day alone.
    """
    day = day_and_weekday(moment, language)
    if _begins_day(moment):
        return day
    return f"{day} {_AT[language]} {moment:%H:%M} ({moment.tzname()})"


def day_and_weekday(day: date, language: Language) -> str:
    """Return *day* as `Monday 23 November`."""
    weekday, month = WEEKDAYS[language][day.weekday()], MONTHS[language][day.month - 1]
    return f"{weekday} {day.day} {month}"


def plain_date(day: date, language: Language) -> str:
    """Return *day* as `21 November 2026`."""
    return f"{day.day} {MONTHS[language][day.month - 1]} {day.year}"


def _begins_day(moment: datetime) -> bool:
    # Not always midnight: there are zones whose clocks are put forward then.
    before = moment.astimezone(UTC) - _INSTANT
    return before.astimezone(moment.tzinfo).date() != moment.date()


def day_and_year(day: date, language: Language) -> str:
    """Return *day* as `Tuesday 24 November 2026`."""
    return f"{day_and_weekday(day, language)} {day.year}"


def days_in_words(spans: Iterable[DaySpan], language: Language) -> str:
    """Return *spans* as `Tuesday 24 November 2026; 1–3 December 2026`."""
    return "; ".join(_span_in_words(span, language) for span in spans)


def _span_in_words(span: DaySpan, language: Language) -> str:
    first, last = span.first, span.last
    if first == last:
        return day_and_year(first, language)
    end = plain_date(last, language)
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{end}"
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {MONTHS[language][first.month - 1]}{year} – {end}"
