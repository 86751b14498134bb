"""OCSP as a client: what is asked of another CA's responder, and what of its answer is believed.

Pure: somebody else carries request and answer (`gateway.verifier.responder`). Whatever comes is
hostile until its signature is verified: by the key of the CA that issued the certificate, or by
one that this CA has certified for answering and for now (RFC 6960, section 4.2.2.2).
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus
from cryptography.x509.oid import AuthorityInformationAccessOID

from ca.der import elements, encode
from ca.foreign.certificates import UNREADABLE
from ca.foreign.delegates import name_of, why_no_delegate
from ca.foreign.facts import urls_of
from ca.foreign.signatures import is_right
from ca.identity import shortened
from ca.ocsp import IssuerId, issuer_ids
from ca.trust import CLOCK_SLACK, Revocation, RevocationReason

NONCE_BYTES = 32
"""How many random octets a client is to send (RFC 9654, section 2.1)."""
MOST_BYTES = 64 * 1024
"""More than any answer needs: a status, a signature, and the certificate of who signed."""
UNDATED = timedelta(hours=1)
"""How long an answer is believed that does not say for how long it holds."""
_MOST_CERTIFICATES = 8

_SHA1 = hashes.SHA1()  # noqa: S303 - it names the issuer, and proves nothing


class OCSPFault(StrEnum):
    """Why an answer is not taken."""

    UNREADABLE = "unreadable"
    NO_ANSWER = "no-answer"
    """The responder says that it does not answer now, or us; unsigned, so anybody may say it."""
    UNKNOWN = "unknown"
    """The responder, as itself, does not know the certificate."""
    SIGNER = "signer"
    """Who signed is not who may."""
    SIGNATURE = "signature"
    OTHER_CERTIFICATE = "other-certificate"
    OTHER_QUESTION = "other-question"
    """It has a nonce, and not ours: an answer to somebody else, or to an earlier question."""
    FUTURE = "future"
    PAST = "past"


AsOf = tuple[datetime, datetime]
"""By what answers about one certificate follow each other: thisUpdate, and producedAt between two of
the same. Two that are equal in both say nothing of which is newer."""


@dataclass(frozen=True, slots=True)
class OCSPStatus:
    """What the responder knows of one certificate: revoked or not, as of when, and until when.

    *good_until* is the answer's nextUpdate, or the end of who signed it where that is earlier.
    """

    revocation: Revocation | None
    this_update: datetime
    good_until: datetime
    produced_at: datetime = field(compare=False)
    """When it was signed, which changes nothing of what it says."""

    @property
    def as_of(self) -> AsOf:
        """Its place among other answers."""
        return self.this_update, self.produced_at


@dataclass(frozen=True, slots=True)
class RefusedResponse:
    """An answer that says nothing, and why in words.

    But *unknown* is said by who may, and *as_of* when: no answer from before is believed after it.
    """

    fault: OCSPFault
    words: str
    as_of: AsOf | None = None


class _Refused(Exception):
    """What `read_response` returns as a value; never leaves this module."""

    def __init__(self, fault: OCSPFault, words: str, as_of: AsOf | None = None) -> None:
        super().__init__(words)
        self.refusal = RefusedResponse(fault, words, as_of)


def responder_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    """Return where *certificate* says that its status is told (RFC 5280, section 4.2.2.1).

    As far as those are URLs as one writes them (`urls_of`).
    """
    try:
        return urls_of(_responders(certificate))
    except UNREADABLE:
        return ()


def names_responder(certificate: x509.Certificate) -> bool:
    """Say whether *certificate* names any responder, be it one that is of no use here."""
    try:
        return bool(_responders(certificate))
    except UNREADABLE:
        # Something stands there, and whoever cannot read it does not know that it is nothing.
        return True


def _responders(certificate: x509.Certificate) -> list[x509.GeneralName]:
    """Read the names of its responders; raises `UNREADABLE`."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except x509.ExtensionNotFound:
        return []
    oid = AuthorityInformationAccessOID.OCSP
    return [one.access_location for one in access.value if one.access_method == oid]


