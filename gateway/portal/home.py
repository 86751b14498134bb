"""The start page: what this person may open, and how long."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from aiohttp import web

from gateway.core.asking import subject_of
from gateway.core.site import Application
from gateway.portal.callers import Visitor
from gateway.portal.moments import date_in_words, span_in_words
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.services import SERVICES
from policies.decide import decide
from policies.model import Allow, Level, RequestFacts

WARN_BEFORE = timedelta(days=30)
"""How long before its end a certificate is spoken of."""


async def show_home(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show the applications that open now; whoever is not signed in is asked to."""
    session = visitor.session
    if session is None:
        return see_other("/sign-in")
    services, language = request.app[SERVICES], language_of(request)
    now = services.clock()
    left = visitor.holder.not_after - now
    values: dict[str, object] = {
        "visitor": visitor,
        "applications": openable(services.applications().values(), visitor, session.level, now),
        "certificate_date": date_in_words(
            visitor.holder.not_after, language, services.site.time_zone
        ),
        "certificate_left": span_in_words(left, language) if left < WARN_BEFORE else None,
        "session_left": span_in_words(session.expires_at - now, language),
    }
    return render(request, "home.html", values)


def openable(
    applications: Iterable[Application], visitor: Visitor, level: Level, now: datetime
) -> list[Application]:
    """Return the *applications* whose front page the policy opens to *visitor* now, by title.

    What the edge allows is decided there, for each request; this is what can
    be said beforehand.
    """
    subject = subject_of(visitor.holder, level)
    front_page = RequestFacts(method="GET", path="/", address=visitor.address)
    allowed = [
        application
        for application in applications
        if isinstance(decide(application.policy, subject, front_page, now), Allow)
    ]
    return sorted(allowed, key=lambda application: application.title.casefold())
