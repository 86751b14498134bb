"""What somebody hands in who keeps the key: a certificate request (PKCS #10, RFC 2986).

Only the public key is taken from it, once the request's own signature has shown that the private
one is held. What the certificate says is the site's to know: names and extensions that somebody
wrote into the request are left out, and said.
"""

import math
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key
from cryptography.x509.oid import ExtensionOID

from ca.errors import RequestRefused
from ca.identity import is_visible, shortened
from ca.kinds import KINDS, PUBLIC_KEYS, PublicKey, kind_of

LONGEST = 1 << 16
"""Octets of a file that may be a request; those that there are have one to four thousand."""

_LONGEST_NAME = 4096
_LABEL = re.compile(rb"-----BEGIN ([^\r\n-]{1,64})-----")
_LABELS = {"CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"}  # the second is Windows' name for it
_BROKEN = {"md5", "sha1"}
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_PASSWORD = x509.ObjectIdentifier("1.2.840.113549.1.9.7")
_EXTENSIONS = x509.ObjectIdentifier("1.2.840.113549.1.9.14")
_OID = ExtensionOID
_NAMES = {
    _OID.SUBJECT_ALTERNATIVE_NAME: "subjectAltName",
    _OID.BASIC_CONSTRAINTS: "basicConstraints",
    _OID.KEY_USAGE: "keyUsage",
    _OID.EXTENDED_KEY_USAGE: "extKeyUsage",
    _OID.SUBJECT_KEY_IDENTIFIER: "subjectKeyIdentifier",
    _OID.CERTIFICATE_POLICIES: "certificatePolicies",
    _OID.NAME_CONSTRAINTS: "nameConstraints",
}
_SMALL_PRIMES = math.prod(n for n in range(2, 752) if all(n % d for d in range(2, n)))

_KEY_INSIDE = (
    "holds a private key, which never leaves the person: keep it away from everybody, make a new"
    " one if the file has travelled, and hand in the certificate request alone"
)
_UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension)


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """A request whose sender has shown to hold the private key of *public_key*.

    *ignored* says, in words, what else stood in it.
    """

    public_key: PublicKey
    ignored: tuple[str, ...]


def read_csr(data: bytes, source: str) -> CertificateRequest:
    """Read the one request in *data*, PEM or DER, of the file *source*.

    Raises `RequestRefused`, which names *source* and every reason.
    """
    try:
        # Names longer than the standards allow are ours to judge, not a warning's.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _checked(_parsed(data))
    except RequestRefused as error:
        raise RequestRefused([f"{source} {reason}" for reason in error.reasons]) from error


def _parsed(data: bytes) -> x509.CertificateSigningRequest:
    if len(data) > LONGEST:
        raise RequestRefused([f"is larger than {LONGEST} octets, which no certificate request is"])
    if not data.strip():
        raise RequestRefused(["is empty"])
    if data.startswith(_UTF_16):
        # What PowerShell makes of a redirected answer.
        data = data.decode("utf-16", "replace").encode("ascii", "replace")
    labels = [match.decode("ascii", "replace") for match in _LABEL.findall(data)]
    if labels:
        _refuse_other_blocks(labels)
    try:
        return x509.load_pem_x509_csr(data) if labels else x509.load_der_x509_csr(data)
    except _UNREADABLE as error:
        raise RequestRefused([_what_else(data) if not labels else _broken(error)]) from error


def _refuse_other_blocks(labels: list[str]) -> None:
    """Raise `RequestRefused` unless one request is all there is: which one counts is no guess."""
    if any("PRIVATE KEY" in label for label in labels):
        raise RequestRefused([_KEY_INSIDE])
    requests = [label for label in labels if label in _LABELS]
    others = [label for label in labels if label not in _LABELS]
    if not requests:
        raise RequestRefused([f"holds no certificate request, but {_listed(others)}"])
    if others:
        raise RequestRefused([f"holds more than a certificate request: {_listed(others)}"])
    if len(requests) > 1:
        raise RequestRefused(
            [f"holds {len(requests)} certificate requests: hand them in one by one"]
        )


def _listed(labels: list[str]) -> str:
    return ", ".join(shortened(label) for label in dict.fromkeys(labels))


