"""The file of a trust: CA certificates as people have them, checked before they are believed.

What a CA's administrator hands out is PEM, DER or PKCS #7 (AD CS: `.cer`, `.p7b`). All of it must
be CAs, each fit for what it is there for; what is more or less is refused, with every reason.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_der_private_key,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs7 import (
    load_der_pkcs7_certificates,
    load_pem_pkcs7_certificates,
)

from ca.foreign.certificates import (
    LARGEST_AUTHORITY,
    UNREADABLE,
    Foreign,
    Unreadable,
    may_have_signed,
    read_authority,
    signature_fault,
)
from ca.foreign.paths import LONGEST_PATH, MOST_AUTHORITIES, authority_fault, is_anchor, is_signed
from ca.identity import shortened

LARGEST_FILE: Final = MOST_AUTHORITIES * LARGEST_AUTHORITY * 2
"""Octets of a file of CA certificates."""
SOON: Final = timedelta(days=60)

_LABEL: Final = re.compile(rb"-----BEGIN ([^\r\n-]{1,64})-----")
_BLOCK: Final = re.compile(
    rb"-----BEGIN (?P<label>CERTIFICATE)-----.*?-----END (?P=label)-----", re.DOTALL
)
_PKCS7: Final = "PKCS7"
_KEY_INSIDE: Final = (
    "holds a private key, which nobody but the CA itself must have: if it is the CA's, tell those"
    " who run it; hand in the certificates alone"
)


@dataclass(frozen=True, slots=True)
class RefusedFile:
    """A file that cannot be a trust; *reasons* are all that was found."""

    reasons: tuple[str, ...]


def read_authorities(data: bytes) -> tuple[bytes, ...] | RefusedFile:
    """Return the CA certificates (DER) in *data*, in their order, or why they are not believed.

    Whether they are within their dates is not asked: `dates_in_words`.
    """
    found = _certificates(data)
    if isinstance(found, RefusedFile):
        return found
    reasons = [*_faults(found)]
    return RefusedFile(tuple(reasons)) if reasons else found


def authorities_pem(certificates: Sequence[bytes]) -> bytes:
    """Write *certificates* (DER) as a file that `read_authorities` reads."""
    found = map(x509.load_der_x509_certificate, certificates)
    return b"".join(one.public_bytes(Encoding.PEM) for one in found)


def issuing_of(certificates: Sequence[bytes]) -> bytes:
    """Return the first of *certificates*, which `read_authorities` has taken, with no CA below."""
    found = _known(certificates)
    return next((one.der for one in found if not _certifies(one, found)), certificates[0])


def dates_in_words(certificates: Sequence[bytes], now: datetime) -> Iterator[str]:
    """Say which of *certificates* has ended, ends soon or has not begun."""
    for one in _known(certificates):
        begins, ends = one.certificate.not_valid_before_utc, one.certificate.not_valid_after_utc
        if now < begins:
            yield f"the CA {one.label} begins at {begins:%Y-%m-%d %H:%M} UTC"
        elif now > ends:
            yield f"the CA {one.label} has expired at {ends:%Y-%m-%d %H:%M} UTC"
        elif now > ends - SOON:
            yield f"the CA {one.label} ends at {ends:%Y-%m-%d %H:%M} UTC: ask for the next one"


def same_authority(one: bytes, other: bytes) -> bool:
    """Say whether two certificates (DER) are of one CA: the same name and the same key."""
    first, second = (x509.load_der_x509_certificate(each) for each in (one, other))
    return same_name(one, other) and first.public_key() == second.public_key()


def same_name(one: bytes, other: bytes) -> bool:
    """Say whether the CAs of two certificates (DER) are called the same."""
    first, second = (x509.load_der_x509_certificate(each) for each in (one, other))
    return first.subject == second.subject


def is_named_by(one: bytes, below: bytes) -> bool:
    """Say whether the certificate *below* (DER) names the CA *one* (DER) as its issuer."""
    first, second = (x509.load_der_x509_certificate(each) for each in (one, below))
    return first.subject == second.issuer


def _known(certificates: Sequence[bytes]) -> list[Foreign]:
    return [one for one in map(read_authority, certificates) if isinstance(one, Foreign)]


def _certificates(data: bytes) -> tuple[bytes, ...] | RefusedFile:
    if len(data) > LARGEST_FILE:
        return RefusedFile((f"has {len(data)} octets, and at most {LARGEST_FILE} are read",))
    if not data.strip():
        return RefusedFile(("is empty",))
    labels = [match.decode("ascii", "replace") for match in _LABEL.findall(data)]
    if any("PRIVATE KEY" in label for label in labels) or (not labels and _is_key(data)):
        return RefusedFile((_KEY_INSIDE,))
    try:
        # PKCS #7 of Windows may be BER, of which the library warns.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _parsed(data, labels)
    except (*UNREADABLE, UnicodeDecodeError) as error:
        what = shortened(str(error))
        return RefusedFile((f"holds no CA certificates that can be read: {what}",))


def _parsed(data: bytes, labels: Sequence[str]) -> tuple[bytes, ...] | RefusedFile:
    """Read PEM, PKCS #7 or DER; raise as `cryptography` does."""
    if others := [each for each in dict.fromkeys(labels) if each not in {"CERTIFICATE", _PKCS7}]:
        listed = ", ".join(map(shortened, others))
        return RefusedFile((f"holds more than CA certificates: {listed}",))
    if _PKCS7 in labels:
        if labels != [_PKCS7]:
            return RefusedFile(("holds PKCS #7 and something else: hand in one of them",))
        found = load_pem_pkcs7_certificates(data)
    elif labels:
        blocks = [match[0] for match in _BLOCK.finditer(data)]
        if len(blocks) != len(labels):
            return RefusedFile(("holds a certificate that does not end: part of it is missing",))
        found = [x509.load_pem_x509_certificate(block) for block in blocks]
    else:
        try:
            found = [x509.load_der_x509_certificate(data)]
        except ValueError:
            found = load_der_pkcs7_certificates(data)
    if not found:
        return RefusedFile(("holds no certificates",))
    return tuple(one.public_bytes(Encoding.DER) for one in found)


