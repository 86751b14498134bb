"""Who may reach what, for the command: certificates and policies as the edge judges them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from ca.ledger import CertificateRecord, CertificateState
from gateway.bootstrap.command import Command, CommandRefused
from gateway.bootstrap.serials import holders_meant
from gateway.config import Problems, read_configuration
from gateway.core.asking import subject_of
from gateway.core.people import Fingerprint, Holder, Person
from gateway.core.refusal_kinds import Refusal
from gateway.core.site import Application
from gateway.core.standing import judge_holder
from policies.decide import Explanation, decide, explain
from policies.model import (
    Allow,
    AppPolicy,
    Deny,
    Level,
    Reason,
    RequestFacts,
    Rule,
    StepUp,
    Subject,
)
from policies.openings import opens_at
from policies.papers import NO_PAPERS, Papers
from policies.printing import narrowing_in_words
from policies.values import suggest

_PARTLY = frozenset({Reason.OUTSIDE_NETWORK, Reason.OTHER_PATH, Reason.OTHER_METHOD})


class Answer(StrEnum):
    """What becomes of somebody who asks for an application with one certificate."""

    YES = "yes"
    LATER = "at other times"
    PARTLY = "otherwise"
    """Not like this: from another network, for another path, with another method."""
    NO = "no"


@dataclass(frozen=True, slots=True)
class Access:
    """One person with one certificate at one application."""

    user: str
    name: str
    groups: tuple[str, ...]
    device: str
    serial: str
    app: str
    answer: Answer
    reason: str = ""
    """Why not: a refusal of the certificate, or a reason of the policy."""
    rule: str = ""
    only: str = ""
    """What that rule asks beside who somebody is."""
    until: datetime | None = None
    """Until when it is so at least, where time alone would change it."""
    opens: datetime | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """Why somebody is let in or not, from the certificate on."""

    holder: Holder | None
    certificates: int
    """How many the person has; the one that is spoken of is the best of them, or that asked for."""
    refusal: Refusal | None
    """Why the certificate opens nothing, whatever the rules say."""
    explanation: Explanation
    opens: datetime | None


@dataclass(frozen=True, slots=True)
class Moment:
    """The moment that is *asked* about, and that at which it is."""

    asked: datetime
    now: datetime


def applications_of(command: Command) -> Mapping[str, Application]:
    """Return the applications, or raise `CommandRefused` with every problem of the files."""
    found = read_configuration(command.folder.path)
    if isinstance(found, Problems):
        raise CommandRefused(f"the files have problems, so nobody can be judged by them:\n{found}")
    return found.applications


def application_of(applications: Mapping[str, Application], name: str) -> Application:
    """Return the application *name*, or raise `CommandRefused`."""
    if name in applications:
        return applications[name]
    hint = suggest(name, applications) or "; `pusterla app list` names them all"
    raise CommandRefused(f"no application {name!r}{hint}")


async def explain_access(
    command: Command,
    user: str,
    app: str,
    facts: RequestFacts,
    now: datetime,
    serial: str | None = None,
    code_age: timedelta = timedelta(),
) -> Judgement:
    """Judge *user* at *app* as the edge does, and keep every step.

    As if they had given password and code *code_age* ago, and used the application since then not.
    """
    application = application_of(applications_of(command), app)
    person = await command.person(user)
    holders = await known_holders(command, [person])
    chosen = holders if serial is None else holders_meant(holders, user, serial)
    judged = [(judge_at(one, now, command.clock()), one) for one in chosen]
    judged.sort(key=lambda each: (each[0] is None, each[1].not_after), reverse=True)
    refusal, holder = judged[0] if judged else (Refusal.NO_CERTIFICATE, None)
    proved_at = now - code_age
    # Without a certificate, as with one that opens everything: what would the rules say?
    subject = (
        replace(
            await _without_certificate(command, person),
            proved_at=proved_at,
            signed_in_at=proved_at,
        )
        if holder is None
        else subject_of(replace(holder, person=person), Level.PASSWORD_TOTP, proved_at)
    )
    explanation = explain(application.policy, subject, facts, now)
    opens = None
    if isinstance(explanation.decision, Deny) and explanation.decision.until is not None:
        opens = opens_at(application.policy, subject, now, facts)
    return Judgement(holder, len(holders), refusal, explanation, opens)


async def _without_certificate(command: Command, person: Person) -> Subject:
    papers = await command.store.papers(person.user)
    return Subject(
        person.user,
        person.groups,
        None,
        Level.PASSWORD_TOTP,
        papers=papers.get(person.user, NO_PAPERS),
    )


async def who_reaches(
    command: Command, app: str, facts: RequestFacts, now: datetime
) -> list[Access]:
    """Judge everybody, with every certificate that has not ended, at *app*."""
    application = application_of(applications_of(command), app)
    people, holders = await command.store.people(), await _all(command)
    return _matrix([application], people, holders, facts, Moment(now, command.clock()))


async def what_is_reached(
    command: Command, user: str, facts: RequestFacts, now: datetime
) -> list[Access]:
    """Judge *user*, with every certificate that has not ended, at every application."""
    applications = applications_of(command).values()
    person = await command.person(user)
    holders = await known_holders(command, [person])
    return _matrix(applications, [person], holders, facts, Moment(now, command.clock()))


def _matrix(
    applications: Iterable[Application],
    people: Iterable[Person],
    holders: Iterable[Holder],
    facts: RequestFacts,
    moment: Moment,
) -> list[Access]:
    by_user: dict[str, list[Holder]] = {}
    for holder in holders:
        if holder.not_after > moment.asked:
            by_user.setdefault(holder.user, []).append(holder)
    found = []
    for application in applications:
        # What it asks of sessions takes nothing from anybody: they sign in again.
        policy = replace(application.policy, lifetime=None, idle=None)
        for person in people:
            nothing = Access(
                person.user,
                person.name,
                tuple(sorted(person.groups)),
                "",
                "",
                application.name,
                Answer.NO,
                Refusal.NO_CERTIFICATE,
            )
            mine = by_user.get(person.user)
            if not mine:
                found.append(nothing)
                continue
            found += [_access(nothing, policy, one, facts, moment) for one in mine]
    return found


def _access(
    nobody: Access, policy: AppPolicy, holder: Holder, facts: RequestFacts, moment: Moment
) -> Access:
    known = replace(nobody, device=holder.device, serial=holder.serial)
    refusal, now = judge_at(holder, moment.asked, moment.now), moment.asked
    if refusal is not None:
        return replace(known, reason=refusal)
    subject = subject_of(holder, Level.PASSWORD_TOTP, now)
    decision = decide(policy, subject, facts, now)
    match decision:
        case Allow(rule, until):
            only = _only(policy, rule)
            return replace(known, answer=Answer.YES, reason="", rule=rule, only=only, until=until)
        case StepUp(_, until):
            return replace(known, answer=Answer.YES, reason="", until=until)
        case Deny(reason, rule, until):
            opens = None if until is None else opens_at(policy, subject, now, facts)
            answer = Answer.PARTLY if reason in _PARTLY else Answer.NO
            return replace(
                known,
                answer=answer if opens is None else Answer.LATER,
                reason=reason,
                rule=rule or "",
                only=_only(policy, rule),
                until=until,
                opens=opens,
            )


def _only(policy: AppPolicy, name: str | None) -> str:
    return next((narrowing_in_words(rule) for rule in policy.rules if rule.name == name), "")


def judge_at(holder: Holder, moment: datetime, now: datetime) -> Refusal | None:
    """Judge the certificate of *holder* at *moment*, by what is known *now*.

    There was a time before a revocation; and of a time to come it is taken that lists of other
    CAs will be had then as they are now.
    """
    if holder.revoked_at is not None and holder.revoked_at > moment:
        holder = replace(holder, revoked_at=None, reason=None)
    if holder.good_until is not None and holder.good_until > now:
        holder = replace(holder, good_until=None)
    return judge_holder(holder, moment, moment)


async def _all(command: Command) -> list[Holder]:
    return await known_holders(command, await command.store.people())


async def known_holders(command: Command, people: Iterable[Person]) -> list[Holder]:
    """Return the certificates of *people*, as the edge sees them, also those that have ended."""
    known = {person.user: person for person in people}
    one = next(iter(known)) if len(known) == 1 else None
    records = await command.store.certificates(user=one)
    papers = await command.store.papers(one)
    found = [
        _holder(record, known[record.username], papers.get(record.username, NO_PAPERS))
        for record in records
        if record.username in known and record.state is not CertificateState.RESERVED
    ]
    for presented in await command.store.presented(user=one):
        if presented.user in known:
            holder = await command.store.holder(presented.verdict.fingerprint)
            if holder is not None:
                found.append(holder)
    return found


def _holder(record: CertificateRecord, person: Person, papers: Papers) -> Holder:
    return Holder(
        fingerprint=Fingerprint(record.fingerprint or ""),
        issuer=record.issuer,
        serial=record.serial,
        device=record.device,
        scope=None if record.scope is None else frozenset(record.scope),
        not_before=record.not_before,
        not_after=record.not_after,
        revoked_at=record.revoked_at,
        reason=record.reason,
        user=person.user,
        person=person,
        papers=papers,
    )


@dataclass(frozen=True, slots=True)
class Stranger:
    """A name in a rule that nobody here has; it may come yet, or be mistyped."""

    app: str
    position: int
    rule: str
    message: str


async def find_strangers(
    command: Command, applications: Iterable[Application], trusts: Iterable[str]
) -> list[Stranger]:
    """Return the names in rules that are nobody's as yet."""
    people = await command.store.people()
    records = await command.store.certificates()
    known = {
        "users": {person.user for person in people},
        "groups": {group for person in people for group in person.groups},
        "devices": {record.device for record in records} | {*trusts},
        "issuers": {"own", *trusts},
    }
    words = {
        "users": "there is no user",
        "groups": "nobody is in a group",
        "devices": "there is no certificate for a device",
        "issuers": "there is no trust",
    }
    return [
        Stranger(
            application.name,
            position,
            rule.name,
            f"{key}: {words[key]} {name!r} yet{suggest(name, known[key])}",
        )
        for application in applications
        for position, rule in enumerate(application.policy.rules, start=1)
        for key in known
        for name in _names(rule, key)
        if name not in known[key]
    ]


def _names(rule: Rule, key: str) -> list[str]:
    names: frozenset[str] | None = getattr(rule, key)
    return sorted(names or ())