def _what_else(der: bytes) -> str:
    """Say what *der* is, which is no request."""
    try:
        load_der_private_key(der, None)
    except TypeError:
        return _KEY_INSIDE  # under a passphrase, and a private key all the same
    except _UNREADABLE:
        pass
    else:
        return _KEY_INSIDE
    try:
        x509.load_der_x509_certificate(der)
    except _UNREADABLE as error:
        return _broken(error)
    return "holds no certificate request, but a certificate"


def _broken(error: Exception) -> str:
    return f"holds no certificate request that can be read: {shortened(str(error))}"


def _checked(request: x509.CertificateSigningRequest) -> CertificateRequest:
    try:
        key = request.public_key()
    except _UNREADABLE as error:
        raise RequestRefused(
            [f"names a key that cannot be read: {shortened(str(error))}"]
        ) from error
    if not isinstance(key, PUBLIC_KEYS) or kind_of(key) is None:
        # Nothing more is asked of it: to verify with a key of any size may take any time.
        raise RequestRefused([f"names a key {_described(key)}; it must be {KINDS}"])
    reasons = [*_key_faults(key), *_signature_faults(request), *_name_faults(request)]
    if reasons:
        raise RequestRefused(reasons)
    return CertificateRequest(key, tuple(_ignored(request)))


def _described(key: object) -> str:
    match key:
        case rsa.RSAPublicKey():
            return f"of RSA with {key.key_size} bits and exponent {key.public_numbers().e}"
        case ec.EllipticCurvePublicKey():
            return f"on the curve {key.curve.name}"
        case _:
            return f"of the kind {type(key).__name__.removesuffix('PublicKey')}"


def _key_faults(key: PublicKey) -> Iterator[str]:
    if isinstance(key, rsa.RSAPublicKey) and math.gcd(key.public_numbers().n, _SMALL_PRIMES) != 1:
        yield "names a key of RSA whose modulus has a small factor, so everybody has the private key"


def _signature_faults(request: x509.CertificateSigningRequest) -> Iterator[str]:
    try:
        digest = request.signature_hash_algorithm
        sound = request.is_signature_valid
    except _UNREADABLE as error:
        yield f"is signed in a way that is not known: {shortened(str(error))}"
        return
    if digest is not None and digest.name in _BROKEN:
        yield f"is signed with {digest.name.upper()}, which shows nothing today: sign with SHA-256"
    elif not sound:
        yield "is not signed with the key that it names, so nobody has shown to hold that"


def _name_faults(request: x509.CertificateSigningRequest) -> Iterator[str]:
    """Say why what the request says of itself cannot be an honest mistake."""
    try:
        octets = len(request.subject.public_bytes())
        texts = [attribute.value for attribute in request.subject]
        extensions = request.extensions
    except (*_UNREADABLE, x509.UnsupportedGeneralNameType) as error:
        yield f"has names or extensions that cannot be read: {shortened(str(error))}"
        return
    if octets > _LONGEST_NAME:
        yield f"has a subject of {octets} octets, and at most {_LONGEST_NAME} are read"
        return
    for extension in extensions:
        if isinstance(extension.value, x509.SubjectAlternativeName):
            texts += [name.value for name in extension.value]
    hidden = {each for text in texts if isinstance(text, str) for each in text}
    if found := sorted(each for each in hidden if not is_visible(each)):
        names = ", ".join(f"U+{ord(each):04X}" for each in found[:8])
        yield f"has names with characters that cannot be seen or that deceive: {names}"


def _ignored(request: x509.CertificateSigningRequest) -> Iterator[str]:
    """Name what stands in the request and not in the certificate; passwords without their value."""
    if list(request.subject):
        yield f"the subject {shortened(request.subject.rfc4514_string())}"
    for extension in request.extensions:
        name = _NAMES.get(extension.oid, extension.oid.dotted_string)
        if isinstance(extension.value, x509.SubjectAlternativeName):
            values = ", ".join(str(one.value) for one in extension.value)
            yield f"the extension {name} {shortened(values)}"
        else:
            yield f"the extension {name}"
    for attribute in request.attributes:
        if attribute.oid == _PASSWORD:
            yield "a challenge password"
        elif attribute.oid != _EXTENSIONS:
            yield f"the attribute {attribute.oid.dotted_string}"
