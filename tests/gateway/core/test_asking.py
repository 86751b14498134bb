"""What policies are asked about, and what their refusals are called."""

from dataclasses import replace
from datetime import UTC, datetime

from gateway.core.asking import REFUSALS, subject_of
from gateway.core.people import Fingerprint, Holder, Person
from policies.model import Level, Reason, Subject

NOW = datetime(2026, 11, 24, tzinfo=UTC)
HOLDER = Holder(
    fingerprint=Fingerprint("0" * 64),
    issuer="issuing-1",
    serial="1a",
    device="stick-1",
    scope=frozenset({"wiki"}),
    not_before=NOW,
    not_after=NOW,
    revoked_at=None,
    reason=None,
    user="anna",
    person=Person("anna", "Anna", "", frozenset({"technicians"}), enabled=True),
)


def test_every_reason_has_a_page() -> None:
    """Nobody is refused without being told in words."""
    assert set(REFUSALS) == set(Reason)


def test_a_subject_is_what_the_certificate_says() -> None:
    """With the name of the trust where another CA has issued it, which names no device."""
    assert subject_of(HOLDER, Level.CERTIFICATE) == Subject(
        "anna",
        frozenset({"technicians"}),
        frozenset({"wiki"}),
        Level.CERTIFICATE,
        device="stick-1",
        issuer="own",
    )
    foreign = replace(HOLDER, trust="partner", device="partner", scope=None)
    assert subject_of(foreign, Level.PASSWORD_TOTP).issuer == "partner"
