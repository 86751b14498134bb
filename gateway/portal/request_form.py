"""The form by which somebody asks for an application: on which days, and why.

Days are ticked in a month, or said as a span; what was ticked in another month is kept in the form
while somebody turns the pages, so no script is needed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from aiohttp import web

from gateway.core.moments import MONTHS, WEEKDAYS, day_and_year, days_in_words
from gateway.core.refusals import Language
from gateway.core.requests import (
    AHEAD,
    WORDS_MAXIMUM,
    AccessRequest,
    Approvable,
    Fault,
    RequestState,
    Wish,
    approvable,
    days_of,
    merged,
    plain_words,
)
from gateway.core.site import REQUESTS_PATH, Application
from gateway.core.spans import DaySpan, spans_of
from gateway.portal.arriving import to_sign_in
from gateway.portal.callers import Visitor, actor_of
from gateway.portal.forms import read_form
from gateway.portal.messages import say
from gateway.portal.month import Cell, Mark, Month, month_of, parse_month, weeks_of
from gateway.portal.pages import language_of, render, see_other
from gateway.portal.repeats import MARK_MAXIMUM, new_mark
from gateway.portal.requests import (
    REPEATS,
    Outcome,
    requests_page,
)
from gateway.portal.services import SERVICES, Services
from gateway.portal.targets import FORM_PATH
from gateway.store import SignInOvertaken
from policies.papers import Papers

DAY: Final = "day-"
"""How the field of a day begins; its date follows."""
_FIELDS: Final = AHEAD.days + 16
_DATE: Final = 20
"""More than a date has; whoever types another form of it reads it again with the problem."""
_TAKEN: Final = (RequestState.ASKED, RequestState.APPROVED)


@dataclass(frozen=True, slots=True)
class Draft:
    """What stands in the form."""

    month: Month
    days: frozenset[date] = frozenset()
    first: str = ""
    last: str = ""
    reason: str = ""

    def spans(self) -> tuple[DaySpan, ...]:
        """Return the days that it asks for; raise `ValueError` where it does not say which."""
        spans = list(spans_of(self.days))
        if self.first or self.last:
            first = date.fromisoformat(self.first)
            spans.append(DaySpan(first, date.fromisoformat(self.last or self.first)))
        return merged(spans)


@dataclass(frozen=True, slots=True)
class Square:
    """One day of the calendar, in words; *sign* stands for *note*, for eyes."""

    field: str
    number: int
    name: str
    note: str
    sign: str
    closed: bool
    ticked: bool


SIGNS: Final = {
    Mark.APPROVED: "✓",
    Mark.ASKED: "…",
    Mark.USED: "●",
    Mark.GONE: "●",
    Mark.SPENT: "×",
}


async def show_form(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Show the form for the application that the address names."""
    if visitor.session is None:
        return to_sign_in(request)
    services, query = request.app[SERVICES], request.rel_url.query
    found = _find(services, visitor, query.get("app", ""))
    if found is None:
        return see_other(REQUESTS_PATH)
    draft = Draft(_month(services, query.get("month", "")))
    return await _page(request, visitor, *found, draft)


async def ask(request: web.Request, visitor: Visitor) -> web.StreamResponse:
    """Ask for what the form says, or show another month of it."""
    fields = await read_form(request, _FIELDS)
    if visitor.session is None:
        return to_sign_in(request, REQUESTS_PATH)
    services, language = request.app[SERVICES], language_of(request)
    found = _find(services, visitor, fields.get("app", ""))
    if found is None:
        return see_other(REQUESTS_PATH)
    draft = _draft(services, fields)
    if "turn" in fields:
        return await _page(request, visitor, *found, draft)
    try:
        wanted = draft.spans()
    except ValueError:
        return await _page(request, visitor, *found, draft, problem="request-dates")
    wish = Wish(found[0].name, wanted, draft.reason, services.today(), found[1].agreements)
    actor = actor_of(visitor, visitor.session)

    async def do() -> Outcome:
        return await services.store.ask_access(actor, wish)

    mark = fields.get("mark", "")[:MARK_MAXIMUM]
    words = (actor.session.id, FORM_PATH, wish.app, str(wanted), wish.reason)
    try:
        outcome = await request.app[REPEATS].once(mark, words, do)
    except SignInOvertaken:
        return to_sign_in(request, REQUESTS_PATH)
    if isinstance(outcome, Fault):
        return await _page(request, visitor, *found, draft, problem=f"request-fault-{outcome}")
    return await requests_page(request, visitor, told=_told(found[1], outcome, visitor, language))


def _told(rules: Approvable, asked: AccessRequest, visitor: Visitor, language: Language) -> str:
    """Say that it was asked for; and of which days none is left, as things are."""
    words = say("request-sent", language, days=days_in_words(asked.wanted, language))
    over = rules.beyond(visitor.holder.papers, asked.wanted)
    if over:
        words += " " + say("request-beyond", language, days=days_in_words(over, language))
    return words


