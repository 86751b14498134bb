"""A CA of somebody else, as small as can be, and who answers OCSP for it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Extension = tuple[x509.ExtensionType, bool]

FOR_ANSWERING: Extension = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
NO_CHECK: Extension = (x509.OCSPNoCheck(), False)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Holder:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key


def new_key() -> Key:
    """Make a key."""
    return ec.generate_private_key(ec.SECP256R1())


def digest_for(key: Key) -> hashes.SHA256 | None:
    """Return what a signature of *key* hashes with."""
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def certify(
    name: str,
    issuer: Holder | None,
    now: datetime,
    extensions: Sequence[Extension] = (),
    *,
    key: Key | None = None,
    lifetime: timedelta = 30 * DAY,
) -> Holder:
    """Let *issuer*, or itself, certify somebody from a day before *now* on."""
    key = key or new_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing = issuer.key if issuer else key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(secrets.randbits(120) | 1)
        .not_valid_before(now - DAY)
        .not_valid_after(now - DAY + lifetime)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Holder(builder.sign(signing, digest_for(signing)), key)


def make_foreign_ca(now: datetime, name: str = "Foreign CA", key: Key | None = None) -> Holder:
    """Make a CA that answers for itself, too."""
    return certify(
        name,
        None,
        now,
        [(x509.BasicConstraints(ca=True, path_length=0), True)],
        key=key,
        lifetime=3650 * DAY,
    )


def told_at(*urls: str) -> Extension:
    """Say where the status of a certificate is told."""
    return x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)
            )
            for url in urls
        ]
    ), False


def write_holder(directory: Path, name: str, holder: Holder) -> tuple[Path, Path]:
    """Write certificate and key for openssl."""
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    certificate.write_bytes(holder.certificate.public_bytes(Encoding.PEM))
    key.write_bytes(holder.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, key


def index_line(certificate: x509.Certificate, revoked: str | None = None) -> str:
    """Write a line of the index of `openssl ca`; *revoked* as in `261121090000Z,keyCompromise`."""
    status = (
        f"R\t{_TIME.format(certificate.not_valid_after_utc)}\t{revoked}"
        if revoked
        else (f"V\t{_TIME.format(certificate.not_valid_after_utc)}\t")
    )
    serial = f"{certificate.serial_number:X}"
    return f"{status}\t{serial.zfill(len(serial) + len(serial) % 2)}\tunknown\t/CN=somebody\n"


_TIME = "{:%y%m%d%H%M%SZ}"
