from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.portal.month import Cell, Mark, Month, month_of, parse_month, weeks_of

MONTHS = st.builds(Month, st.integers(2000, 2100), st.integers(1, 12))


@given(MONTHS)
def test_a_month_has_each_of_its_days_once_below_its_weekday(month: Month) -> None:
    """In weeks of seven, and nothing of its neighbours."""
    weeks = weeks_of(month, lambda _: None, ())
    assert {len(week) for week in weeks} == {7}
    days = [one.day for week in weeks for one in week if one is not None]
    count = (month.next.first - month.first).days
    assert days == [month.first + timedelta(days=ahead) for ahead in range(count)]
    for week in weeks:
        assert any(week)
        for weekday, one in enumerate(week):
            assert one is None or one.day.weekday() == weekday


@given(MONTHS)
def test_months_follow_one_another_and_survive_being_written(month: Month) -> None:
    """Also from December to January."""
    assert parse_month(str(month)) == month
    assert month.next.previous == month
    assert month.next.first > month.first


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-1", "x", "2026-11-01"])
def test_anything_else_is_no_month(text: str) -> None:
    """It came with an address, so it is anybody's word."""
    assert parse_month(text) is None


def test_days_are_marked_and_ticked() -> None:
    """Those that are over, granted or asked for are closed."""
    day = date(2026, 11, 24)
    marks = {day: Mark.SPENT, day + timedelta(days=1): Mark.APPROVED}
    cells = {
        one.day: one
        for week in weeks_of(month_of(day), marks.get, {day})
        for one in week
        if one is not None
    }
    assert cells[day] == Cell(day, Mark.SPENT, ticked=True)
    assert not cells[day].closed
    assert cells[day + timedelta(days=1)].closed
    assert cells[day - timedelta(days=1)] == Cell(day - timedelta(days=1), None, ticked=False)
