"""How the lists of other CAs stand, in words, for doctor and `crl show`: what this site goes by.

When they are published is not ours to say, and many CAs let half of a list's life go by before
the next: so the alarm comes later than for our own, when a quarter is left, or as soon as a list
cannot be had.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.bootstrap.examination import Finding, ok, problem, warning
from gateway.bootstrap.folder import SiteFolder
from gateway.bootstrap.trusted import trusts_of
from gateway.config import Problems
from gateway.core.foreign import ForeignList, ForeignState
from gateway.core.trusts import PastEnd, Trust
from gateway.store import Store

WAITING = timedelta(minutes=1)
"""How long a certificate may wait to be judged before somebody is to look at the verifier."""
_LIFE_LEFT = 4
_LOOK = "look at the log of the verifier, and at the CA's server; pusterla reload asks it again"


class ForeignAge(StrEnum):
    """How a list of another CA is."""

    GOOD = "good"
    LATE = "late"
    """Three quarters of its life are over, and no other was had."""
    ENDED = "ended"
    MISSING = "missing"
    """None was ever had there."""


def age_of(one: ForeignList, now: datetime) -> ForeignAge:
    """Say how *one* is at *now*."""
    if one.next_update is None:
        return ForeignAge.MISSING
    if now > one.next_update:
        return ForeignAge.ENDED
    if one.this_update is None:
        return ForeignAge.GOOD
    left = (one.next_update - one.this_update) / _LIFE_LEFT
    return ForeignAge.LATE if now > one.next_update - left else ForeignAge.GOOD


async def examine_foreign(
    folder: SiteFolder, store: Store, now: datetime
) -> AsyncIterator[Finding]:
    """Look at the lists of other CAs, and whether what is shown is judged."""
    found = trusts_of(folder)
    trusts = {} if isinstance(found, Problems) else found
    for one in await store.foreign_lists():
        yield _examine(one, trusts.get(one.trust), now)
    waiting = [
        one
        for one in await store.presented(state=ForeignState.WAITING)
        if one.presented_at < now - WAITING
    ]
    if waiting:
        what = "1 certificate of other CAs waits"
        if len(waiting) > 1:
            what = f"{len(waiting)} certificates of other CAs wait"
        words = f"{what} to be judged"
        yield problem("verifier", words, "start it: pusterla serve, or the unit pusterla-verifier")


def _examine(one: ForeignList, trust: Trust | None, now: datetime) -> Finding:
    subject, name = "foreign list", f"{one.trust}: {one.source}"
    ends = "" if one.next_update is None else f"{one.next_update:%F %T} UTC"
    failed = f"; {one.failure}" if one.failure else ""
    match age_of(one, now):
        case ForeignAge.MISSING:
            words = f"{name}: nothing was had there{failed}"
            return problem(subject, words, _LOOK)
        case ForeignAge.ENDED:
            return problem(
                subject, f"{name} ended at {ends}, {_past_end(one, trust, now)}{failed}", _LOOK
            )
        case ForeignAge.LATE:
            words = f"{name} is nearly over and was not followed by another; ends {ends}{failed}"
            return warning(subject, words, _LOOK)
        case ForeignAge.GOOD:
            number = f" number {one.number}" if one.number else ""
            words = f"{name}{number}, {one.entries} entries, good until {ends}"
            return warning(subject, f"{words}{failed}", _LOOK) if failed else ok(subject, words)


def _past_end(one: ForeignList, trust: Trust | None, now: datetime) -> str:
    if trust is None or trust.past_end is PastEnd.REFUSE or one.next_update is None:
        return "so nobody whom it speaks for gets in"
    until = trust.good_until(one.next_update)
    if now > until:
        return f"and its grace at {until:%F %T} UTC: nobody whom it speaks for gets in"
    return f"and is gone by until {until:%F %T} UTC all the same: whoever was revoked since gets in"
