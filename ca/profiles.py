"""What kinds of certificate there are: lifetimes, usages, extensions and their criticality.

A `ProfileConfig` is what somebody wishes; `make_profile` turns it into a `Profile` or says all
that is unsound about it. The limits are checked there and, for each request, once more in
`Profile.refuse_unfit`. What a role may do (usages, path length) is not configurable.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from ca.errors import IssuanceRefused, ProfileRefused
from ca.kinds import KINDS, PublicKey, kind_of
from ca.trust import Validity

_DAY = timedelta(days=1)
_YEAR = 365 * _DAY
_URL = re.compile(r"http://[a-z0-9.-]+(?::[0-9]{1,5})?/[!-~]+")
_SERIAL_BITS = range(65, 160)
"""More than 64 bits, since less can be guessed; at most 20 signed octets (RFC 5280, 4.1.2.2)."""


class Role(StrEnum):
    """What a certificate is for."""

    ROOT = "root"
    ISSUING = "issuing"
    SERVER = "server"
    CLIENT = "client"
    RESPONDER = "responder"
    """Signs OCSP answers in the place of its issuer (RFC 6960, section 4.2.2.2)."""

    @property
    def is_authority(self) -> bool:
        """Whether it may sign certificates."""
        return self in {Role.ROOT, Role.ISSUING}


@dataclass(frozen=True, slots=True)
class ProfileConfig:
    """A profile as wished for. *lifetime* is the longest that may be asked, and the default."""

    role: Role
    lifetime: timedelta
    backdate: timedelta = timedelta(hours=1)
    """How far before now a certificate begins, for PCs whose clock is slow."""
    distribution_points: tuple[str, ...] = ()
    issuer_urls: tuple[str, ...] = ()
    ocsp_urls: tuple[str, ...] = ()


ROOT = ProfileConfig(Role.ROOT, 20 * _YEAR)
ISSUING = ProfileConfig(Role.ISSUING, 10 * _YEAR)
SERVER = ProfileConfig(Role.SERVER, 397 * _DAY)
"""397 days: browsers refuse server certificates that last longer than 398."""
CLIENT = ProfileConfig(Role.CLIENT, 825 * _DAY)
"""A bare `CLIENT` makes no profile: it wants to be told where its CRL and issuer are found."""

RESPONDER = ProfileConfig(Role.RESPONDER, 7 * _DAY)
"""A week: it says of itself that nobody need ask whether it is revoked."""

_LONGEST = {
    Role.ROOT: 25 * _YEAR,
    Role.ISSUING: 15 * _YEAR,
    Role.SERVER: 397 * _DAY,
    Role.CLIENT: 825 * _DAY,
    Role.RESPONDER: 30 * _DAY,
}
_LONGEST_BACKDATE = _DAY
_PATH_LENGTH = {Role.ROOT: 1, Role.ISSUING: 0}
_EXTENDED_USAGE = {
    Role.SERVER: ExtendedKeyUsageOID.SERVER_AUTH,
    Role.CLIENT: ExtendedKeyUsageOID.CLIENT_AUTH,
    Role.RESPONDER: ExtendedKeyUsageOID.OCSP_SIGNING,
}
_NAMELESS = {Role.ROOT, Role.ISSUING, Role.RESPONDER}


@dataclass(frozen=True, slots=True)
class IssueRequest:
    """What one certificate is to say. *lifetime* None asks for the profile's own."""

    subject: x509.Name
    public_key: PublicKey
    serial: int
    alternative_names: x509.SubjectAlternativeName | None = None
    lifetime: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile whose limits have been checked; made by `make_profile` only."""

    role: Role
    lifetime: timedelta
    backdate: timedelta
    distribution_points: tuple[str, ...]
    issuer_urls: tuple[str, ...]
    ocsp_urls: tuple[str, ...]

    def refuse_unfit(self, request: IssueRequest) -> None:
        """Raise `IssuanceRefused`, with every reason, unless *request* fits this profile."""
        reasons = [*_key_faults(request.public_key)]
        if request.serial.bit_length() not in _SERIAL_BITS or request.serial <= 0:
            reasons.append("the serial must be positive, of more than 64 and at most 159 bits")
        if request.lifetime is not None and not _DAY <= request.lifetime <= self.lifetime:
            reasons.append(
                f"a {self.role} certificate lasts between 1 and {self.lifetime.days} days,"
                f" not {request.lifetime / _DAY:g}"
            )
        if not list(request.subject):
            reasons.append("the subject is empty")
        if self.role in _NAMELESS and request.alternative_names is not None:
            reasons.append(f"a {self.role} certificate has no alternative names")
        if self.role not in _NAMELESS and not request.alternative_names:
            reasons.append(f"a {self.role} certificate needs alternative names")
        if reasons:
            raise IssuanceRefused(reasons)

    def validity(
        self, lifetime: timedelta | None, issuer: x509.Certificate | None, now: datetime
    ) -> Validity:
        """Return the dates of a certificate asked for *now*, in whole seconds.

        Nothing outlives its *issuer* (None: it signs itself), nor begins before it: a certificate
        asked for near the issuer's end is shorter than asked. Raises `IssuanceRefused` when the
        issuer is over or has not begun.
        """
        now = now.replace(microsecond=0)
        begin, end = now - self.backdate, now + (lifetime or self.lifetime)
        if issuer is None:
            return Validity(begin, end)
        first, last = issuer.not_valid_before_utc, issuer.not_valid_after_utc
        if not first <= now < last:
            raise IssuanceRefused([f"the issuing CA is valid from {first} to {last}, not at {now}"])
        return Validity(max(begin, first), min(end, last))

    def extensions(
        self, request: IssueRequest, issuer: x509.Certificate | None
    ) -> Iterator[tuple[x509.ExtensionType, bool]]:
        """Yield the extensions of a certificate for *request*, and whether each is critical.

        *issuer* is None for a certificate that signs itself.
        """
        path_length = _PATH_LENGTH.get(self.role)
        yield x509.BasicConstraints(self.role.is_authority, path_length), True
        yield _key_usage(self.role), True
        if usage := _EXTENDED_USAGE.get(self.role):
            yield x509.ExtendedKeyUsage([usage]), False
        if self.role is Role.RESPONDER:
            yield x509.OCSPNoCheck(), False
        yield x509.SubjectKeyIdentifier.from_public_key(request.public_key), False
        if issuer is not None:
            found = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
            identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(found.value)
            yield identifier, False
        if request.alternative_names is not None:
            # Not critical, since the subject says something too (RFC 5280, 4.2.1.6).
            yield request.alternative_names, False
        if self.distribution_points:
            yield _distribution(self.distribution_points), False
        if self.issuer_urls or self.ocsp_urls:
            yield _access(self.ocsp_urls, self.issuer_urls), False


def make_profile(config: ProfileConfig) -> Profile:
    """Check *config* and make it a profile, or raise `ProfileRefused` with every reason."""
    reasons = [
        *_time_faults(config),
        *(fault for url in _urls(config) for fault in _url_faults(url)),
    ]
    if config.role is Role.CLIENT and not (config.distribution_points and config.issuer_urls):
        reasons.append("client certificates must say where their CRL and their issuer are found")
    if config.role is Role.ROOT and _urls(config):
        reasons.append("a root has no issuer, so no CRL or issuer address either")
    if reasons:
        raise ProfileRefused(reasons)
    return Profile(
        role=config.role,
        lifetime=config.lifetime,
        backdate=config.backdate,
        distribution_points=config.distribution_points,
        issuer_urls=config.issuer_urls,
        ocsp_urls=config.ocsp_urls,
    )


def _urls(config: ProfileConfig) -> tuple[str, ...]:
    return config.distribution_points + config.issuer_urls + config.ocsp_urls


def _time_faults(config: ProfileConfig) -> Iterator[str]:
    longest = _LONGEST[config.role]
    if not _DAY <= config.lifetime <= longest:
        yield f"a {config.role} profile lasts between 1 and {longest.days} days"
    if not timedelta() <= config.backdate <= _LONGEST_BACKDATE:
        yield "certificates are backdated by at most one day"


def _url_faults(url: str) -> Iterator[str]:
    """Say why *url* cannot stand in a certificate as the place of a CRL or an issuer.

    Only plain http: whoever fetches a CRL to check a TLS server must not have to check a TLS
    server first (RFC 5280, section 8); what is fetched is signed anyway.
    """
    if not _URL.fullmatch(url):
        yield f"{url!a} is not an address of the form http://host/path"


def _key_faults(key: object) -> Iterator[str]:
    if kind_of(key) is None:
        yield f"the key must be {KINDS}"


def _key_usage(role: Role) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not role.is_authority,  # the TLS handshake
        content_commitment=False,
        key_encipherment=False,  # only for RSA key transport, which TLS 1.3 does not have
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=role.is_authority,  # certificates
        crl_sign=role.is_authority,  # CRLs
        encipher_only=False,
        decipher_only=False,
    )


def _distribution(urls: tuple[str, ...]) -> x509.CRLDistributionPoints:
    """One point with several names: the same CRL, to be had at any of them."""
    names = [x509.UniformResourceIdentifier(url) for url in urls]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])


def _access(ocsp: tuple[str, ...], issuers: tuple[str, ...]) -> x509.AuthorityInformationAccess:
    """Say where one may ask about the certificate, and where its issuer's is (4.2.2.1)."""
    where = [(AuthorityInformationAccessOID.OCSP, url) for url in ocsp]
    where += [(AuthorityInformationAccessOID.CA_ISSUERS, url) for url in issuers]
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(how, x509.UniformResourceIdentifier(url)) for how, url in where]
    )
