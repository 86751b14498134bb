"""The pages of signing in, going on to where one wanted to be, and signing out."""

from typing import Final, assert_never

from aiohttp import web

from gateway.core.audit import AuditKind
from gateway.core.cookies import clearing_header
from gateway.core.pending import Pending
from gateway.portal.arriving import (
    after_form,
    asked_target,
    go_in,
    next_address,
    read_target,
    with_target,
    written_target,
)
from gateway.portal.authenticator import show_authenticator
from gateway.portal.callers import Visitor
from gateway.portal.failures import Told, tell
from gateway.portal.forms import read_form
from gateway.portal.pages import render, see_other
from gateway.portal.proving import Failed, Form
from gateway.portal.refuse import wants_html
from gateway.portal.repeats import MARK_MAXIMUM, new_mark
from gateway.portal.services import SERVICES
from gateway.portal.signing_in import SignedIn, SignIn
from gateway.portal.targets import ENROL_PATH, ApplicationTarget, PortalTarget, Target

SIGN_IN: web.AppKey[SignIn] = web.AppKey("sign-in", SignIn)
RECOVERY_PATH: Final = "/sign-in/recovery"


async def show_sign_in(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Ask for password and code; whoever is signed in goes straight on."""
    return await _show(request, visitor, "sign_in.html")


async def show_recovery(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Ask for password and recovery code."""
    return await _show(request, visitor, "recovery.html")


async def _show(request: web.Request, visitor: Visitor, page: str) -> web.StreamResponse:
    target = asked_target(request)
    if visitor.session is not None:
        return see_other(next_address(request, visitor.session, target))
    if await _has_nothing(request, visitor):
        return see_other(with_target(ENROL_PATH, request, target))
    return await ask_to_sign_in(request, visitor, target, page=page)


async def sign_in(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Take password and code; open the session, or say what did not hold."""
    return await _take(request, visitor, "sign_in.html")


async def recover(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Take password and recovery code; show the next authenticator, or say what did not hold."""
    return await _take(request, visitor, "recovery.html")


async def _take(request: web.Request, visitor: Visitor, page: str) -> web.StreamResponse:
    fields = await read_form(request)
    target = read_target(request, fields.get("to", ""))
    if visitor.session is not None:
        # A form that was sent twice: the first one has done its work.
        return see_other(after_form(request, target))
    if await _has_nothing(request, visitor):
        return see_other(with_target(ENROL_PATH, request, target))
    form = Form(
        user=fields.get("user", ""),
        password=fields.get("password", ""),
        code=fields.get("code", ""),
        recovery=fields.get("recovery", ""),
    )
    mark = fields.get("mark", "")[:MARK_MAXIMUM]
    match await request.app[SIGN_IN].attempt(visitor, form, mark=mark):
        case SignedIn(session):
            return go_in(request, session, target)
        case Pending() as pending:
            to = written_target(request, target)
            action = f"{ENROL_PATH}/confirm"
            return show_authenticator(request, visitor, pending, action=action, to=to)
        case Failed() as failed:
            on_paper = bool(form.recovery.strip())
            wrong, used = (
                ("recovery-wrong", "recovery-used") if on_paper else ("wrong", "code-used")
            )
            told = tell(request, failed, wrong=wrong, used=used)
            return await ask_to_sign_in(request, visitor, target, told, page=page)
        case other:
            assert_never(other)


async def go_on(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Bring somebody from the sign-in form to an application.

    A page of its own and not a redirect, since Chromium holds every redirect
    after a form to `form-action`, those of the application behind us included.
    What is no browser is simply redirected.
    """
    target = asked_target(request)
    if visitor.session is None:
        return see_other(with_target("/sign-in", request, target))
    address = next_address(request, visitor.session, target)
    if isinstance(target, PortalTarget) or not wants_html(request):
        return see_other(address)
    return render(request, "continue.html", {"address": address, "target": target})


async def sign_out(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """End the session, on every host and every edge."""
    if visitor.session is not None:
        await request.app[SERVICES].store.end_sessions(
            session=visitor.session.id, kind=AuditKind.SIGNED_OUT, by=visitor.person.user
        )
    return say_goodbye()


def say_goodbye() -> web.Response:
    """Take from whoever is signed out by now the cookie, and the pages that were looked at.

    Chromium keeps pages as they were for whoever goes back, `no-store` or not (seen in 156 of the
    page that a form had led to). *Clear-Site-Data* ends that too (W3C Clear Site Data, "cache").
    """
    response = see_other("/signed-out")
    response.headers.add("Set-Cookie", clearing_header())
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


async def show_signed_out(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Say that it is done; to somebody who is signed in that would be untrue."""
    if visitor.session is not None:
        return see_other("/")
    return render(request, "signed_out.html", {})


async def ask_to_sign_in(
    request: web.Request,
    visitor: Visitor,
    target: Target,
    told: Told | None = None,
    *,
    page: str = "sign_in.html",
) -> web.Response:
    """Show the form, with what was wrong with the last one."""
    services = request.app[SERVICES]
    ticket = await services.store.ticket(visitor.person.user)
    path = "/sign-in" if page == "sign_in.html" else RECOVERY_PATH
    values: dict[str, object] = {
        "visitor": visitor,
        "going_to": target.application.host if isinstance(target, ApplicationTarget) else None,
        "to": written_target(request, target),
        "mark": new_mark(),
        "problem": None if told is None else told.problem,
        "alarm": None if told is None else told.alarm,
        "by_ticket": with_target(ENROL_PATH, request, target)
        if ticket is not None and ticket.ends_at > services.clock()
        else None,
        "by_recovery": with_target(RECOVERY_PATH, request, target),
        "by_code": with_target("/sign-in", request, target),
        # Of a form that failed, the way is in the form and not in the address.
        "back": with_target(path, request, target),
    }
    status, fields = (200, None) if told is None else (told.status, told.fields)
    return render(request, page, values, status=status, fields=fields)


async def _has_nothing(request: web.Request, visitor: Visitor) -> bool:
    """Say whether *visitor* has nothing to sign in with, and is to set that up first."""
    return await request.app[SERVICES].store.credentials(visitor.person.user) is None
