"""Certificates that must open nothing, signed with the CA's real key wherever that makes them worse."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca import ledger
from ca.hierarchy import ISSUER_NAME, load_issuer
from ca.identity import Identity, alternative_names_of, authority_name, subject_of
from ca.issue import Issuer, der, fingerprint
from gateway.bootstrap.command import Command
from tests.whole.people import Stick, now, write_stick
from tests.whole.sites import HOST, LiveSite

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Forgery:
    """What is odd about a certificate; the defaults make one that differs from a good one in nothing.

    *recorded* says whether the ledger knows it.
    """

    user: str
    not_before: datetime
    not_after: datetime
    client_auth: bool = True
    recorded: bool = True


def forge(site: LiveSite, forgery: Forgery) -> Stick:
    """Make the certificate that *forgery* describes, with the key of the site's issuing CA."""
    issuer = load_issuer(site.folder.ca)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _sign(issuer, forgery, key.public_key())
    if forgery.recorded:
        site.work(lambda command: _record(command, forgery, certificate))
    return write_stick(site, certificate, key, issuer.certificate)


def expired(site: LiveSite, user: str) -> Stick:
    """Make a recorded certificate that ended yesterday."""
    return forge(site, Forgery(user, now() - 3 * DAY, now() - DAY))


def not_yet_valid(site: LiveSite, user: str) -> Stick:
    """Make a recorded certificate that begins tomorrow."""
    return forge(site, Forgery(user, now() + DAY, now() + 3 * DAY))


def ending_in(site: LiveSite, user: str, left: timedelta) -> Stick:
    """Make a recorded certificate that is good, and ends soon."""
    return forge(site, Forgery(user, now() - DAY, now() + left))


def without_client_auth(site: LiveSite, user: str) -> Stick:
    """Make a recorded certificate that is for servers."""
    return forge(site, Forgery(user, now() - DAY, now() + DAY, client_auth=False))


def unrecorded(site: LiveSite, user: str) -> Stick:
    """Make a certificate that the CA's key has signed and the ledger does not know."""
    return forge(site, Forgery(user, now() - DAY, now() + DAY, recorded=False))


def of_another_authority(site: LiveSite, user: str, *, host: str = HOST) -> Stick:
    """Make a certificate by a CA of the same name with another key, or of the site *host*."""
    ca_key = ec.generate_private_key(ec.SECP256R1())
    name = authority_name(host, "Issuing CA 1")
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - DAY)
        .not_valid_after(now() + 30 * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(
            x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False
        )
    )
    issuer = Issuer("another", builder.sign(ca_key, hashes.SHA256()), ca_key)
    key = ec.generate_private_key(ec.SECP256R1())
    forgery = Forgery(user, now() - DAY, now() + DAY)
    certificate = _sign(issuer, forgery, key.public_key())
    return write_stick(site, certificate, key, issuer.certificate)


def bundle_of(stick: Stick, passphrase: str) -> Path:
    """Put *stick* into a .p12 file beside it, as browsers import it."""
    leaf, *chain = x509.load_pem_x509_certificates(stick.file.read_bytes())
    key = load_pem_private_key(stick.file.read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    file = stick.file.with_suffix(".p12")
    sealed = BestAvailableEncryption(passphrase.encode())
    file.write_bytes(serialize_key_and_certificates(b"forged", key, leaf, chain, sealed))
    return file


def _sign(
    issuer: Issuer, forgery: Forgery, public_key: ec.EllipticCurvePublicKey
) -> x509.Certificate:
    identity = Identity(forgery.user, "forged", HOST, f"{forgery.user}@example.it")
    usage = (
        ExtendedKeyUsageOID.CLIENT_AUTH if forgery.client_auth else ExtendedKeyUsageOID.SERVER_AUTH
    )
    identifier = issuer.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_of(identity))
        .issuer_name(issuer.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(forgery.not_before)
        .not_valid_after(forgery.not_after)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier.value),
            critical=False,
        )
        .add_extension(alternative_names_of(identity), critical=False)
    )
    return builder.sign(issuer.key, hashes.SHA256())


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


async def _record(command: Command, forgery: Forgery, certificate: x509.Certificate) -> None:
    serial = format(certificate.serial_number, "x")
    async with command.store.begin() as connection:
        await ledger.reserve_serial(
            connection,
            issuer=ISSUER_NAME,
            serial=serial,
            username=forgery.user,
            device="forged",
            scope=None,
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
