"""Persons, and what the store knows of the certificate somebody presents."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from ca.trust import RevocationReason
from policies.papers import NO_PAPERS, Papers

Fingerprint = NewType("Fingerprint", str)
"""SHA-256 over the DER of a certificate, 64 lower-case hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who may sign in; *user* is the name that never changes."""

    user: str
    name: str
    email: str
    groups: frozenset[str]
    enabled: bool


@dataclass(frozen=True, slots=True)
class Holder:
    """A certificate that we issued, or a CA that we trust, and the person it belongs to.

    *person* is None when the person has been removed: the certificate is
    then as good as revoked. *scope* None means: every application.

    Of another CA's certificate *trust* is the name of the trust, and *device*, which it does not
    name, is that too. *user* and *person* are then found by what it says of its holder, and may
    be nobody. *fault* names what is wrong with it. *good_until* is the end of what is known of
    its revocation; of our own certificates the store knows at any time.
    """

    fingerprint: Fingerprint
    issuer: str
    serial: str
    device: str
    scope: frozenset[str] | None
    not_before: datetime
    not_after: datetime
    revoked_at: datetime | None
    reason: str | None
    user: str
    person: Person | None
    trust: str = ""
    fault: str = ""
    good_until: datetime | None = None
    papers: Papers = NO_PAPERS
    """What the person has accepted, been granted and used."""

    @property
    def ends(self) -> datetime:
        """When it ends by itself, or what is known of it does."""
        until = self.good_until
        return self.not_after if until is None else min(self.not_after, until)

    @property
    def held(self) -> bool:
        """Whether it may be released again, if it is revoked at all."""
        return self.reason == RevocationReason.CERTIFICATE_HOLD
