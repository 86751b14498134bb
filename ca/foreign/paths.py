"""Whether a certificate that somebody else has issued holds: RFC 5280, section 6, all of its path.

The CAs of a path are those of a trust and nobody else's: what a client sends along is not asked.
The anchor is the topmost of them, and what stands in its own certificate (dates, path length,
name constraints) counts too, as OpenSSL has it. No judgement about revocation is made here.

What it may cost is bounded before anything is verified (`ca.foreign.certificates`), and each
step of the search is a signature by the key of a CA that is believed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.foreign.certificates import (
    Foreign,
    Unreadable,
    key_of,
    may_have_signed,
    name_in_words,
    read_authority,
    read_certificate,
    signature_fault,
    signed_by,
    unknown_critical,
)
from ca.foreign.constraints import constraint_faults, constraints_of, violation
from ca.foreign.policies import policy_fault

LONGEST_PATH: Final = 8
"""CAs above a certificate; hierarchies that there are have one to four."""
MOST_AUTHORITIES: Final = 16
"""CAs of one trust."""
_MOST_STEPS: Final = 64
"""Of the search for a path, where CAs have certified each other crosswise."""


class PathFault(StrEnum):
    """What is wrong with a certificate or with its path; never renamed, only added."""

    UNREADABLE = "unreadable"
    """No certificate of version 3, or one outside the bounds of size and number."""
    WEAK_KEY = "weak-key"
    WEAK_SIGNATURE = "weak-signature"
    CRITICAL_EXTENSION = "critical-extension"
    IS_AUTHORITY = "is-authority"
    """It is a CA's, and not a person's."""
    USAGE = "usage"
    """It, or a CA above it, is not for that: key usage, extended key usage."""
    NOT_YET_VALID = "not-yet-valid"
    EXPIRED = "expired"
    UNKNOWN_ISSUER = "unknown-issuer"
    """No CA of the trust is named as its issuer."""
    SIGNATURE = "signature"
    """The CA that it names has not signed it."""
    NOT_AUTHORITY = "not-authority"
    """What is above it is no CA."""
    AUTHORITY_DATES = "authority-dates"
    """A CA above it is not valid yet, or not any more."""
    PATH_LENGTH = "path-length"
    NAME_CONSTRAINTS = "name-constraints"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class ValidPath:
    """A path that holds at the moment it was asked for."""

    certificate: x509.Certificate
    authorities: tuple[bytes, ...]
    """DER of the CAs, from the one that has issued the certificate up to the anchor."""
    ends: datetime
    """When the first certificate of the path ends: from then on it must be asked anew."""

    @property
    def issuer(self) -> bytes:
        """DER of the CA that has issued the certificate."""
        return self.authorities[0]


@dataclass(frozen=True, slots=True)
class InvalidPath:
    """No path holds; *words* are for the log, and name the certificate that is at fault."""

    reason: PathFault
    words: str


def validate(
    leaf: bytes, trust_certificates: Sequence[bytes], now: datetime
) -> ValidPath | InvalidPath:
    """Say whether *leaf* is good for TLS clients at *now*, by the CAs of one trust.

    All are DER. Of several paths one that holds is enough; when none does, the fault is that of
    the first. Takes some milliseconds at the most, whatever *leaf* is.
    """
    found = read_certificate(leaf)
    if isinstance(found, Unreadable):
        return InvalidPath(PathFault.UNREADABLE, f"the certificate is refused: {found.words}")
    if (fault := _leaf_fault(found, now)) is not None:
        return fault
    authorities = _readable(trust_certificates)
    named = [one for one in authorities if may_have_signed(found, one)]
    if not named:
        issuer = name_in_words(found.certificate.issuer)
        words = f"the trust has no CA {issuer} that {found.label} names as its issuer: add its certificate"
        return InvalidPath(PathFault.UNKNOWN_ISSUER, words)
    signers = [one for one in named if signed_by(found, one)]
    first: InvalidPath | None = None
    for path in _paths(signers, authorities):
        fault = _path_fault(found, path, now)
        if fault is None:
            ends = min(one.certificate.not_valid_after_utc for one in (found, *path))
            return ValidPath(found.certificate, tuple(one.der for one in path), ends)
        first = first or fault
    return first or _no_path(found, signers, named, authorities)


def authority_fault(found: Foreign) -> InvalidPath | None:
    """Say why *found* cannot be a CA above anybody, whatever the time is."""
    if not found.is_authority:
        words = f"{found.label} is no CA (basicConstraints does not say so)"
        return InvalidPath(PathFault.NOT_AUTHORITY, words)
    if isinstance(weak := key_of(found), str):
        return InvalidPath(PathFault.WEAK_KEY, f"the CA {found.label} is refused: {weak}")
    for extension in unknown_critical(found):
        return _critical(found, extension)
    usage = found.get(x509.KeyUsage)
    if usage is not None and not usage.key_cert_sign:
        words = f"the CA {found.label} may sign no certificates (keyUsage has no keyCertSign)"
        return InvalidPath(PathFault.USAGE, words)
    if not _is_for_clients(found):
        words = f"the CA {found.label} is not for TLS clients (extendedKeyUsage has no clientAuth)"
        return InvalidPath(PathFault.USAGE, words)
    for words in constraint_faults(found):
        return InvalidPath(PathFault.NAME_CONSTRAINTS, f"the CA {found.label} is refused: {words}")
    return None


@lru_cache(maxsize=256)
def is_signed(child: bytes, parent: bytes) -> bool:
    """Say whether the CA *parent* has signed the CA *child*; both are of a trust."""
    pair = _readable((child, parent))
    if len(pair) != len((child, parent)):
        return False
    return may_have_signed(*pair) and signed_by(*pair)


def is_anchor(one: Foreign, authorities: Sequence[Foreign]) -> bool:
    """Say whether a path ends at *one*: it has signed itself, or names nobody of *authorities*.

    Who names one of them and was not signed by it is no anchor, and on no path.
    """
    if one.self_issued and is_signed(one.der, one.der):
        return True
    return not any(may_have_signed(one, each) for each in authorities if each.der != one.der)


def _readable(certificates: Sequence[bytes]) -> list[Foreign]:
    found = map(read_authority, certificates[:MOST_AUTHORITIES])
    return [one for one in found if isinstance(one, Foreign)]


def _paths(
    signers: Sequence[Foreign], authorities: Sequence[Foreign]
) -> Iterator[tuple[Foreign, ...]]:
    """Yield the ways from each of *signers* up to an anchor, those by the first CAs first."""
    open_ends: list[tuple[Foreign, ...]] = [(signer,) for signer in reversed(signers)]
    for _ in range(_MOST_STEPS):
        if not open_ends:
            return
        path = open_ends.pop()
        if is_anchor(path[-1], authorities):
            yield path
        elif len(path) < LONGEST_PATH:
            open_ends += ((*path, each) for each in reversed(_above(path, authorities)))


def _above(path: tuple[Foreign, ...], authorities: Sequence[Foreign]) -> list[Foreign]:
    """Return who has signed the last of *path*; a CA comes once, whichever its certificate is."""
    known = {(one.subject, _key_bits(one)) for one in path}
    return [
        one
        for one in authorities
        if is_signed(path[-1].der, one.der) and (one.subject, _key_bits(one)) not in known
    ]


def _key_bits(found: Foreign) -> bytes:
    return x509.SubjectKeyIdentifier.from_public_key(found.certificate.public_key()).digest


def _leaf_fault(found: Foreign, now: datetime) -> InvalidPath | None:
    """Say what is wrong with the person's certificate itself; costs no verification."""
    if isinstance(weak := key_of(found), str):
        return InvalidPath(PathFault.WEAK_KEY, f"{found.label} is refused: {weak}")
    if (fault := signature_fault(found)) is not None:
        return InvalidPath(PathFault.WEAK_SIGNATURE, f"{found.label} is refused: {fault}")
    for extension in unknown_critical(found):
        return _critical(found, extension)
    usage = found.get(x509.KeyUsage)
    if found.is_authority or (usage is not None and usage.key_cert_sign):
        words = f"{found.label} is a CA's certificate, and not a person's"
        return InvalidPath(PathFault.IS_AUTHORITY, words)
    if usage is not None and not usage.digital_signature:
        words = (
            f"the key of {found.label} is not for signatures (keyUsage), as TLS clients make them"
        )
        return InvalidPath(PathFault.USAGE, words)
    if not _is_for_clients(found):
        words = f"{found.label} is not for TLS clients (extendedKeyUsage has no clientAuth)"
        return InvalidPath(PathFault.USAGE, words)
    if now < found.certificate.not_valid_before_utc:
        words = f"{found.label} is not valid before {found.certificate.not_valid_before_utc}"
        return InvalidPath(PathFault.NOT_YET_VALID, words)
    if now > found.certificate.not_valid_after_utc:
        words = f"{found.label} has expired at {found.certificate.not_valid_after_utc}"
        return InvalidPath(PathFault.EXPIRED, words)
    return None


