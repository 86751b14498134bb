"""The start page: what there is for this person, and how long."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from aiohttp import web

from gateway.core.asking import subject_on
from gateway.core.moments import MONTHS, plain_date
from gateway.core.refusals import Language
from gateway.portal.agreeing import Concern, concerns_of
from gateway.portal.agreements import agreement_path
from gateway.portal.callers import Visitor
from gateway.portal.days import counts_of, quotas_in
from gateway.portal.managing import waiting_for
from gateway.portal.messages import say
from gateway.portal.moments import date_in_words, span_in_words
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.services import SERVICES
from gateway.portal.tiles import search, tiles_of

WARN_BEFORE = timedelta(days=30)
"""How long before its end a certificate is spoken of."""


SEARCH_FROM = 9
"""From how many tiles on there is a search: fewer are seen at a glance."""

_WANTED_MAXIMUM = 100


async def show_home(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show what there is for this person; whoever is not signed in is asked to."""
    session = visitor.session
    if session is None:
        return see_other("/sign-in")
    services, language = request.app[SERVICES], language_of(request)
    zone, now = services.site.time_zone, services.clock()
    wanted = _wanted(request)
    applications = services.applications()
    shown = applications.values()
    counting = any(one.policy.idle is not None for one in shown)
    uses = await services.store.uses(session.id) if counting else {}
    subject = subject_on(visitor.holder, session)
    quotas = quotas_in(shown, subject, now)
    tiles = tiles_of(shown, visitor, subject, now, language, zone, uses=uses, quotas=quotas)
    found = search(tiles, wanted)
    left = visitor.holder.not_after - now
    opens = services.site.certificates.opens_in(visitor.holder.not_after, now)
    renewable = not visitor.holder.trust and not opens
    today = now.astimezone(zone).date()
    counts = []
    if quotas:
        first = today.replace(day=1)
        used = await services.store.used_days(user=visitor.person.user, since=first)
        counts = counts_of(applications, quotas, subject, used, today, language)
    concerns = concerns_of(services, visitor)
    goes = await _goes_at(request, visitor) if renewable else None
    values: dict[str, object] = {
        "visitor": visitor,
        "agreements": bool(concerns or visitor.holder.papers.accepted),
        "to_agree": _to_agree(concerns.values(), language),
        "waiting": len(await waiting_for(services, visitor.person.user)),
        "any": bool(tiles),
        "searching": len(tiles) >= SEARCH_FROM or bool(wanted),
        "wanted": wanted,
        "opening": [tile for tile in found if not tile.why],
        "closed": [tile for tile in found if tile.why],
        "counts": counts,
        "month": MONTHS[language][today.month - 1],
        "zone": zone.key,
        "certificate_date": date_in_words(visitor.holder.not_after, language, zone),
        "certificate_left": span_in_words(left, language) if left < WARN_BEFORE else None,
        "renewable": renewable,
        "goes": date_in_words(goes, language, zone) if goes else None,
        "session_left": span_in_words(session.expires_at - now, language),
    }
    return render(request, "home.html", values)


def _to_agree(concerns: Iterable[Concern], language: Language) -> list[tuple[str, str]]:
    """Return what to say of each text that is to be accepted, and where that is done."""
    found = []
    for concern in concerns:
        closing = concern.closing
        if concern.wanted is None or not closing:
            continue
        words = say(
            "agree-notice-due" if concern.missing else "agree-notice-soon",
            language,
            title=concern.document.title(language),
            applications=", ".join(app.title for app in closing),
            due=plain_date(concern.wanted.due, language),
        )
        app = closing[0].name if len(closing) == 1 else ""
        found.append((words, agreement_path(concern.document.name, app)))
    return found


async def _goes_at(request: web.Request, visitor: Visitor) -> datetime | None:
    """Return when the certificate gives way to another that was made for it; None: to none.

    Nor to one that nobody has fetched: that is gone in ten minutes.
    """
    standing = await request.app[SERVICES].store.renewal_standing(visitor.holder.fingerprint)
    return None if standing is None or standing.unfetched else standing.goes_at


def _wanted(request: web.Request) -> str:
    asked = request.rel_url.query.getall("q", [])
    return asked[0].strip()[:_WANTED_MAXIMUM] if len(asked) == 1 else ""
