"""An agreement with two versions, as the portal's tests need it."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, tzinfo
from hashlib import sha256

from gateway.core.agreements import AgreementDocument, AgreementText
from gateway.core.refusals import Language
from gateway.core.site import Application
from policies.model import AppPolicy
from policies.papers import Agreement, AgreementVersion, LocalDays, mark_of

FIRST, SECOND = date(2026, 1, 1), date(2026, 12, 10)


def agreement_text(version: str, language: Language, markdown: str) -> AgreementText:
    """Return a text with the digest of its words."""
    return AgreementText(version, language, markdown, sha256(markdown.encode()).hexdigest())


def agreement(
    name: str, title: str, texts: Iterable[AgreementText], **due: date
) -> AgreementDocument:
    """Return an agreement; *due* are the days of versions, with v before their names."""
    kept = tuple(texts)
    versions = tuple(
        AgreementVersion(
            version.removeprefix("v"),
            day,
            frozenset(
                mark_of(name, one.version, one.digest)
                for one in kept
                if one.version == version.removeprefix("v")
            ),
        )
        for version, day in due.items()
    )
    return AgreementDocument(Agreement(name, versions), {"en": title}, kept)


ENGLISH = agreement_text("1", "en", "# Terms\n\nLock the screen.")
ITALIAN = agreement_text("1", "it", "# Condizioni\n\nBlocca lo schermo.")
NEXT = agreement_text("2", "en", "# Terms\n\nLock the screen & the door.")
HOME = agreement("home", "Working <elsewhere>", (ENGLISH, ITALIAN), v1=FIRST)
RENEWED = agreement("home", "Working <elsewhere>", (ENGLISH, ITALIAN, NEXT), v1=FIRST, v2=SECOND)


def requiring(
    application: Application, *documents: AgreementDocument, zone: tzinfo = UTC
) -> Application:
    """Return *application* with rules that all require *documents*."""
    rules = tuple(
        replace(rule, agreements=tuple(one.agreement for one in documents), local=LocalDays(zone))
        for rule in application.policy.rules
    )
    return replace(application, policy=AppPolicy(application.name, rules))
