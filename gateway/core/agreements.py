"""Texts that people accept: their versions with the words themselves, and who has accepted what."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.core.refusals import Language
from policies.papers import Agreement, AgreementVersion, mark_of

DAY_MAXIMUM: Final = 100
"""How often one person may accept something within a day: each is a row for ever, and has every
worker read them anew."""
AHEAD: Final = timedelta(days=14)
"""How long before it is due a version can be accepted, and is spoken of."""


@dataclass(frozen=True, slots=True)
class AgreementText:
    """One version in one language, in Markdown; *digest* is the SHA-256 of the file's bytes."""

    version: str
    language: Language
    markdown: str
    digest: str


@dataclass(frozen=True, slots=True)
class AgreementDocument:
    """An agreement with everything that people read of it."""

    agreement: Agreement
    titles: Mapping[Language, str]
    texts: tuple[AgreementText, ...]

    @property
    def name(self) -> str:
        """What rules call it."""
        return self.agreement.name

    def title(self, language: Language) -> str:
        """Return what people call it, in *language* where it has a title in that."""
        return self.titles.get(language) or next(iter(self.titles.values()), self.name)

    def languages(self, version: str) -> tuple[Language, ...]:
        """Return in which languages *version* is written."""
        return tuple(one.language for one in self.texts if one.version == version)

    def text(self, version: str, language: Language) -> AgreementText | None:
        """Return *version* in *language*, or else in the first that it is written in."""
        found = [one for one in self.texts if one.version == version]
        fitting = [one for one in found if one.language == language]
        return next(iter(fitting or found), None)

    def offered(self, day: date) -> tuple[AgreementVersion, ...]:
        """Return the versions that can be accepted on *day*: the one that is due, and the next.

        The next only shortly before it is due; where none is due yet, the first.
        """
        current = self.agreement.current(day)
        later = [one for one in self.agreement.versions if one.due > day]
        if current is None:
            return tuple(later[:1])
        return (current, *(one for one in later[:1] if one.due <= day + AHEAD))

    def wanted(self, accepted: frozenset[str], day: date) -> AgreementVersion | None:
        """Return the version that somebody who has *accepted* texts is asked to accept on *day*.

        The last that is offered: whoever accepts it need not come back for the one before.
        """
        offered = self.offered(day)
        if not offered or not offered[-1].digests.isdisjoint(accepted):
            return None
        # Of what was accepted early nobody is asked for an earlier version.
        later = [one for one in self.agreement.versions if one.due > offered[-1].due]
        if any(not one.digests.isdisjoint(accepted) for one in later):
            return None
        return offered[-1]

    def can_accept(self, version: str, digest: str, day: date) -> bool:
        """Say whether the text with *digest* is one that can be accepted on *day*."""
        mark = mark_of(self.name, version, digest)
        return any(mark in one.digests for one in self.offered(day) if one.version == version)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Somebody has accepted a text, with a certificate; *withdrawn_at* where it is over."""

    user: str
    agreement: str
    version: str
    language: str
    digest: str
    serial: str
    accepted_at: datetime
    withdrawn_at: datetime | None = None

    @property
    def mark(self) -> str:
        """What stands for the text, for policies."""
        return mark_of(self.agreement, self.version, self.digest)


class Accepting(StrEnum):
    """What came of it when somebody accepted a text."""

    ACCEPTED = "accepted"
    ALREADY = "already"
    OUTDATED = "outdated"
    """It is no text any more that can be accepted: another has taken its place."""
    TOO_OFTEN = "too-often"
    """They have accepted, and taken back, `DAY_MAXIMUM` texts within a day."""
