"""Requests for the certificate of an issuing CA, and the root's answer: what an offline root signs.

The request is PKCS #10 (RFC 2986), so the key never leaves the site and the root's never the
machine it lives on. Of a request only name and key are taken, and the name must be one that this
root's own site gives.
"""

import re
from datetime import datetime, timedelta
from hashlib import sha256

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from ca.errors import IssuanceRefused
from ca.identity import authority_name
from ca.issue import ROOT_TITLE, Issuer, issue, issuing_title
from ca.kinds import PUBLIC_KEYS, PrivateKey, PublicKey, digest_of, kind_of
from ca.lint import Draft, findings
from ca.profiles import ISSUING, ROOT, IssueRequest, ProfileConfig, Role, make_profile

_NUMBER = re.compile(r"[1-9][0-9]{0,5}\Z")
_LONGEST = 1 << 16
_BEGIN = b"-----BEGIN CERTIFICATE REQUEST-----"


def build_request(key: PrivateKey, host: str, number: int) -> x509.CertificateSigningRequest:
    """Ask for the certificate of the issuing CA *number* of the site *host*; signed with *key*."""
    name = authority_name(host, issuing_title(number))
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, digest_of(key))


def read_request(pem: bytes) -> x509.CertificateSigningRequest:
    """Read one request in PEM, signed with the key it names; raise `IssuanceRefused`."""
    if len(pem) > _LONGEST or pem.count(_BEGIN) != 1:
        raise IssuanceRefused(["this is not one certificate request in PEM"])
    try:
        request = x509.load_pem_x509_csr(pem)
        sound = request.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise IssuanceRefused([f"the certificate request cannot be read: {error}"]) from error
    if not sound:
        raise IssuanceRefused(["the certificate request is not signed with its own key"])
    return request


def certify(
    root: Issuer, request: x509.CertificateSigningRequest, serial: int, now: datetime
) -> x509.Certificate:
    """Certify the issuing CA that *request* asks for, below *root*; raise `IssuanceRefused`."""
    key = request.public_key()
    host, number = site_of(request.subject)
    reasons = []
    if not isinstance(key, PUBLIC_KEYS) or kind_of(key) is None:
        raise IssuanceRefused(["the key in the request is none of the kinds that sign here"])
    if request.subject.public_bytes() != authority_name(host, issuing_title(number)).public_bytes():
        reasons.append("the name in the request is not that of an issuing CA")
    if not is_root_of(root.certificate, host):
        reasons.append(f"the request is of the site {host}, and this is not its root")
    if reasons:
        raise IssuanceRefused(reasons)
    wanted = IssueRequest(subject=request.subject, public_key=key, serial=serial)
    return issue(root, make_profile(ISSUING), wanted, now)


def is_root_of(certificate: x509.Certificate, host: str) -> bool:
    """Say whether *certificate* bears the name of the root of the site *host*."""
    wanted = authority_name(host, ROOT_TITLE).public_bytes()
    return certificate.subject.public_bytes() == wanted == certificate.issuer.public_bytes()


def refuse_unfit_root(certificate: x509.Certificate, host: str, now: datetime) -> None:
    """Raise `IssuanceRefused` unless *certificate* can be the root of the site *host*."""
    reasons = []
    if not is_root_of(certificate, host):
        reasons.append(f"the certificate is not that of the root of {host}")
    else:
        reasons += _signature_faults(certificate, certificate)
        reasons += findings(Draft(certificate, Role.ROOT, None, _longest(ROOT), now))
    if reasons:
        raise IssuanceRefused(reasons)


def refuse_unfit_issuing(
    certificate: x509.Certificate,
    *,
    root: x509.Certificate,
    key: PublicKey,
    host: str,
    number: int,
    now: datetime,
) -> None:
    """Raise `IssuanceRefused`, with every reason, unless it is what the site has asked for.

    That is: for *key*, under the name of the issuing CA *number*, signed by *root*, and without
    anything that `ca.lint` finds wrong.
    """
    reasons = []
    if certificate.public_key() != key:
        reasons.append("the certificate is not for the key that was made for the request")
    wanted = authority_name(host, issuing_title(number))
    if certificate.subject.public_bytes() != wanted.public_bytes():
        reasons.append(f"the certificate is not that of {issuing_title(number)} of {host}")
    reasons += _signature_faults(certificate, root)
    reasons += findings(Draft(certificate, Role.ISSUING, root, _longest(ISSUING), now))
    if reasons:
        raise IssuanceRefused(reasons)


def site_of(name: x509.Name) -> tuple[str, int]:
    """Return the site's host and the number in the *name* of an issuing CA, as `certify` checks."""
    labels = [str(one.value) for one in name.get_attributes_for_oid(NameOID.DOMAIN_COMPONENT)]
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    number = _NUMBER.search(str(common[-1].value)) if common else None
    if not labels or number is None:
        raise IssuanceRefused(["the name in the request is not that of an issuing CA"])
    return ".".join(reversed(labels)), int(number[0])


def fingerprint_of(key: PublicKey) -> str:
    """Return the SHA-256 of the public *key* as people compare it at both ends: `AB:CD:…`."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).digest().hex(":").upper()


def _longest(config: ProfileConfig) -> timedelta:
    return config.lifetime + config.backdate


def _signature_faults(certificate: x509.Certificate, signer: x509.Certificate) -> list[str]:
    try:
        certificate.verify_directly_issued_by(signer)
    except (ValueError, TypeError, InvalidSignature):
        return ["the certificate is not signed by the root of this site"]
    return []
