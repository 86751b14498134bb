"""Certificate policies: the same verdict as openssl's where one is demanded."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from cryptography import x509

from ca.foreign.paths import PathFault
from tests.ca.foreign.cases import Case, agree, more
from tests.ca.foreign.chains import (
    Made,
    make_authority,
    make_person,
    make_root,
)

POLICY, OTHER = (x509.ObjectIdentifier(f"1.3.6.1.4.1.99999.{last}") for last in (2, 3))
ANY_POLICY = x509.ObjectIdentifier("2.5.29.32.0")


def policies(
    *,
    demand: int | None,
    issuing: Sequence[x509.ObjectIdentifier],
    person: Sequence[x509.ObjectIdentifier],
    inhibit: int | None = None,
) -> Callable[[], Sequence[Made]]:
    """Demand a policy below the root, and give these to the CAs and the person."""

    def named(found: Sequence[x509.ObjectIdentifier]) -> list[x509.ExtensionType]:
        each = [x509.PolicyInformation(one, None) for one in found]
        return [x509.CertificatePolicies(each)] if each else []

    def made() -> Sequence[Made]:
        root = make_root()
        demands: list[x509.ExtensionType] = []
        if demand is not None:
            demands.append(x509.PolicyConstraints(demand, None))
        if inhibit is not None:
            demands.append(x509.InhibitAnyPolicy(inhibit))
        first = make_authority(root, "First", **more(*named(issuing), *demands, critical=True))
        second = make_authority(first, "Second", **more(*named(issuing)))
        return root, first, second, make_person(second, **more(*named(person)))

    return made


CASES = {
    # policies
    "policy": Case(policies(demand=0, issuing=[POLICY], person=[POLICY])),
    "no policy where one must be": Case(
        policies(demand=0, issuing=[POLICY], person=[]), PathFault.POLICY
    ),
    "another policy": Case(policies(demand=0, issuing=[POLICY], person=[OTHER]), PathFault.POLICY),
    "policy of anything": Case(policies(demand=0, issuing=[ANY_POLICY], person=[POLICY])),
    "policy of anything inhibited": Case(
        policies(demand=0, issuing=[ANY_POLICY], person=[POLICY], inhibit=0), PathFault.POLICY
    ),
    "policy of anything at the end": Case(
        policies(demand=0, issuing=[POLICY], person=[ANY_POLICY])
    ),
    "no policies at all": Case(policies(demand=None, issuing=[], person=[])),
    "policies that do not agree": Case(policies(demand=None, issuing=[POLICY], person=[OTHER])),
    "policy demanded further down": Case(policies(demand=3, issuing=[], person=[])),
    "policy demanded of the person": Case(
        policies(demand=1, issuing=[], person=[]), PathFault.POLICY
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_verdict_is_openssls(case: Case, tmp_path: Path) -> None:
    """What openssl refuses is refused, with the reason; where the two differ, the table says why."""
    agree(case, tmp_path)
