"""How old a list is, by its own dates."""

from datetime import timedelta

import pytest

from ca.ages import Age, age_of, half_life
from ca.lists import CRLRecord
from tests.ca.makers import NOW

RECORD = CRLRecord("issuing-1", 1, NOW, NOW + timedelta(days=8), b"")
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "later, age",
    [
        (timedelta(minutes=-6), Age.FUTURE),
        (timedelta(minutes=-4), Age.GOOD),
        (timedelta(), Age.GOOD),
        (timedelta(days=4) - SECOND, Age.GOOD),
        (timedelta(days=4), Age.LATE),
        (timedelta(days=8) - SECOND, Age.LATE),
        (timedelta(days=8), Age.ENDED),
    ],
)
def test_each_age_begins_when_it_must(later: timedelta, age: Age) -> None:
    """Half of the life is the warning, the end is the end, and a few minutes are forgiven."""
    assert age_of(RECORD, NOW + later) is age


def test_half_of_the_life() -> None:
    """Counted from the beginning of the list."""
    assert half_life(RECORD) == NOW + timedelta(days=4)
