"""One tiny total function per criterion, and the table that both deciding and explaining read.

A new criterion is a field of `Rule`, a function here and a line of `CRITERIA`:
nothing else decides, so nothing can be explained otherwise than it was decided.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from policies.calendar import show_moment
from policies.model import CertificateKind, Effect, Level, Question, Reason, Rule, Subject


class Verdict(Enum):
    """What one criterion of one rule says to one question."""

    HIT = "hit"
    MISS = "miss"
    NOT_ASKED = "not asked"


# Looked up once: these names are on the way of every request.
HIT: Final = Verdict.HIT
MISS: Final = Verdict.MISS
NOT_ASKED: Final = Verdict.NOT_ASKED
_ALLOW: Final = Effect.ALLOW


def judge_scope(scope: frozenset[str] | None, app: str) -> Verdict:
    """Whether a certificate with *scope* opens *app*. An empty scope opens nothing."""
    if scope is None:
        return NOT_ASKED
    return HIT if app in scope else MISS


def judge_users(rule: Rule, question: Question) -> Verdict:
    """Whether the rule names this user."""
    if rule.users is None:
        return NOT_ASKED
    return HIT if question.subject.user in rule.users else MISS


def judge_groups(rule: Rule, question: Question) -> Verdict:
    """Whether the user is in at least one of the groups that the rule names."""
    if rule.groups is None:
        return NOT_ASKED
    return MISS if rule.groups.isdisjoint(question.subject.groups) else HIT


def judge_devices(rule: Rule, question: Question) -> Verdict:
    """Whether the certificate was issued for one of the devices that the rule names."""
    if rule.devices is None:
        return NOT_ASKED
    return HIT if question.subject.device in rule.devices else MISS


def judge_issuers(rule: Rule, question: Question) -> Verdict:
    """Whether the certificate is of one of the CAs that the rule names."""
    if rule.issuers is None:
        return NOT_ASKED
    return HIT if question.subject.issuer in rule.issuers else MISS


def judge_certificate(rule: Rule, question: Question) -> Verdict:
    """Whether the certificate is one for some applications, or for all, as the rule asks."""
    if rule.certificate is None:
        return NOT_ASKED
    return HIT if _kind(question.subject) is rule.certificate else MISS


def judge_methods(rule: Rule, question: Question) -> Verdict:
    """Whether the rule names the method; GET stands for HEAD too, which asks for the same."""
    if rule.methods is None:
        return NOT_ASKED
    method = question.request.method
    return HIT if ("GET" if method == "HEAD" else method) in rule.methods else MISS


def judge_paths(rule: Rule, question: Question) -> Verdict:
    """Whether a pattern of the rule means the path; what keeps out is on the safe side."""
    if rule.paths is None:
        return NOT_ASKED
    path = question.request.path
    if rule.effect is _ALLOW:
        return HIT if any(pattern.matches(path) for pattern in rule.paths) else MISS
    return HIT if any(pattern.may_match(path) for pattern in rule.paths) else MISS


def judge_networks(rule: Rule, question: Question) -> Verdict:
    """Whether the request comes from one of the networks; what keeps out is on the safe side."""
    if rule.networks is None:
        return NOT_ASKED
    address = read_address(question.request.address)
    if address is None:
        return MISS if rule.effect is _ALLOW else HIT
    for network in rule.networks:  # any() over a generator doubles the price
        if address in network:
            return HIT
    return MISS


def judge_when(rule: Rule, question: Question) -> Verdict:
    """Whether it is one of the times at which the rule holds."""
    if rule.when is None:
        return NOT_ASKED
    return HIT if rule.when.look(question.now)[0] else MISS


def day_of(rule: Rule, question: Question) -> date:
    """Return which day it is for *rule*."""
    return question.day or rule.local.look(question.now)[0]


def judge_approval(rule: Rule, question: Question) -> Verdict:
    """Whether somebody has approved the application for the day that it is."""
    if rule.approval is None:
        return NOT_ASKED
    day = day_of(rule, question)
    return HIT if question.subject.papers.approved(question.app, day) else MISS


def judge_agreements(rule: Rule, question: Question) -> Verdict:
    """Whether every text that the rule names was accepted, as it is due on the day that it is."""
    if rule.agreements is None:
        return NOT_ASKED
    accepted = question.subject.papers.accepted
    day = day_of(rule, question)
    for agreement in rule.agreements:
        if not agreement.is_accepted(accepted, day):
            return MISS
    return HIT


def judge_days(rule: Rule, question: Question) -> Verdict:
    """Whether the day that it is has been counted already, or may be, within its own number."""
    if rule.days is None:
        return NOT_ASKED
    day = day_of(rule, question)
    days = question.subject.papers.days_of(rule.days)
    return HIT if day in days or rule.days.permits(days, day) else MISS


def judge_level(required: Level, level: Level) -> Verdict:
    """Whether a session at *level* has proved *required*."""
    return HIT if level >= required else MISS


@lru_cache(maxsize=4096)
def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address in *text*; None where it is none. An IPv4 address in IPv6 is IPv4."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@dataclass(frozen=True, slots=True)
class Criterion:
    """One line of the table: how to judge, and what to tell people of it.

    *reason* is why a request is refused that an allow rule misses in this criterion alone;
    None: for who is somebody else, no rule is their rule.
    """

    name: str
    judge: Callable[[Rule, Question], Verdict]
    wanted: Callable[[Rule], str]
    found: Callable[[Question, Rule], str]
    reason: Reason | None = None


def _approvals_in_words(question: Question) -> str:
    found = [one for one in question.subject.papers.approvals if one.app == question.app]
    return ", ".join(f"{one.first} to {one.last}" for one in found) or "none"


def _accepted_in_words(question: Question, rule: Rule) -> str:
    accepted = question.subject.papers.accepted
    return in_words(
        f"{agreement.name} {one.version}"
        for agreement in rule.agreements or ()
        for one in agreement.versions
        if not one.digests.isdisjoint(accepted)
    )


def _days_in_words(question: Question, rule: Rule) -> str:
    if rule.days is None:
        return "none"
    quota, today = rule.days, day_of(rule, question)
    days = question.subject.papers.days_of(quota)
    used = sorted(one for one in days if (one.year, one.month) == (today.year, today.month))
    listed = f" ({', '.join(map(str, used))})" if used else ""
    said = f"{len(used)} used{listed}, {max(0, quota.per_month - len(used))} left"
    if quota.permits(days, today):
        return f"{said}, {today} {'is one of them' if today in days else 'may be one'}"
    return f"{said}, the next possible is {quota.next_day(days, today)}"


CRITERIA: Final = (
    Criterion(
        "users",
        judge_users,
        wanted=lambda rule: in_words(rule.users),
        found=lambda question, _: question.subject.user,
    ),
    Criterion(
        "groups",
        judge_groups,
        wanted=lambda rule: in_words(rule.groups),
        found=lambda question, _: in_words(question.subject.groups),
    ),
    Criterion(
        "devices",
        judge_devices,
        wanted=lambda rule: in_words(rule.devices),
        found=lambda question, _: question.subject.device or "none",
        reason=Reason.OTHER_CERTIFICATE,
    ),
    Criterion(
        "issuers",
        judge_issuers,
        wanted=lambda rule: in_words(rule.issuers),
        found=lambda question, _: question.subject.issuer,
        reason=Reason.OTHER_CERTIFICATE,
    ),
    Criterion(
        "certificate",
        judge_certificate,
        wanted=lambda rule: rule.certificate or "any",
        found=lambda question, _: _kind(question.subject),
        reason=Reason.OTHER_CERTIFICATE,
    ),
    Criterion(
        "methods",
        judge_methods,
        wanted=lambda rule: in_words(rule.methods),
        found=lambda question, _: question.request.method,
        reason=Reason.OTHER_METHOD,
    ),
    Criterion(
        "paths",
        judge_paths,
        wanted=lambda rule: "any" if rule.paths is None else ", ".join(map(str, rule.paths)),
        found=lambda question, _: question.request.path,
        reason=Reason.OTHER_PATH,
    ),
    Criterion(
        "networks",
        judge_networks,
        wanted=lambda rule: "any" if rule.networks is None else ", ".join(map(str, rule.networks)),
        found=lambda question, _: question.request.address or "unknown",
        reason=Reason.OUTSIDE_NETWORK,
    ),
    Criterion(
        "when",
        judge_when,
        wanted=lambda rule: str(rule.when or "any"),
        found=lambda question, rule: show_moment(
            question.now, None if rule.when is None else rule.when.zone
        ),
        reason=Reason.OUTSIDE_HOURS,
    ),
    Criterion(
        "approval",
        judge_approval,
        wanted=lambda rule: "any" if rule.approval is None else "for the day",
        found=lambda question, _: _approvals_in_words(question),
        reason=Reason.APPROVAL_MISSING,
    ),
    Criterion(
        "agreements",
        judge_agreements,
        wanted=lambda rule: ", ".join(one.name for one in rule.agreements or ()) or "any",
        found=_accepted_in_words,
        reason=Reason.AGREEMENT_MISSING,
    ),
    Criterion(
        "days",
        judge_days,
        wanted=lambda rule: str(rule.days or "any"),
        found=_days_in_words,
        reason=Reason.DAYS_SPENT,
    ),
)


def matches(rule: Rule, question: Question) -> bool:
    """Whether every criterion that *rule* asks holds; a rule that asks nothing matches."""
    return all(criterion.judge(rule, question) is not MISS for criterion in CRITERIA)


def in_words(names: Iterable[str] | None) -> str:
    """Return *names* in a fixed order; `any` when not asked, `none` when there are none."""
    if names is None:
        return "any"
    return ", ".join(sorted(names)) or "none"


def _kind(subject: Subject) -> CertificateKind:
    return CertificateKind.UNLIMITED if subject.scope is None else CertificateKind.LIMITED
