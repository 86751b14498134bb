"""Persons, and what the store knows of the certificate somebody presents."""

from dataclasses import dataclass
from datetime import datetime
from typing import NewType

from ca.trust import RevocationReason

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
    """A certificate that we issued, and the person it belongs to.

    *person* is None when the person has been removed: the certificate is
    then as good as revoked. *scope* None means: every application.
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

    @property
    def held(self) -> bool:
        """Whether it may be released again, if it is revoked at all."""
        return self.reason == RevocationReason.CERTIFICATE_HOLD
