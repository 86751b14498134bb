"""The page on which a manager decides what somebody asks for: all of it, some days, or none."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final

from aiohttp import web

from gateway.core.moments import day_and_year, days_in_words
from gateway.core.people import Person
from gateway.core.refusals import Language, Refusal
from gateway.core.requests import (
    WORDS_MAXIMUM,
    AccessRequest,
    Fault,
    RequestState,
    Ruling,
    days_of,
    merged,
    overlap,
    plain_words,
)
from gateway.core.sessions import Session
from gateway.core.site import REQUESTS_PATH
from gateway.core.spans import DaySpan, spans_of
from gateway.portal.arriving import to_sign_in
from gateway.portal.callers import Visitor, actor_of
from gateway.portal.forms import read_form
from gateway.portal.managing import Waiting, concerns
from gateway.portal.messages import say
from gateway.portal.moments import moment_in_words
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.refuse import Refused
from gateway.portal.repeats import MARK_MAXIMUM, new_mark
from gateway.portal.request_form import DAY
from gateway.portal.requests import (
    DECIDE_PATH,
    REPEATS,
    Outcome,
    read_number,
    requests_page,
    title_of,
)
from gateway.portal.services import SERVICES
from gateway.store import SignInOvertaken
from policies.papers import NO_PAPERS

TICKED: Final = 40
"""Up to how many days each has a box; of more than that a first and a last day are chosen."""


class Verdict(StrEnum):
    """What a button of the form says; of its days, the form says the rest."""

    APPROVE = "approve"
    REFUSE = "refuse"


async def show_decision(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show one request to whoever may decide it; anybody else comes to the page above it."""
    if visitor.session is None:
        return to_sign_in(request)
    number = read_number(request.rel_url.query.get("number", ""))
    waiting = await _find(request, visitor, number)
    if waiting is None:
        return see_other(REQUESTS_PATH)
    if waiting.request.state is not RequestState.ASKED:
        return await _settled(request, visitor, waiting.request)
    return await _page(request, waiting)


