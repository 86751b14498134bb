from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.edge.balancing import (
    FAILED_CHECKS,
    FAILURES,
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Standing,
    choose,
)

COUNT = 3
HOW = [Standing.refuse, Standing.fail_to_answer]


def fail(standing: Standing, how: Callable[[Standing, float], bool], now: float) -> list[bool]:
    """Let it fail until it is put aside, and return what was said of each failure."""
    return [how(standing, now) for _ in range(FAILURES)]


@pytest.mark.parametrize("how", HOW)
def test_failures_in_a_row_put_an_upstream_aside(how: Callable[[Standing, float], bool]) -> None:
    """The last of them says so; until the pause is over nothing goes there."""
    standing = Standing()
    assert fail(standing, how, 100.0) == [*[False] * (FAILURES - 1), True]
    assert not standing.open(100.0)
    assert not standing.open(100.0 + FIRST_PAUSE - 0.01)
    assert standing.due(100.0 + FIRST_PAUSE)


@pytest.mark.parametrize("how", HOW)
def test_an_answer_in_between_makes_it_no_row(how: Callable[[Standing, float], bool]) -> None:
    """Only what never goes well is put aside."""
    standing = Standing()
    for _ in range(5 * FAILURES):
        for _ in range(FAILURES - 1):
            assert not how(standing, 100.0)
        standing.answer()
    assert standing.open(100.0)
    assert not standing.due(100.0)


def test_a_connection_is_no_answer() -> None:
    """What takes every connection and answers nothing is put aside all the same."""
    standing = Standing()
    said = []
    for _ in range(FAILURES):
        standing.accept()
        said.append(standing.fail_to_answer(0.0))
    assert said[-1]


def test_one_request_tries_and_the_pause_grows_with_each_that_fails() -> None:
    """Twice as long each time, up to a limit."""
    standing, now = Standing(), 0.0
    fail(standing, Standing.refuse, now)
    pauses = []
    for _ in range(10):
        pauses.append(standing.pause)
        now += standing.pause
        assert standing.due(now)
        standing.begin(now)
        assert not standing.open(now)
        assert standing.refuse(now)
        assert not standing.open(now + standing.pause - 0.01)
    assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
    assert pauses[-1] == LONGEST_PAUSE


def test_stragglers_do_not_lengthen_the_pause() -> None:
    """A hundred requests that were under way say what the first three have said."""
    standing = Standing()
    fail(standing, Standing.fail_to_answer, 0.0)
    assert not any(standing.fail_to_answer(0.0) for _ in range(100))
    assert standing.due(FIRST_PAUSE)


def test_a_trial_that_goes_well_brings_it_back() -> None:
    """At once for all, and the next pause is short again."""
    standing = Standing()
    fail(standing, Standing.refuse, 0.0)
    standing.begin(FIRST_PAUSE)
    standing.accept()
    assert standing.open(FIRST_PAUSE)
    assert not standing.due(FIRST_PAUSE)
    fail(standing, Standing.refuse, 5.0)
    assert standing.pause == 2 * FIRST_PAUSE
    standing.answer()
    fail(standing, Standing.refuse, 9.0)
    assert standing.pause == FIRST_PAUSE


def test_a_trial_that_is_given_up_leaves_room_for_another() -> None:
    """The client may have left; of one that is simply never heard of, after the longest pause."""
    standing = Standing()
    fail(standing, Standing.refuse, 0.0)
    standing.begin(10.0)
    standing.abandon(11.0)
    assert standing.due(11.0)
    standing.begin(12.0)
    assert not standing.open(13.0)
    assert standing.due(12.0 + LONGEST_PAUSE)


def test_checks_take_it_out_and_bring_it_back() -> None:
    """Not the first bad one; the first good one, which ends a pause too. Changes are told."""
    standing = Standing()
    said = [standing.check(good=False) for _ in range(FAILED_CHECKS + 1)]
    assert said == [*[False] * (FAILED_CHECKS - 1), True, False]
    assert not standing.open(1e9)
    fail(standing, Standing.refuse, 0.0)
    assert standing.check(good=True)
    assert not standing.check(good=True)
    assert standing.open(0.0)
    assert not standing.aside


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.integers(0, 7))
def test_the_least_loaded_gets_the_next_request(loads: list[int], turn: int) -> None:
    """And of those the first in turn."""
    standings = [Standing() for _ in loads]
    found = choose(standings, loads, turn % len(loads), 0.0)
    assert found is not None
    assert loads[found] == min(loads)
    between = (found - turn) % len(loads)
    assert all(loads[(turn + step) % len(loads)] > loads[found] for step in range(between))


def test_equals_take_turns() -> None:
    """Where nobody is busy, each gets every third request."""
    standings, turn, got = [Standing() for _ in range(3)], 0, []
    for _ in range(6):
        found = choose(standings, [0, 0, 0], turn, 0.0)
        assert found is not None
        got.append(found)
        turn = found + 1
    assert got == [0, 1, 2, 0, 1, 2]


def test_what_was_tried_is_not_tried_again() -> None:
    """Until none is left."""
    standings = [Standing() for _ in range(2)]
    assert choose(standings, [0, 5], 0, 0.0, {0}) == 1
    assert choose(standings, [0, 5], 0, 0.0, {0, 1}) is None
    assert choose([], [], 0, 0.0) is None


class Upstreams(RuleBasedStateMachine):
    """Requests that come, fare and fail in any order, and checks; a model counts along."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.turn = 0
        self.standings = [Standing() for _ in range(COUNT)]
        self.under_way: list[int] = []
        self.bad_checks = [0] * COUNT

    @property
    def loads(self) -> list[int]:
        return [self.under_way.count(position) for position in range(COUNT)]

    @rule(seconds=st.floats(0.0, 2 * LONGEST_PAUSE))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def request(self) -> None:
        found = choose(self.standings, self.loads, self.turn, self.now)
        if found is None:
            assert not any(standing.open(self.now) for standing in self.standings)
            return
        assert self.standings[found].open(self.now)
        assert self.bad_checks[found] < FAILED_CHECKS
        tried = self.standings[found].due(self.now)
        self.standings[found].begin(self.now)
        # One on trial is alone; nothing further goes there now.
        assert self.standings[found].open(self.now) is not tried
        self.turn = found + 1
        self.under_way.append(found)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from(["refuse", "fail_to_answer", "accept", "answer"]))
    def outcome(self, data: st.DataObject, how: str) -> None:
        position = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        standing = self.standings[position]
        match how:
            case "refuse":
                standing.refuse(self.now)
            case "fail_to_answer":
                standing.fail_to_answer(self.now)
            case "accept":
                standing.accept()
            case _:
                standing.answer()
                assert standing.open(self.now) is standing.sound

    @rule(position=st.integers(0, COUNT - 1), good=st.booleans())
    def check(self, position: int, *, good: bool) -> None:
        before = self.standings[position].sound
        said = self.standings[position].check(good=good)
        assert said is (self.standings[position].sound is not before)
        self.bad_checks[position] = 0 if good else self.bad_checks[position] + 1

    @invariant()
    def nothing_is_lost_for_ever(self) -> None:
        """What the checks do not speak against is tried again after the longest pause."""
        for standing in self.standings:
            assert standing.open(self.now + LONGEST_PAUSE) is standing.sound
            assert standing.pause <= LONGEST_PAUSE


TestUpstreams = Upstreams.TestCase
