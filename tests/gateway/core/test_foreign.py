"""What is found of a certificate of another CA."""

from datetime import UTC, datetime, timedelta

from ca.foreign.paths import PathFault
from gateway.core.foreign import ForeignState, PersonBy, Verdict, refusal_of
from gateway.core.people import Fingerprint, Holder
from gateway.core.refusal_kinds import Refusal

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def held(good_until: datetime | None) -> Holder:
    """Make somebody whose certificate another CA has issued."""
    return Holder(
        fingerprint=Fingerprint("ab" * 32),
        issuer="CN=Corp CA",
        serial="0a",
        device="corp",
        scope=None,
        not_before=NOON,
        not_after=NOON + DAY,
        revoked_at=None,
        reason=None,
        user="anna",
        person=None,
        trust="corp",
        good_until=good_until,
    )


def test_a_certificate_is_good_no_longer_than_what_is_known_of_it() -> None:
    """Whichever comes first, its own end or that of the list."""
    assert held(NOON + DAY / 2).ends == NOON + DAY / 2
    assert held(NOON + 2 * DAY).ends == NOON + DAY
    assert held(None).ends == NOON + DAY


def test_names_that_the_store_keeps_stay_what_they_are() -> None:
    """Rows of an older Pusterla are read with them."""
    assert {one.value for one in ForeignState} >= {"waiting", "accepted", "refused"}
    assert {one.value for one in PersonBy} >= {"email", "user"}


def test_dates_have_refusals_of_their_own() -> None:
    """Whoever's card has expired is told that, and not that its CA is not trusted."""
    assert refusal_of(PathFault.EXPIRED) is Refusal.CERTIFICATE_EXPIRED
    assert refusal_of(PathFault.NOT_YET_VALID) is Refusal.CERTIFICATE_NOT_YET_VALID
    others = set(PathFault) - {PathFault.EXPIRED, PathFault.NOT_YET_VALID}
    assert {refusal_of(one) for one in others} == {Refusal.CERTIFICATE_UNTRUSTED}


def test_a_verdict_without_more_opens_nothing() -> None:
    """Nobody's, and nothing is known of its revocation."""
    verdict = Verdict(Fingerprint("ab" * 32), ForeignState.ACCEPTED)
    assert (verdict.by, verdict.identity, verdict.good_until) == (None, "", None)
