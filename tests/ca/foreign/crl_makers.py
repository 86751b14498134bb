"""Revocation lists of a CA of somebody else, made by the library and by openssl."""

import subprocess
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ReasonFlags

from tests.ca.foreign.makers import DAY, Extension, Holder, digest_for, write_holder

Entry = tuple[int, ReasonFlags | None]
NOW = datetime.fromisoformat("2026-11-22T06:00:00+00:00")
WEEK = 7 * DAY


def issuing_usage(*, crl_sign: bool = True) -> Extension:
    """Say what a CA's key may be used for."""
    usage = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
    return usage, True


def scope(
    *urls: str,
    users: bool = False,
    cas: bool = False,
    reasons: frozenset[ReasonFlags] | None = None,
    indirect: bool = False,
    attributes: bool = False,
) -> Extension:
    """Say for what a list is."""
    names = [x509.UniformResourceIdentifier(url) for url in urls] or None
    point = x509.IssuingDistributionPoint(names, None, users, cas, reasons, indirect, attributes)
    return point, True


def fresh_at(*urls: str) -> Extension:
    """Say where the delta is, as one point with these URLs to choose from."""
    return x509.FreshestCRL([point_at(*urls)]), False


def point_at(*urls: str) -> x509.DistributionPoint:
    """Make a distribution point."""
    names = [x509.UniformResourceIdentifier(url) for url in urls]
    return x509.DistributionPoint(names, None, None, None)


def listed_at(*points: x509.DistributionPoint) -> Extension:
    """Say where the lists of a certificate are."""
    return x509.CRLDistributionPoints(points), False


def make_crl(
    ca: Holder,
    entries: Iterable[Entry] = (),
    *,
    number: int | None = 1,
    base: int | None = None,
    begins: datetime = NOW,
    lifetime: timedelta = WEEK,
    extensions: Sequence[Extension] = (),
) -> bytes:
    """Let *ca* sign a list of *entries*, each a serial and a reason."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.subject)
        .last_update(begins)
        .next_update(begins + lifetime)
    )
    if number is not None:
        builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    if base is not None:
        builder = builder.add_extension(x509.DeltaCRLIndicator(base), critical=True)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    for serial, reason in entries:
        entry = (
            x509.RevokedCertificateBuilder()
            .serial_number(serial)
            .revocation_date(begins - timedelta(hours=1))
        )
        if reason is not None:
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(ca.key, digest_for(ca.key)).public_bytes(Encoding.DER)


def make_crl_with_openssl(
    directory: Path, ca: Holder, index: str, *, number: int, days: int = 7, extra: str = ""
) -> bytes:
    """Let `openssl ca -gencrl` sign a list of what the lines of *index* say is revoked."""
    certificate, key = write_holder(directory, "ca", ca)
    (directory / "index.txt").write_text(index)
    (directory / "crlnumber").write_text(f"{number:02X}\n")
    (directory / "ca.cnf").write_text(
        "[ca]\ndefault_ca = it\n[it]\n"
        f"database = {directory}/index.txt\ncrlnumber = {directory}/crlnumber\n"
        "default_md = sha256\ncrl_extensions = crl\n"
        f"[crl]\nauthorityKeyIdentifier = issuer:always\n{extra}\n"
    )
    made = directory / "made.crl"
    subprocess.run(
        [
            *("openssl", "ca", "-gencrl", "-config", directory / "ca.cnf", "-crldays", str(days)),
            *("-cert", certificate, "-keyfile", key, "-out", made),
        ],
        check=True,
        capture_output=True,
    )
    return made.read_bytes()
