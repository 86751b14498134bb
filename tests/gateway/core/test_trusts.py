"""What a trust is: cautious unless somebody says otherwise."""

from datetime import timedelta

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
