"""Issue certificates: prepare, lint with a throwaway key, sign, compare.

Pure in that it touches no disk, clock or database: the caller brings the time and a serial that
the ledger has already reserved, and records the result.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ca.errors import IssuanceRefused, LintFailed
from ca.identity import authority_name, server_alternative_names, server_name
from ca.kinds import KeyKind, PrivateKey, PublicKey, digest_of, kind_of, make_key
from ca.lint import Draft, lint
from ca.profiles import ISSUING, ROOT, IssueRequest, Profile, make_profile

ROOT_TITLE = "Root CA"


def issuing_title(number: int) -> str:
    """Name the issuing CA *number*: each has a name of its own, as each has its own lists."""
    return f"Issuing CA {number}"


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA that can sign: its *name* in the ledger, certificate and key.

    *parents* are the certificates above it, the root last. Raises `IssuanceRefused` when the
    key is not the one that the certificate names.
    """

    name: str
    certificate: x509.Certificate
    key: PrivateKey
    parents: tuple[x509.Certificate, ...] = ()

    def __post_init__(self) -> None:
        """Compare key and certificate before anything is signed that nobody could verify."""
        if self.certificate.public_key() != self.key.public_key():
            raise IssuanceRefused([f"the key of {self.name} does not belong to its certificate"])

    @property
    def chain(self) -> tuple[x509.Certificate, ...]:
        """Its own certificate and those above it."""
        return (self.certificate, *self.parents)


def issue(
    issuer: Issuer, profile: Profile, request: IssueRequest, now: datetime
) -> x509.Certificate:
    """Sign a certificate for *request*, or raise `IssuanceRefused`.

    Raises `LintFailed`, with nothing signed by the CA's key, when the result would break a rule.
    """
    profile.refuse_unfit(request)
    return _sign(profile, request, issuer.certificate, issuer.key, now)


def make_root(host: str, key: PrivateKey, serial: int, now: datetime) -> x509.Certificate:
    """Sign the certificate of a new root for the site *host* with its own *key*."""
    profile = make_profile(ROOT)
    request = IssueRequest(
        subject=authority_name(host, ROOT_TITLE), public_key=key.public_key(), serial=serial
    )
    profile.refuse_unfit(request)
    return _sign(profile, request, None, key, now)


def make_issuing(
    root: Issuer,
    host: str,
    public_key: PublicKey,
    serial: int,
    now: datetime,
    number: int = 1,
) -> x509.Certificate:
    """Certify *public_key* as the issuing CA *number* of the site *host*, below *root*."""
    request = IssueRequest(
        subject=authority_name(host, issuing_title(number)), public_key=public_key, serial=serial
    )
    return issue(root, make_profile(ISSUING), request, now)


def server_request(
    host: str, hosts: tuple[str, ...], public_key: PublicKey, serial: int
) -> IssueRequest:
    """Ask for the certificate under which the site *host* serves *hosts*."""
    return IssueRequest(
        subject=server_name(host),
        public_key=public_key,
        serial=serial,
        alternative_names=server_alternative_names(hosts),
    )


def _sign(
    profile: Profile,
    request: IssueRequest,
    parent: x509.Certificate | None,
    key: PrivateKey,
    now: datetime,
) -> x509.Certificate:
    """Draft, lint, sign with *key* and compare; *parent* None means that it signs itself."""
    builder = _prepare(profile, request, parent, now)
    # What the CA key has signed cannot be unsigned, so a throwaway key of the same kind signs
    # first and the finished bytes are checked while they are still worthless.
    digest = digest_of(key)
    draft = builder.sign(_throwaway(kind_of(key.public_key())), digest)
    longest = profile.lifetime + profile.backdate
    lint(Draft(draft, profile.role, parent, longest, now))
    certificate = builder.sign(key, digest)
    refuse_difference(draft, certificate)
    try:
        # Catches a key that signs wrongly: a fault in its file, or in the machine.
        certificate.verify_directly_issued_by(parent or certificate)
    except InvalidSignature as error:
        raise LintFailed(["the signature does not fit the issuing certificate"]) from error
    return certificate


@cache
def _throwaway(kind: KeyKind | None) -> PrivateKey:
    """Return the key of *kind* that signs drafts; one for each kind, since RSA takes its time."""
    return make_key(kind or KeyKind.P256)


def refuse_difference(draft: x509.Certificate, certificate: x509.Certificate) -> None:
    """Raise `LintFailed` unless *certificate* says, byte for byte, what was checked in *draft*."""
    if certificate.tbs_certificate_bytes != draft.tbs_certificate_bytes:
        raise LintFailed(["what was signed differs from what was checked"])


def _prepare(
    profile: Profile, request: IssueRequest, parent: x509.Certificate | None, now: datetime
) -> x509.CertificateBuilder:
    validity = profile.validity(request.lifetime, parent, now)
    builder = (
        x509.CertificateBuilder()
        .serial_number(request.serial)
        .issuer_name(parent.subject if parent else request.subject)
        .subject_name(request.subject)
        .public_key(request.public_key)
        .not_valid_before(validity.not_before)
        .not_valid_after(validity.not_after)
    )
    for value, critical in profile.extensions(request, parent):
        builder = builder.add_extension(value, critical=critical)
    return builder


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of *certificate* in lower-case hexadecimal, as the ledger keeps it."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def der(certificate: x509.Certificate) -> bytes:
    """Return the bytes of *certificate*."""
    return certificate.public_bytes(Encoding.DER)