def _is_key(data: bytes) -> bool:
    for load in (load_der_private_key, load_pem_private_key):
        try:
            load(data, None)
        except TypeError:
            return True  # under a passphrase, and a private key all the same
        except UNREADABLE:
            continue
        return True
    return False


def _faults(certificates: Sequence[bytes]) -> Iterator[str]:
    """Say what keeps *certificates* from being believed as the CAs of one trust."""
    if len(certificates) > MOST_AUTHORITIES:
        yield f"holds {len(certificates)} certificates, and at most {MOST_AUTHORITIES} are read"
        return
    found: list[Foreign] = []
    for position, der in enumerate(certificates, start=1):
        one = read_authority(der)
        if isinstance(one, Unreadable):
            yield f"holds a certificate ({position}.) that is not believed: {one.words}"
            return
        if any(each.der == der for each in found):
            yield f"holds the certificate of {one.label} twice"
        found.append(one)
    faults = [fault.words for one in found if (fault := authority_fault(one)) is not None]
    yield from faults
    if not faults:
        yield from _hierarchy_faults(found)


def _hierarchy_faults(found: Sequence[Foreign]) -> Iterator[str]:
    """Say why *found*, each of them a CA, are no hierarchy that ends at an anchor."""
    for one in found:
        above = [each for each in found if may_have_signed(one, each) and each.der != one.der]
        if not is_anchor(one, found):
            if weak := signature_fault(one):
                yield f"the CA {one.label} is refused: {weak}"
            elif not any(is_signed(one.der, each.der) for each in above):
                yield f"the CA {one.label} is not signed by the key of {above[0].label}"
        # A CA that certifies CAs alone is asked for less: it may leave its lists to somebody
        # else, and no handshake looks at it.
        if not _certifies(one, found):
            yield from _issuing_faults(one)
    if not any(is_anchor(one, found) for one in found):
        yield f"holds no anchor: none of the CAs is above the others within {LONGEST_PATH} steps"


def _certifies(one: Foreign, found: Sequence[Foreign]) -> bool:
    """Say whether *one* has certified another CA of *found*."""
    return any(is_signed(each.der, one.der) for each in found if each.der != one.der)


def _issuing_faults(one: Foreign) -> Iterator[str]:
    """Say what keeps *one* from being above people's certificates.

    Key usage and key identifier RFC 5280 asks of every CA (4.2.1.2, 4.2.1.3), its validation of
    paths does not; OpenSSL does, strictly as the edge uses it, and ends the handshake otherwise.
    """
    usage = one.get(x509.KeyUsage)
    if usage is not None and not usage.crl_sign:
        yield (
            f"the CA {one.label} signs no revocation lists (keyUsage has no cRLSign), so nobody"
            " could tell whether its certificates are revoked"
        )
    missing = [
        words
        for words, there in (
            ("keyUsage", usage is not None),
            ("subjectKeyIdentifier", one.get(x509.SubjectKeyIdentifier) is not None),
            ("a critical basicConstraints", _is_critical(one, x509.BasicConstraints)),
        )
        if not there
    ]
    if missing:
        yield f"the CA {one.label} lacks {' and '.join(missing)}, without which no TLS takes it"


def _is_critical(one: Foreign, kind: type[x509.ExtensionType]) -> bool:
    return one.extensions.get_extension_for_class(kind).critical
