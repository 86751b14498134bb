"""Whatever lists arrive, in whatever order: what is known is what the CA said, and the newest."""

from dataclasses import replace
from typing import cast

from hypothesis import given, settings
from hypothesis import strategies as st

from ca.foreign.coverage import HeldList
from ca.foreign.facts import ListFacts
from ca.foreign.ordering import Step, judge_delta, judge_full
from ca.foreign.revoked import RevokedIndex, encode_index, make_record, sort_records
from ca.scopes import REMOVE_FROM_CRL
from ca.trust import RevocationReason
from tests.ca.foreign.crl_makers import NOW
from tests.ca.foreign.test_facts import FACTS

SERIALS = range(2)
State = dict[int, str]
Delivery = tuple[int, int | None]
"""The number of a list, and that of its base if it is a delta."""

HOLD, FINAL = str(RevocationReason.CERTIFICATE_HOLD), str(RevocationReason.KEY_COMPROMISE)
CHANGES = st.tuples(st.sampled_from(SERIALS), st.sampled_from([HOLD, FINAL, "release"]))


def live(changes: list[tuple[int, str]]) -> list[State]:
    """Return what the CA says after each change; what is revoked for good stays so."""
    states: list[State] = [{}]
    for serial, what in changes:
        state = dict(states[-1])
        if state.get(serial) != FINAL:
            state.pop(serial, None)
            if what != "release":
                state[serial] = what
        states.append(state)
    return states


def publish(states: list[State], number: int, base: int | None) -> RevokedIndex:
    """Make the list of a number: all of a state, or what changed in it since its base.

    A delta goes with its base and with every full list after it (RFC 5280, 5.2.4). So a
    certificate that was released and held again since is in it, though it stands as in the base.
    """
    now = states[number]
    if base is None:
        said = now
    else:
        since = states[base:number]
        touched = {one for one in SERIALS if any(now.get(one) != old.get(one) for old in since)}
        said = {one: now.get(one, REMOVE_FROM_CRL) for one in touched}
    records = [make_record(serial, NOW, why) for serial, why in said.items()]
    sort_records(records)
    facts = replace(FACTS, number=number, base=base, digest=f"{number} {base}")
    return RevokedIndex(memoryview(b"".join(encode_index(facts, records))))


def arrive(held: HeldList | None, index: RevokedIndex) -> HeldList | None:
    """Take a list if it is the next."""
    facts: ListFacts = index.facts
    full = None if held is None else held.full.facts
    if facts.base is None:
        if judge_full(facts, full) is not Step.NEXT:
            return held
        return HeldList(index, None if held is None else held.delta)
    delta = None if held is None or held.delta is None else held.delta.facts
    if held is None or judge_delta(facts, full, delta) is not Step.NEXT:
        return held
    return replace(held, delta=index)


@given(st.data(), st.lists(CHANGES, min_size=2, max_size=8))
@settings(max_examples=300)
def test_nothing_older_is_believed_and_nothing_is_made_up(
    data: st.DataObject, changes: list[tuple[int, str]]
) -> None:
    """After each arrival, what is known is one state of the CA, and never an earlier one."""
    states = live(changes)
    numbers = st.integers(0, len(changes))
    held: HeldList | None = None
    known = -1
    for _ in range(data.draw(st.integers(2, 12))):
        number = data.draw(numbers)
        base = data.draw(st.none() | st.integers(0, number - 1)) if number else None
        held = arrive(held, publish(states, number, base))
        if held is None:
            continue
        newest = held.full if held.applied is None else held.applied
        before, known = known, cast("int", newest.facts.number)
        assert known >= before
        found = {one: entry.reason for one in SERIALS if (entry := held.find(one)) is not None}
        assert found == states[known]