def _is_for_clients(found: Foreign) -> bool:
    """Say whether its extended key usage lets TLS clients be; who names none names no bound.

    As OpenSSL has it, "any" is not enough: it says nothing about TLS.
    """
    usages = found.get(x509.ExtendedKeyUsage)
    return usages is None or ExtendedKeyUsageOID.CLIENT_AUTH in usages


def _path_fault(leaf: Foreign, path: Sequence[Foreign], now: datetime) -> InvalidPath | None:
    """Say what is wrong with *path*, whose signatures hold, from the issuer of *leaf* upwards."""
    for position, one in enumerate(path):
        fault = authority_fault(one) or _dates_fault(one, now)
        if fault is None and position < len(path) - 1 and (weak := signature_fault(one)):
            # Nobody relies on how an anchor is signed, which is by itself.
            fault = InvalidPath(PathFault.WEAK_SIGNATURE, f"the CA {one.label} is refused: {weak}")
        fault = fault or _length_fault(one, path[:position])
        fault = fault or _names_fault(one, (leaf, *path[:position]))
        if fault is not None:
            return fault
    if (words := policy_fault([*reversed(path[:-1]), leaf])) is not None:
        return InvalidPath(PathFault.POLICY, words)
    return None


def _length_fault(one: Foreign, below: Sequence[Foreign]) -> InvalidPath | None:
    basic = one.get(x509.BasicConstraints)
    allowed = None if basic is None else basic.path_length
    # A CA that renews itself is not counted (RFC 5280, 6.1.4, l).
    found = sum(not each.self_issued for each in below)
    if allowed is None or found <= allowed:
        return None
    words = f"{one.label} allows {allowed} CAs below it, and there are {found}"
    return InvalidPath(PathFault.PATH_LENGTH, words)


