"""Lint: each rule is broken once, by certificates that our own profiles would never make."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import (
    AuthorityInformationAccessOID,
    ExtendedKeyUsageOID,
    ExtensionOID,
    NameOID,
    SubjectInformationAccessOID,
)

from ca.der import SEQUENCE, elements, encode
from ca.errors import LintFailed
from ca.issue import make_root
from ca.kinds import make_key
from ca.lint import Draft, findings, lint
from ca.profiles import Role
from tests.ca.makers import HOST, NOW, make_ca, new_serial

THE_CA = make_ca()
KEY = make_key()
YEARS = timedelta(days=365)
LONGEST = {
    Role.ROOT: 20 * YEARS,
    Role.ISSUING: 10 * YEARS,
    Role.SERVER: timedelta(days=397),
    Role.CLIENT: timedelta(days=825),
    Role.RESPONDER: timedelta(days=7),
}
HOUR = timedelta(hours=1)


def sound(role: Role) -> x509.Certificate:
    """Return a certificate of *role* as we issue it."""
    match role:
        case Role.ROOT:
            return THE_CA.root.certificate
        case Role.ISSUING:
            return THE_CA.issuing.certificate
        case Role.SERVER:
            return THE_CA.server(KEY, NOW)
        case Role.CLIENT:
            return THE_CA.client(KEY, NOW)
        case Role.RESPONDER:
            return THE_CA.responder(KEY, NOW)


def issuer_of(role: Role) -> x509.Certificate | None:
    """Return what signs certificates of *role*."""
    return {
        Role.ROOT: None,
        Role.ISSUING: THE_CA.root.certificate,
        Role.SERVER: THE_CA.issuing.certificate,
        Role.CLIENT: THE_CA.issuing.certificate,
        Role.RESPONDER: THE_CA.issuing.certificate,
    }[role]


def draft_of(certificate: x509.Certificate, role: Role) -> Draft:
    """Say what *certificate* is meant to be."""
    return Draft(certificate, role, issuer_of(role), LONGEST[role] + HOUR, NOW)


@dataclass
class Recipe:
    """All that a certificate says, to be changed at will."""

    subject: x509.Name
    issuer: x509.Name
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey
    serial: int
    begin: datetime
    end: datetime
    digest: hashes.SHA256 | hashes.SHA384 = field(default_factory=hashes.SHA256)
    extensions: dict[x509.ObjectIdentifier, tuple[x509.ExtensionType, bool]] = field(
        default_factory=dict
    )

    @classmethod
    def of(cls, certificate: x509.Certificate) -> "Recipe":
        """Take *certificate* apart."""
        key = certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return cls(
            certificate.subject,
            certificate.issuer,
            key,
            certificate.serial_number,
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            extensions={one.oid: (one.value, one.critical) for one in certificate.extensions},
        )

    def sign(self) -> x509.Certificate:
        """Make the certificate."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(self.issuer)
            .public_key(self.key)
            .serial_number(self.serial)
            .not_valid_before(self.begin)
            .not_valid_after(self.end)
        )
        for value, critical in self.extensions.values():
            builder = builder.add_extension(value, critical=critical)
        return builder.sign(make_key(), self.digest)


Change = Callable[[Recipe], None]


def names(*attributes: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """Make a name, whatever stands in it."""
    return x509.Name([x509.NameAttribute(oid, value, _validate=False) for oid, value in attributes])


def uri(text: str) -> x509.UniformResourceIdentifier:
    """Make an address."""
    return x509.UniformResourceIdentifier(text)


def point(
    full_name: list[x509.GeneralName] | None,
    reasons: frozenset[x509.ReasonFlags] | None = None,
) -> x509.CRLDistributionPoints:
    """Make a list of one distribution point."""
    relative = None
    issuer = None
    if full_name is None:
        issuer = [x509.DirectoryName(names((NameOID.COMMON_NAME, "x")))]
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint(full_name, relative, reasons, issuer)]
    )


def access(oid: x509.ObjectIdentifier, name: x509.GeneralName) -> x509.AuthorityInformationAccess:
    """Make a list of one place of information."""
    return x509.AuthorityInformationAccess([x509.AccessDescription(oid, name)])


def usage(*bits: str) -> x509.KeyUsage:
    """Make a key usage of these bits."""
    flags = {
        name: name in bits
        for name in (
            "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
            "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
        )
    }  # fmt: skip
    return x509.KeyUsage(**flags)


def broken(role: Role, *changes: Change) -> list[str]:
    """Return what lint finds in a sound certificate after *changes*."""
    recipe = Recipe.of(sound(role))
    for change in changes:
        change(recipe)
    return findings(draft_of(recipe.sign(), role))


def fields(**values: object) -> Change:
    """Set fields of the recipe."""

    def change(recipe: Recipe) -> None:
        for name, value in values.items():
            setattr(recipe, name, value)

    return change