def request_for(
    certificate: x509.Certificate, issuer: x509.Certificate, nonce: bytes | None
) -> bytes:
    """Ask about *certificate* of *issuer* (DER).

    The issuer is named by SHA-1, since that is what every responder knows (RFC 5019, section
    2.1.1). It proves nothing: who may answer is found by *issuer*'s key.
    """
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, _SHA1)
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def read_response(
    data: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    nonce: bytes | None,
    now: datetime,
) -> OCSPStatus | RefusedResponse:
    """Read what came when *issuer*'s responder was asked about *certificate* with *nonce*.

    That *issuer* is who issued it, and believed, is the caller's to know. A nonce is compared
    where both sides have one: many responders sign beforehand and send none back (RFC 5019,
    section 4), so a caller must not let an answer replace one that is newer: `AsOf`.
    """
    try:
        return _read(data, certificate, issuer, nonce, now)
    except _Refused as refused:
        return refused.refusal
    except UNREADABLE as error:
        why = shortened(str(error))
        return RefusedResponse(OCSPFault.UNREADABLE, f"is no OCSP response to be read: {why}")


def _read(
    data: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    nonce: bytes | None,
    now: datetime,
) -> OCSPStatus:
    if len(data) > MOST_BYTES:
        raise _Refused(OCSPFault.UNREADABLE, f"is longer than {MOST_BYTES} octets")
    response = ocsp.load_der_ocsp_response(data)
    if response.response_status is not OCSPResponseStatus.SUCCESSFUL:
        raise _Refused(OCSPFault.NO_ANSWER, _NO_ANSWER[response.response_status])
    signer = _signer(response, issuer, now)
    if not is_right(
        signer.public_key(),
        response.signature_algorithm_oid,
        _parameters(data),
        response.signature,
        response.tbs_response_bytes,
    ):
        raise _Refused(
            OCSPFault.SIGNATURE,
            f"is not signed by the key of {name_of(signer)}, or with SHA-1, MD5 or a weak key",
        )
    _check_extensions(response, nonce)
    _check_subject(response, certificate, issuer)
    until = _good_until(response, now)
    if signer is not issuer:
        until = min(until, signer.not_valid_after_utc)
    return OCSPStatus(
        _revocation(response), response.this_update_utc, until, response.produced_at_utc
    )


_NO_ANSWER = {
    OCSPResponseStatus.MALFORMED_REQUEST: "the responder calls our question malformed",
    OCSPResponseStatus.INTERNAL_ERROR: "the responder has an error of its own (internalError)",
    OCSPResponseStatus.TRY_LATER: "the responder is busy (tryLater)",
    OCSPResponseStatus.SIG_REQUIRED: "the responder answers signed questions only (sigRequired); "
    "ours are not: let it answer this machine without",
    OCSPResponseStatus.UNAUTHORIZED: "the responder does not answer us, or for this CA "
    "(unauthorized); is the certificate's responder that of its CA?",
}


def _signer(
    response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime
) -> x509.Certificate:
    """Return the certificate of who says to have signed, after it was found that it may."""
    if _is_meant(issuer, response):
        return issuer
    if len(response.certificates) > _MOST_CERTIFICATES:
        raise _Refused(OCSPFault.SIGNER, f"comes with more than {_MOST_CERTIFICATES} certificates")
    faults = []
    for certificate in response.certificates:
        if not _is_meant(certificate, response):
            continue
        fault = why_no_delegate(certificate, issuer, now)
        if fault is None:
            return certificate
        faults.append(f"{name_of(certificate)} {fault}")
    words = "; ".join(faults) or (
        f"is signed neither by {name_of(issuer)} nor by somebody whose certificate comes with it"
    )
    raise _Refused(OCSPFault.SIGNER, words)


def _is_meant(certificate: x509.Certificate, response: ocsp.OCSPResponse) -> bool:
    """Say whether the response names this one as who signed it; that it did is yet to be seen."""
    if response.responder_name is not None:
        return response.responder_name == certificate.subject
    key = x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())
    return response.responder_key_hash == key.digest


