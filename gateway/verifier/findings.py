"""Whose a certificate is, and whether its path holds: what is found of it before any list is asked.

Pure, and slow beside an event loop: up to some milliseconds for a hostile one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache

from cryptography import x509

from ca.foreign.authorities import issuing_of, same_authority
from ca.foreign.certificates import UNREADABLE, name_in_words
from ca.foreign.identities import NoIdentity, identity_of
from ca.foreign.paths import InvalidPath, PathFault, ValidPath, validate
from ca.identity import shortened
from ca.serials import serial_text
from gateway.core.foreign import NO_TRUST, ForeignState, PersonBy, Verdict
from gateway.core.people import Fingerprint
from gateway.core.trusts import IdentityMap, Trust

LONGEST_NAME = 400
"""Characters of an issuer's name that are kept; a CA may write as many as it likes."""
_SERIAL_DIGITS = 40

_BY = {
    IdentityMap.SAN_EMAIL: PersonBy.EMAIL,
    # A principal's name has the form of a mail address, and mostly is one.
    IdentityMap.SAN_UPN: PersonBy.EMAIL,
    IdentityMap.SUBJECT_CN: PersonBy.USER,
    IdentityMap.SERIAL: PersonBy.USER,
}


@dataclass(frozen=True, slots=True)
class Found:
    """A certificate whose path holds until *ends* in the trust called *trust*.

    *authority* is the CA that has issued it, and *above* are those over that one, up to the anchor
    (none where it is the anchor itself). *identity* is empty where it names nobody, which
    *words* then explain.
    """

    fingerprint: Fingerprint
    trust: str
    certificate: x509.Certificate
    authority: x509.Certificate
    by: PersonBy
    identity: str
    words: str
    ends: datetime
    above: tuple[x509.Certificate, ...] = ()

    @property
    def authorities(self) -> tuple[tuple[x509.Certificate, x509.Certificate], ...]:
        """The CAs that may be revoked, those below the anchor, each with the one that issued it."""
        return tuple(zip((self.authority, *self.above), self.above, strict=False))


def find(
    fingerprint: Fingerprint, der: bytes, trusts: Mapping[str, Trust], now: datetime
) -> Found | Verdict:
    """Return what is found of the certificate *der* at *now*, or why it is refused."""
    named = [trust for trust in trusts.values() if _issuer_name(der) in _names(trust)]
    refused: InvalidPath | None = None
    for trust in named or trusts.values():
        path = validate(der, trust.certificates, now)
        if isinstance(path, ValidPath):
            return _found(fingerprint, path, trust)
        refused = refused or path
    if refused is None:
        return refusal(fingerprint, der, NO_TRUST, "there is no trust any more")
    # Where no trust names its issuer, it is none's, unless there is but one.
    name = next(iter(named or trusts.values())).name if named or len(trusts) == 1 else ""
    return refusal(fingerprint, der, refused.reason, refused.words, trust=name)


def _issuer_name(der: bytes) -> bytes:
    try:
        return x509.load_der_x509_certificate(der).issuer.public_bytes()
    except UNREADABLE:
        return b""


@lru_cache(maxsize=256)
def _parsed(authority: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(authority)


@lru_cache(maxsize=256)
def _subject(authority: bytes) -> bytes:
    return _parsed(authority).subject.public_bytes()


def _names(trust: Trust) -> set[bytes]:
    return {_subject(one) for one in trust.certificates}


def _found(fingerprint: Fingerprint, path: ValidPath, trust: Trust) -> Found:
    named = identity_of(path.certificate, trust.identity)
    identity, words = "", ""
    if isinstance(named, NoIdentity):
        words = named.words
    elif trust.identity is IdentityMap.SERIAL:
        ours = issuing_of(trust.certificates)
        # CAs number each for itself, most of them from 1 on: another's 05 is another person.
        known = same_authority(path.issuer, ours)
        identity = trust.people.get(named.value, "") if known else ""
        if not known:
            name = _label(ours)
            words = f"serial numbers are those of {name} here; its own CA needs a trust of its own"
        elif not identity:
            words = f"its serial number {named.value} is given to nobody: pusterla ca trust assign"
    else:
        identity = named.value
    return Found(
        fingerprint=fingerprint,
        trust=trust.name,
        certificate=path.certificate,
        authority=_parsed(path.issuer),
        by=_BY[trust.identity],
        identity=identity,
        words=words,
        ends=path.ends,
        above=tuple(map(_parsed, path.authorities[1:])),
    )


def _label(authority: bytes) -> str:
    return name_in_words(_parsed(authority).subject)


def refusal(
    fingerprint: Fingerprint, der: bytes, fault: str, words: str, *, trust: str = ""
) -> Verdict:
    """Return the verdict that refuses *der*, with as much of its face as can be read."""
    verdict = Verdict(fingerprint, ForeignState.REFUSED, trust=trust, fault=str(fault), words=words)
    try:
        certificate = x509.load_der_x509_certificate(der)
        return replace(
            verdict,
            serial=serial_text(certificate.serial_number)[:_SERIAL_DIGITS],
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            issuer=issuer_of(certificate),
        )
    except UNREADABLE:
        return verdict


def begins_to_hold(refused: Verdict, trusts: Mapping[str, Trust], now: datetime) -> datetime | None:
    """Return when a certificate that was refused at *now* may become good; None: not by itself.

    Where a CA is not valid, that is the next day on which one of its trust begins: it may be the
    successor of one that has expired.
    """
    begins = [] if refused.not_before is None else [refused.not_before]
    trust = trusts.get(refused.trust)
    if refused.fault == PathFault.AUTHORITY_DATES and trust is not None:
        begins += [_parsed(one).not_valid_before_utc for one in trust.certificates]
    return min((one for one in begins if one > now), default=None)


def issuer_of(certificate: x509.Certificate) -> str:
    """Return the name of who has issued *certificate*, as people read it, and not without end."""
    name = certificate.issuer.rfc4514_string()
    return name if len(name) <= LONGEST_NAME and name.isprintable() else shortened(name)
