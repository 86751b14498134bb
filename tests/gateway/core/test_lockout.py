"""How long a guesser waits."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.credentials import DRIFT_STEPS, STEP_SECONDS, WINDOW
from gateway.core.lockout import FIRST_WAIT, FREE_FAILURES, LONGEST_WAIT, wait_after


@pytest.mark.parametrize("failures", range(-1, FREE_FAILURES))
def test_the_first_failures_cost_nothing(failures: int) -> None:
    """Fat fingers are not punished."""
    assert wait_after(failures) == timedelta(0)


def test_the_wait_doubles_up_to_its_ceiling() -> None:
    """From the fifth failure on: half a minute, a minute, and so on to a quarter of an hour."""
    waits = [wait_after(FREE_FAILURES + beyond) / FIRST_WAIT for beyond in range(7)]
    assert waits == [1, 2, 4, 8, 16, 30, 30]


@given(st.integers(max_value=10**30))
def test_the_wait_is_bounded(failures: int) -> None:
    """However many failures there were, the wait has a ceiling and is made in no time."""
    assert timedelta(0) <= wait_after(failures) <= LONGEST_WAIT


@given(st.integers(max_value=100), st.integers(min_value=0, max_value=100))
def test_the_wait_never_shrinks(failures: int, more: int) -> None:
    """One more failure never costs less."""
    assert wait_after(failures) <= wait_after(failures + more)


def test_a_guesser_has_few_guesses_a_day() -> None:
    """The ceiling leaves 96 a day."""
    assert timedelta(days=1) / LONGEST_WAIT == 96


def test_a_guesser_cannot_wait_for_a_code_to_become_right() -> None:
    """Who is told that a guess belongs to a coming step waits until that step is over."""
    over = timedelta(seconds=(DRIFT_STEPS + WINDOW + 1) * STEP_SECONDS)
    assert wait_after(FREE_FAILURES + 5) > over
