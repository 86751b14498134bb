"""When lists are fetched again."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from gateway.verifier.schedule import after_failure, after_success
from tests.ca.foreign.crl_makers import NOW

CHANCES = st.floats(0, 1)
SPANS = st.timedeltas(timedelta(minutes=10), timedelta(days=400))


@given(SPANS, SPANS, CHANCES)
def test_a_list_is_asked_for_long_before_it_ends(
    lifetime: timedelta, age: timedelta, chance: float
) -> None:
    """At any age, there are several more tries before the end."""
    begins = NOW - min(age, lifetime - timedelta(minutes=2))
    due = after_success(begins, begins + lifetime, NOW, chance)
    left = begins + lifetime - NOW
    assert timedelta(0) < due - NOW <= min(left / 4, timedelta(hours=1)) or (
        due - NOW <= timedelta(seconds=30)
    )


@given(st.timedeltas(timedelta(0), timedelta(days=400)), CHANCES)
def test_a_list_that_has_ended_is_asked_for_again_and_again(late: timedelta, chance: float) -> None:
    """However late it is, there is a pause and an end to it."""
    due = after_success(NOW - late - timedelta(days=7), NOW - late, NOW, chance)
    assert timedelta(seconds=24) <= due - NOW <= timedelta(minutes=15)
    assert due - NOW <= max(late / 8, timedelta(seconds=30))


@given(st.integers(1, 10_000), CHANCES)
def test_failures_are_followed_by_longer_and_longer_pauses(failures: int, chance: float) -> None:
    """The first after half a minute, and never more than a quarter of an hour."""
    pause = after_failure(failures, NOW, chance) - NOW
    assert timedelta(seconds=24) <= pause <= timedelta(minutes=15)
    assert after_failure(failures + 1, NOW, chance) - NOW >= pause


def test_many_who_begin_together_come_back_apart() -> None:
    """The pauses of two chances differ."""
    week = timedelta(days=7)
    assert after_success(NOW, NOW + week, NOW, 0) != after_success(NOW, NOW + week, NOW, 1)
    assert after_failure(1, NOW, 0) != after_failure(1, NOW, 1)
