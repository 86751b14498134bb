"""Certificate policies: whether one holds for all of a path (RFC 5280, section 6.1).

Only asked where a CA demands one (policyConstraints), since every policy is as good as another
here. So it is enough to keep which policies hold at each depth (as RFC 9618 does, whose bounds
this keeps too) and no tree of where they came from.
"""

from collections.abc import Sequence
from typing import Final

from cryptography import x509
from cryptography.x509.oid import CertificatePoliciesOID, ExtensionOID

from ca.foreign.certificates import Foreign

_ANY: Final = CertificatePoliciesOID.ANY_POLICY


def policy_fault(path: Sequence[Foreign]) -> str | None:
    """Say why no policy holds for *path* where one must.

    *path* begins below the anchor and ends with the person's certificate.
    """
    # Larger than any length: nothing is demanded, and nothing kept from whoever has "any".
    explicit = inhibited = len(path) + 1
    valid = {_ANY}
    for position, one in enumerate(path):
        last = position == len(path) - 1
        valid = _valid_below(valid, one, takes_any=inhibited > 0 or (one.self_issued and not last))
        if explicit == 0 and not valid:
            return _words(one)
        if last or not one.self_issued:
            explicit, inhibited = max(explicit - 1, 0), max(inhibited - 1, 0)
        explicit, inhibited = _narrowed(one, explicit, inhibited)
    if explicit > 0:
        return None
    if not valid:
        return _words(path[-1])
    if any(_maps(one) for one in path):
        return "a CA demands a policy and another maps it to one of its own, which nobody does here"
    return None


def _valid_below(
    valid: set[x509.ObjectIdentifier], one: Foreign, *, takes_any: bool
) -> set[x509.ObjectIdentifier]:
    """Return which of the policies that are *valid* above are so at *one* (6.1.3, d to f)."""
    policies = one.get(x509.CertificatePolicies)
    named = set() if policies is None else {each.policy_identifier for each in policies}
    found = {each for each in named - {_ANY} if each in valid or _ANY in valid}
    return found | valid if _ANY in named and takes_any else found


def _narrowed(one: Foreign, explicit: int, inhibited: int) -> tuple[int, int]:
    """Return both counts after what *one* demands of those below it (6.1.4, i and j)."""
    demands = one.get(x509.PolicyConstraints)
    if demands is not None and demands.require_explicit_policy is not None:
        explicit = min(explicit, demands.require_explicit_policy)
    inhibits = one.get(x509.InhibitAnyPolicy)
    if inhibits is not None:
        inhibited = min(inhibited, inhibits.skip_certs)
    return explicit, inhibited


def _maps(one: Foreign) -> bool:
    return any(each.oid == ExtensionOID.POLICY_MAPPINGS for each in one.extensions)


def _words(one: Foreign) -> str:
    return (
        f"a CA demands a certificate policy, and {one.label} has none that holds for all above it"
    )
