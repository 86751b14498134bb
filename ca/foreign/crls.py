"""Read a revocation list of a CA that is not ours: whether it is believed, and what it says.

Pure, and slow where the list is long: it is run in a process of its own, with limits
(`gateway.verifier.reading`). The library reads the list; the signature is verified over the bytes
that were received, and not over what the library would write again for them.

Accepted: full lists and deltas, of everything, of users or CAs only, of one distribution point.
Refused with words: what is signed by somebody else for the CA (indirect), only for some reasons
or for attributes, without nextUpdate, and whatever is critical and not known here.
"""

import binascii
import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from cryptography import x509

from ca.foreign.certificates import UNREADABLE, name_in_words
from ca.foreign.delegates import name_of
from ca.foreign.facts import ListFacts, Only, authority_of, name_text, urls_of
from ca.foreign.revoked import HIGHEST_SERIAL, make_record, sort_records
from ca.foreign.signatures import is_right
from ca.identity import shortened
from ca.scopes import REMOVE_FROM_CRL
from ca.trust import CLOCK_SLACK, RevocationReason

_HIGHEST_NUMBER: Final = 2**159 - 1
"""A CRL number has at most 20 octets (RFC 5280, 5.2.3)."""
_MOST_NAMES: Final = 32
_LONG_FORM: Final = 0x80
_PEM: Final = re.compile(rb"-----BEGIN X509 CRL-----\s([A-Za-z0-9+/=\s]+)-----END X509 CRL-----\s*")
# What may be critical: what is understood here, and what changes nothing.
_KNOWN: Final = (
    x509.AuthorityInformationAccess,
    x509.AuthorityKeyIdentifier,
    x509.CRLNumber,
    x509.DeltaCRLIndicator,
    x509.FreshestCRL,
    x509.IssuerAlternativeName,
    x509.IssuingDistributionPoint,
)
_ENTRY_KNOWN: Final = (x509.CRLReason, x509.InvalidityDate)
_REASONS: Final = frozenset(RevocationReason)


class CRLFault(StrEnum):
    """Why a list is not taken; never renamed, only added."""

    UNREADABLE = "unreadable"
    """Truncated, or no list at all."""
    ISSUER = "issuer"
    """Of a CA that the trust does not name."""
    SIGNATURE = "signature"
    FUTURE = "future"
    UNDATED = "undated"
    SCOPE = "scope"
    """For other certificates, or not for all that is asked."""
    INDIRECT = "indirect"
    EXTENSION = "extension"
    """Something critical that is not known here."""
    ENTRY = "entry"
    """An entry that cannot be right."""
    OLDER = "older"
    CONFLICT = "conflict"
    """Another list of the same number."""
    BASE = "base"
    """A delta that does not fit onto the list that is held."""
    COSTLY = "costly"
    """Reading it took more time or memory than a list may."""


@dataclass(frozen=True, slots=True)
class ReadCRL:
    """A list that is believed: *records* as `ca.foreign.revoked` makes them, sorted."""

    facts: ListFacts
    records: list[bytes]


@dataclass(frozen=True, slots=True)
class RefusedCRL:
    """A list that is not taken, and why: *words* go behind the name of its source."""

    reason: CRLFault
    words: str


class _Refused(Exception):
    """What `read_crl` returns as a value; never leaves this module."""

    def __init__(self, reason: CRLFault, words: str) -> None:
        super().__init__(words)
        self.refusal = RefusedCRL(reason, words)


def read_crl(data: bytes, issuers: Sequence[bytes], now: datetime) -> ReadCRL | RefusedCRL:
    """Read *data*, DER or PEM, which must be signed by one of *issuers* (certificates in DER).

    That the issuers may be believed, and in which order lists follow each other
    (`ca.foreign.ordering`), is the caller's to know. A list that has ended is read: it may still
    be the newest there is.
    """
    try:
        return _read(data, issuers, now)
    except _Refused as refused:
        return refused.refusal
    except UNREADABLE as error:
        why = shortened(str(error))
        return RefusedCRL(CRLFault.UNREADABLE, f"is no revocation list to be read: {why}")