def _names_fault(one: Foreign, below: Sequence[Foreign]) -> InvalidPath | None:
    """Apply the name constraints of *one* to those *below*, of whom the first is the person."""
    constraints = constraints_of(one)
    if constraints is None:
        return None
    for position, each in enumerate(below):
        # A CA that renews itself need not obey (RFC 5280, 6.1.3, b); the last of a path must.
        if position > 0 and each.self_issued:
            continue
        if (words := violation(each, constraints)) is not None:
            return InvalidPath(PathFault.NAME_CONSTRAINTS, f"{each.label} is refused: {words}")
    return None


def _dates_fault(one: Foreign, now: datetime) -> InvalidPath | None:
    before, after = one.certificate.not_valid_before_utc, one.certificate.not_valid_after_utc
    if now < before:
        return InvalidPath(PathFault.AUTHORITY_DATES, f"the CA {one.label} begins at {before}")
    if now > after:
        return InvalidPath(PathFault.AUTHORITY_DATES, f"the CA {one.label} has expired at {after}")
    return None


def _critical(found: Foreign, extension: str) -> InvalidPath:
    words = f"{found.label} has the critical extension {extension}, which nobody here knows"
    return InvalidPath(PathFault.CRITICAL_EXTENSION, words)


def _no_path(
    leaf: Foreign,
    signers: Sequence[Foreign],
    named: Sequence[Foreign],
    authorities: Sequence[Foreign],
) -> InvalidPath:
    """Say why no way leads from *leaf* up to an anchor."""
    for one in named:
        if isinstance(weak := key_of(one), str):
            return InvalidPath(PathFault.WEAK_KEY, f"the CA {one.label} is refused: {weak}")
    if not signers:
        words = f"{leaf.label} is not signed by the key of {named[0].label}"
        return InvalidPath(PathFault.SIGNATURE, words)
    for one in authorities:
        above = [each for each in authorities if may_have_signed(one, each)]
        if above and not one.self_issued and (fault := signature_fault(one)):
            words = f"the CA {one.label} is refused: {fault}"
            return InvalidPath(PathFault.WEAK_SIGNATURE, words)
        if above and not any(is_signed(one.der, each.der) for each in above):
            words = f"the CA {one.label} is not signed by the key of {above[0].label}"
            return InvalidPath(PathFault.SIGNATURE, words)
    words = f"there is no path of at most {LONGEST_PATH} CAs from {leaf.label} to an anchor"
    return InvalidPath(PathFault.PATH_LENGTH, words)
