"""Which agreements concern somebody, how they stand with each, and what comes of accepting one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from gateway.core.agreements import Accepting, AgreementDocument, AgreementText
from gateway.core.asking import subject_of, subject_on
from gateway.core.site import Application
from gateway.portal.callers import Visitor
from gateway.portal.services import Services
from gateway.store import Actor
from policies.decide import FRONT_PAGE
from policies.model import Level, Question
from policies.papers import AgreementVersion
from policies.prospect import Opens, meant_rules, prospect

_Asking = list[tuple[Application, bool]]
"""Applications that ask for an agreement, and whether no rule leads there without it."""


@dataclass(frozen=True, slots=True)
class Concern:
    """An agreement, and the applications of somebody that ask for it.

    *closing* are those of them to which no rule leads without it. *wanted* is the version that they
    are asked to accept; None: none. *missing* says that what they have accepted is not enough
    today. *shown* is the version that they come to read.
    """

    document: AgreementDocument
    applications: tuple[Application, ...]
    closing: tuple[Application, ...]
    wanted: AgreementVersion | None
    missing: bool
    shown: AgreementVersion


def concerns_of(services: Services, visitor: Visitor) -> dict[str, Concern]:
    """Return the agreements that applications which *visitor* is meant to have ask for, by name."""
    asking = _asking_of(services, visitor)
    agreements = services.configuration().agreements
    return {
        name: concern_in(agreements[name], asking, visitor, services.today())
        for name in sorted(asking)
        if name in agreements
    }


def concern_in(
    document: AgreementDocument,
    asking: Mapping[str, _Asking],
    visitor: Visitor,
    today: date,
) -> Concern:
    """Return how *visitor* stands with *document*, for which applications are *asking*."""
    mine = asking.get(document.name, [])
    accepted = visitor.holder.papers.accepted
    wanted = document.wanted(accepted, today)
    return Concern(
        document,
        tuple(application for application, _ in mine),
        tuple(application for application, closes in mine if closes),
        wanted,
        missing=not document.agreement.is_accepted(accepted, today),
        shown=wanted or document.offered(today)[0],
    )


def _asking_of(services: Services, visitor: Visitor) -> Mapping[str, _Asking]:
    now = services.clock()
    subject = subject_of(visitor.holder, Level.PASSWORD_TOTP)
    request = replace(FRONT_PAGE, address=visitor.address)
    found: dict[str, _Asking] = {}
    for application in services.applications().values():
        # Most ask for nothing, and there may be a thousand of them.
        if not any(rule.agreements for rule in application.policy.rules):
            continue
        question = Question(subject, request, now, application.name)
        required = [
            {agreement.name for agreement in rule.agreements or ()}
            for rule in meant_rules(application.policy, question)
        ]
        for name in set().union(*required):
            closes = all(name in one for one in required)
            found.setdefault(name, []).append((application, closes))
    return found


def opens_now(services: Services, visitor: Visitor, application: Application) -> bool:
    """Say whether *application* opens to *visitor*, going by what they have accepted by now."""
    session = visitor.session
    assert session is not None  # noqa: S101 - asked by every page
    subject = subject_on(visitor.holder, session)
    request = replace(FRONT_PAGE, address=visitor.address)
    found = prospect(application.policy, subject, services.clock(), request)
    return isinstance(found, Opens)


async def accept(
    services: Services, actor: Actor, name: str, version: str, digest: str
) -> Accepting:
    """Let *actor* accept the text that they were shown, if it still is one to be accepted.

    The files are looked at when it is written down, not when the form came.
    """
    text = _text_with(services.configuration().agreements.get(name), version, digest)
    if text is None:
        return Accepting.OUTDATED

    def can_be(moment: datetime) -> bool:
        document = services.configuration().agreements.get(name)
        day = moment.astimezone(services.site.time_zone).date()
        return document is not None and document.can_accept(version, digest, day)

    return await services.store.accept_agreement(actor, name, text, can_be)


def _text_with(
    document: AgreementDocument | None, version: str, digest: str
) -> AgreementText | None:
    texts = () if document is None else document.texts
    return next((one for one in texts if (one.version, one.digest) == (version, digest)), None)
