"""Dates, times and durations in the words of a language, by the clock of the site's time zone."""

from datetime import datetime, timedelta, tzinfo
from typing import Final

from gateway.core.moments import plain_date
from gateway.core.refusals import Language

# Each unit as one and as many.
_UNITS: Final[dict[Language, tuple[tuple[str, str], ...]]] = {
    "en": (("day", "days"), ("hour", "hours"), ("minute", "minutes"), ("second", "seconds")),
    "it": (("giorno", "giorni"), ("ora", "ore"), ("minuto", "minuti"), ("secondo", "secondi")),
}
_SECONDS: Final = (86_400, 3_600, 60, 1)
_AND: Final[dict[Language, str]] = {"en": "and", "it": "e"}


def date_in_words(moment: datetime, language: Language, zone: tzinfo) -> str:
    """Return the day that *moment* falls on in *zone*, such as `21 November 2026`."""
    return plain_date(moment.astimezone(zone), language)


def moment_in_words(moment: datetime, language: Language, zone: tzinfo) -> str:
    """Return day and minute of *moment* in *zone*, such as `21 November 2026, 14:05`.

    Of an hour that comes twice, when the clocks go back, it says which one is meant.
    """
    local = moment.astimezone(zone)
    words = f"{date_in_words(moment, language, zone)}, {local:%H:%M}"
    if local.utcoffset() == local.replace(fold=1 - local.fold).utcoffset():
        return words
    return f"{words} ({local:%Z})"


def span_in_words(span: timedelta, language: Language) -> str:
    """Return *span* in its two largest units, never as nothing: at least one second."""
    rest = max(1, -(-span // timedelta(seconds=1)))
    parts: list[str] = []
    for seconds, (one, many) in zip(_SECONDS, _UNITS[language], strict=True):
        count, rest = divmod(rest, seconds)
        if count:
            parts.append(f"{count} {one if count == 1 else many}")
        elif parts:
            # Two units that are not neighbours ("2 days and 5 seconds") say nothing more.
            break
        if len(parts) == 2:  # noqa: PLR2004 - two units are as exact as people need
            break
    return f" {_AND[language]} ".join(parts)
