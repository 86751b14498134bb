"""Which list may follow which: an older one never takes the place of a newer one.

Lists of one scope are ordered by their numbers (RFC 5280, section 5.2.3), those without a number
by when they begin.
"""

from enum import StrEnum

from ca.foreign.crls import CRLFault, RefusedCRL
from ca.foreign.facts import ListFacts

_START_AGAIN = "; if the CA has begun again, remove the trust and add it again"


class Step(StrEnum):
    """What a list that arrives is to the ones that are held."""

    NEXT = "next"
    """Newer: it takes their place."""
    SAME = "same"
    """The one that is held."""
    PASSED = "passed"
    """A delta to which the full list that is held has caught up: no more is to be learnt of it."""


def judge_full(new: ListFacts, held: ListFacts | None) -> Step | RefusedCRL:
    """Judge a full list beside the full list of its scope that is held."""
    return Step.NEXT if held is None else _judge(new, held)


def judge_delta(
    new: ListFacts, full: ListFacts | None, held: ListFacts | None
) -> Step | RefusedCRL:
    """Judge a delta beside the full list and the delta of its scope that are held."""
    if new.base is None or new.number is None:
        raise ValueError("not a delta")
    if full is None or full.number is None:
        return RefusedCRL(
            CRLFault.BASE, "is a delta list, and no numbered full list of its scope is held"
        )
    if full.number < new.base:
        return RefusedCRL(
            CRLFault.BASE,
            f"begins at number {new.base}, and the full list that is held is {full.number}",
        )
    if held is not None and (step := _judge(new, held)) is not Step.NEXT:
        return step
    return Step.PASSED if new.number <= full.number else Step.NEXT


def applies(delta: ListFacts | None, full: ListFacts) -> bool:
    """Say whether *delta*, which was taken once, says more than *full*, of the same scope."""
    if delta is None or delta.number is None or delta.base is None or full.number is None:
        return False
    return delta.base <= full.number < delta.number


def _judge(new: ListFacts, held: ListFacts) -> Step | RefusedCRL:
    if new.digest == held.digest:
        return Step.SAME
    if new.number is None or held.number is None:
        return _judge_by_date(new, held)
    if new.number < held.number:
        return RefusedCRL(
            CRLFault.OLDER,
            f"has the number {new.number}, and {held.number} is in force{_START_AGAIN}",
        )
    if new.number == held.number:
        return RefusedCRL(
            CRLFault.CONFLICT,
            f"has the number {new.number} of the list that is in force, and says something "
            f"else{_START_AGAIN}",
        )
    return Step.NEXT


def _judge_by_date(new: ListFacts, held: ListFacts) -> Step | RefusedCRL:
    if held.number is not None:
        return RefusedCRL(
            CRLFault.OLDER,
            f"has no number, and the one in force has the number {held.number}{_START_AGAIN}",
        )
    if new.this_update < held.this_update:
        return RefusedCRL(
            CRLFault.OLDER,
            f"is as of {new.this_update:%Y-%m-%d %H:%M:%S} UTC, and one of "
            f"{held.this_update:%Y-%m-%d %H:%M:%S} is in force",
        )
    if new.number is None and new.this_update == held.this_update:
        return RefusedCRL(
            CRLFault.CONFLICT, "begins when the one in force does, and says something else"
        )
    return Step.NEXT
