"""The pages of signing in, going on to where one wanted to be, and signing out."""

from datetime import timedelta
from math import ceil
from typing import assert_never
from urllib.parse import urlencode

from aiohttp import web
from markupsafe import Markup

from gateway.core.audit import AuditKind
from gateway.core.cookies import clearing_header, cookie_header, mint_cookie, mint_ticket
from gateway.core.sessions import Session
from gateway.portal.callers import Visitor
from gateway.portal.forms import read_form
from gateway.portal.messages import say
from gateway.portal.moments import span_in_words
from gateway.portal.pages import contact_link, language_of, render, see_other
from gateway.portal.refuse import wants_html
from gateway.portal.services import SERVICES
from gateway.portal.signing_in import Failed, Failure, Form, SignedIn, SignIn
from gateway.portal.targets import (
    START,
    ApplicationTarget,
    PortalTarget,
    Target,
    address_of,
    enter_address,
    find_target,
)

SIGN_IN: web.AppKey[SignIn] = web.AppKey("sign-in", SignIn)


async def show_sign_in(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Ask for password and code; whoever is signed in goes straight on."""
    target = _target(request, _asked_in_query(request))
    if visitor.session is not None:
        return see_other(_next_address(request, visitor.session, target))
    return _form_page(request, visitor, target)


async def sign_in(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Take password and code; open the session, or say what did not hold."""
    fields = await read_form(request)
    target = _target(request, fields.get("to", ""))
    if visitor.session is not None:
        # A form that was sent twice: the first one has done its work.
        return see_other(_after_form(request, target))
    form = Form(
        user=fields.get("user", ""),
        password=fields.get("password", ""),
        code=fields.get("code", ""),
    )
    match await request.app[SIGN_IN].attempt(visitor, form):
        case SignedIn(session):
            return _signed_in(request, session, target)
        case Failed() as failed:
            return _failed(request, visitor, target, failed)
        case other:
            assert_never(other)


async def go_on(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Bring somebody from the sign-in form to an application.

    A page of its own and not a redirect, since Chromium holds every redirect
    after a form to `form-action`, those of the application behind us included.
    What is no browser is simply redirected.
    """
    target = _target(request, _asked_in_query(request))
    if visitor.session is None:
        return see_other(_with_target("/sign-in", request, target))
    address = _next_address(request, visitor.session, target)
    if isinstance(target, PortalTarget) or not wants_html(request):
        return see_other(address)
    return render(request, "continue.html", {"address": address, "target": target})


async def sign_out(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """End the session, on every host and every edge."""
    if visitor.session is not None:
        await request.app[SERVICES].store.end_sessions(
            session=visitor.session.id, kind=AuditKind.SIGNED_OUT, by=visitor.person.user
        )
    response = see_other("/signed-out")
    response.headers.add("Set-Cookie", clearing_header())
    return response


async def show_signed_out(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Say that it is done; to somebody who is signed in that would be untrue."""
    if visitor.session is not None:
        return see_other("/")
    return render(request, "signed_out.html", {})


def _asked_in_query(request: web.Request) -> str:
    asked = request.rel_url.query.getall("to", [])
    return asked[0] if len(asked) == 1 else ""


def _target(request: web.Request, to: str) -> Target:
    services = request.app[SERVICES]
    return find_target(to, services.site, services.applications())


def _with_target(path: str, request: web.Request, target: Target) -> str:
    if target == START:
        return path
    address = address_of(target, request.app[SERVICES].site)
    return f"{path}?{urlencode({'to': address})}"


def _next_address(request: web.Request, session: Session, target: Target) -> str:
    """Return where somebody with *session* is sent to reach *target*."""
    services = request.app[SERVICES]
    if not isinstance(target, ApplicationTarget):
        return address_of(target, services.site)
    ticket = mint_ticket(
        services.cookie_key,
        session.id,
        target.application.host,
        session.fingerprint,
        target.target,
        services.clock(),
    )
    return enter_address(target, services.site, ticket)


def _after_form(request: web.Request, target: Target) -> str:
    if isinstance(target, ApplicationTarget):
        return _with_target("/continue", request, target)
    return address_of(target, request.app[SERVICES].site)


def _signed_in(request: web.Request, session: Session, target: Target) -> web.Response:
    services = request.app[SERVICES]
    response = see_other(_after_form(request, target))
    cookie = mint_cookie(services.cookie_key, session.id, services.site.host)
    response.headers.add("Set-Cookie", cookie_header(cookie))
    return response


def _form_page(  # one page, three states of it
    request: web.Request,
    visitor: Visitor,
    target: Target,
    *,
    problem: str | None = None,
    alarm: Markup | None = None,
    status: int = 200,
    fields: dict[str, str] | None = None,
) -> web.Response:
    site = request.app[SERVICES].site
    values: dict[str, object] = {
        "visitor": visitor,
        "going_to": target.application.host if isinstance(target, ApplicationTarget) else None,
        "to": "" if target == START else address_of(target, site),
        "problem": problem,
        "alarm": alarm,
        # Of a form that failed, the way is in the form and not in the address.
        "back": _with_target("/sign-in", request, target),
    }
    return render(request, "sign_in.html", values, status=status, fields=fields)


def _failed(request: web.Request, visitor: Visitor, target: Target, failed: Failed) -> web.Response:
    """Say what did not hold, no more exactly than a stranger may know."""
    language = language_of(request)
    match failed.failure:
        case Failure.LOCKED:
            services = request.app[SERVICES]
            until = failed.until or services.clock()
            wait = max(until - services.clock(), timedelta(seconds=1))
            return _form_page(
                request,
                visitor,
                target,
                problem=say("locked", language, span=span_in_words(wait, language)),
                alarm=contact_link(services.site) if services.site.contact else None,
                status=429,
                fields={"Retry-After": str(ceil(wait.total_seconds()))},
            )
        case Failure.CODE_USED:
            problem = say("code-used", language)
        case Failure.CLOCK_OUT_OF_STEP:
            key = "clock-ahead" if failed.clock_seconds > 0 else "clock-behind"
            span = span_in_words(timedelta(seconds=abs(failed.clock_seconds)), language)
            problem = say(key, language, span=span)
        case _:
            # Password, code, name: whoever does not know them learns nothing of which it was.
            problem = say("wrong", language)
    return _form_page(request, visitor, target, problem=problem, status=403)
