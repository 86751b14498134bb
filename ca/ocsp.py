"""OCSP: read a request, sign the answer with a delegated key (RFC 6960, RFC 5019, RFC 9654).

Pure: the caller brings the status and the time. The key is that of a responder, whose certificate
the issuing CA has signed for this one purpose, so nothing here needs the CA's own.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPResponseStatus

from ca.der import elements
from ca.trust import Revocation, RevocationReason

MOST_BYTES = 16 * 1024
"""More than any request needs: one question, a nonce, perhaps a signature with its certificates."""

ANSWER_LIFETIME = timedelta(hours=1)
"""How long an answer may be relied on. A revocation is seen as late as this by whoever keeps it."""

_NONCE_BYTES = range(1, 129)
"""RFC 9654, section 2.1: other lengths make a request malformed."""
_LONGEST_SERIAL = 159

_HASHES: dict[str, hashes.HashAlgorithm] = {
    one.name: one
    for one in (
        hashes.SHA1(),  # noqa: S303 - it names, and proves nothing
        hashes.SHA256(),
        hashes.SHA384(),
        hashes.SHA512(),
    )
}
"""What a client may name our issuer by. SHA-1 is what most of them do."""


@dataclass(frozen=True, slots=True)
class IssuerId:
    """An issuer as a request names it: hashes of its name and key."""

    algorithm: str
    name_hash: bytes
    key_hash: bytes


@dataclass(frozen=True, slots=True)
class Question:
    """Is this certificate revoked? *nonce* is sent back, so that the answer cannot be an old one."""

    issuer: IssuerId
    serial: int
    nonce: bytes | None


@dataclass(frozen=True, slots=True)
class Issued:
    """What is known of a certificate that we issued; that nobody did is None in its place."""

    revocation: Revocation | None = None


@dataclass(frozen=True, slots=True)
class Responder:
    """A key that may answer for one issuer, and the certificate that says so."""

    issuer: str
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)


def read_request(der: bytes) -> Question | OCSPResponseStatus:
    """Read a request, or say with what to refuse it.

    One question at a time, as RFC 5019 asks of clients; whether it is signed makes no difference.
    """
    if len(der) > MOST_BYTES:
        return OCSPResponseStatus.MALFORMED_REQUEST
    try:
        request = ocsp.load_der_ocsp_request(der)
        nonce = _nonce(request.extensions)
        serial = request.serial_number
        algorithm = request.hash_algorithm
        issuer = IssuerId(algorithm.name, request.issuer_name_hash, request.issuer_key_hash)
    except (NotImplementedError, UnsupportedAlgorithm):
        # Well formed, and more than we can speak about (RFC 5019, section 2.2.3).
        return OCSPResponseStatus.UNAUTHORIZED
    except (ValueError, x509.DuplicateExtension):
        return OCSPResponseStatus.MALFORMED_REQUEST
    if algorithm.name not in _HASHES:
        return OCSPResponseStatus.UNAUTHORIZED
    if len(issuer.name_hash) != algorithm.digest_size or len(issuer.key_hash) != len(
        issuer.name_hash
    ):
        return OCSPResponseStatus.MALFORMED_REQUEST
    if serial <= 0 or serial.bit_length() > _LONGEST_SERIAL:
        return OCSPResponseStatus.MALFORMED_REQUEST
    return Question(issuer, serial, nonce)


def _nonce(extensions: x509.Extensions) -> bytes | None:
    found = None
    for extension in extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            found = extension.value.nonce
        elif extension.critical:
            raise ValueError("a critical extension that nobody here knows (RFC 6960, section 4.4)")
    if found is not None and len(found) not in _NONCE_BYTES:
        raise ValueError("a nonce of this length is refused (RFC 9654, section 2.1)")
    return found


def issuer_ids(certificate: x509.Certificate) -> tuple[IssuerId, ...]:
    """Return every way in which a request may name the issuer with *certificate*."""
    name = certificate.subject.public_bytes()
    key = _key_bits(certificate)
    return tuple(
        IssuerId(algorithm, _digest(one, name), _digest(one, key))
        for algorithm, one in _HASHES.items()
    )


def _key_bits(certificate: x509.Certificate) -> bytes:
    """Return the key without tag, length and count of unused bits (RFC 6960, section 4.1.1)."""
    key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ((_, body),) = elements(key)
    (_, (_, bits)) = elements(body)
    return bits[1:]


def _digest(algorithm: hashes.HashAlgorithm, data: bytes) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def refuse(status: OCSPResponseStatus) -> bytes:
    """Make an answer that says only why there is none; it is not signed."""
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)


def answer(
    responder: Responder, question: Question, issued: Issued | None, now: datetime
) -> tuple[bytes, datetime]:
    """Sign what is known: good, revoked since and why, or unknown; and say until when it holds.

    Never longer than the responder's own certificate.
    """
    this_update = now.replace(microsecond=0)
    next_update = min(this_update + ANSWER_LIFETIME, responder.certificate.not_valid_after_utc)
    revocation = issued.revocation if issued else None
    if issued is None:
        status = ocsp.OCSPCertStatus.UNKNOWN
    elif revocation is None:
        status = ocsp.OCSPCertStatus.GOOD
    else:
        status = ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            issuer_name_hash=question.issuer.name_hash,
            issuer_key_hash=question.issuer.key_hash,
            serial_number=question.serial,
            algorithm=_HASHES[question.issuer.algorithm],
            cert_status=status,
            this_update=this_update,
            next_update=next_update,
            revocation_time=revocation.at.replace(microsecond=0) if revocation else None,
            revocation_reason=_reason(revocation),
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
        .certificates([responder.certificate])
    )
    if question.nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(question.nonce), critical=False)
    signed = builder.sign(responder.key, hashes.SHA256())
    return signed.public_bytes(Encoding.DER), next_update


def _reason(revocation: Revocation | None) -> x509.ReasonFlags | None:
    """Return the reason; "unspecified" is said by saying nothing, as in lists."""
    if revocation is None or revocation.reason is RevocationReason.UNSPECIFIED:
        return None
    return x509.ReasonFlags(revocation.reason.value)
