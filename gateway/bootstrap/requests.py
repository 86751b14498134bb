"""Requests for access, for the command: who asks for what, the answer, and the file of it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from gateway.bootstrap.access import applications_of
from gateway.bootstrap.command import Command, CommandRefused
from gateway.core.requests import (
    WORDS_MAXIMUM,
    AccessRequest,
    Fault,
    RequestState,
    Ruling,
    approvable,
    plain_words,
)
from gateway.core.site import Application
from gateway.core.spans import DaySpan, parse_spans, show_spans
from gateway.store import RequestFile
from policies.values import Problem, suggest

_WORDS = {
    Fault.NO_DAYS: "no day is left of it: name at least one with --days, or refuse it",
    Fault.PAST: "the days are all over: none of them can be granted; `pusterla request refuse` answers",
    Fault.OUTSIDE: "days that nobody asked for cannot be granted",
    Fault.LONG: f"--words takes at most {WORDS_MAXIMUM} characters",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which requests are meant; what is None or empty is not asked."""

    user: str | None = None
    app: str | None = None
    states: tuple[RequestState, ...] = ()
    since: date | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A request with its file, and the names of those who are in it."""

    file: RequestFile
    name: str
    title: str
    managers: tuple[str, ...]
    """Who may decide it now, at the portal."""


async def list_requests(command: Command, choice: Choice) -> list[AccessRequest]:
    """Return the requests that fit *choice*, by number.

    Somebody who is gone is no mistake: their requests are still there.
    """
    found = await command.store.access_requests(
        user=choice.user, app=choice.app, states=choice.states
    )
    if choice.user is not None and not found:
        await command.person(choice.user)
    return [one for one in found if one.touches(choice.since, choice.until)]


async def find_request(command: Command, number: int) -> AccessRequest:
    """Return the request with *number*, or raise `CommandRefused`."""
    found = await command.store.access_request(number)
    if found is None:
        raise CommandRefused(
            f"there is no request {number}; `pusterla request list` names them all"
        )
    return found


async def entry_of(command: Command, request: AccessRequest) -> Entry:
    """Return *request* with what belongs to it."""
    [entry] = await entries_of(command, [request])
    return entry


async def entries_of(command: Command, requests: Sequence[AccessRequest]) -> list[Entry]:
    """Return *requests* with what belongs to them.

    Files of applications that have problems keep nobody from the record: then what rules say of
    it today is left out.
    """
    try:
        applications = applications_of(command)
    except CommandRefused as error:
        command.say(str(error))
        applications = {}
    return [await _entry(command, one, applications) for one in requests]


async def approve(
    command: Command, number: int, days: tuple[DaySpan, ...] | None, words: str
) -> AccessRequest:
    """Approve a request for *days*, None: for all of it; what has passed is granted of neither."""
    found = await find_request(command, number)
    today = command.today()
    ruling = Ruling(found.wanted if days is None else days, plain_words(words), today)
    return _done(number, found, await command.store.rule_on_access(number, ruling, by=command.by))


async def refuse(command: Command, number: int, words: str) -> AccessRequest:
    """Refuse a request."""
    found = await find_request(command, number)
    today = command.today()
    ruling = Ruling(None, plain_words(words), today)
    return _done(number, found, await command.store.rule_on_access(number, ruling, by=command.by))


async def end(command: Command, number: int) -> AccessRequest:
    """End what was approved, now."""
    found = await find_request(command, number)
    if found.state is not RequestState.APPROVED:
        raise CommandRefused(
            f"request {number} is {found.state}: only what was approved can be ended"
        )
    today = command.today()
    if found.is_over(today):
        raise CommandRefused(
            f"request {number} is over, so it opens nothing and there is nothing to end: its last day"
            f" was {found.last}"
        )
    return _done(number, found, await command.store.end_access(number, today, by=command.by))


async def strange_managers(command: Command, applications: Iterable[Application]) -> list[Problem]:
    """Return what is strange about who decides: names that nobody has, rules that nobody answers."""
    people, named = await command.store.people(), command.site.managers
    users = {one.user for one in people}
    known = {group for one in people for group in one.groups}
    found = []
    for group, managers in sorted(named.items()):
        place = f"pusterla.toml: groups.{group}"
        if group not in known:
            found.append(Problem(place, f"nobody is in this group yet{suggest(group, known)}"))
        for name in sorted(managers - users):
            words = f"there is no user {name!r} yet{suggest(name, users)}"
            found.append(Problem(f"{place}.managers", words))
    for application in applications:
        for position, rule in enumerate(application.policy.rules, start=1):
            groups = named.keys() if rule.groups is None else named.keys() & rule.groups
            if rule.approval is None or groups:
                continue
            words = (
                f"{rule.name!r}: requires an approval, and no group of it has managers ([groups] in"
                " pusterla.toml): only `pusterla request approve` answers"
            )
            found.append(Problem(f"apps/{application.name}.toml: rules[{position}]", words))
    return found


def read_days(text: str) -> tuple[DaySpan, ...]:
    """Read days as `2026-11-24,2026-12-01/2026-12-03`, or raise `CommandRefused`."""
    try:
        return parse_spans(text)
    except ValueError as error:
        raise CommandRefused(
            f"{text!r} are no days: write 2026-11-24, 2026-12-01/2026-12-03, or several with commas"
        ) from error


def _done(number: int, before: AccessRequest, outcome: AccessRequest | Fault) -> AccessRequest:
    if isinstance(outcome, AccessRequest):
        return outcome
    if outcome is Fault.SETTLED:
        raise CommandRefused(_settled(number, before))
    words = _WORDS.get(outcome, outcome.value)
    if outcome is Fault.OUTSIDE:
        words += f": request {number} is for {show_spans(before.wanted)}"
    raise CommandRefused(words)


def _settled(number: int, before: AccessRequest) -> str:
    if before.state is RequestState.ASKED:
        return f"request {number} was settled by somebody else just now"
    way = ""
    if before.state is RequestState.APPROVED:
        way = f"; `pusterla request end {number}` ends it"
    return f"request {number} is {before.state} already{way}"


async def _entry(
    command: Command, request: AccessRequest, applications: Mapping[str, Application]
) -> Entry:
    person = await command.store.asker(request)
    application = applications.get(request.app)
    found = None
    if person is not None and application is not None:
        found = approvable(application.policy, person, command.clock())
    managers: frozenset[str] = frozenset()
    agreements: frozenset[str] = frozenset()
    if person is not None and found is not None:
        agreements = found.agreements
        managers = found.deciders(person, command.site.managers)
    file = await command.store.request_file(request, agreements)
    return Entry(
        file,
        name="" if person is None else person.name,
        title=request.app if application is None else application.title,
        managers=tuple(sorted(managers)),
    )
