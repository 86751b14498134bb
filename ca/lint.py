"""What must hold of any certificate that is released.

A second opinion on purpose: the rules are written from RFC 5280, not from `ca.profiles`, and read
the finished certificate, so a mistake in one is caught by the other. They judge a draft signed
with a throwaway key, so they say nothing about the signature itself; `ca.issue` verifies that.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    ExtensionOID,
    NameOID,
    SignatureAlgorithmOID,
)

from ca.der import elements
from ca.errors import LintFailed, NameUnreadable
from ca.identity import host_faults, identity_of, is_visible
from ca.profiles import Role


@dataclass(frozen=True, slots=True)
class Draft:
    """A certificate to be judged, and what it is meant to be.

    *issuer* is None when it signs itself; *longest* is the lifetime that its profile allows,
    the backdating included.
    """

    certificate: x509.Certificate
    role: Role
    issuer: x509.Certificate | None
    longest: timedelta
    now: datetime


Rule = Callable[[Draft], Iterator[str]]
Kind = TypeVar("Kind", bound=x509.ExtensionType)

_OID = ExtensionOID
_CRITICAL = {
    _OID.BASIC_CONSTRAINTS: True,
    _OID.KEY_USAGE: True,
    _OID.EXTENDED_KEY_USAGE: False,
    _OID.SUBJECT_KEY_IDENTIFIER: False,
    _OID.AUTHORITY_KEY_IDENTIFIER: False,
    _OID.SUBJECT_ALTERNATIVE_NAME: False,
    _OID.CRL_DISTRIBUTION_POINTS: False,
    _OID.AUTHORITY_INFORMATION_ACCESS: False,
    _OID.OCSP_NO_CHECK: False,
}
_ALWAYS = {_OID.BASIC_CONSTRAINTS, _OID.KEY_USAGE, _OID.SUBJECT_KEY_IDENTIFIER}
_WHERE = {_OID.CRL_DISTRIBUTION_POINTS, _OID.AUTHORITY_INFORMATION_ACCESS}
_LEAF = {_OID.AUTHORITY_KEY_IDENTIFIER, _OID.EXTENDED_KEY_USAGE, _OID.SUBJECT_ALTERNATIVE_NAME}
_REQUIRED = {
    Role.ROOT: _ALWAYS,
    Role.ISSUING: _ALWAYS | {_OID.AUTHORITY_KEY_IDENTIFIER},
    Role.SERVER: _ALWAYS | _LEAF,
    Role.CLIENT: _ALWAYS | _LEAF | _WHERE,
    Role.RESPONDER: _ALWAYS
    | {_OID.AUTHORITY_KEY_IDENTIFIER, _OID.EXTENDED_KEY_USAGE, _OID.OCSP_NO_CHECK},
}
_PERMITTED = {
    Role.ROOT: _REQUIRED[Role.ROOT],
    Role.ISSUING: _REQUIRED[Role.ISSUING] | _WHERE,
    Role.SERVER: _REQUIRED[Role.SERVER] | _WHERE,
    Role.CLIENT: _REQUIRED[Role.CLIENT],
    Role.RESPONDER: _REQUIRED[Role.RESPONDER],
}
_PATH_LENGTH = {
    Role.ROOT: 1,
    Role.ISSUING: 0,
    Role.SERVER: None,
    Role.CLIENT: None,
    Role.RESPONDER: None,
}
_USAGE = {
    Role.ROOT: {"key_cert_sign", "crl_sign"},
    Role.ISSUING: {"key_cert_sign", "crl_sign"},
    Role.SERVER: {"digital_signature"},
    Role.CLIENT: {"digital_signature"},
    Role.RESPONDER: {"digital_signature"},
}
_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)
_EXTENDED_USAGE = {
    Role.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Role.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
    Role.RESPONDER: ExtendedKeyUsageOID.OCSP_SIGNING,
}
_UPPER_BOUNDS = {
    NameOID.COMMON_NAME: 64,
    NameOID.ORGANIZATIONAL_UNIT_NAME: 64,
    NameOID.DOMAIN_COMPONENT: 63,
}
_SIGNED_BY = {
    "secp256r1": SignatureAlgorithmOID.ECDSA_WITH_SHA256,  # RFC 5758, 3.2
    "secp384r1": SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    "rsa3072/65537": SignatureAlgorithmOID.RSA_WITH_SHA256,  # RFC 4055, 5
    "ed25519": SignatureAlgorithmOID.ED25519,  # RFC 8410, 3
}
_SERIAL_BITS = range(65, 160)
_URI = re.compile(r"http://[!-~]+")
_VERSION = 0xA0
_UTC_TIME = 0x17
_GENERALIZED_TIME = 0x18
_FIRST_GENERALIZED_YEAR = 2050


def lint(draft: Draft) -> None:
    """Raise `LintFailed`, with every broken rule, unless *draft* may be released."""
    if found := findings(draft):
        raise LintFailed(found)


def findings(draft: Draft) -> list[str]:
    """Return every rule that *draft* breaks, in words; only the first, where it cannot be read."""
    try:
        _ = draft.certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        return [f"extensions: cannot be read: {error}"]
    return [finding for rule in RULES for finding in rule(draft)]


def _version(draft: Draft) -> Iterator[str]:
    if draft.certificate.version is not x509.Version.v3:
        yield "version: extensions need version 3 (4.1.2.1)"


def _serial(draft: Draft) -> Iterator[str]:
    serial = draft.certificate.serial_number
    if serial <= 0 or serial.bit_length() not in _SERIAL_BITS:
        yield "serial: must be positive, above 64 bits and within 20 octets (4.1.2.2)"


def _signature_algorithm(draft: Draft) -> Iterator[str]:
    signer = (draft.issuer or draft.certificate).public_key()
    expected = _SIGNED_BY.get(_key_name(signer))
    if draft.certificate.signature_algorithm_oid != expected:
        yield "signature: must be ECDSA with the digest of its curve, RSA with SHA-256, or Ed25519"


def _public_key(draft: Draft) -> Iterator[str]:
    if _key_name(draft.certificate.public_key()) not in _SIGNED_BY:
        yield "public key: must be on P-256 or P-384, RSA with 3072 bits, or Ed25519"


def _key_name(key: CertificatePublicKeyTypes) -> str:
    """Name the kind of *key*, here from the standards' names and not from `ca.kinds`."""
    match key:
        case ec.EllipticCurvePublicKey():
            return key.curve.name
        case rsa.RSAPublicKey():
            return f"rsa{key.key_size}/{key.public_numbers().e}"
        case ed25519.Ed25519PublicKey():
            return "ed25519"
        case _:
            return "another"


