"""The moment at which something opens again, in the words of a language.

In the time zone that the moment carries, which is told beside it: the reader may be in another.
"""

from datetime import datetime
from typing import Final

from gateway.core.refusal_words import Language

_WEEKDAYS: Final[dict[Language, tuple[str, ...]]] = {
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
# "alle 01:00" is one o'clock, which Italian has in the singular.
_AT: Final[dict[Language, str]] = {"en": "at", "it": "alle ore"}


def opening_in_words(moment: datetime, language: Language) -> str:
    """Return *moment*, which is aware, as `Monday 23 November at 08:00 (CET)`."""
    day = f"{_WEEKDAYS[language][moment.weekday()]} {moment.day}"
    hour = f"{moment:%H:%M} ({moment.tzname()})"
    return f"{day} {MONTHS[language][moment.month - 1]} {_AT[language]} {hour}"
