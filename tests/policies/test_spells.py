"""Times at which something changes, in words."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from policies.spells import Window, times_in_words

ROME = ZoneInfo("Europe/Rome")


def at(day: int, hour: int = 0, month: int = 11) -> datetime:
    """A moment of 2026 in Rome."""
    return datetime(2026, month, day, hour, tzinfo=ROME)


def window(begin: datetime, days: int, *turns: datetime, holiday: bool = False) -> Window:
    """Days from *begin* on, with their turns."""
    return Window(begin, begin + timedelta(days=days), (begin, *turns), holiday)


@pytest.mark.parametrize(
    "signs,windows,words",
    [
        ([[1]], [window(at(2), 14)], ""),
        ([[0]], [window(at(2), 14)], ""),
        ([[0, 1, 0]], [window(at(2), 14, at(3, 8), at(3, 19))], "2026-11-03 08:00-19:00"),
        (
            [[0, 1, 0, 1, 0]],
            [window(at(2), 14, at(3, 8), at(4, 19), at(10, 8), at(11, 19))],
            "tue 08:00-24:00; wed 00:00-19:00",
        ),
        ([[0, 1, 0, 1]], [window(at(2), 14, at(7), at(9), at(14))], "sat-sun"),
        ([[0], [1]], [window(at(2), 3), window(at(5), 14)], "from 2026-11-05 on at all times"),
        (
            [[1], [0]],
            [window(at(2), 3), window(at(5), 14)],
            "at all times; from 2026-11-05 on no more",
        ),
        (
            [[0], [1]],
            [window(at(2), 14), window(at(25, month=12), 1, holiday=True)],
            "on 2026-12-25",
        ),
        (
            [[1], [0]],
            [window(at(2), 14), window(at(25, month=12), 1, holiday=True)],
            "at all times; not on 2026-12-25",
        ),
        (
            [[0, 1, 0]],
            [window(at(24, month=10), 2, at(25, 1, month=10), at(25, 4, month=10))],
            "sun 01:00-04:00",
        ),
    ],
)
def test_times_are_told_as_people_know_them(
    signs: list[list[int]], windows: list[Window], words: str
) -> None:
    """By the clock on the wall, also on the day on which it is put back."""
    assert times_in_words(signs, windows, ROME, 1) == words


def test_many_days_are_counted() -> None:
    """A line stays a line."""
    turns = tuple(at(day, hour) for day in range(2, 8) for hour in (day, day + 1))
    signs = [[0, *([1, 0] * 6)]]
    assert times_in_words(signs, [window(at(2), 14, *turns)], ROME, 1) == (
        "2026-11-02 02:00-03:00, 2026-11-03 03:00-04:00, 2026-11-04 04:00-05:00, "
        "2026-11-05 05:00-06:00 and on 2 more days"
    )