def _issuer(draft: Draft) -> Iterator[str]:
    issuer = draft.issuer or draft.certificate
    if draft.certificate.issuer.public_bytes() != issuer.subject.public_bytes():
        yield "issuer: is not, byte for byte, the subject of the issuing certificate (7.1)"


def _names(draft: Draft) -> Iterator[str]:
    attributes = list(draft.certificate.subject)
    if not attributes:
        yield "subject: is empty (4.1.2.6)"
    for attribute in attributes:
        value, name = str(attribute.value), attribute.rfc4514_attribute_name
        if attribute.oid not in _UPPER_BOUNDS:
            yield f"subject: {name} is none of the attributes we write"
        elif not 0 < len(value) <= _UPPER_BOUNDS[attribute.oid]:
            yield f"subject: {name} is empty or too long (appendix A.1)"
        if not all(map(is_visible, value)):
            yield f"subject: {name} holds characters that cannot be seen"


def _validity(draft: Draft) -> Iterator[str]:
    begin, end = draft.certificate.not_valid_before_utc, draft.certificate.not_valid_after_utc
    if not begin <= draft.now < end:
        yield f"validity: {begin} to {end} does not contain {draft.now}"
    if end - begin > draft.longest:
        yield f"validity: longer than {draft.longest}"
    if draft.issuer is not None and (
        begin < draft.issuer.not_valid_before_utc or end > draft.issuer.not_valid_after_utc
    ):
        yield "validity: reaches beyond the issuer's"


def _validity_encoding(draft: Draft) -> Iterator[str]:
    """UTCTime through 2049 and GeneralizedTime from 2050 on, in seconds and Zulu (4.1.2.5)."""
    years = (
        draft.certificate.not_valid_before_utc.year,
        draft.certificate.not_valid_after_utc.year,
    )
    for year, (tag, text) in zip(years, _times(draft.certificate), strict=True):
        late = year >= _FIRST_GENERALIZED_YEAR
        expected = (_GENERALIZED_TIME, 15) if late else (_UTC_TIME, 13)
        if (tag, len(text)) != expected or not text.endswith(b"Z"):
            yield f"validity: {text.decode('ascii', 'replace')} is not in the form for {year}"


def _times(certificate: x509.Certificate) -> list[tuple[int, bytes]]:
    """Return tag and content of the two dates, which the library shows only after reading."""
    ((_, body),) = elements(certificate.tbs_certificate_bytes)
    # After serial, algorithm and issuer; before them the version, which may be left out (4.1).
    fields = [content for tag, content in elements(body) if tag != _VERSION]
    dates = fields[3]
    return list(elements(dates))


def _extension_set(draft: Draft) -> Iterator[str]:
    present = {extension.oid: extension.critical for extension in draft.certificate.extensions}
    for oid in _REQUIRED[draft.role] - present.keys():
        yield f"extensions: {oid.dotted_string} is missing ({draft.role})"
    for oid, critical in present.items():
        if oid not in _PERMITTED[draft.role]:
            yield f"extensions: {oid.dotted_string} has no place here ({draft.role})"
        elif critical is not _CRITICAL[oid]:
            yield f"extensions: the criticality of {oid.dotted_string} is wrong"


