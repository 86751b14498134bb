"""What a trust is: cautious unless somebody says otherwise."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.core.trusts import IdentityMap, PastEnd, Trust


def test_a_trust_refuses_past_the_end_unless_told() -> None:
    """Nothing goes on for any time by default, and nobody is given a certificate."""
    trust = Trust("office", (b"DER",), IdentityMap.SAN_EMAIL)
    assert (trust.past_end, trust.grace) == (PastEnd.REFUSE, timedelta(0))
    assert trust.people == {}


def test_a_trust_uses_the_certificates_own_lists_unless_told() -> None:
    """And asks no responder."""
    trust = Trust("office", (b"DER",), IdentityMap.SERIAL)
    assert (trust.crl_urls, trust.crl_file, trust.ocsp) == ((), None, False)


def test_names_of_settings_are_those_of_the_command() -> None:
    """They are written to files, so they stay."""
    assert [each.value for each in IdentityMap] == ["san-email", "san-upn", "subject-cn", "serial"]
    assert [each.value for each in PastEnd] == ["refuse", "go-on"]


@pytest.mark.parametrize(
    "ends, until",
    [
        ("2026-11-22T06:00:00", "2026-12-22T06:00:00"),
        ("9999-12-01T23:59:58", "9999-12-31T23:59:58"),
        ("9999-12-15T00:00:00", "9999-12-31T23:59:59"),
        ("9999-12-31T23:59:59", "9999-12-31T23:59:59"),
    ],
)
def test_a_grace_goes_to_the_end_of_time_and_no_further(ends: str, until: str) -> None:
    """A CA may write that something never ends (RFC 5280, 4.1.2.5); without a grace nothing is added."""
    known, lasts = (datetime.fromisoformat(one).replace(tzinfo=UTC) for one in (ends, until))
    trust = Trust("office", (), IdentityMap.SAN_EMAIL, grace=timedelta(days=30))
    assert trust.good_until(known) == known
    going_on = Trust(
        "office", (), IdentityMap.SAN_EMAIL, past_end=PastEnd.GO_ON, grace=timedelta(days=30)
    )
    assert going_on.good_until(known) == lasts