def _read(data: bytes, issuers: Sequence[bytes], now: datetime) -> ReadCRL:
    der = _der_of(data)
    crl = x509.load_der_x509_crl(der)
    signer = _signer(crl, der, issuers)
    found = {type(one.value): one.value for one in _known_extensions(crl)}
    ends = _end(crl, now)
    points, only = _scope(found.get(x509.IssuingDistributionPoint))
    base = _number(found.get(x509.DeltaCRLIndicator), "names the list that it begins at")
    number = _number(found.get(x509.CRLNumber), "is numbered")
    if base is not None and number is None:
        raise _Refused(CRLFault.ENTRY, "is a delta without a number")
    facts = ListFacts(
        authority=authority_of(signer),
        issuer=name_of(signer),
        number=number,
        base=base,
        this_update=crl.last_update_utc,
        next_update=ends,
        points=points,
        only=only,
        fresh=() if base is not None else _fresh(found.get(x509.FreshestCRL)),
        digest=hashlib.sha256(der).hexdigest(),
    )
    records = list(_records(crl, delta=base is not None))
    sort_records(records)
    return ReadCRL(facts, records)


def _der_of(data: bytes) -> bytes:
    """Unwrap PEM; what does not look like it is taken for DER."""
    if not data.lstrip().startswith(b"-----"):
        return data
    wrapped = _PEM.fullmatch(data.strip())
    if wrapped is None:
        raise ValueError("the PEM is not one X509 CRL and nothing else")
    return binascii.a2b_base64(wrapped[1])


def _signer(
    crl: x509.CertificateRevocationList, der: bytes, issuers: Sequence[bytes]
) -> x509.Certificate:
    """Return who of *issuers* has signed the bytes that were received."""
    candidates = [
        one for one in map(x509.load_der_x509_certificate, issuers) if one.subject == crl.issuer
    ]
    if not candidates:
        name = name_in_words(crl.issuer)
        raise _Refused(
            CRLFault.ISSUER, f"is a list of {name}, and the trust has no CA of that name"
        )
    signed, parameters = _signed_part(der)
    for one in candidates:
        oid, signature = crl.signature_algorithm_oid, crl.signature
        if is_right(one.public_key(), oid, parameters, signature, signed):
            _check_usage(one)
            return one
    raise _Refused(
        CRLFault.SIGNATURE,
        f"is not signed by the key of {name_of(candidates[0])}, or with SHA-1, MD5 or a weak key",
    )


def _check_usage(signer: x509.Certificate) -> None:
    try:
        usage = signer.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.crl_sign:
        raise _Refused(
            CRLFault.SIGNATURE,
            f"is signed by {name_of(signer)}, whose certificate does not let it (cRLSign)",
        )


