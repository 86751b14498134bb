"""The page of devices: where somebody is signed in, and with which certificates.

Ending a session asks for no password: it only takes away, and whoever must do it in a hurry, on
somebody else's PC, should not have to look for a telephone first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final

from aiohttp import web

from gateway.core.devices import Possession, Standing
from gateway.core.refusals import Language
from gateway.core.sessions import Session
from gateway.portal.callers import Visitor, actor_of
from gateway.portal.forms import read_form
from gateway.portal.home import WARN_BEFORE
from gateway.portal.messages import say
from gateway.portal.moments import date_in_words, moment_in_words, span_in_words
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.services import SERVICES
from gateway.store import SignInOvertaken
from gateway.store.sessions import SessionRecord

OTHERS: Final = "others"
"""What stands in the form for every session but the one that it is sent from."""

# Enough to tell the sessions of one person apart; the whole number is nobody's business.
_NAMED: Final = 12
_SERIAL_SHOWN: Final = 6
_OVER_SHOWN: Final = 20


@dataclass(frozen=True, slots=True)
class Place:
    """One session, in words."""

    name: str
    device: str
    since: str
    until: str
    address: str
    here: bool


@dataclass(frozen=True, slots=True)
class Card:
    """One certificate, in words; *standing* is also how it is coloured.

    *key* tells it from the others on the page.
    """

    key: str
    device: str
    number: str
    dates: str
    standing: str
    state: str
    remarks: tuple[str, ...]
    over: bool
    here: bool
    renewable: bool


async def show_devices(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show sessions and certificates; whoever is not signed in is asked to."""
    if visitor.session is None:
        return see_other("/sign-in")
    return await _page(request, visitor, visitor.session)


async def end(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """End one session, or all others, on every host and every edge; then show what is left."""
    if visitor.session is None:
        return see_other("/sign-in")
    fields = await read_form(request)
    named = fields.get("session", "")
    store = request.app[SERVICES].store
    chosen = None
    if named != OTHERS:
        live = await store.sessions(user=visitor.person.user)
        fitting = [one for one in live if one.id[:_NAMED] == named and one.id != visitor.session.id]
        if len(fitting) != 1:
            # It was over already: a form that was sent twice, or another page was faster.
            return await _page(request, visitor, visitor.session, ended=0)
        chosen = fitting[0].id
    try:
        ended = await store.end_own_sessions(actor_of(visitor, visitor.session), chosen)
    except SignInOvertaken:
        return see_other("/sign-in")
    return await _page(request, visitor, visitor.session, ended=len(ended))


async def go_to_devices(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Send whoever asks for the form's address by itself to the page it is on."""
    del request, visitor
    return see_other("/devices")


async def _page(
    request: web.Request, visitor: Visitor, session: Session, *, ended: int | None = None
) -> web.StreamResponse:
    services, language = request.app[SERVICES], language_of(request)
    zone, now = services.site.time_zone, services.clock()
    found = await services.store.devices(visitor.person.user)
    times = services.site.certificates
    cards = [
        _card(one, visitor, now, language, zone, renewable=not times.opens_in(one.until, now))
        for one in _by_use(found.certificates)
    ]
    values: dict[str, object] = {
        "ended": ended,
        "others": OTHERS,
        "sessions": [_place(one, session, language, zone) for one in found.sessions],
        "certificates": [one for one in cards if not one.over],
        "earlier": [one for one in cards if one.over][:_OVER_SHOWN],
        "zone": zone.key,
    }
    return render(request, "devices.html", values)


def _by_use(certificates: Sequence[Possession]) -> list[Possession]:
    """Return what opens something before what does not, in the order of before otherwise."""
    return sorted(certificates, key=lambda one: one.standing is not Standing.GOOD)


def _place(record: SessionRecord, own: Session, language: Language, zone: tzinfo) -> Place:
    session = record.session
    return Place(
        name=session.id[:_NAMED],
        device=record.device,
        since=moment_in_words(session.created_at, language, zone),
        until=moment_in_words(session.expires_at, language, zone),
        address=session.address,
        here=session.id == own.id,
    )


def _card(
    one: Possession,
    visitor: Visitor,
    now: datetime,
    language: Language,
    zone: tzinfo,
    *,
    renewable: bool,
) -> Card:
    since, until = (date_in_words(each, language, zone) for each in (one.since, one.until))
    return Card(
        key=one.fingerprint[:_NAMED],
        device=one.device or one.trust,
        number=say("certificate-number", language, serial=one.serial[-_SERIAL_SHOWN:]),
        dates=say("certificate-dates", language, since=since, until=until),
        standing=one.standing.value,
        state=say(f"certificate-{one.standing}", language),
        remarks=tuple(_remarks(one, now, language, zone)),
        over=one.standing.over,
        here=one.fingerprint == visitor.holder.fingerprint,
        # Only the one that is shown: that its key is held, the handshake has shown.
        renewable=one.fingerprint == visitor.holder.fingerprint and not one.trust and renewable,
    )


def _remarks(one: Possession, now: datetime, language: Language, zone: tzinfo) -> list[str]:
    """Return what else there is to say of a certificate."""
    remarks = []
    left = one.until - now
    if not one.standing.over and left < WARN_BEFORE and one.goes_at is None:
        remarks.append(say("certificate-ends", language, span=span_in_words(left, language)))
    if one.successor is not None:
        serial = one.successor[-_SERIAL_SHOWN:]
        remarks.append(say("certificate-successor", language, serial=serial))
    if one.goes_at is not None:
        date = date_in_words(one.goes_at, language, zone)
        remarks.append(say("certificate-goes", language, date=date))
    if one.ended_at is not None:
        date = date_in_words(one.ended_at, language, zone)
        remarks.append(say("certificate-since", language, date=date))
    return remarks
