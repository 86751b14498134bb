"""The page of requests: what waits for somebody who decides, and what they have asked for.

Without script, as all pages; what is sent twice (a double tap, a weak network) is one request.
"""

from dataclasses import dataclass
from datetime import tzinfo
from typing import Final

from aiohttp import web

from gateway.core.moments import days_in_words
from gateway.core.refusals import Language
from gateway.core.requests import AccessRequest, Fault, RequestState, approvable
from gateway.core.site import REQUESTS_PATH
from gateway.portal.arriving import to_sign_in
from gateway.portal.callers import Visitor, actor_of
from gateway.portal.forms import read_form
from gateway.portal.managing import Waiting, waiting_for
from gateway.portal.messages import say
from gateway.portal.moments import date_in_words
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.repeats import Repeats
from gateway.portal.services import SERVICES, Services
from gateway.portal.targets import FORM_PATH
from gateway.store import SignInOvertaken

WITHDRAW_PATH: Final = f"{REQUESTS_PATH}/withdraw"
DECIDE_PATH: Final = f"{REQUESTS_PATH}/decide"

Outcome = AccessRequest | Fault
REPEATS: web.AppKey[Repeats[Outcome]] = web.AppKey("requests", Repeats[Outcome])
"""What was done with forms that came lately."""

_SHOWN: Final = 20
"""How many requests that are over are shown."""
_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Choice:
    """An application that somebody may ask for."""

    title: str
    path: str


@dataclass(frozen=True, slots=True)
class Row:
    """One request, in words; *standing* is also how it is coloured."""

    number: int
    title: str
    days: str
    standing: str
    state: str
    reason: str
    words: str
    lesser: str
    ends: str
    """What can still be done with it: "withdraw", "give-back" or nothing."""


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """One request that waits for whoever looks."""

    who: str
    title: str
    days: str
    path: str


def make_repeats(services: Services) -> Repeats[Outcome]:
    """Return what remembers the forms of these pages; whoever is told of a fault tries again."""
    return Repeats(services.clock, lambda outcome: isinstance(outcome, AccessRequest))


async def show_requests(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show what waits, and what was asked for."""
    if visitor.session is None:
        return to_sign_in(request)
    return await requests_page(request, visitor)


async def withdraw(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Take a request back, or what was granted to it."""
    fields = await read_form(request)
    if visitor.session is None:
        return to_sign_in(request, REQUESTS_PATH)
    number = read_number(fields.get("number", ""))
    services, actor = request.app[SERVICES], actor_of(visitor, visitor.session)
    try:
        outcome = await services.store.withdraw_access(actor, number, services.today())
    except SignInOvertaken:
        return to_sign_in(request, REQUESTS_PATH)
    language = language_of(request)
    if isinstance(outcome, Fault):
        # A form that was sent twice, or somebody who has decided meanwhile.
        return await requests_page(request, visitor, told=say("request-moved", language))
    key = "request-withdrawn" if outcome.state is RequestState.WITHDRAWN else "request-given-back"
    return await requests_page(request, visitor, told=say(key, language))


async def go_to_requests(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Send whoever asks for a form's address by itself to the page it is on."""
    del request, visitor
    return see_other(REQUESTS_PATH)


def read_number(text: str) -> int:
    """Return the number of a request; 0, which none has, for what is none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else 0


async def requests_page(
    request: web.Request, visitor: Visitor, *, told: str = ""
) -> web.StreamResponse:
    """Show the page, with what has just been done."""
    services, language = request.app[SERVICES], language_of(request)
    user = visitor.person.user
    own = await services.store.access_requests(user=user, own=True)
    today = services.today()
    live = [one for one in own if one.is_open(today) or one.is_coming(today)]
    over = [one for one in own if one not in live][-_SHOWN:]
    waiting = await waiting_for(services, user)
    values: dict[str, object] = {
        "told": told,
        "waiting": [_waiting_row(one, language) for one in waiting],
        "choices": _choices(services, visitor),
        "live": [_row(one, services, language) for one in reversed(live)],
        "over": [_row(one, services, language) for one in reversed(over)],
    }
    return render(request, "requests.html", values)


def _choices(services: Services, visitor: Visitor) -> list[Choice]:
    now, person = services.clock(), visitor.person
    found = [
        Choice(one.title, f"{FORM_PATH}?app={one.name}")
        for one in services.applications().values()
        if approvable(one.policy, person, now) is not None
    ]
    return sorted(found, key=lambda one: one.title.casefold())


def title_of(services: Services, app: str) -> str:
    """Return what people call *app*; of one that is gone the name is left."""
    application = services.applications().get(app)
    return app if application is None else application.title


def _waiting_row(one: Waiting, language: Language) -> WaitingRow:
    return WaitingRow(
        who=one.asker.name,
        title=one.application.title,
        days=days_in_words(one.request.wanted, language),
        path=f"{DECIDE_PATH}?number={one.request.number}",
    )


def _row(one: AccessRequest, services: Services, language: Language) -> Row:
    today, zone = services.today(), services.site.time_zone
    late = one.state is RequestState.ASKED and not one.is_open(today)
    standing = "late" if late else one.state.value
    lesser = ""
    if one.granted and one.granted != one.wanted:
        days = days_in_words(one.wanted, language)
        lesser = say("request-lesser", language, days=days)
    ends = "withdraw" if one.is_open(today) else ""
    if one.is_coming(today):
        ends = "give-back"
    return Row(
        number=one.number,
        title=title_of(services, one.app),
        days=days_in_words(one.days, language),
        standing=standing,
        state=_state(one, standing, language, zone),
        reason=one.reason,
        words=one.words,
        lesser=lesser,
        ends=ends,
    )


def _state(one: AccessRequest, standing: str, language: Language, zone: tzinfo) -> str:
    state = say(f"request-state-{standing}", language)
    at = one.ended_at or one.decided_at
    return state if at is None else f"{state}, {date_in_words(at, language, zone)}"