def _signed_part(der: bytes) -> tuple[bytes, bytes]:
    """Return what is signed, and the parameters of the signature's algorithm, both in DER.

    The library has read *der* before: all lengths are true, and the same algorithm is named inside.
    """
    start, _ = _content(der, 0)
    _, signed_end = _content(der, start)
    algorithm, end = _content(der, signed_end)
    _, named = _content(der, algorithm)
    return der[start:signed_end], der[named:end]


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the value at *at* begins and ends."""
    length, start = der[at + 1], at + 2
    if length & _LONG_FORM:
        end = start + (length & ~_LONG_FORM)
        length, start = int.from_bytes(der[start:end]), end
    return start, start + length


def _known_extensions(
    crl: x509.CertificateRevocationList,
) -> Iterator[x509.Extension[x509.ExtensionType]]:
    for one in crl.extensions:
        if isinstance(one.value, _KNOWN):
            yield one
        elif one.critical:
            raise _Refused(
                CRLFault.EXTENSION,
                f"has a critical extension that is not known here ({one.oid.dotted_string})",
            )


def _end(crl: x509.CertificateRevocationList, now: datetime) -> datetime:
    begins, ends = crl.last_update_utc, crl.next_update_utc
    if begins > now + CLOCK_SLACK:
        raise _Refused(
            CRLFault.FUTURE,
            f"is as of {begins:%Y-%m-%d %H:%M:%S} UTC, which is still to come: is the clock "
            "of this machine right, and that of the CA's?",
        )
    if ends is None:
        raise _Refused(
            CRLFault.UNDATED,
            "does not say until when it is good (nextUpdate): let the CA write it",
        )
    if ends <= begins:
        raise _Refused(CRLFault.UNDATED, "ends before it begins")
    return ends


def _number(value: x509.ExtensionType | None, what: str) -> int | None:
    match value:
        case None:
            return None
        case x509.CRLNumber(crl_number=number) | x509.DeltaCRLIndicator(crl_number=number):
            if 0 <= number <= _HIGHEST_NUMBER:
                return number
    raise _Refused(CRLFault.ENTRY, f"{what} by what is no number of at most 20 octets")


def _scope(value: x509.ExtensionType | None) -> tuple[tuple[str, ...], Only]:
    """Say for which certificates the list is (RFC 5280, section 5.2.5)."""
    if value is None:
        return (), Only.ALL
    assert isinstance(value, x509.IssuingDistributionPoint)  # noqa: S101 - for the reader
    if value.indirect_crl:
        raise _Refused(CRLFault.INDIRECT, "is indirect: it speaks for other CAs than who signed it")
    if value.only_some_reasons is not None:
        raise _Refused(CRLFault.SCOPE, "is only for some reasons of revocation")
    if value.only_contains_attribute_certs:
        raise _Refused(CRLFault.SCOPE, "is for attribute certificates")
    if value.relative_name is not None:
        raise _Refused(
            CRLFault.SCOPE, "names its distribution point relative to its CA's, which nobody does"
        )
    if value.only_contains_user_certs and value.only_contains_ca_certs:
        raise _Refused(CRLFault.SCOPE, "is for users only and for CAs only, so for nobody")
    only = Only.USERS if value.only_contains_user_certs else Only.ALL
    if value.only_contains_ca_certs:
        only = Only.AUTHORITIES
    names = value.full_name or []
    if len(names) > _MOST_NAMES:
        raise _Refused(CRLFault.SCOPE, f"has more than {_MOST_NAMES} names for where it is had")
    return tuple(map(name_text, names)), only


def _fresh(value: x509.ExtensionType | None) -> tuple[tuple[str, ...], ...]:
    """Return where the delta is had: for each of its distribution points, a choice of URLs."""
    if not isinstance(value, x509.FreshestCRL):
        return ()
    points = [*value][:_MOST_NAMES]
    return tuple(urls for point in points if (urls := urls_of(point.full_name)))


def _records(crl: x509.CertificateRevocationList, *, delta: bool) -> Iterator[bytes]:
    for entry in crl:
        reason = _reason(entry)
        if reason == REMOVE_FROM_CRL and not delta:
            raise _Refused(CRLFault.ENTRY, "takes a certificate off a list, and is no delta")
        # No certificate that is believed has another serial (`ca.foreign.certificates`): one entry
        # that nobody has is no reason to do without all others.
        if 0 <= entry.serial_number <= HIGHEST_SERIAL:
            yield make_record(entry.serial_number, entry.revocation_date_utc, reason)


def _reason(entry: x509.RevokedCertificate) -> str:
    """Return an entry's reason; refuse the list for what is critical in it and not known."""
    reason: str = RevocationReason.UNSPECIFIED
    for one in entry.extensions:
        value = one.value
        if isinstance(value, x509.CertificateIssuer):
            raise _Refused(CRLFault.INDIRECT, "has entries of another CA than who signed it")
        if isinstance(value, x509.CRLReason):
            reason = value.reason.value
        elif one.critical and not isinstance(value, _ENTRY_KNOWN):
            raise _Refused(
                CRLFault.EXTENSION,
                "has an entry with a critical extension that is not known here "
                f"({one.oid.dotted_string})",
            )
    # The others are about attribute authorities; who says one of them has revoked all the same.
    known = reason in _REASONS or reason == REMOVE_FROM_CRL
    return reason if known else RevocationReason.UNSPECIFIED
