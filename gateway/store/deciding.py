"""Requests for access as they are asked and settled, each in one transaction.

There is one writer at a time, so what is looked at here stays so until it is written: of two who
decide at once, one comes second and is told so.
"""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Final

from gateway.core.audit import AuditKind
from gateway.core.changes import ChangeKind
from gateway.core.people import Person
from gateway.core.requests import (
    DAY_MAXIMUM,
    OPEN_MAXIMUM,
    AccessRequest,
    Fault,
    RequestState,
    Ruling,
    Wish,
    merged,
    overlap,
)
from gateway.core.spans import DaySpan, show_spans
from gateway.store import requests
from gateway.store.accounts import Actor, confirm_session
from gateway.store.steps import Step

MayDecide = Callable[[AccessRequest, Person], bool]
"""Says whether somebody may decide a request of a person, as both stand at that moment."""

_A_DAY: Final = timedelta(days=1)
_TAKEN: Final = (RequestState.ASKED, RequestState.APPROVED)


async def ask(step: Step, actor: Actor, wish: Wish) -> AccessRequest | Fault:
    """Write down what somebody asks for; or raise `SignInOvertaken`."""
    await confirm_session(step, actor.session)
    connection, user = step.connection, actor.session.user
    if fault := wish.fault():
        return fault
    before = await requests.list_requests(connection, user=user, states=_TAKEN)
    if sum(one.is_open(wish.today) for one in before) >= OPEN_MAXIMUM:
        return Fault.TOO_MANY
    # Who asks and withdraws, over and over, would write letters to others all day.
    if await requests.count_since(connection, user, step.now - _A_DAY) >= DAY_MAXIMUM:
        return Fault.TOO_OFTEN
    if any(overlap(wish.wanted, _claimed(one)) for one in before if one.app == wish.app):
        return Fault.ASKED_BEFORE
    new = AccessRequest(
        number=await requests.next_number(connection),
        user=user,
        app=wish.app,
        wanted=merged(wish.wanted),
        reason=wish.reason,
        serial=actor.serial,
        agreements=await requests.accepted_texts(connection, user, wish.agreements),
        asked_at=step.now,
    )
    await requests.insert_request(connection, new)
    _note(step, AuditKind.APPROVAL_ASKED, new, actor, days=show_spans(new.wanted))
    return new


async def decide(
    step: Step, actor: Actor | None, number: int, ruling: Ruling, may: MayDecide
) -> AccessRequest | Fault:
    """Approve or refuse a request; without *actor* it is an administrator's word.

    Raises `SignInOvertaken` where the actor may not come in any more.
    """
    if actor is not None:
        await confirm_session(step, actor.session)
    found = await requests.find_request(step.connection, number)
    if found is None:
        return Fault.UNKNOWN
    if actor is not None and found.user == actor.session.user:
        return Fault.OWN
    asker = await requests.asker_of(step.connection, found)
    if actor is not None and (asker is None or not may(found, asker)):
        return Fault.UNKNOWN
    if found.state is not RequestState.ASKED:
        return Fault.SETTLED
    if fault := ruling.fault(found.wanted):
        return fault
    state = RequestState.REFUSED if ruling.granted is None else RequestState.APPROVED
    granted = ruling.days
    await requests.settle(
        step.connection,
        number,
        state,
        granted=show_spans(granted),
        words=ruling.words,
        decided_by=step.by if actor is None else actor.session.user,
        decided_at=step.now,
    )
    if state is RequestState.APPROVED:
        _note(step, AuditKind.APPROVAL_GRANTED, found, actor, days=show_spans(granted))
    else:
        _note(step, AuditKind.APPROVAL_REFUSED, found, actor)
    return await _now(step, number)


async def withdraw(step: Step, actor: Actor, number: int, today: date) -> AccessRequest | Fault:
    """Take back what one has asked for, or give back what one was granted."""
    await confirm_session(step, actor.session)
    found = await requests.find_request(step.connection, number)
    user = actor.session.user
    if found is None or found.user != user:
        return Fault.UNKNOWN
    if found.is_over(today):
        return Fault.SETTLED
    if found.state is RequestState.APPROVED:
        return await _end(step, found, actor, user)
    settled = await requests.settle(
        step.connection, number, RequestState.WITHDRAWN, ended_by=user, ended_at=step.now
    )
    if not settled:
        return Fault.SETTLED
    _note(step, AuditKind.APPROVAL_WITHDRAWN, found, actor)
    return await _now(step, number)


async def end(step: Step, number: int, today: date) -> AccessRequest | Fault:
    """End what was approved, now, by an administrator's word."""
    found = await requests.find_request(step.connection, number)
    if found is None:
        return Fault.UNKNOWN
    if found.is_over(today):
        return Fault.SETTLED
    return await _end(step, found, None, step.by)


async def _end(
    step: Step, found: AccessRequest, actor: Actor | None, by: str
) -> AccessRequest | Fault:
    ended = await requests.settle(
        step.connection, found.number, RequestState.ENDED, ended_by=by, ended_at=step.now
    )
    if not ended:
        return Fault.SETTLED
    _note(step, AuditKind.APPROVAL_ENDED, found, actor, days=show_spans(found.granted))
    return await _now(step, found.number)


async def _now(step: Step, number: int) -> AccessRequest:
    found = await requests.find_request(step.connection, number)
    assert found is not None  # noqa: S101 - it was there, and nothing is ever taken out
    return found


def _claimed(one: AccessRequest) -> tuple[DaySpan, ...]:
    return one.granted if one.state is RequestState.APPROVED else one.wanted


def _note(
    step: Step, kind: AuditKind, one: AccessRequest, actor: Actor | None, **detail: str
) -> None:
    """Tell of *one*: the line is about who asked, and names who did it where that is another."""
    own = actor is not None and actor.session.user == one.user
    by = {}
    if actor is not None and not own:
        by = {"by": actor.session.user, "by_serial": actor.serial, "by_device": actor.device}
    step.note(
        kind,
        user=one.user,
        serial=actor.serial if actor is not None and own else one.serial,
        device=actor.device if actor is not None and own else "",
        address="" if actor is None else actor.address,
        app=one.app,
        number=str(one.number),
        **detail,
        **by,
        **({} if actor is None else actor.detail),
    )
    # Whatever remembers the person reads their papers anew.
    step.change(ChangeKind.USER, one.user)
