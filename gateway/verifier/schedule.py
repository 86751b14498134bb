"""When a list is fetched again: often enough to hear of news, and long before it ends. Pure.

*chance* is between 0 and 1 and different each time, so that many who have begun at the same
moment do not come back at the same moment.
"""

from datetime import datetime, timedelta
from typing import Final

FILE_PAUSE: Final = timedelta(seconds=30)
"""A file is looked at; only one that has changed is read."""
_SHORTEST: Final = timedelta(seconds=30)
LONGEST: Final = timedelta(hours=1)
"""Nothing is planned later than that."""
_PARTS: Final = 8
_PARTS_LEFT: Final = 4
_FIRST_TRY: Final = timedelta(seconds=30)
_LAST_TRY: Final = timedelta(minutes=15)
_SPREAD: Final = 0.2


def after_success(
    this_update: datetime, next_update: datetime, now: datetime, chance: float
) -> datetime:
    """Return when the next list is asked for, after one of these dates is in force.

    An eighth of its life, an hour at most; and nearer to its end, a quarter of what is left.
    Asking is cheap where nothing has changed. Past its end an eighth of how late it is, a quarter
    of an hour at most: often at first, and then not for ever all the same octets.
    """
    if now >= next_update:
        pause = min((now - next_update) / _PARTS, _LAST_TRY)
    else:
        left = (next_update - now) / _PARTS_LEFT
        pause = min((next_update - this_update) / _PARTS, left, LONGEST)
    return now + _spread(max(pause, _SHORTEST), chance)


def after_failure(failures: int, now: datetime, chance: float) -> datetime:
    """Return when it is tried again, after so many *failures* in a row: doubling, to 15 minutes."""
    pause = min(_FIRST_TRY * 2 ** min(failures - 1, 10), _LAST_TRY)
    return now + _spread(pause, chance)


def _spread(pause: timedelta, chance: float) -> timedelta:
    """Take up to a fifth off."""
    return pause * (1 - _SPREAD * chance)
