"""What is strange about rules that are not wrong: those that never match, and contradictions."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, TypeVar

from policies.calendar import Timetable
from policies.durations import show_duration
from policies.model import AppPolicy, Effect, Network, Rule
from policies.papers import Agreement, DayQuota
from policies.paths import PathPattern

_T = TypeVar("_T")  # PEP 695 is not in Python 3.11

_YEARS: Final = timedelta(days=3 * 366)
_DAY: Final = timedelta(days=1)
# A year before the last that can be written: what is reckoned around a day must be a day too.
_LAST: Final = date(9998, 12, 31)


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something that somebody should look at: the *rule*, its *position* from 1, and why."""

    position: int
    rule: str
    message: str


def review(policy: AppPolicy, today: date) -> list[Oddity]:
    """Return what is strange about the rules of *policy*, in their order."""
    found: list[Oddity] = []
    for position, rule in enumerate(policy.rules, start=1):
        if rule.when is not None and (message := _never_holds(rule.when, today)):
            found.append(Oddity(position, rule.name, message))
        found.extend(
            Oddity(position, rule.name, _not_due(agreement))
            for agreement in rule.agreements or ()
            if agreement.current(today) is None
        )
        if rule.days is not None:
            found.extend(
                Oddity(position, rule.name, message) for message in _days_in_vain(rule, policy)
            )
        if rule.effect is Effect.ALLOW:
            found.extend(
                Oddity(position, rule.name, _against(rule, other))
                for other in policy.rules
                if other.effect is Effect.DENY and covers(other, rule)
            )
        if rule.effect is Effect.STEP_UP and (message := _asks_nobody(rule, policy)):
            found.append(Oddity(position, rule.name, message))
    return found


def _asks_nobody(rule: Rule, policy: AppPolicy) -> str:
    """Say why a step-up rule never asks for a code, where that is plain; otherwise ""."""
    if not any(one.effect is Effect.ALLOW and _may_meet(rule, one) for one in policy.rules):
        return "it never asks for a code: no rule lets in what it matches"
    lifetime, within = policy.lifetime, rule.totp_within
    if lifetime is not None and within is not None and within >= lifetime:
        return (
            f"it never asks for a code: after {show_duration(lifetime)} (session.lifetime) password "
            "and code are asked for in any case"
        )
    return ""


def _may_meet(step: Rule, allow: Rule) -> bool:
    """Say whether one request may match both; True also where that is hard to tell."""
    return (
        _share(step.users, allow.users)
        and _share(step.devices, allow.devices)
        and _share(step.issuers, allow.issuers)
        and _share(step.methods, allow.methods)
        and (None in (step.certificate, allow.certificate) or step.certificate is allow.certificate)
        and _any_pair(step.paths, allow.paths, _paths_meet)
        and _any_pair(step.networks, allow.networks, _networks_meet)
    )


def _share(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    return one is None or other is None or not one.isdisjoint(other)


def _any_pair(
    some: tuple[_T, ...] | None, others: tuple[_T, ...] | None, meet: Callable[[_T, _T], bool]
) -> bool:
    if some is None or others is None:
        return True
    return any(meet(one, other) for one in some for other in others)


def _paths_meet(step: PathPattern, allow: PathPattern) -> bool:
    return (
        step.is_open_ended
        or allow.is_open_ended
        or step.may_match(allow.example)
        or allow.matches(step.example)
    )


def _networks_meet(one: Network, other: Network) -> bool:
    return _within(one, other) or _within(other, one)


def covers(wide: Rule, narrow: Rule) -> bool:
    """Say whether *wide* matches whatever *narrow* does; False also where that is hard to tell."""
    return (
        _named(wide.users, narrow.users)
        and _named(wide.groups, narrow.groups)
        and _named(wide.devices, narrow.devices)
        and _named(wide.issuers, narrow.issuers)
        and wide.certificate in (None, narrow.certificate)
        and _named(wide.methods, narrow.methods)
        and _pathed(wide.paths, narrow.paths)
        and _networked(wide.networks, narrow.networks)
        and (wide.when is None or wide.when == narrow.when)
        and wide.approval in (None, narrow.approval)
        and set(wide.agreements or ()) <= set(narrow.agreements or ())
        and wide.days in (None, narrow.days)
    )


def _never_holds(when: Timetable, today: date) -> str:
    if when.last is not None and when.last < today:
        return f"it ended on {when.last}, and can be taken out"
    day = today if when.first is None else max(today, when.first)
    end = min(when.last or _LAST, _LAST, _LAST if day > _LAST - _YEARS else day + _YEARS)
    while day <= end:
        if when.counts(day):
            return ""
        day += _DAY
    return "it can never match: there is no day on which it holds"


def _against(allow: Rule, deny: Rule) -> str:
    if covers(allow, deny):
        return f"it contradicts rule {deny.name!r}, which denies exactly the same, and wins"
    return f"it can never let anybody in: rule {deny.name!r} denies all of it"


def _days_in_vain(rule: Rule, policy: AppPolicy) -> Iterator[str]:
    for other in policy.rules:
        if other.effect is Effect.ALLOW and other.days is None and covers(other, rule):
            yield f"it never counts a day: rule {other.name!r} lets in the same without counting"


def differing_counts(policies: Iterable[AppPolicy]) -> list[tuple[str, Oddity]]:
    """Return, with its application, each rule that wants another number of days than one before.

    Of the same count: days are shared, so whoever has used those of one has used some of the other.
    """
    before: dict[str, tuple[DayQuota, str]] = {}
    found: list[tuple[str, Oddity]] = []
    for policy in policies:
        for position, rule in enumerate(policy.rules, start=1):
            if rule.days is None:
                continue
            quota, app = before.setdefault(rule.days.count, (rule.days, policy.app))
            if quota != rule.days:
                message = (
                    f"it counts {rule.days} as {quota.count!r}, and another rule, of {app!r}, "
                    f"counts {quota}: the days are the same; give one another count"
                )
                found.append((policy.app, Oddity(position, rule.name, message)))
    return found


def _not_due(agreement: Agreement) -> str:
    return (
        f"the agreement {agreement.name!r} is not due before {agreement.versions[0].due}: "
        "until then its first version has to be accepted all the same"
    )


def _named(wide: frozenset[str] | None, narrow: frozenset[str] | None) -> bool:
    return wide is None or (narrow is not None and narrow <= wide)


def _pathed(wide: tuple[PathPattern, ...] | None, narrow: tuple[PathPattern, ...] | None) -> bool:
    if wide is None:
        return True
    return narrow is not None and all(any(one.covers(each) for one in wide) for each in narrow)


def _networked(wide: tuple[Network, ...] | None, narrow: tuple[Network, ...] | None) -> bool:
    if wide is None:
        return True
    return narrow is not None and all(any(_within(each, one) for one in wide) for each in narrow)


def _within(narrow: Network, wide: Network) -> bool:
    # Not subnet_of, which takes two of a kind alone.
    return (
        narrow.version == wide.version
        and narrow.network_address in wide
        and narrow.broadcast_address in wide
    )
