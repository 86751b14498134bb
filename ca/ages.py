"""How old a published list is, judged by its own dates.

A list is followed by the next one when a quarter of its life is over (`ca.publishing`). One that
is past half of it says that nobody signs any more, while there is as much time left again.
"""

from datetime import datetime
from enum import StrEnum

from ca.lists import CRLRecord
from ca.trust import CLOCK_SLACK


class Age(StrEnum):
    """How far the life of a list has gone."""

    GOOD = "good"
    LATE = "late"
    """Past half of its life, and not followed by another."""
    ENDED = "ended"
    """Who goes by it must refuse every certificate."""
    FUTURE = "future"
    """It begins later than now: a clock was or is wrong."""


def age_of(record: CRLRecord, now: datetime) -> Age:
    """Say how far the life of *record* has gone at *now*."""
    if now >= record.next_update:
        return Age.ENDED
    if record.this_update > now + CLOCK_SLACK:
        return Age.FUTURE
    return Age.LATE if now >= half_life(record) else Age.GOOD


def half_life(record: CRLRecord) -> datetime:
    """Return when half of the life of *record* is over."""
    return record.this_update + (record.next_update - record.this_update) / 2
