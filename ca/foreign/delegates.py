"""Who may answer OCSP for a CA: whom it has certified for that itself, and for now.

RFC 6960, section 4.2.2.2. The CA answers as itself, too; that needs no judging.
"""

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import ExtendedKeyUsageOID

from ca.foreign.certificates import UNREADABLE, name_in_words
from ca.foreign.signatures import believed_key, digest_fault

MOST_UNCHECKED = timedelta(days=93)
"""The longest life of a responder's certificate that neither says `id-pkix-ocsp-nocheck` nor is
checked by us; a stolen key would answer for as long."""
_UNDERSTOOD = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage, x509.OCSPNoCheck)
"""The extensions of a responder's certificate that are understood here, and so may be critical."""


def why_no_delegate(
    certificate: x509.Certificate, issuer: x509.Certificate, now: datetime
) -> str | None:
    """Say why *certificate* may not answer for *issuer* at *now*; None when it may.

    The words go behind its name. Raises what the library raises for extensions that cannot be
    read.
    """
    for fault in (
        digest_fault(certificate.signature_hash_algorithm),
        believed_key(certificate.public_key()),
    ):
        if isinstance(fault, str):
            return f"has a certificate that is not relied on: {fault}"
    try:
        certificate.verify_directly_issued_by(issuer)
    except (*UNREADABLE, InvalidSignature):
        return f"is not certified by {name_of(issuer)} itself"
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return "is past its end, or not yet at its beginning"
    for one in certificate.extensions:
        if one.critical and not isinstance(one.value, _UNDERSTOOD):
            return f"has a critical extension that is not known here ({one.oid.dotted_string})"
    return _why_not_for_answering(certificate)


def _why_not_for_answering(certificate: x509.Certificate) -> str | None:
    found = {type(one.value): one.value for one in certificate.extensions}
    purposes = found.get(x509.ExtendedKeyUsage)
    if not isinstance(purposes, x509.ExtendedKeyUsage) or (
        ExtendedKeyUsageOID.OCSP_SIGNING not in purposes
    ):
        return "has a certificate, but not for signing OCSP (id-kp-OCSPSigning)"
    usage = found.get(x509.KeyUsage)
    if isinstance(usage, x509.KeyUsage) and not (
        usage.digital_signature or usage.content_commitment
    ):
        return "has a key that its certificate keeps from signing (keyUsage)"
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    if x509.OCSPNoCheck not in found and lifetime > MOST_UNCHECKED:
        return (
            f"has a certificate for more than {MOST_UNCHECKED.days} days without "
            "id-pkix-ocsp-nocheck, and nothing would say that it was revoked; let the CA issue "
            "a shorter one, or one with the extension"
        )
    return None


def name_of(certificate: x509.Certificate) -> str:
    """Name the holder of *certificate*, for people."""
    return name_in_words(certificate.subject)
