"""The aiohttp application: one way in, and one place where errors end."""

from aiohttp import web

from gateway.portal.doors import dispatch
from gateway.portal.lost import IDENTIFICATION
from gateway.portal.ocsp import DESK, Desk
from gateway.portal.pages import guard
from gateway.portal.refuse import refuse_middleware
from gateway.portal.reporting import Identification
from gateway.portal.services import SERVICES, Services
from gateway.portal.shelf import SHELF, Shelf
from gateway.portal.sign_in import SIGN_IN
from gateway.portal.signing_in import SignIn

__all__ = ["BODY_MAXIMUM", "Services", "make_app"]

BODY_MAXIMUM = 32 * 1024
"""Enough for the longest password and address, each percent-encoded; nothing else is sent here."""


def make_app(services: Services) -> web.Application:
    """Return the portal. It trusts whoever can connect to its socket: the edge alone may.

    Every path goes to one handler, which looks it up in the table of its door;
    aiohttp's own routes know nothing of doors.
    """
    app = web.Application(middlewares=[refuse_middleware], client_max_size=BODY_MAXIMUM)
    app[SERVICES] = services
    app[DESK] = Desk(services.store, services.responders, services.clock)
    app[SHELF] = Shelf(services.store)
    app[IDENTIFICATION] = Identification(services)
    app[SIGN_IN] = SignIn(services)
    app.on_response_prepare.append(guard)
    app.router.add_route("*", "/{path:.*}", dispatch)
    return app
