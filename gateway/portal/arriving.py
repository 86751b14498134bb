"""From a form to where somebody wanted to be, with the session that they have by then."""

from urllib.parse import urlencode

from aiohttp import web

from gateway.core.cookies import cookie_header, mint_cookie, mint_ticket
from gateway.core.sessions import Session
from gateway.portal.pages import see_other
from gateway.portal.provenance import SAFE_METHODS
from gateway.portal.services import SERVICES
from gateway.portal.targets import (
    START,
    ApplicationTarget,
    PortalTarget,
    Target,
    address_of,
    enter_address,
    find_target,
)


def asked_target(request: web.Request) -> Target:
    """Return where somebody wants to go who asks with `?to=`; twice is nowhere."""
    asked = request.rel_url.query.getall("to", [])
    return read_target(request, asked[0] if len(asked) == 1 else "")


def read_target(request: web.Request, to: str) -> Target:
    """Return the place of this site that *to* names; the start page for anything else."""
    services = request.app[SERVICES]
    return find_target(to, services.site, services.applications())


def written_target(request: web.Request, target: Target) -> str:
    """Return *target* as it travels in a form."""
    return "" if target == START else address_of(target, request.app[SERVICES].site)


def with_target(path: str, request: web.Request, target: Target) -> str:
    """Return *path* with *target* behind it."""
    to = written_target(request, target)
    return f"{path}?{urlencode({'to': to})}" if to else path


def to_sign_in(request: web.Request, path: str = "") -> web.Response:
    """Send somebody to the sign-in, and from there to *path*, or back to where they are.

    What a form wanted is not done, and does not travel along.
    """
    here = request.raw_path if request.method in SAFE_METHODS else request.rel_url.raw_path
    return see_other(with_target("/sign-in", request, PortalTarget(path or here)))


def next_address(request: web.Request, session: Session, target: Target) -> str:
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


def after_form(request: web.Request, target: Target) -> str:
    """Return where a form leads on the way to *target*."""
    if isinstance(target, ApplicationTarget):
        return with_target("/continue", request, target)
    return address_of(target, request.app[SERVICES].site)


def let_in(request: web.Request, response: web.Response, session: Session) -> web.Response:
    """Give the browser that gets *response* its cookie."""
    services = request.app[SERVICES]
    cookie = mint_cookie(services.cookie_key, session.id, services.site.host)
    response.headers.add("Set-Cookie", cookie_header(cookie))
    return response


def go_in(request: web.Request, session: Session, target: Target) -> web.Response:
    """Send somebody who has signed in to *target*."""
    return let_in(request, see_other(after_form(request, target)), session)