def _find(services: Services, visitor: Visitor, name: str) -> tuple[Application, Approvable] | None:
    """Return the application called *name* if this person may ask for it, as if it were not there."""
    application = services.applications().get(name)
    if application is None:
        return None
    rules = approvable(application.policy, visitor.person, services.clock())
    return None if rules is None else (application, rules)


def _month(services: Services, text: str) -> Month:
    """Return the month that is asked for, if days of it can be; else this one."""
    today = services.today()
    month = parse_month(text)
    if month is None or not month_of(today).first <= month.first <= today + AHEAD:
        return month_of(today)
    return month


def _draft(services: Services, fields: Mapping[str, str]) -> Draft:
    days = set()
    for name in fields:
        if name.startswith(DAY):
            try:
                days.add(date.fromisoformat(name.removeprefix(DAY)))
            except ValueError:
                continue
    return Draft(
        month=_month(services, fields.get("turn") or fields.get("month", "")),
        days=frozenset(days),
        first=fields.get("first", "").strip()[:_DATE],
        last=fields.get("last", "").strip()[:_DATE],
        reason=plain_words(fields.get("reason", "")),
    )


async def _page(
    request: web.Request,
    visitor: Visitor,
    application: Application,
    rules: Approvable,
    draft: Draft,
    *,
    problem: str = "",
) -> web.StreamResponse:
    services, language = request.app[SERVICES], language_of(request)
    own = await services.store.access_requests(
        user=visitor.person.user, app=application.name, states=_TAKEN, own=True
    )
    days = _Days(services.today(), own, visitor.holder.papers, rules)
    month = draft.month
    weeks = weeks_of(month, days.mark, draft.days)
    elsewhere = sorted(one for one in draft.days if month_of(one) != month)
    marks = {one.mark for week in weeks for one in week if one is not None}
    values: dict[str, object] = {
        "app": application.name,
        "title": application.title,
        "month": str(month),
        "caption": f"{MONTHS[language][month.month - 1]} {month.year}",
        "weekdays": [(name[:3], name) for name in WEEKDAYS[language]],
        "weeks": [
            [None if one is None else _square(one, language) for one in week] for week in weeks
        ],
        "elsewhere": [f"{DAY}{one}" for one in elsewhere],
        "chosen": days_in_words(spans_of(elsewhere), language),
        "previous": str(month.previous) if month != month_of(services.today()) else "",
        "next": str(month.next) if month.next.first <= services.today() + AHEAD else "",
        # Days that were used are so, past or not.
        "signs": {
            sign: say(f"day-{mark}", language) for mark, sign in SIGNS.items() if mark in marks
        }.items(),
        "quota": _quota_in_words(days, month, language),
        "draft": draft,
        "longest": WORDS_MAXIMUM,
        "today": str(services.today()),
        "latest": str(services.today() + AHEAD),
        "mark": new_mark(),
        "problem": say(problem, language) if problem else "",
        "alarm": None,
        "back": f"{FORM_PATH}?app={application.name}&month={month}",
    }
    return render(request, "request_form.html", values, status=400 if problem else 200)


class _Days:
    """What there is to say of each day of one person and one application."""

    def __init__(
        self, today: date, own: list[AccessRequest], papers: Papers, rules: Approvable
    ) -> None:
        self._today = today
        self._approved = {day for one in own for day in days_of(one.granted)}
        asked = [one for one in own if one.state is RequestState.ASKED]
        self._asked = {day for one in asked for day in days_of(one.wanted)}
        self.quota = rules.quota
        self.used = frozenset() if self.quota is None else papers.days_of(self.quota)

    def mark(self, day: date) -> Mark | None:
        """Return what is to be said of *day*, the weightiest first."""
        if day < self._today or day > self._today + AHEAD:
            return Mark.GONE if day in self.used else Mark.OVER
        if day in self._approved:
            return Mark.APPROVED
        if day in self._asked:
            return Mark.ASKED
        if day in self.used:
            return Mark.USED
        if self.quota is not None and not self.quota.permits(self.used, day):
            return Mark.SPENT
        return None


def _square(cell: Cell, language: Language) -> Square:
    mark = cell.mark
    return Square(
        field=f"{DAY}{cell.day}",
        number=cell.day.day,
        name=day_and_year(cell.day, language),
        note="" if mark is None else say(f"day-{mark}", language),
        sign="" if mark is None else SIGNS.get(mark, ""),
        closed=cell.closed,
        ticked=cell.ticked and not cell.closed,
    )


def _quota_in_words(days: _Days, month: Month, language: Language) -> str:
    if days.quota is None:
        return ""
    used = days.quota.used(days.used, month.first)
    key = "request-quota" if days.quota.consecutive else "request-quota-apart"
    return say(
        key,
        language,
        number=str(days.quota.per_month),
        used=str(used),
        month=MONTHS[language][month.month - 1],
    )
