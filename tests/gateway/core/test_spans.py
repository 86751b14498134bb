"""Days as they are written down."""

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.spans import DaySpan, parse_spans, show_spans, spans_of

DAYS = st.frozensets(st.dates(date(2026, 1, 1), date(2026, 2, 10)))


@given(DAYS)
def test_days_and_spans_are_the_same_days(days: frozenset[date]) -> None:
    """Written down and read, in as few spans as there can be."""
    spans = spans_of(days)
    assert parse_spans(show_spans(spans)) == spans
    again = {
        one.first + timedelta(days=ahead)
        for one in spans
        for ahead in range((one.last - one.first).days + 1)
    }
    assert again == days
    for before, after in pairwise(spans):
        assert after.first - before.last > timedelta(days=1)


def test_they_read_as_dates() -> None:
    """One day alone, and several in a row."""
    days = [date(2026, 11, 24), date(2026, 12, 2), date(2026, 12, 1)]
    assert show_spans(spans_of(days)) == "2026-11-24,2026-12-01/2026-12-02"
    assert parse_spans("") == ()


@pytest.mark.parametrize(
    "text, message",
    [
        ("2026-11-31", "day"),
        ("tomorrow", "Invalid isoformat"),
        ("2026-12-03/2026-12-01", "is before"),
        ("/", "Invalid isoformat"),
    ],
)
def test_what_is_no_day_is_refused(text: str, message: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=message):
        parse_spans(text)
    with pytest.raises(ValueError, match="is before"):
        DaySpan(date(2026, 1, 2), date(2026, 1, 1))
