"""The pages of the first sign-in: ticket and password, authenticator, recovery codes."""

from typing import Final, assert_never

from aiohttp import web

from gateway.core.credentials import PASSWORD_MINIMUM
from gateway.core.pending import Ground, Pending, read_pending
from gateway.portal.arriving import (
    asked_target,
    go_in,
    let_in,
    next_address,
    read_target,
    with_target,
    written_target,
)
from gateway.portal.authenticator import show_authenticator, show_recovery_codes
from gateway.portal.callers import Visitor
from gateway.portal.enrolling import Enrolled, Enrolling
from gateway.portal.failures import Told, new_password_problem, tell
from gateway.portal.forms import read_form
from gateway.portal.messages import say
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.proving import Failed, Failure
from gateway.portal.services import SERVICES
from gateway.portal.sign_in import ask_to_sign_in
from gateway.portal.targets import ENROL_PATH, Target

ENROLLING: web.AppKey[Enrolling] = web.AppKey("enrolling", Enrolling)
CONFIRM_PATH: Final = f"{ENROL_PATH}/confirm"


async def show_enrol(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Ask for ticket and new password; whoever has no ticket is sent on, or told to ask for one."""
    services, target = request.app[SERVICES], asked_target(request)
    ticket = await services.store.ticket(visitor.person.user)
    if ticket is not None and ticket.ends_at > services.clock():
        return await _ask(request, visitor, target)
    if visitor.session is not None:
        return see_other(next_address(request, visitor.session, target))
    if await services.store.credentials(visitor.person.user) is not None:
        return see_other(with_target("/sign-in", request, target))
    return _without_ticket(request, visitor, ended=ticket is not None)


async def enrol(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Take ticket and new password; show the QR code, or say what did not hold."""
    fields = await read_form(request)
    target, ticket = read_target(request, fields.get("to", "")), fields.get("ticket", "")
    password = fields.get("password", "")
    # Of the password nothing is to be guessed, so it is looked at before an attempt is counted.
    problem = new_password_problem(request, password, fields.get("again", ""))
    if problem is not None:
        told = Told(problem, status=400)
        return await _ask(request, visitor, target, told=told, ticket=ticket, at="password")
    result = await request.app[ENROLLING].begin(visitor, ticket, password)
    if isinstance(result, Failed):
        told = tell(request, result, wrong="ticket-wrong")
        return await _ask(request, visitor, target, told=told, at="ticket")
    to = written_target(request, target)
    return show_authenticator(request, visitor, result, action=CONFIRM_PATH, to=to)


async def go_to_enrol(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Send whoever asks for the second page by its address back to the first."""
    del request, visitor
    return see_other(ENROL_PATH)


async def confirm(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Take the first code of the new authenticator, and let its owner in."""
    fields = await read_form(request)
    target, token = read_target(request, fields.get("to", "")), fields.get("token", "")
    services = request.app[SERVICES]
    pending = read_pending(services.site_key, token, services.clock())
    if pending is None or not is_of(pending, visitor, Ground.TICKET, Ground.RECOVERY):
        return await _begin_again(request, visitor, target, "pending-over")
    answer = await request.app[ENROLLING].confirm(
        visitor, pending, fields.get("code", ""), mark=token
    )
    match answer:
        case Enrolled(session, codes) if codes:
            to = written_target(request, target)
            page = show_recovery_codes(request, visitor, codes, action="/continue", to=to)
            return let_in(request, page, session)
        case Enrolled(session):
            return go_in(request, session, target)
        case Failed(Failure.WRONG_CODE | Failure.CLOCK_OUT_OF_STEP):
            told = tell(request, answer, wrong="first-code-wrong")
            return show_authenticator(
                request,
                visitor,
                pending,
                action=CONFIRM_PATH,
                to=written_target(request, target),
                token=token,
                problem=told.problem,
                status=told.status,
            )
        case Failed() if visitor.session is not None:
            # Done in another window, or by this form before.
            return see_other(next_address(request, visitor.session, target))
        case Failed():
            return await _begin_again(request, visitor, target, "pending-gone")
        case other:
            assert_never(other)


def is_of(pending: Pending, visitor: Visitor, *grounds: Ground) -> bool:
    """Say whether *pending* is on one of these *grounds*, and of this person and certificate."""
    holder, person = visitor.holder, visitor.person
    return (
        pending.ground in grounds
        and pending.user == person.user
        and pending.fingerprint == holder.fingerprint
    )


async def _begin_again(
    request: web.Request, visitor: Visitor, target: Target, problem: str
) -> web.Response:
    """Say that nothing was done, on the page with which to begin once more."""
    services = request.app[SERVICES]
    told = Told(say(problem, language_of(request)))
    ticket = await services.store.ticket(visitor.person.user)
    if ticket is not None and ticket.ends_at > services.clock():
        return await _ask(request, visitor, target, told=told)
    if await services.store.credentials(visitor.person.user) is None:
        return _without_ticket(request, visitor, ended=ticket is not None)
    return await ask_to_sign_in(request, visitor, target, told)


def _without_ticket(request: web.Request, visitor: Visitor, *, ended: bool) -> web.Response:
    values: dict[str, object] = {"visitor": visitor, "ended": ended, "back": ENROL_PATH}
    return render(request, "no_ticket.html", values, status=403)


async def _ask(  # one page, three states of it
    request: web.Request,
    visitor: Visitor,
    target: Target,
    *,
    told: Told | None = None,
    ticket: str = "",
    at: str = "",
) -> web.Response:
    store = request.app[SERVICES].store
    values: dict[str, object] = {
        "visitor": visitor,
        "replaces": await store.credentials(visitor.person.user) is not None,
        "to": written_target(request, target),
        "problem": None if told is None else told.problem,
        "alarm": None if told is None else told.alarm,
        "ticket": ticket,
        "at": at,
        "least": str(PASSWORD_MINIMUM),
        "back": with_target(ENROL_PATH, request, target),
    }
    status, fields = (200, None) if told is None else (told.status, told.fields)
    return render(request, "enrol.html", values, status=status, fields=fields)
