from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.pacing import Pace, neighbourhood

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STEP = timedelta(minutes=1)


def test_the_first_ones_are_free_and_then_there_is_a_pace() -> None:
    """A burst, then one for each step; to wait is to have waited."""
    pace = Pace(burst=3, step=STEP, keys=10)
    assert [pace.take(b"a", NOW) for _ in range(3)] == [None] * 3
    assert pace.take(b"a", NOW) == NOW + STEP
    assert pace.take(b"a", NOW + STEP - timedelta(microseconds=1)) == NOW + STEP
    assert pace.take(b"a", NOW + STEP) is None
    assert pace.take(b"a", NOW + STEP) == NOW + 2 * STEP


def test_trying_in_vain_makes_nobody_wait_longer() -> None:
    """However often somebody tries, the next attempt is one step away at most: nothing locks."""
    pace = Pace(burst=3, step=STEP, keys=10)
    for _ in range(1000):
        until = pace.take(b"a", NOW)
    assert until == NOW + STEP


def test_one_key_slows_no_other() -> None:
    """Each has a pace of its own."""
    pace = Pace(burst=1, step=STEP, keys=10)
    assert pace.take(b"a", NOW) is None
    assert pace.take(b"a", NOW) is not None
    assert pace.take(b"b", NOW) is None


def test_what_was_no_guess_is_taken_back() -> None:
    """So that a whole office can report its sticks from one address."""
    pace = Pace(burst=2, step=STEP, keys=10)
    for _ in range(20):
        assert pace.take(b"a", NOW) is None
        pace.give_back(b"a", NOW)
    pace.give_back(b"nobody", NOW)
    for _ in range(2):
        assert pace.take(b"b", NOW) is None
    pace.give_back(b"b", NOW)
    assert pace.take(b"b", NOW) is None
    assert pace.take(b"b", NOW) is not None


def test_what_was_taken_back_has_nobody_forgotten() -> None:
    """Attempts that cost nothing, under ever new keys, free nobody who has to wait."""
    pace = Pace(burst=1, step=STEP, keys=10)
    for guess in range(9):
        assert pace.take(bytes([guess]), NOW) is None
    for number in range(1000):
        key = number.to_bytes(4)
        assert pace.take(key, NOW) is None
        pace.give_back(key, NOW)
    assert all(pace.take(bytes([guess]), NOW) is not None for guess in range(9))


def test_the_quietest_is_forgotten_first() -> None:
    """Memory has an end, however many keys somebody makes up."""
    pace = Pace(burst=1, step=STEP, keys=2)
    for key in (b"a", b"b", b"c"):
        pace.take(key, NOW)
    assert pace.take(b"b", NOW) is not None
    assert pace.take(b"c", NOW) is not None
    assert pace.take(b"a", NOW) is None


def test_a_clock_that_is_set_back_frees_nobody_for_ever() -> None:
    """Nor does it keep anybody out for longer than what was paid."""
    pace = Pace(burst=1, step=STEP, keys=2)
    pace.take(b"a", NOW)
    assert pace.take(b"a", NOW - timedelta(hours=1)) == NOW + STEP


@given(st.lists(st.integers(min_value=0, max_value=300), max_size=60))
def test_never_more_than_the_burst_and_one_a_step(seconds: list[int]) -> None:
    """Whatever the rhythm, in any time no more get through than the pace allows."""
    pace = Pace(burst=3, step=STEP, keys=10)
    moments = [NOW + timedelta(seconds=each) for each in sorted(seconds)]
    let_through = [moment for moment in moments if pace.take(b"a", moment) is None]
    for first in range(len(let_through)):
        for last in range(first, len(let_through)):
            span = let_through[last] - let_through[first]
            assert last - first + 1 <= 3 + span / STEP


@pytest.mark.parametrize(
    "one,other",
    [
        ("192.0.2.7", "::ffff:192.0.2.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("fe80::1%eth0", "fe80::2"),
        ("", "no address"),
    ],
)
def test_who_is_one(one: str, other: str) -> None:
    """A customer's whole IPv6 network, and IPv4 in whatever clothes."""
    assert neighbourhood(one) == neighbourhood(other)


@pytest.mark.parametrize(
    "one,other",
    [
        ("192.0.2.7", "192.0.2.8"),
        ("::ffff:192.0.2.7", "::ffff:192.0.2.8"),
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("192.0.2.7", ""),
    ],
)
def test_who_are_two(one: str, other: str) -> None:
    """Neighbours are not slowed by each other."""
    assert neighbourhood(one) != neighbourhood(other)