def _check_extensions(response: ocsp.OCSPResponse, nonce: bytes | None) -> None:
    """Refuse another nonce than ours, and what is critical and unknown (RFC 6960, 4.4)."""
    for extension in response.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            if nonce is not None and extension.value.nonce != nonce:
                raise _Refused(OCSPFault.OTHER_QUESTION, "has another nonce than our question")
        elif extension.critical:
            raise _Refused(
                OCSPFault.UNREADABLE,
                f"has a critical extension that is not known here ({extension.oid.dotted_string})",
            )


def _check_subject(
    response: ocsp.OCSPResponse, certificate: x509.Certificate, issuer: x509.Certificate
) -> None:
    """See that there is one answer, and that it is about *certificate* of *issuer*.

    Of several the library shows no extensions, and one may be critical. A responder that is
    asked about one certificate has no reason to send more.
    """
    if sum(1 for _ in response.responses) != 1:
        raise _Refused(OCSPFault.UNREADABLE, "does not hold exactly one answer")
    for extension in response.single_extensions:
        if extension.critical:
            raise _Refused(
                OCSPFault.UNREADABLE,
                f"has a critical extension that is not known here ({extension.oid.dotted_string})",
            )
    named = IssuerId(
        response.hash_algorithm.name, response.issuer_name_hash, response.issuer_key_hash
    )
    if response.serial_number != certificate.serial_number or named not in issuer_ids(issuer):
        raise _Refused(OCSPFault.OTHER_CERTIFICATE, "is about another certificate")


def _good_until(response: ocsp.OCSPResponse, now: datetime) -> datetime:
    """Return until when the answer may be believed, or refuse it as past or still to come."""
    begins, ends = response.this_update_utc, response.next_update_utc
    if begins > now + CLOCK_SLACK:
        raise _Refused(
            OCSPFault.FUTURE, f"is as of {begins:%Y-%m-%d %H:%M:%S} UTC, which is still to come"
        )
    until = begins + UNDATED if ends is None else ends
    if until <= begins:
        raise _Refused(OCSPFault.UNREADABLE, "ends before it begins")
    if until <= now:
        raise _Refused(OCSPFault.PAST, f"ended at {until:%Y-%m-%d %H:%M:%S} UTC")
    return until


def _revocation(response: ocsp.OCSPResponse) -> Revocation | None:
    """Return the revocation, or None for *good*; *unknown* is neither, and refused."""
    if response.certificate_status is OCSPCertStatus.UNKNOWN:
        raise _Refused(
            OCSPFault.UNKNOWN,
            "the responder does not know this certificate (unknown): either it does not get to "
            "hear what its CA issues, or somebody else has signed in the CA's name",
            (response.this_update_utc, response.produced_at_utc),
        )
    if response.certificate_status is OCSPCertStatus.GOOD:
        return None
    at = response.revocation_time_utc
    if at is None:
        raise _Refused(OCSPFault.UNREADABLE, "says revoked, and not since when")
    reason = response.revocation_reason
    if reason is None or reason.value not in _REASONS:
        return Revocation(at, RevocationReason.UNSPECIFIED)
    return Revocation(at, RevocationReason(reason.value))


_REASONS = frozenset(RevocationReason)
"""Those left out are about attribute authorities, or none of a revocation: whoever says one of
them has revoked all the same."""


def _parameters(data: bytes) -> bytes:
    """Return the parameters of the signature's algorithm, which the library does not show.

    *data* has been read by the library: a status, and [0] with the kind of response and, in an
    OCTET STRING, the signed data, the algorithm and the signature (RFC 6960, section 4.2.1).
    """
    ((_, outer),) = elements(data)
    _, (_, explicit) = elements(outer)
    ((_, kind_and_bytes),) = elements(explicit)
    _, (_, basic) = elements(kind_and_bytes)
    ((_, inner),) = elements(basic)
    _, (_, algorithm), *_ = elements(inner)
    _, *parameters = elements(algorithm)
    return encode(*parameters[0]) if parameters else b""
