"""The list of refusals."""

import re

import pytest

from gateway.core.refusal_kinds import STATUS, Refusal


@pytest.mark.parametrize("refusal", Refusal)
def test_each_has_a_status_of_its_kind(refusal: Refusal) -> None:
    """Every refusal is an error of the client or of the server."""
    assert 400 <= STATUS[refusal].value < 600


def test_no_status_is_for_nothing() -> None:
    """The table has a line for each refusal and no other."""
    assert set(STATUS) == set(Refusal)


@pytest.mark.parametrize("refusal", Refusal)
def test_names_are_fit_for_a_log(refusal: Refusal) -> None:
    """Lower case and hyphens, so that they can be searched for."""
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", refusal.value)


def test_names_stay_what_they_were() -> None:
    """The names stand in audit logs: this list is only ever added to."""
    assert {refusal.value: STATUS[refusal].value for refusal in Refusal} == {
        "no-certificate": 403,
        "certificate-unknown": 403,
        "certificate-revoked": 403,
        "certificate-held": 403,
        "certificate-expired": 403,
        "certificate-not-yet-valid": 403,
        "certificate-status-stale": 503,
        "certificate-untrusted": 403,
        "person-disabled": 403,
        "person-removed": 403,
        "person-unknown": 403,
        "session-required": 401,
        "session-of-another-certificate": 403,
        "ticket-refused": 403,
        "not-allowed": 403,
        "outside-hours": 403,
        "outside-period": 403,
        "outside-network": 403,
        "other-certificate": 403,
        "part-not-allowed": 403,
        "approval-missing": 403,
        "agreement-missing": 403,
        "days-spent": 403,
        "code-required": 401,
        "outside-certificate-scope": 403,
        "cross-site-request": 403,
        "not-found": 404,
        "method-refused": 405,
        "method-unknown": 501,
        "unknown-host": 421,
        "misdirected": 421,
        "bad-request": 400,
        "request-timeout": 408,
        "body-too-large": 413,
        "target-too-long": 414,
        "head-too-large": 431,
        "upstream-unreachable": 502,
        "upstream-broken": 502,
        "upstream-timeout": 504,
        "no-upstream": 503,
        "store-unavailable": 503,
        "overloaded": 503,
        "internal": 500,
    }
