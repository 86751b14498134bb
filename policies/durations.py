"""Durations as people write them in settings: `90s`, `30m`, `12h`, `30d`."""

import re
from datetime import timedelta
from typing import Final

_SECOND: Final = timedelta(seconds=1)
_UNITS: Final = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": _SECOND,
}
# Six digits of days are 2,700 years, and far from what a timedelta can hold.
_DURATION: Final = re.compile(r"([0-9]{1,6})([smhd])")


def parse_duration(text: str) -> timedelta:
    """Read `90s`, `30m`, `12h` or `30d`, or raise `ValueError` with a message for people."""
    if match := _DURATION.fullmatch(text):
        return int(match[1]) * _UNITS[match[2]]
    message = f"expected a duration such as '90s', '30m', '12h' or '30d', found {text!r}"
    raise ValueError(message)


def show_duration(duration: timedelta) -> str:
    """Write *duration*, in whole seconds, with the largest unit that fits."""
    seconds = duration // _SECOND
    for letter, unit in _UNITS.items():
        count, rest = divmod(seconds, unit // _SECOND)
        if count and not rest:
            return f"{count}{letter}"
    return f"{seconds}s"
