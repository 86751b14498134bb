"""What a CA's responder says of a certificate, in its own words."""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID

from tests.ca.foreign.chains import Extensions, Made

DAY = timedelta(days=1)


def told_by(url: str) -> Extensions:
    """Let a certificate say that its responder is at *url*."""
    point = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)
    )
    return {x509.AuthorityInformationAccess([point]): False}


def say(
    ca: Made, certificate: x509.Certificate, status: ocsp.OCSPCertStatus, now: datetime
) -> bytes:
    """Let *ca* say *status* of *certificate*, for a day; revoked is for a key that was lost."""
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response(
            cert=certificate,
            issuer=ca.certificate,
            algorithm=hashes.SHA1(),  # noqa: S303 - as every client names a CA
            cert_status=status,
            this_update=now,
            next_update=now + DAY,
            revocation_time=now if revoked else None,
            revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, ca.certificate)
    )
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.DER)