def having(value: x509.ExtensionType, *, critical: bool = False) -> Change:
    """Set or replace an extension."""
    return lambda recipe: recipe.extensions.update({value.oid: (value, critical)})


def without(oid: x509.ObjectIdentifier) -> Change:
    """Leave an extension out."""

    def change(recipe: Recipe) -> None:
        del recipe.extensions[oid]

    return change


CLIENT, SERVER, ISSUING, ROOT = Role.CLIENT, Role.SERVER, Role.ISSUING, Role.ROOT
CRL, CA_ISSUERS = "http://p.example/crl", AuthorityInformationAccessOID.CA_ISSUERS
CN, OU, DC = NameOID.COMMON_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.DOMAIN_COMPONENT
CLIENT_AUTH, SERVER_AUTH = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
RSA = rsa.generate_private_key(65537, 2048).public_key()
P521 = ec.generate_private_key(ec.SECP521R1()).public_key()
BROKEN: list[tuple[Role, Change, str]] = [
    (CLIENT, fields(serial=1 << 63), "serial:"),
    (CLIENT, fields(digest=hashes.SHA384()), "signature:"),
    (CLIENT, fields(key=P521), "public key:"),
    (CLIENT, fields(key=RSA), "public key:"),
    (CLIENT, fields(issuer=names((CN, "other"))), "issuer:"),
    (ROOT, fields(issuer=names((CN, "other"))), "issuer:"),
    (SERVER, fields(subject=x509.Name([])), "subject: is empty"),
    (SERVER, fields(subject=names((NameOID.TITLE, "x"))), "none of the attributes"),
    (SERVER, fields(subject=names((DC, "x" * 64))), "too long"),
    (SERVER, fields(subject=names((OU, "x\0y"))), "cannot be seen"),
    (SERVER, fields(subject=names((CN, "wiki.example"))), "common name is none of"),
    (CLIENT, fields(begin=NOW + HOUR), "does not contain"),
    (CLIENT, fields(end=NOW), "does not contain"),
    (CLIENT, fields(end=NOW + 825 * timedelta(days=1, seconds=1)), "longer than"),
    (SERVER, fields(begin=NOW - 2 * HOUR), "beyond the issuer's"),
    (ISSUING, fields(end=NOW + 21 * YEARS), "beyond the issuer's"),
    (CLIENT, without(ExtensionOID.CRL_DISTRIBUTION_POINTS), "2.5.29.31 is missing"),
    (CLIENT, without(ExtensionOID.AUTHORITY_INFORMATION_ACCESS), "1.3.6.1.5.5.7.1.1 is missing"),
    (CLIENT, without(ExtensionOID.SUBJECT_ALTERNATIVE_NAME), "2.5.29.17 is missing"),
    (SERVER, without(ExtensionOID.SUBJECT_ALTERNATIVE_NAME), "2.5.29.17 is missing"),
    (CLIENT, without(ExtensionOID.EXTENDED_KEY_USAGE), "2.5.29.37 is missing"),
    (CLIENT, without(ExtensionOID.KEY_USAGE), "2.5.29.15 is missing"),
    (CLIENT, without(ExtensionOID.BASIC_CONSTRAINTS), "2.5.29.19 is missing"),
    (CLIENT, without(ExtensionOID.SUBJECT_KEY_IDENTIFIER), "2.5.29.14 is missing"),
    (ISSUING, without(ExtensionOID.AUTHORITY_KEY_IDENTIFIER), "2.5.29.35 is missing"),
    (ROOT, having(point([uri(CRL)])), "has no place here (root)"),
    (CLIENT, having(x509.OCSPNoCheck()), "has no place here (client)"),
    (ISSUING, having(x509.ExtendedKeyUsage([CLIENT_AUTH])), "has no place here (issuing)"),
    (CLIENT, having(x509.ExtendedKeyUsage([])), "cannot be read"),
    (CLIENT, having(x509.BasicConstraints(ca=False, path_length=None)), "criticality of 2.5.29.19"),
    (CLIENT, having(usage("digital_signature")), "criticality of 2.5.29.15"),
    (CLIENT, having(x509.BasicConstraints(ca=True, path_length=None)), "basicConstraints:"),
    (ISSUING, having(x509.BasicConstraints(ca=True, path_length=1)), "basicConstraints:"),
    (ISSUING, having(x509.BasicConstraints(ca=True, path_length=None)), "basicConstraints:"),
    (ROOT, having(x509.BasicConstraints(ca=False, path_length=None)), "basicConstraints:"),
    (CLIENT, having(usage("digital_signature", "key_agreement"), critical=True), "keyUsage:"),
    (ISSUING, having(usage("key_cert_sign"), critical=True), "keyUsage:"),
    (CLIENT, having(x509.ExtendedKeyUsage([SERVER_AUTH])), "extKeyUsage:"),
    (
        CLIENT,
        having(x509.ExtendedKeyUsage([CLIENT_AUTH, SERVER_AUTH])),
        "extKeyUsage:",
    ),
    (CLIENT, having(x509.SubjectKeyIdentifier(b"x" * 20)), "subjectKeyIdentifier:"),
    (CLIENT, having(x509.AuthorityKeyIdentifier(b"x" * 20, None, None)), "authorityKeyIdentifier:"),
    (CLIENT, having(x509.SubjectAlternativeName([uri("https://h/x")])), "subjectAltName:"),
    (SERVER, having(x509.SubjectAlternativeName([uri("https://h/x")])), "nothing else"),
    (SERVER, having(x509.SubjectAlternativeName([x509.DNSName("a_b")])), "not a host name"),
    (CLIENT, having(point([uri("https://p.example/crl")])), "not a plain http address"),
    (CLIENT, having(point([x509.DirectoryName(names((CN, "x")))])), "not a plain http address"),
    (CLIENT, having(point(None)), "addresses only"),
    (
        CLIENT,
        having(point([uri(CRL)], frozenset({x509.ReasonFlags.key_compromise}))),
        "addresses only",
    ),
    (CLIENT, having(access(CA_ISSUERS, uri("ldap://x/y"))), "not a plain http address"),
    (
        CLIENT,
        having(access(AuthorityInformationAccessOID.OCSP, uri("http://p.example/ocsp"))),
        "where the issuer is had",
    ),
    (
        CLIENT,
        having(access(SubjectInformationAccessOID.CA_REPOSITORY, uri("http://p.example/x"))),
        "only caIssuers and OCSP",
    ),
]


