"""Which list may follow which."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ca.foreign.crls import CRLFault, RefusedCRL
from ca.foreign.facts import ListFacts
from ca.foreign.ordering import Step, applies, judge_delta, judge_full
from tests.ca.foreign.test_facts import FACTS

HOUR = timedelta(hours=1)


def full(number: int | None, digest: str = "") -> ListFacts:
    """Make a full list's facts."""
    return replace(FACTS, number=number, base=None, digest=digest or f"full {number}")


def delta(number: int, base: int, digest: str = "") -> ListFacts:
    """Make a delta's facts."""
    return replace(FACTS, number=number, base=base, digest=digest or f"delta {number}")


def fault(found: Step | RefusedCRL) -> CRLFault:
    """Return why it is refused."""
    assert isinstance(found, RefusedCRL)
    assert found.words
    return found.reason


@given(st.lists(st.integers(0, 20), min_size=1))
def test_whatever_the_order_of_arrival_the_newest_is_held(numbers: list[int]) -> None:
    """An older list never takes the place of a newer one."""
    held: ListFacts | None = None
    for number in numbers:
        if judge_full(full(number), held) is Step.NEXT:
            held = full(number)
    assert held is not None
    assert held.number == max(numbers)


def test_the_first_is_taken_and_the_same_is_no_news() -> None:
    """What is held already changes nothing."""
    assert judge_full(full(5), None) is Step.NEXT
    assert judge_full(full(5), full(5)) is Step.SAME


def test_older_and_contradicting_lists_are_told_apart() -> None:
    """An old list is old; another list of the same number is a fault of the CA, or worse."""
    assert fault(judge_full(full(4), full(5))) is CRLFault.OLDER
    assert fault(judge_full(full(5, "other"), full(5))) is CRLFault.CONFLICT


def test_a_higher_number_is_newer_whatever_the_dates() -> None:
    """Numbers order lists; a clock that was set back does not."""
    assert judge_full(replace(full(6), this_update=FACTS.this_update - HOUR), full(5)) is Step.NEXT


def test_without_numbers_dates_order() -> None:
    """A list without a number follows one without, by its date, and never one with."""
    held = full(None)
    later = replace(full(None, "other"), this_update=FACTS.this_update + HOUR)
    assert judge_full(later, held) is Step.NEXT
    assert fault(judge_full(held, later)) is CRLFault.OLDER
    assert fault(judge_full(full(None, "another"), held)) is CRLFault.CONFLICT
    assert fault(judge_full(later, full(5))) is CRLFault.OLDER
    assert judge_full(full(5), held) is Step.NEXT


def test_a_delta_follows_only_its_base_or_newer() -> None:
    """What was before its base, a delta does not say."""
    assert judge_delta(delta(9, 5), full(5), None) is Step.NEXT
    assert judge_delta(delta(9, 5), full(8), None) is Step.NEXT
    assert fault(judge_delta(delta(9, 5), full(4), None)) is CRLFault.BASE
    assert fault(judge_delta(delta(9, 5), None, None)) is CRLFault.BASE
    assert fault(judge_delta(delta(9, 5), full(None), None)) is CRLFault.BASE


@pytest.mark.parametrize("number", [9, 10])
def test_a_full_list_catches_up_with_a_delta(number: int) -> None:
    """A delta that says no more than the full list is no fault, and no news."""
    assert judge_delta(delta(9, 5), full(number), None) is Step.PASSED


def test_deltas_follow_each_other() -> None:
    """The same rules as for full lists."""
    assert judge_delta(delta(10, 5), full(5), delta(9, 5)) is Step.NEXT
    assert judge_delta(delta(9, 5), full(5), delta(9, 5)) is Step.SAME
    assert fault(judge_delta(delta(8, 5), full(5), delta(9, 5))) is CRLFault.OLDER
    assert fault(judge_delta(delta(9, 5, "other"), full(5), delta(9, 5))) is CRLFault.CONFLICT


def test_a_delta_applies_between_its_base_and_its_number() -> None:
    """Neither to what is older than its base nor to what has caught up."""
    applied = [number for number in range(12) if applies(delta(9, 5), full(number))]
    assert applied == [5, 6, 7, 8]
    assert not applies(None, full(5))
    assert not applies(delta(9, 5), full(None))


def test_a_full_list_is_no_delta() -> None:
    """Asking so is a fault of the caller."""
    with pytest.raises(ValueError, match="not a delta"):
        judge_delta(full(5), full(5), None)
