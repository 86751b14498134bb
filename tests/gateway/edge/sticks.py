"""Sticks: certificates with their keys, good ones and such as must open nothing.

All but one are signed with the real key of the site's CA, which makes a bad one worse.
"""

import ssl
from base64 import b64encode
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ca import ledger
from ca.hierarchy import ISSUER_NAME, load_issuer
from ca.identity import Identity, alternative_names_of, authority_name, subject_of
from ca.issue import Issuer, der, fingerprint
from gateway.bootstrap.command import Command

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Stick:
    """A certificate with its key, in one PEM file."""

    file: Path
    serial: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a stick is to be; *left* is how long it is still valid, from now."""

    user: str = "anna"
    device: str = "stick-1"
    age: timedelta = DAY
    left: timedelta = 30 * DAY
    scope: tuple[str, ...] | None = None
    client_auth: bool = True
    recorded: bool = True


def client_context(
    root: Path, stick: Stick | None = None, version: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """Return the TLS context of a client that trusts *root*."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cafile=root)
    context.set_alpn_protocols(["http/1.1"])
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if stick is not None:
        context.load_cert_chain(stick.file)
    return context


async def make_stick(command: Command, wanted: Wanted) -> Stick:
    """Make the stick that is *wanted*, and record it in the ledger as the authority does."""
    issuer = load_issuer(command.folder.ca)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = sign(issuer, wanted, key.public_key(), command.site.host, command.clock())
    if wanted.recorded:
        await record(command, wanted, certificate)
    return _write(command.folder.path.parent, certificate, key)


async def make_stranger(command: Command) -> Stick:
    """Make a stick by a CA of the same name with another key."""
    host, now = command.site.host, command.clock()
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = sign(another_issuer(host, now), Wanted(), key.public_key(), host, now)
    return _write(command.folder.path.parent, certificate, key)


def another_issuer(host: str, now: datetime) -> Issuer:
    """Make a CA with the name of the one that *host* has, and another key."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    name = authority_name(host, "Issuing CA 1")
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + 30 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False
        )
    )
    return Issuer("another", builder.sign(ca_key, hashes.SHA256()), ca_key)


def steal_certificate(stick: Stick, directory: Path) -> Stick:
    """Return the certificate of *stick* with another key, of which it is said that it is its own.

    OpenSSL believes the public half that stands beside the private one, and only when somebody
    verifies what it has signed does it turn out that they do not belong together.
    """
    certificate = x509.load_pem_x509_certificate(stick.file.read_bytes())
    own = load_pem_private_key(stick.file.read_bytes(), None)
    assert isinstance(own, ec.EllipticCurvePrivateKey)
    other = ec.generate_private_key(ec.SECP256R1())
    mine, wrong = [key.private_numbers().private_value.to_bytes(32) for key in (own, other)]
    encoded = own.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    body = b64encode(encoded.replace(mine, wrong))
    file = directory / "stolen.pem"
    file.write_bytes(
        certificate.public_bytes(Encoding.PEM)
        + b"-----BEGIN EC PRIVATE KEY-----\n"
        + b"\n".join(body[at : at + 64] for at in range(0, len(body), 64))
        + b"\n-----END EC PRIVATE KEY-----\n"
    )
    return replace(stick, file=file)


def sign(
    issuer: Issuer,
    wanted: Wanted,
    public_key: ec.EllipticCurvePublicKey,
    host: str,
    now: datetime,
) -> x509.Certificate:
    """Sign the certificate that is *wanted* for a person at *host*, odd as it may be."""
    identity = Identity(wanted.user, wanted.device, host, f"{wanted.user}@example.it")
    usage = (
        ExtendedKeyUsageOID.CLIENT_AUTH if wanted.client_auth else ExtendedKeyUsageOID.SERVER_AUTH
    )
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    return (
        x509.CertificateBuilder()
        .subject_name(subject_of(identity))
        .issuer_name(issuer.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(_whole(now - wanted.age))
        .not_valid_after(_whole(now + wanted.left))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value),
            critical=False,
        )
        .add_extension(alternative_names_of(identity), critical=False)
        .sign(issuer.key, hashes.SHA256())
    )


def _whole(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


@dataclass(frozen=True, slots=True)
class Corp:
    """A CA that is not ours, whose certificates name people by their mail address."""

    issuer: Issuer
    directory: Path

    @property
    def der(self) -> bytes:
        """Its certificate."""
        return der(self.issuer.certificate)

    def card(self, email: str = "anna@example.it") -> Stick:
        """Issue a certificate, as a smart card has one."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, email)]))
            .issuer_name(self.issuer.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + 30 * DAY)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.issuer.key.public_key()),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([x509.RFC822Name(email)]), critical=False)
            .sign(self.issuer.key, hashes.SHA256())
        )
        return _write(self.directory, certificate, key)


def make_corp(directory: Path) -> Corp:
    """Make a CA of somebody else's, which writes what it issues into *directory*."""
    return Corp(another_issuer("corp.example", datetime.now(UTC)), directory)


async def record(command: Command, wanted: Wanted, certificate: x509.Certificate) -> None:
    """Write *certificate* into the ledger."""
    serial = format(certificate.serial_number, "x")
    async with command.store.begin() as connection:
        await ledger.reserve_serial(
            connection,
            issuer=ISSUER_NAME,
            serial=serial,
            username=wanted.user,
            device=wanted.device,
            scope=wanted.scope,
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            now=command.clock(),
        )
        await ledger.record_certificate(
            connection,
            issuer=ISSUER_NAME,
            serial=serial,
            fingerprint=fingerprint(certificate),
            der=der(certificate),
            now=command.clock(),
        )


def _write(
    directory: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
) -> Stick:
    serial = format(certificate.serial_number, "x")
    file = directory / f"{serial}.pem"
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(certificate.public_bytes(Encoding.PEM) + secret)
    return Stick(file, serial, fingerprint(certificate))