@pytest.mark.parametrize("role", Role)
def test_what_we_issue_is_sound(role: Role) -> None:
    """Nothing is found in a certificate of our own profiles."""
    assert findings(draft_of(sound(role), role)) == []
    assert broken(role) == []


@pytest.mark.parametrize(
    "role, change, words",
    BROKEN,
    ids=[f"{number}-{role}-{words}" for number, (role, _, words) in enumerate(BROKEN)],
)
def test_each_rule_is_held(role: Role, change: Change, words: str) -> None:
    """One thing wrong is found, in the words of its rule."""
    found = broken(role, change)
    assert any(words in finding for finding in found), found


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("other", Role)
def test_no_certificate_passes_for_another_role(role: Role, other: Role) -> None:
    """A certificate of one role is sound in that role only."""
    if role is not other:
        assert findings(replace(draft_of(sound(role), role), role=other)) != []


def test_all_findings_at_once() -> None:
    """The error holds everything that is wrong, not only the first."""
    recipe = Recipe.of(sound(CLIENT))
    fields(serial=1, issuer=names((CN, "other")))(recipe)
    without(ExtensionOID.KEY_USAGE)(recipe)
    with pytest.raises(LintFailed) as caught:
        lint(draft_of(recipe.sign(), CLIENT))
    assert [finding.split(":")[0] for finding in caught.value.findings] == [
        "serial",
        "issuer",
        "extensions",
    ]


class TestEncodings:
    """What the library would never write, made by hand from DER."""

    def rebuilt(
        self, certificate: x509.Certificate, number: int, content: bytes
    ) -> x509.Certificate:
        """Replace the field *number* of the body; the signature fits no more, and is not judged."""
        body, *rest = parts(certificate.public_bytes(Encoding.DER))
        fields = parts(body)
        fields[number] = content
        der = encode(SEQUENCE, encode(SEQUENCE, *fields), *rest)
        return x509.load_der_x509_certificate(der)

    def test_dates_in_the_wrong_form(self) -> None:
        """GeneralizedTime before 2050 is a fault, though the date is right."""
        certificate = sound(CLIENT)
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        dates = [encode(0x18, f"{moment:%Y%m%d%H%M%SZ}".encode()) for moment in (begin, end)]
        changed = self.rebuilt(certificate, 4, encode(SEQUENCE, *dates))
        assert changed.not_valid_after_utc == end
        found = findings(draft_of(changed, CLIENT))
        assert len(found) == 2
        assert all("is not in the form for 20" in finding for finding in found)

    def test_dates_from_2050_on(self) -> None:
        """A date from 2050 on is GeneralizedTime, and sound."""
        now = datetime(2049, 12, 31, 23, 30, tzinfo=UTC)
        certificate = make_root(HOST, make_key(), new_serial(), now)
        draft = Draft(certificate, ROOT, None, LONGEST[ROOT] + HOUR, now)
        assert findings(draft) == []

    def test_version(self) -> None:
        """A certificate that calls itself version 1 is found out."""
        body, *rest = parts(sound(CLIENT).public_bytes(Encoding.DER))
        der = encode(SEQUENCE, encode(SEQUENCE, *parts(body)[1:7]), *rest)
        found = findings(draft_of(x509.load_der_x509_certificate(der), CLIENT))
        assert found[0].startswith("version:")


def parts(der: bytes) -> list[bytes]:
    """Split one constructed value into the values inside, each still encoded."""
    ((_, content),) = elements(der)
    return [encode(tag, inner) for tag, inner in elements(content)]
