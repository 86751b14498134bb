"""What a certificate will be worth, as far as that can be said beforehand."""

from dataclasses import replace
from datetime import timedelta

from gateway.bootstrap.access import judge_at
from gateway.core.refusal_kinds import Refusal
from tests.gateway.core.test_asking import HOLDER, NOW

WEEK = timedelta(days=7)
GOOD = replace(HOLDER, not_before=NOW - WEEK, not_after=NOW + 4 * WEEK)


def test_a_certificate_was_good_before_it_was_revoked() -> None:
    """Whoever asks about yesterday is told of yesterday."""
    revoked = replace(GOOD, revoked_at=NOW, reason="superseded")
    assert judge_at(revoked, NOW - timedelta(days=1), NOW) is None
    assert judge_at(revoked, NOW, NOW) is Refusal.CERTIFICATE_REVOKED
    assert judge_at(revoked, NOW + WEEK, NOW) is Refusal.CERTIFICATE_REVOKED


def test_a_certificate_is_expired_when_it_has_ended() -> None:
    """Or not valid yet, by the moment that is asked about."""
    assert judge_at(GOOD, NOW + 5 * WEEK, NOW) is Refusal.CERTIFICATE_EXPIRED
    assert judge_at(GOOD, NOW - 2 * WEEK, NOW) is Refusal.CERTIFICATE_NOT_YET_VALID


def test_lists_of_other_cas_are_taken_to_go_on() -> None:
    """Next week's list is not there yet; one that is late today is late next week too."""
    foreign = replace(GOOD, trust="partner", good_until=NOW + timedelta(days=1))
    assert judge_at(foreign, NOW + WEEK, NOW) is None
    late = replace(foreign, good_until=NOW - timedelta(hours=1))
    assert judge_at(late, NOW, NOW) is Refusal.CERTIFICATE_STATUS_STALE
    assert judge_at(late, NOW + WEEK, NOW) is Refusal.CERTIFICATE_STATUS_STALE
