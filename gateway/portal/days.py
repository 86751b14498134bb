"""The days that somebody has used, and has left, in words for the start page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from gateway.core.days import UsedDay
from gateway.core.moments import MONTHS, day_and_weekday
from gateway.core.refusals import Language
from gateway.core.site import Application
from gateway.portal.messages import say
from policies.model import Subject
from policies.papers import DayQuota
from policies.prospect import quotas_of

Quotas = Mapping[str, tuple[DayQuota, ...]]
"""The quotas of somebody in each application that counts days for them, by its name."""

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Count:
    """One quota of somebody, in words; *used* are its days of this month."""

    titles: str
    state: str
    used: tuple[str, ...]


def told_on_tile(
    quota: DayQuota,
    subject: Subject,
    today: date,
    language: Language,
    *,
    spends: bool,
    opens: bool,
) -> str:
    """Say what is used of *quota*, and what of today: that opening it *spends* a day, if it does.

    *opens* says that the tile tells already when it opens.
    """
    days = subject.papers.days_of(quota)
    if not quota.permits(days, today):
        rest = "" if opens else _next(quota, days, today, language)
    elif today in days:
        rest = say("days-today", language)
    else:
        rest = say("days-spends", language) if spends else ""
    return f"{_used(quota, days, today, language)} {rest}".rstrip()


def quotas_in(applications: Iterable[Application], subject: Subject, now: datetime) -> Quotas:
    """Return the quotas that *subject* has in each of *applications*, where there are any."""
    found = ((one.name, quotas_of(one.policy, subject, now)) for one in applications)
    return {name: quotas for name, quotas in found if quotas}


def counts_of(
    applications: Mapping[str, Application],
    quotas: Quotas,
    subject: Subject,
    used: Sequence[UsedDay],
    today: date,
    language: Language,
) -> list[Count]:
    """Return the *quotas* of *subject* in words, and which of the *used* days are theirs."""
    found = dict[DayQuota, list[str]]()
    for name, wanted in quotas.items():
        for quota in wanted:
            found.setdefault(quota, []).append(applications[name].title)
    return [
        Count(
            titles=", ".join(sorted(titles)),
            state=_state(quota, subject, today, language),
            used=tuple(_in_words(quota, applications, used, today, language)),
        )
        for quota, titles in found.items()
    ]


def _state(quota: DayQuota, subject: Subject, today: date, language: Language) -> str:
    days = subject.papers.days_of(quota)
    left = max(0, quota.per_month - quota.used(days, today))
    said = [_used(quota, days, today, language), say("days-left", language, left=str(left))]
    if not quota.consecutive:
        said.append(say("days-row", language))
    if not quota.permits(days, today):
        said.append(_next(quota, days, today, language))
    elif today in days:
        said += [say("days-today", language), _next(quota, days, today + _DAY, language)]
    else:
        said.append(say("days-may", language))
    return " ".join(said)


def _used(quota: DayQuota, days: frozenset[date], today: date, language: Language) -> str:
    used, month = quota.used(days, today), MONTHS[language][today.month - 1]
    return say("days-used", language, used=str(used), all=str(quota.per_month), month=month)


def _next(quota: DayQuota, days: frozenset[date], since: date, language: Language) -> str:
    return say("days-next", language, day=day_and_weekday(quota.next_day(days, since), language))


def _in_words(
    quota: DayQuota,
    applications: Mapping[str, Application],
    used: Iterable[UsedDay],
    today: date,
    language: Language,
) -> Iterable[str]:
    for one in used:
        if one.count == quota.count and (one.day.year, one.day.month) == (today.year, today.month):
            application = applications.get(one.app)
            title = one.app if application is None else application.title
            yield f"{day_and_weekday(one.day, language)}: {title}"