async def decide(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Approve or refuse, once; then show what else waits."""
    fields = await read_form(request, TICKED + 16)
    if visitor.session is None:
        return to_sign_in(request, REQUESTS_PATH)
    services, language = request.app[SERVICES], language_of(request)
    number = read_number(fields.get("number", ""))
    waiting = await _find(request, visitor, number)
    if waiting is None:
        raise Refused(Refusal.NOT_FOUND)
    try:
        ruling = _ruling(waiting.request, fields, services.today())
    except ValueError:
        return await _page(request, waiting, fields, problem="request-dates")
    if ruling is None:
        return await _page(request, waiting, fields, problem="decide-choose")
    try:
        outcome = await _decide(request, visitor, visitor.session, number, ruling, fields)
    except SignInOvertaken:
        return to_sign_in(request, REQUESTS_PATH)
    if isinstance(outcome, Fault):
        return await _not_done(request, visitor, waiting, fields, outcome)
    key = "decided-refused" if ruling.granted is None else "decided-approved"
    days = days_in_words(outcome.days, language)
    told = say(key, language, name=waiting.asker.name, title=waiting.application.title, days=days)
    return await requests_page(request, visitor, told=told)


async def _decide(
    request: web.Request,
    visitor: Visitor,
    session: Session,
    number: int,
    ruling: Ruling,
    fields: Mapping[str, str],
) -> Outcome:
    services, user = request.app[SERVICES], visitor.person.user

    def may(found: AccessRequest, asker: Person) -> bool:
        return concerns(services, user, found, asker) is not None

    async def do() -> Outcome:
        return await services.store.decide_access(actor_of(visitor, session), number, ruling, may)

    mark = fields.get("mark", "")[:MARK_MAXIMUM]
    words = (session.id, DECIDE_PATH, str(number), str(ruling.granted), ruling.words)
    return await request.app[REPEATS].once(mark, words, do)


async def _not_done(
    request: web.Request,
    visitor: Visitor,
    waiting: Waiting,
    fields: Mapping[str, str],
    fault: Fault,
) -> web.StreamResponse:
    if fault is Fault.SETTLED:
        return await _settled(request, visitor, waiting.request)
    if fault in {Fault.UNKNOWN, Fault.OWN}:
        raise Refused(Refusal.NOT_FOUND)
    return await _page(request, waiting, fields, problem=f"request-fault-{fault}")


async def _find(request: web.Request, visitor: Visitor, number: int) -> Waiting | None:
    """Return the request if this person may decide it, or might have; as if it were not there."""
    services = request.app[SERVICES]
    found = await services.store.access_request(number)
    asker = None if found is None else await services.store.asker(found)
    if found is None or asker is None:
        return None
    return concerns(services, visitor.person.user, found, asker)


async def _settled(
    request: web.Request, visitor: Visitor, before: AccessRequest
) -> web.StreamResponse:
    services, language = request.app[SERVICES], language_of(request)
    found = await services.store.access_request(before.number) or before
    title = title_of(services, found.app)
    state = say(f"request-state-{found.state}", language)
    told = say("decided-before", language, title=title, state=state)
    return await requests_page(request, visitor, told=told)


def _ruling(asked: AccessRequest, fields: Mapping[str, str], today: date) -> Ruling | None:
    """Read what was decided; None where nothing was, `ValueError` where days cannot be read."""
    words = plain_words(fields.get("words", ""))
    match fields.get("verdict"):
        case Verdict.APPROVE:
            return Ruling(_granted(asked, fields, today), words, today)
        case Verdict.REFUSE:
            return Ruling(None, words, today)
        case _:
            return None


def _granted(asked: AccessRequest, fields: Mapping[str, str], today: date) -> tuple[DaySpan, ...]:
    days = _left(asked, today)
    if len(days) > TICKED:
        first, last = (date.fromisoformat(fields.get(name, "")) for name in ("first", "last"))
        return overlap(asked.wanted, [DaySpan(first, last)])
    ticked = [name.removeprefix(DAY) for name in fields if name.startswith(DAY)]
    return merged(spans_of(date.fromisoformat(one) for one in ticked))


def _left(asked: AccessRequest, today: date) -> list[date]:
    """Return the days of a request that are not over."""
    return [day for day in days_of(asked.wanted) if day >= today]


async def _page(
    request: web.Request,
    waiting: Waiting,
    fields: Mapping[str, str] | None = None,
    *,
    problem: str = "",
) -> web.StreamResponse:
    services, language = request.app[SERVICES], language_of(request)
    asked, zone = waiting.request, services.site.time_zone
    papers = (await services.store.papers(asked.user)).get(asked.user, NO_PAPERS)
    over = waiting.rules.beyond(papers, asked.wanted)
    beyond = {*days_of(over)}
    left = _left(asked, services.today())
    sent = fields if fields is not None else {f"{DAY}{day}": "on" for day in left}
    quota = waiting.rules.quota
    values: dict[str, object] = {
        "number": asked.number,
        "who": waiting.asker.name,
        "user": waiting.asker.user,
        "title": waiting.application.title,
        "days": days_in_words(asked.wanted, language),
        "reason": asked.reason,
        "asked": moment_in_words(asked.asked_at, language, zone),
        "used": _used(papers.days_of(quota), language) if quota is not None else "",
        "quota": quota is not None,
        "over": days_in_words(over, language),
        "boxes": [
            (f"{DAY}{day}", day_and_year(day, language), day in beyond, f"{DAY}{day}" in sent)
            for day in left
        ]
        if len(left) <= TICKED
        else [],
        "first": sent.get("first", str(left[0]) if left else ""),
        "last": sent.get("last", str(left[-1]) if left else ""),
        "words": sent.get("words", ""),
        "longest": WORDS_MAXIMUM,
        "approve": Verdict.APPROVE,
        "refuse": Verdict.REFUSE,
        "late": not left,
        "mark": new_mark(),
        "problem": say(problem, language) if problem else "",
        "alarm": None,
        "back": f"{DECIDE_PATH}?number={asked.number}",
    }
    return render(request, "request_decide.html", values, status=400 if problem else 200)


def _used(days: frozenset[date], language: Language) -> str:
    """Return the days that were counted in this month and the last, in words."""
    return days_in_words(spans_of(days), language)
