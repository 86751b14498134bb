"""Access that people ask for: on which days, who may say yes, and what became of it.

A request is asked, and then settled once: approved, refused, or withdrawn by whoever asked. What
was approved can be ended before its time, and is never changed otherwise: once its days are over it
stays what it was.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.core.people import Person
from gateway.core.spans import DaySpan, spans_of
from policies.model import AppPolicy, Level, Rule, Subject
from policies.papers import DayQuota, Papers
from policies.prospect import rules_to_approve

WORDS_MAXIMUM: Final = 500
"""How many characters a reason has at most, and what somebody says to it."""
OPEN_MAXIMUM: Final = 10
"""How many requests of one person may wait at a time."""
DAY_MAXIMUM: Final = 30
"""How often one person may ask within a day: each time somebody else gets a letter."""
AHEAD: Final = timedelta(days=366)
"""How far ahead days can be asked for."""

_DAY: Final = timedelta(days=1)


class RequestState(StrEnum):
    """How far a request has come; only ever forward, and each moves once."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    """By whoever asked, before anybody decided."""
    ENDED = "ended"
    """It was approved, and then taken or given back before its last day."""


class Fault(StrEnum):
    """Why something cannot be done with a request; nothing has changed then."""

    NO_DAYS = "no-days"
    PAST = "past"
    TOO_FAR = "too-far"
    NO_REASON = "no-reason"
    LONG = "long"
    """A reason, or what was said to it, is longer than `WORDS_MAXIMUM`."""
    TOO_MANY = "too-many"
    TOO_OFTEN = "too-often"
    ASKED_BEFORE = "asked-before"
    """The same person has asked for one of the days already, or has been granted it."""
    UNKNOWN = "unknown"
    """There is none by that number, or it is none of theirs: which of both, nobody is told."""
    OWN = "own"
    """Nobody decides what they have asked for themselves."""
    SETTLED = "settled"
    """Somebody has decided it already, it was withdrawn, or its days are over: it does not end."""
    OUTSIDE = "outside"
    """Days were granted that nobody has asked for."""


@dataclass(frozen=True, slots=True)
class AcceptedText:
    """A version of an agreement that was accepted, by the SHA-256 of its text."""

    agreement: str
    version: str
    digest: str

    def __str__(self) -> str:
        """As it is written down."""
        return f"{self.agreement} {self.version} {self.digest}"


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What *user* has asked for, and what became of it.

    *serial* is that of the certificate with which they asked; *agreements* are the texts that they
    had accepted then, of those that the rules ask for. *granted* stays as it was when it is ended.
    """

    number: int
    user: str
    app: str
    wanted: tuple[DaySpan, ...]
    reason: str
    serial: str
    agreements: tuple[AcceptedText, ...]
    asked_at: datetime
    state: RequestState = RequestState.ASKED
    granted: tuple[DaySpan, ...] = ()
    decided_by: str = ""
    decided_at: datetime | None = None
    words: str = ""
    ended_by: str = ""
    ended_at: datetime | None = None

    @property
    def days(self) -> tuple[DaySpan, ...]:
        """The days that it is about: what was granted, or else asked for."""
        return self.granted or self.wanted

    @property
    def last(self) -> date:
        """The last of its days."""
        return max(span.last for span in self.days)

    def is_over(self, today: date) -> bool:
        """Say whether its last day has passed: then it stays what it was."""
        return self.last < today

    def is_open(self, today: date) -> bool:
        """Say whether somebody may still decide it."""
        return self.state is RequestState.ASKED and not self.is_over(today)

    def is_coming(self, today: date) -> bool:
        """Say whether it opens something, today or later."""
        return self.state is RequestState.APPROVED and not self.is_over(today)

    def touches(self, since: date | None, until: date | None) -> bool:
        """Say whether a day of it is from *since* to *until*, both of which count; None: any."""
        return any(
            (until is None or span.first <= until) and (since is None or span.last >= since)
            for span in self.days
        )


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be asked for, on the day *today* of the site's zone.

    *agreements* are the names of those that the rules ask for.
    """

    app: str
    wanted: tuple[DaySpan, ...]
    reason: str
    today: date
    agreements: frozenset[str] = frozenset()

    def fault(self) -> Fault | None:
        """Return what is wrong with it by itself; None: nothing."""
        if not self.wanted:
            return Fault.NO_DAYS
        if min(span.first for span in self.wanted) < self.today:
            return Fault.PAST
        if max(span.last for span in self.wanted) > self.today + AHEAD:
            return Fault.TOO_FAR
        if not self.reason.strip():
            return Fault.NO_REASON
        return Fault.LONG if len(self.reason) > WORDS_MAXIMUM else None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What somebody says to a request, on the day *today*: *granted* None is no."""

    granted: tuple[DaySpan, ...] | None
    words: str
    today: date

    @property
    def days(self) -> tuple[DaySpan, ...]:
        """The days that are granted: what has passed by *today* is nobody's to grant."""
        return overlap(self.granted or (), (DaySpan(self.today, date.max),))

    def fault(self, wanted: tuple[DaySpan, ...]) -> Fault | None:
        """Return what is wrong with it as an answer to *wanted*; None: nothing."""
        if len(self.words) > WORDS_MAXIMUM:
            return Fault.LONG
        if self.granted is None:
            return None
        if not self.granted:
            return Fault.NO_DAYS
        if not is_within(self.granted, wanted):
            return Fault.OUTSIDE
        return None if self.days else Fault.PAST


