"""CAs of somebody else, made with any mistake that one could make; and openssl's verdict."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.ca.makers import ask, write_pem

NOW = datetime(2026, 11, 22, 9, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
_WITH_SHA256 = bytes.fromhex("06092a864886f70d01010b")
MD5, SHA1 = hashes.MD5(), hashes.SHA1()  # noqa: S303 - to be refused
UPN = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | dsa.DSAPublicKey
Digest = hashes.SHA1 | hashes.MD5 | hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512
Kind = type[x509.ExtensionType]


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def der(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(Encoding.DER)


@cache
def rsa_key(bits: int = 2048, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """Return one key of so many bits: to make one takes its time."""
    return rsa.generate_private_key(exponent, bits)


def new_key() -> ec.EllipticCurvePrivateKey:
    """Make a key of the usual kind."""
    return ec.generate_private_key(ec.SECP256R1())


def name(common: str, *others: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    """Name somebody at an organisation."""
    attributes = [(NameOID.ORGANIZATION_NAME, "Example"), *others, (NameOID.COMMON_NAME, common)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in attributes])


def usage(*, sign: bool = True, certificates: bool = False, lists: bool = False) -> x509.KeyUsage:
    """Say what a key is for."""
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=lists,
        encipher_only=False,
        decipher_only=False,
    )


Extensions = Mapping[x509.ExtensionType, bool]


def authority_extensions(path_length: int | None = None) -> Extensions:
    """What stands in a CA's certificate: the extension, and whether it is critical."""
    return {
        x509.BasicConstraints(ca=True, path_length=path_length): True,
        usage(sign=False, certificates=True, lists=True): True,
    }


def person_extensions(*names: x509.GeneralName) -> Extensions:
    """What stands in a person's."""
    return {
        x509.BasicConstraints(ca=False, path_length=None): True,
        usage(): True,
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]): False,
        x509.SubjectAlternativeName(names or [x509.RFC822Name("anna@example.com")]): False,
    }


def make(
    subject: x509.Name,
    issuer: Made | None,
    extensions: Extensions,
    *,
    key: Key | None = None,
    more: Extensions | None = None,
    without: Collection[Kind] = (),
    begin: datetime = NOW - DAY,
    end: datetime = NOW + DAY,
    digest: Digest | None = None,
    serial: int | None = None,
    issuer_name: x509.Name | None = None,
    public_key: PublicKey | None = None,
) -> Made:
    """Make one certificate; without *issuer* it signs itself.

    With *public_key* nobody may have its private key. *more* takes the place of extensions of the same kind; *without* leaves kinds out.
    """
    key = key or new_key()
    signer = key if issuer is None else issuer.key
    signer_name = subject if issuer is None else issuer.certificate.subject
    found = {type(one): (one, critical) for one, critical in extensions.items()}
    identifier = x509.SubjectKeyIdentifier.from_public_key(public_key or key.public_key())
    found[x509.SubjectKeyIdentifier] = (identifier, False)
    if issuer is not None:
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key())
        found[x509.AuthorityKeyIdentifier] = (authority, False)
    found |= {_kind(one): (one, critical) for one, critical in (more or {}).items()}
    builder = x509.CertificateBuilder(
        issuer_name=issuer_name or signer_name,
        subject_name=subject,
        public_key=public_key or key.public_key(),
        serial_number=serial or x509.random_serial_number(),
        not_valid_before=begin,
        not_valid_after=end,
    )
    for kind, (one, critical) in found.items():
        if kind not in without:
            builder = builder.add_extension(one, critical)
    if isinstance(signer, ed25519.Ed25519PrivateKey):
        return Made(builder.sign(signer, None), key)
    if isinstance(digest, hashes.SHA1 | hashes.MD5):
        # The library signs with none of these any more.
        return _sign_again(Made(builder.sign(signer, hashes.SHA256()), key), signer, digest)
    return Made(builder.sign(signer, digest or hashes.SHA256()), key)


def _sign_again(made: Made, signer: Key, digest: hashes.SHA1 | hashes.MD5) -> Made:
    """Sign anew what *signer*, a key of RSA, has signed."""
    assert isinstance(signer, rsa.RSAPrivateKey)
    broken = _WITH_SHA256[:-1] + (b"\x05" if isinstance(digest, hashes.SHA1) else b"\x04")
    tbs = made.certificate.tbs_certificate_bytes.replace(_WITH_SHA256, broken)
    der = made.der.removesuffix(made.certificate.signature).replace(_WITH_SHA256, broken)
    der += signer.sign(tbs, padding.PKCS1v15(), digest)
    return Made(x509.load_der_x509_certificate(der), made.key)


def _kind(one: x509.ExtensionType) -> Kind:
    return type(one)


def make_root(common: str = "Root", **changes: Any) -> Made:
    """Make an anchor."""
    return make(name(common), None, authority_extensions(), **changes)


def make_authority(issuer: Made, common: str = "Issuing", **changes: Any) -> Made:
    """Make a CA below *issuer*."""
    return make(name(common), issuer, authority_extensions(), **changes)


def make_person(issuer: Made, common: str = "Anna", **changes: Any) -> Made:
    """Make a person's certificate."""
    return make(name(common), issuer, person_extensions(), **changes)


def openssl_says(
    folder: Path,
    leaf: bytes,
    authorities: Sequence[Made],
    anchors: int = 1,
    *,
    strict: bool = True,
) -> str:
    """Return "" where openssl takes *leaf*, otherwise what it says.

    The first of *authorities* are the anchors. With the policies that a path demands, and keys
    and digests of at least 112 bits.
    """
    certificates = [one.certificate for one in authorities]
    trusted = write_pem(folder / "anchors.pem", *certificates[:anchors])
    others = certificates[anchors:]
    untrusted: list[str | Path] = []
    if others:
        untrusted = ["-untrusted", write_pem(folder / "others.pem", *others)]
    file = folder / "leaf.der"
    file.write_bytes(leaf)
    answer = ask(
        *("openssl", "verify", "-purpose", "sslclient", "-auth_level", "2"),
        *("-policy_check", "-policy", "2.5.29.32.0"),
        *(["-x509_strict"] if strict else []),
        *("-attime", str(int(NOW.timestamp())), "-no-CApath", "-no-CAstore"),
        *("-CAfile", trusted, *untrusted, file),
    )
    return "" if answer.returncode == 0 else answer.stdout
