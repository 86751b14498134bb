"""Persons and the holders of certificates are values."""

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.people import Fingerprint, Holder, Person

NOW = datetime(2026, 11, 24, 19, 40, tzinfo=UTC)
ANNA = Person("anna", "Anna Rossi", "anna@example.it", frozenset({"technicians"}), enabled=True)
STICK = Holder(
    fingerprint=Fingerprint("ab" * 32),
    issuer="Pusterla Issuing CA",
    serial="0a",
    device="stick-1",
    scope=None,
    not_before=NOW,
    not_after=NOW + timedelta(days=365),
    revoked_at=None,
    reason=None,
    user="anna",
    person=ANNA,
)


def test_a_person_cannot_be_changed_in_place() -> None:
    """What the edge remembers is what the store said."""
    with pytest.raises(FrozenInstanceError):
        setattr(ANNA, "enabled", False)  # noqa: B010 - as a plain assignment mypy refuses it
    with pytest.raises(FrozenInstanceError):
        setattr(STICK, "revoked_at", NOW)  # noqa: B010 - as above


def test_holders_are_compared_by_what_they_say() -> None:
    """So that a reader can tell whether anything changed."""
    assert replace(STICK) == STICK
    assert replace(STICK, person=None) != STICK
    assert replace(STICK, revoked_at=NOW, reason="keyCompromise") != STICK


def test_no_scope_and_an_empty_scope_are_two_things() -> None:
    """None opens every application, an empty set none."""
    assert replace(STICK, scope=frozenset()) != STICK