def days_of(spans: Iterable[DaySpan]) -> Iterator[date]:
    """Yield every day of *spans*."""
    for span in spans:
        for ahead in range((span.last - span.first).days + 1):
            yield span.first + ahead * _DAY


def is_within(inner: Iterable[DaySpan], outer: Iterable[DaySpan]) -> bool:
    """Say whether every day of *inner* is one of *outer*."""
    # Spans that touch are one, or a day that begins in the first would not end in the second.
    whole = merged(outer)
    return all(
        any(one.first <= span.first and span.last <= one.last for one in whole) for span in inner
    )


def overlap(ones: Iterable[DaySpan], others: Iterable[DaySpan]) -> tuple[DaySpan, ...]:
    """Return the days that *ones* and *others* have in common."""
    known = tuple(others)
    return merged(
        DaySpan(max(one.first, other.first), min(one.last, other.last))
        for one in ones
        for other in known
        if one.first <= other.last and other.first <= one.last
    )


def merged(spans: Iterable[DaySpan]) -> tuple[DaySpan, ...]:
    """Return *spans* as few spans, in their order."""
    found: list[DaySpan] = []
    for span in sorted(spans):
        # Without counting on from the last day that there is.
        if found and (span.first - found[-1].last).days <= 1:
            found[-1] = DaySpan(found[-1].first, max(found[-1].last, span.last))
        else:
            found.append(span)
    return tuple(found)


def beyond(
    quota: DayQuota, used: frozenset[date], wanted: Iterable[DaySpan]
) -> tuple[DaySpan, ...]:
    """Return the days of *wanted* that *quota* would not let be used after those before them."""
    counted, over = set(used), []
    for day in days_of(merged(wanted)):
        if quota.permits(frozenset(counted), day):
            counted.add(day)
        else:
            over.append(day)
    return spans_of(over)


@dataclass(frozen=True, slots=True)
class Approvable:
    """What one person may ask for of one application: the rules that ask for an approval."""

    app: str
    rules: tuple[Rule, ...]

    @property
    def agreements(self) -> frozenset[str]:
        """The names of the texts that they ask for besides."""
        return frozenset(one.name for rule in self.rules for one in rule.agreements or ())

    @property
    def quota(self) -> DayQuota | None:
        """The days that there are: of several rules the first's, None where one has no end."""
        quotas = [rule.days for rule in self.rules]
        return None if not quotas or None in quotas else quotas[0]

    def beyond(self, papers: Papers, wanted: Iterable[DaySpan]) -> tuple[DaySpan, ...]:
        """Return the days of *wanted* for which no day of the quota would be left."""
        quota = self.quota
        return () if quota is None else beyond(quota, papers.days_of(quota), wanted)

    def deciders(self, person: Person, managers: Mapping[str, frozenset[str]]) -> frozenset[str]:
        """Return who may decide what *person* asks for: never the person.

        Those are the *managers* of the groups that a rule names and the person is in, or of all of
        the person's groups where it names none. What is approved opens all that the rules let the
        person do, so of several rules those alone who may decide for each of them.
        """
        found: frozenset[str] | None = None
        for rule in self.rules:
            concerned = person.groups if rule.groups is None else person.groups & rule.groups
            names = frozenset(name for group in concerned for name in managers.get(group, ()))
            found = names if found is None else found & names
        return (found or frozenset()) - {person.user}


def approvable(policy: AppPolicy, person: Person, now: datetime) -> Approvable | None:
    """Return what *person* may ask for of the application of *policy*; None: nothing.

    That is as little as the start page shows: what is for them once somebody has approved it.
    """
    if not policy.asks_approval:
        return None
    subject = Subject(person.user, person.groups, None, Level.PASSWORD_TOTP)
    rules = rules_to_approve(policy, subject, now)
    return Approvable(policy.app, rules) if rules else None


def plain_words(text: str) -> str:
    """Return *text* as it is kept: its lines, without what nobody can see."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    seen = ("".join(each if each.isprintable() else " " for each in line) for line in lines)
    return "\n".join(line.rstrip() for line in seen).strip()
