"""Two policies of one application, compared: who gains or loses what, and when.

It is found out by asking both, by `decide`, for every kind of request that their rules tell
apart, at every moment of the days to come at which one of them changes. What rules do not tell
apart is asked once.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta, tzinfo
from ipaddress import ip_address
from itertools import product
from typing import Final

from policies.calendar import Timetable
from policies.decide import decide
from policies.model import AppPolicy, Deny, Network, RequestFacts, Rule, StepUp, Subject
from policies.plan import plan_of
from policies.spells import Window, times_in_words

_DAYS: Final = 14
_YEAR: Final = 366
_HOLIDAYS: Final = 20
_DAY: Final = timedelta(days=1)
_EDGES: Final = 6
_MOST_PROBES: Final = 500
_CODE: Final = (2, -2)
_ELSEWHERE: Final = ("192.0.2.1", "198.51.100.1", "203.0.113.1", "100.64.0.1", "2001:db8::1")

Probe = tuple[str, str, str]
"""A kind of request, in words: path, method, address; "" is what no rule names."""


@dataclass(frozen=True, slots=True)
class Change:
    """What some people *gain*, or lose: *what* and *when* in words, "" for all of it, for ever.

    With *code* it opens before and after, and what they gain is that a code may be older.
    """

    app: str
    subjects: tuple[Subject, ...]
    gain: bool
    what: str
    when: str
    code: bool = False


@dataclass(frozen=True, slots=True)
class NotCompared:
    """The rules of *app* tell more *kinds* of requests of *user* apart than can be asked for."""

    app: str
    user: str
    kinds: int

    def __str__(self) -> str:
        """In words."""
        return (
            f"the rules of {self.app!r} tell {self.kinds} kinds of requests of {self.user!r} apart,"
            f" too many to be compared (at most {_MOST_PROBES})"
        )


@dataclass(frozen=True, slots=True)
class _Kinds:
    """The kinds of requests that rules tell apart: each in words, and one of its kind."""

    paths: Mapping[str, str]
    methods: Mapping[str, str]
    addresses: Mapping[str, str]

    def probes(self) -> list[tuple[Probe, RequestFacts]]:
        kinds = product(self.paths.items(), self.methods.items(), self.addresses.items())
        return [
            ((path[0], method[0], address[0]), RequestFacts(method[1], path[1], address[1]))
            for path, method, address in kinds
        ]


def compare(
    old: AppPolicy, new: AppPolicy, subjects: Iterable[Subject], now: datetime, zone: tzinfo
) -> list[Change] | NotCompared:
    """Return what changes for *subjects* where *new* takes the place of *old*.

    Looked at are two weeks from the day of *now* on and from each of the next dates at which rules
    begin or end, texts become due and approvals begin or end, and the holidays of a year. What two patterns of paths
    mean both is asked only where one of them is all within the other.
    """
    if old.rules == new.rules:
        return []
    found: list[Change] = []
    known: dict[object, list[Window]] = {}
    for alike in _alike(old, new, subjects):
        # Rules for others tell nothing apart here, and there may be thousands of them.
        was, will_be = _for(old, alike[0]), _for(new, alike[0])
        if was.rules == will_be.rules:
            continue
        rules = (*was.rules, *will_be.rules)
        times = frozenset(rule.when for rule in rules if rule.when is not None)
        dates = _paper_dates(rules, alike[0], old.app)
        if (times, dates) not in known:
            known[times, dates] = _windows(times, dates, now, zone)
        changes = _compare_for(alike, was, will_be, known[times, dates], zone)
        if isinstance(changes, NotCompared):
            return changes
        found += changes
    return _joined(found)


def _for(policy: AppPolicy, subject: Subject) -> AppPolicy:
    """Return *policy* with those rules alone that may be for *subject*."""
    concerned = {ready.position: ready.rule for ready in plan_of(policy).concerning(subject)}
    # What is asked of sessions is no matter of rules, and is the same for all requests.
    rules = tuple(concerned[position] for position in sorted(concerned))
    return replace(policy, rules=rules, lifetime=None, idle=None)


def _compare_for(
    alike: tuple[Subject, ...],
    old: AppPolicy,
    new: AppPolicy,
    windows: Sequence[Window],
    zone: tzinfo,
) -> list[Change] | NotCompared:
    kinds = _kinds((*old.rules, *new.rules))
    probes = kinds.probes()
    if len(probes) > _MOST_PROBES:
        return NotCompared(old.app, alike[0].user, len(probes))
    # Of somebody whose code is old: whoever has just given one is asked for none.
    subject = replace(alike[0], proved_at=None)
    changes = [(_changes(old, new, subject, facts, windows), probe) for probe, facts in probes]
    return [
        Change(old.app, alike, sign > 0, what, when, code=sign in _CODE)
        for sign in (1, -1, *_CODE)
        for when, some in _by_time(changes, windows, zone, sign).items()
        for what in _in_words(some, kinds)
    ]


def _joined(found: Sequence[Change]) -> list[Change]:
    """Put people together for whom the same changes."""
    together: dict[Change, list[Subject]] = {}
    for one in found:
        together.setdefault(replace(one, subjects=()), []).extend(one.subjects)
    return [replace(one, subjects=tuple(subjects)) for one, subjects in together.items()]


def _alike(
    old: AppPolicy, new: AppPolicy, subjects: Iterable[Subject]
) -> list[tuple[Subject, ...]]:
    """Put together those whom no rule tells apart."""
    rules = (*old.rules, *new.rules)
    users = {name for rule in rules for name in rule.users or ()}
    groups = {name for rule in rules for name in rule.groups or ()}
    devices = {name for rule in rules for name in rule.devices or ()}
    issuers = {name for rule in rules for name in rule.issuers or ()}
    found: dict[object, list[Subject]] = {}
    for one in subjects:
        kind = (
            one.user if one.user in users else None,
            one.groups & groups,
            one.device if one.device in devices else None,
            one.issuer if one.issuer in issuers else None,
            None if one.scope is None else old.app in one.scope,
            one.level,
            _papers_told_apart(rules, one, old.app),
        )
        found.setdefault(kind, []).append(one)
    return list(map(tuple, found.values()))


def _papers_told_apart(rules: Sequence[Rule], subject: Subject, app: str) -> object:
    """Return what *rules* of *app* can see of the papers of *subject*."""
    papers = subject.papers
    marks = {
        mark
        for rule in rules
        for agreement in rule.agreements or ()
        for version in agreement.versions
        for mark in version.digests
    }
    approvals = any(rule.approval is not None for rule in rules)
    quotas = {rule.days.count for rule in rules if rule.days is not None}
    return (
        papers.accepted & marks,
        tuple(one for one in papers.approvals if approvals and one.app == app),
        tuple((count, papers.days.get(count, frozenset())) for count in sorted(quotas)),
    )


def _paper_dates(rules: Sequence[Rule], subject: Subject, app: str) -> frozenset[date]:
    """Return the days on which what *rules* ask of papers may come to another answer."""
    due = {
        version.due
        for rule in rules
        for agreement in rule.agreements or ()
        for version in agreement.versions
    }
    if not any(rule.approval is not None for rule in rules):
        return frozenset(due)
    approvals = [one for one in subject.papers.approvals if one.app == app]
    ends = {one.last + _DAY for one in approvals if one.last < date.max}
    return frozenset(due | {one.first for one in approvals} | ends)


# Kinds of requests ----------------------------------------------------------


def _kinds(rules: Sequence[Rule]) -> _Kinds:
    patterns = sorted({part for rule in rules for part in rule.paths or ()}, key=str)
    methods = sorted({method for rule in rules for method in rule.methods or ()})
    networks = sorted({one for rule in rules for one in rule.networks or ()}, key=str)
    # Something that is in none of the patterns, or else in the widest alone.
    paths = {"": "/" if not any(part.matches("/") for part in patterns) else "/-/-/-"}
    paths |= {str(part): part.example for part in patterns}
    return _Kinds(
        paths if patterns else {"": "/"},
        {"": _other_method(methods)} | {method: method for method in methods}
        if methods
        else {"": "GET"},
        {"": _elsewhere(networks)} | {str(one): str(one.network_address) for one in networks},
    )


def _other_method(methods: Sequence[str]) -> str:
    return next(one for one in ("GET", "POST", "PUT", "X-OTHER") if one not in methods)


def _elsewhere(networks: Sequence[Network]) -> str:
    for text in _ELSEWHERE:
        address = ip_address(text)
        if not any(address in network for network in networks):
            return text
    return ""


def _in_words(some: Sequence[Probe], kinds: _Kinds) -> list[str]:
    """Say in as few words as that goes which of all kinds *some* are."""
    sets = [list(dict.fromkeys(probe[index] for probe in some)) for index in range(3)]
    if len(some) == len(sets[0]) * len(sets[1]) * len(sets[2]):
        every = (kinds.paths, kinds.methods, kinds.addresses)
        others = ("other paths", "other methods", "from elsewhere")
        parts = [
            ", ".join(_named(name, index, others[index]) for name in sets[index])
            for index in (1, 0, 2)
            if len(sets[index]) < len(every[index])
        ]
        return [" ".join(parts)]
    index = next(index for index in range(3) if len(sets[index]) > 1)
    return [
        words
        for name in sets[index]
        for words in _in_words([probe for probe in some if probe[index] == name], kinds)
    ]


def _named(name: str, index: int, other: str) -> str:
    if not name:
        return other
    return f"from {name}" if index == 2 else name  # noqa: PLR2004 - the place of the address


# Times ----------------------------------------------------------------------


def _windows(
    times: Collection[Timetable], dates: Collection[date], now: datetime, zone: tzinfo
) -> list[Window]:
    """Return two weeks from today and from each of *dates*, and of those at which rules begin or end.

    And holidays.
    """
    today = now.astimezone(zone).date()
    edges = {one.first for one in times} | {one.last and one.last + _DAY for one in times}
    edges |= {*dates}
    later = sorted(day for day in edges if day is not None and day > today)[:_EDGES]
    windows = []
    for day, following in zip([today, *later], [*later, None], strict=True):
        length = _DAYS if following is None else min(_DAYS, (following - day).days)
        windows.append(_window(day, length, times, zone))
    seen = {(one.begin.date(), one.end.date()) for one in windows}
    calendars = {each for one in times for each in (*one.off, *one.only)}
    coming = (today + number * _DAY for number in range(_YEAR))
    holidays = [
        day
        for day in coming
        if any(each.has(day) for each in calendars)
        and not any(begin <= day < end for begin, end in seen)
    ]
    return windows + [_window(day, 1, times, zone, holiday=True) for day in holidays[:_HOLIDAYS]]


def _window(
    begin: date,
    length: int,
    times: Collection[Timetable],
    zone: tzinfo,
    *,
    holiday: bool = False,
) -> Window:
    start, end = (
        datetime.combine(day, time(tzinfo=zone)) for day in (begin, begin + length * _DAY)
    )
    turns = [start]
    while times:
        turn = min(one.look(turns[-1])[1] for one in times).astimezone(zone)
        if turn.timestamp() >= end.timestamp():
            break
        turns.append(turn)
    return Window(start, end, tuple(turns), holiday)


def _changes(
    old: AppPolicy,
    new: AppPolicy,
    subject: Subject,
    facts: RequestFacts,
    windows: Sequence[Window],
) -> tuple[tuple[int, ...], ...]:
    """Return for each turn of each window whether it is gained (1), lost (-1) or as before.

    Where it opens before and after: whether a code may be older (2), or must be fresher (-2).
    """
    return tuple(
        tuple(
            _sign(_opens(old, subject, facts, turn), _opens(new, subject, facts, turn))
            for turn in window.turns
        )
        for window in windows
    )


def _sign(was: timedelta | None, will_be: timedelta | None) -> int:
    if was == will_be:
        return 0
    if was is None or will_be is None:
        return 1 if was is None else -1
    return max(_CODE) if will_be > was else min(_CODE)


def _opens(
    policy: AppPolicy, subject: Subject, facts: RequestFacts, moment: datetime
) -> timedelta | None:
    """Return how old a code may be with which it opens; None: it does not."""
    match decide(policy, subject, facts, moment):
        case Deny():
            return None
        case StepUp(within=within) if within is not None:
            return within
        case _:
            return timedelta.max


def _by_time(
    changes: Iterable[tuple[tuple[tuple[int, ...], ...], Probe]],
    windows: Sequence[Window],
    zone: tzinfo,
    wanted: int,
) -> dict[str, list[Probe]]:
    """Put kinds of requests together that change in the *wanted* way at the same times."""
    found: dict[str, list[Probe]] = {}
    for signs, probe in changes:
        if any(wanted in each for each in signs):
            found.setdefault(times_in_words(signs, windows, zone, wanted), []).append(probe)
    return found
