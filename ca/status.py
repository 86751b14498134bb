"""Sign revocation lists: what is revoked, as of when, under which number.

Pure: the caller brings entries, number and dates, holds the signer's lock, and records the
result. Only full lists (RFC 5280, section 5).
"""

from collections.abc import Iterable, Iterator
from datetime import datetime

from cryptography import x509

from ca.errors import StatusRefused
from ca.issue import Issuer
from ca.kinds import PUBLIC_KEYS, digest_of
from ca.trust import RevocationReason, RevokedEntry

_HIGHEST_NUMBER = 2**159 - 1
"""A CRL number has at most 20 octets (RFC 5280, 5.2.3)."""


def build_crl(
    issuer: Issuer,
    entries: Iterable[RevokedEntry],
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
) -> x509.CertificateRevocationList:
    """Sign a full CRL that lists *entries*; none at all is a valid list and refuses nobody.

    Dates are cut to whole seconds. Raises `StatusRefused`, with every reason, when the dates or
    the number cannot be right or a certificate is listed twice.
    """
    listed = list(entries)
    if reasons := [*_faults(listed, number, this_update, next_update)]:
        raise StatusRefused(reasons)
    # The constructor takes the whole list; adding one entry at a time copies it each time.
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=issuer.certificate.subject,
        last_update=_whole_seconds(this_update),
        next_update=_whole_seconds(next_update),
        revoked_certificates=[_revoked(entry) for entry in listed],
    )
    key_identifier = issuer.certificate.extensions.get_extension_for_class(
        x509.SubjectKeyIdentifier
    ).value
    crl = (
        builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_identifier),
            critical=False,
        )
        .add_extension(x509.CRLNumber(number), critical=False)
        .sign(issuer.key, digest_of(issuer.key))
    )
    public = issuer.certificate.public_key()
    if not isinstance(public, PUBLIC_KEYS) or not crl.is_signature_valid(public):
        raise StatusRefused([f"the key of {issuer.name} signs wrongly"])
    return crl


def _faults(
    entries: list[RevokedEntry], number: int, this_update: datetime, next_update: datetime
) -> Iterator[str]:
    if not 0 <= number <= _HIGHEST_NUMBER:
        yield f"the CRL number {number} is negative or longer than 20 octets"
    if next_update <= this_update:
        yield f"the CRL would end at {next_update}, before it begins at {this_update}"
    if len({entry.serial for entry in entries}) != len(entries):
        yield "a certificate is listed twice"


def _revoked(entry: RevokedEntry) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder(
        serial_number=entry.serial, revocation_date=_whole_seconds(entry.revocation.at)
    )
    # "unspecified" is said by saying nothing (RFC 5280, 5.3.1).
    if entry.revocation.reason is not RevocationReason.UNSPECIFIED:
        reason = x509.ReasonFlags(entry.revocation.reason.value)
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()


def _whole_seconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