def _value(draft: Draft, kind: type[Kind]) -> Kind | None:
    """Return the extension's value, or None: that one is missing is `_extension_set`'s to say."""
    try:
        return draft.certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _basic_constraints(draft: Draft) -> Iterator[str]:
    value = _value(draft, x509.BasicConstraints)
    if value is not None and (value.ca, value.path_length) != (
        draft.role.is_authority,
        _PATH_LENGTH[draft.role],
    ):
        yield f"basicConstraints: wrong for role {draft.role} (4.2.1.9)"


def _key_usage(draft: Draft) -> Iterator[str]:
    value = _value(draft, x509.KeyUsage)
    if value is not None:
        used = {usage for usage in _USAGES if getattr(value, usage)}
        if used != _USAGE[draft.role]:
            yield f"keyUsage: {sorted(used)} is wrong for role {draft.role} (4.2.1.3)"


def _extended_key_usage(draft: Draft) -> Iterator[str]:
    value = _value(draft, x509.ExtendedKeyUsage)
    if value is not None and list(value) != [_EXTENDED_USAGE.get(draft.role)]:
        yield f"extKeyUsage: wrong for role {draft.role} (4.2.1.12)"


def _key_identifiers(draft: Draft) -> Iterator[str]:
    key = draft.certificate.public_key()
    subject = _value(draft, x509.SubjectKeyIdentifier)
    if subject is not None and subject.digest != _identifier(key):
        yield "subjectKeyIdentifier: is not the SHA-1 of the key (4.2.1.2)"
    authority = _value(draft, x509.AuthorityKeyIdentifier)
    if authority is None or draft.issuer is None:
        return
    expected = _identifier(draft.issuer.public_key())
    found = (authority.key_identifier, authority.authority_cert_issuer)
    if found != (expected, None):
        yield "authorityKeyIdentifier: does not name the issuer's key, and only that (4.2.1.1)"


def _identifier(key: CertificatePublicKeyTypes) -> bytes:
    return x509.SubjectKeyIdentifier.from_public_key(key).digest


def _alternative_names(draft: Draft) -> Iterator[str]:
    value = _value(draft, x509.SubjectAlternativeName)
    if value is None:
        return
    if draft.role is Role.CLIENT:
        try:
            identity_of(draft.certificate)
        except NameUnreadable as error:
            yield f"subjectAltName: {error}"
        return
    hosts = value.get_values_for_type(x509.DNSName)
    if not hosts or len(hosts) != len(list(value)):
        yield "subjectAltName: a server certificate holds DNS names and nothing else"
    for fault in (fault for host in hosts for fault in host_faults(host.removeprefix("*."))):
        yield f"subjectAltName: {fault}"
    for common in draft.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME):
        if common.value not in hosts:
            yield "subject: the common name is none of the alternative names"


def _distribution_points(draft: Draft) -> Iterator[str]:
    """Each point has plain addresses and covers all reasons and certificates (4.2.1.13)."""
    for point in _value(draft, x509.CRLDistributionPoints) or ():
        if point.reasons or point.crl_issuer or not point.full_name:
            yield "cRLDistributionPoints: must hold addresses only"
        for name in point.full_name or ():
            yield from _address_faults("cRLDistributionPoints", name)


def _authority_information(draft: Draft) -> Iterator[str]:
    value = _value(draft, x509.AuthorityInformationAccess)
    if value is None:
        return
    methods = {access.access_method for access in value}
    if AuthorityInformationAccessOID.CA_ISSUERS not in methods:
        yield "authorityInfoAccess: does not say where the issuer is had (4.2.2.1)"
    if methods - {AuthorityInformationAccessOID.CA_ISSUERS, AuthorityInformationAccessOID.OCSP}:
        yield "authorityInfoAccess: only caIssuers and OCSP are published"
    for access in value:
        yield from _address_faults("authorityInfoAccess", access.access_location)


def _address_faults(extension: str, name: x509.GeneralName) -> Iterator[str]:
    if not isinstance(name, x509.UniformResourceIdentifier) or not _URI.fullmatch(name.value):
        yield f"{extension}: {name.value!a} is not a plain http address"


RULES: tuple[Rule, ...] = (
    _version,
    _serial,
    _signature_algorithm,
    _public_key,
    _issuer,
    _names,
    _validity,
    _validity_encoding,
    _extension_set,
    _basic_constraints,
    _key_usage,
    _extended_key_usage,
    _key_identifiers,
    _alternative_names,
    _distribution_points,
    _authority_information,
)
"""Every rule, in the order of the certificate. Each stays silent about what another one says."""
