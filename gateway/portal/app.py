"""The aiohttp application: one way in, and one place where errors end."""

from aiohttp import web

from gateway.portal.account import CHANGING
from gateway.portal.changing import Changing
from gateway.portal.confirm import CONFIRMING
from gateway.portal.confirming import Confirming
from gateway.portal.doors import dispatch
from gateway.portal.enrol import ENROLLING
from gateway.portal.enrolling import Enrolling
from gateway.portal.lost import IDENTIFICATION
from gateway.portal.ocsp import DESK, Desk
from gateway.portal.pages import guard
from gateway.portal.proving import Proving
from gateway.portal.refuse import refuse_middleware
from gateway.portal.renewal import RENEWING
from gateway.portal.renewing import Renewing
from gateway.portal.reporting import Identification
from gateway.portal.requests import REPEATS, make_repeats
from gateway.portal.services import SERVICES, Services
from gateway.portal.shelf import SHELF, Shelf
from gateway.portal.sign_in import SIGN_IN
from gateway.portal.signing_in import SignIn

__all__ = ["BODY_MAXIMUM", "Services", "make_app"]

BODY_MAXIMUM = 64 * 1024
"""Enough for an old and twice a new password of the longest, and an address, percent-encoded."""


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
    proving = Proving(services)
    app[SIGN_IN] = SignIn(services, proving)
    app[ENROLLING] = Enrolling(services, proving)
    app[CHANGING] = Changing(services, proving)
    app[CONFIRMING] = Confirming(services, proving)
    app[RENEWING] = Renewing(services, proving)
    app[REPEATS] = make_repeats(services)
    app.on_response_prepare.append(guard)
    app.router.add_route("*", "/{path:.*}", dispatch)
    return app
