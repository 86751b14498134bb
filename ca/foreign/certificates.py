"""Certificates that others have made, taken apart once: within bounds, and nothing overlooked.

A certificate that is presented may be made to cost: so its size and the number of its names are
looked at before anything else, and what it says is read by `cryptography`, which is linear in it.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID, NameOID

from ca.foreign.revoked import HIGHEST_SERIAL
from ca.foreign.signatures import PublicKey, believed_key, digest_fault
from ca.identity import shortened

LARGEST_LEAF: Final = 16 * 1024
"""Octets of a person's certificate; those that there are have one to four thousand."""
LARGEST_AUTHORITY: Final = 32 * 1024
MOST_NAMES: Final = 64
"""Names in one certificate: attributes of the subject, and alternative names."""
LONGEST_NAME: Final = 512
"""Characters of one attribute of a name: to bring a name into its normal form costs by the square."""
MOST_SUBTREES: Final = 128
"""Name constraints in one CA's certificate."""

_OID = ExtensionOID
_UNDERSTOOD: Final = {
    _OID.AUTHORITY_KEY_IDENTIFIER,
    _OID.SUBJECT_KEY_IDENTIFIER,
    _OID.BASIC_CONSTRAINTS,
    _OID.KEY_USAGE,
    _OID.EXTENDED_KEY_USAGE,
    _OID.SUBJECT_ALTERNATIVE_NAME,
    _OID.NAME_CONSTRAINTS,
    _OID.CERTIFICATE_POLICIES,
    _OID.POLICY_CONSTRAINTS,
    _OID.POLICY_MAPPINGS,
    _OID.INHIBIT_ANY_POLICY,
    _OID.CRL_DISTRIBUTION_POINTS,
}
"""Extensions that the validation of a path takes into account: they may be critical."""

UNREADABLE: Final = (
    ValueError,
    TypeError,
    NotImplementedError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""All that `cryptography` raises for what is malformed, or unknown to it: in a certificate, a list
or an answer."""

E = TypeVar("E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A certificate that is none, or is outside the bounds; *words* say why."""

    words: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """One certificate that somebody else has signed, and what stands in it."""

    der: bytes
    certificate: x509.Certificate
    extensions: x509.Extensions
    subject: bytes
    issuer: bytes
    """Names in DER, as they stand there: a CA writes its own always the same way (RFC 5280, 4.1.2.6)."""

    @property
    def self_issued(self) -> bool:
        """Whether it names its own subject as its issuer."""
        return self.subject == self.issuer

    def get(self, kind: type[E]) -> E | None:
        """Return the extension of this *kind*, if there is one."""
        try:
            return self.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None

    @property
    def is_authority(self) -> bool:
        """Whether it says of itself that it is a CA's."""
        basic = self.get(x509.BasicConstraints)
        return basic is not None and basic.ca

    @property
    def alternative_names(self) -> tuple[x509.GeneralName, ...]:
        """The subject alternative names."""
        found = self.get(x509.SubjectAlternativeName)
        return () if found is None else tuple(found)

    @property
    def label(self) -> str:
        """Name it for people: the common name, or all of the subject; in ASCII, and not long."""
        common = self.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if not common:
            return name_in_words(self.certificate.subject)
        text = common[0].value
        return shortened(text if isinstance(text, str) else text.hex())


def name_in_words(name: x509.Name) -> str:
    """Write *name* for people: who made it chose its length, and characters that are not seen."""
    return shortened(name.rfc4514_string())


def read_certificate(der: bytes, largest: int = LARGEST_LEAF) -> Foreign | Unreadable:
    """Take the certificate *der* apart, or say why it cannot be."""
    if len(der) > largest:
        return Unreadable(f"it has {len(der)} octets, and at most {largest} are read")
    try:
        # What a lenient reader of the library warns of is judged here.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            certificate = x509.load_der_x509_certificate(der)
            found = Foreign(
                der,
                certificate,
                certificate.extensions,
                certificate.subject.public_bytes(),
                certificate.issuer.public_bytes(),
            )
            attributes = list(_attributes(found))
            serial = certificate.serial_number
    except UNREADABLE as error:
        return Unreadable(f"it cannot be read: {shortened(str(error))}")
    if certificate.version is not x509.Version.v3:
        return Unreadable("it is not of version 3, so it does not say what it is for")
    if not 0 <= serial <= HIGHEST_SERIAL:
        return Unreadable(
            "its serial number is negative or has more than 20 octets, so no revocation list could"
            " name it"
        )
    names = len(attributes) + len(found.alternative_names)
    if names > MOST_NAMES:
        return Unreadable(f"it has {names} names, and at most {MOST_NAMES} are read")
    if (longest := max(map(len, attributes), default=0)) > LONGEST_NAME:
        return Unreadable(f"it has a name of {longest} characters; at most {LONGEST_NAME} are read")
    return found


def _attributes(found: Foreign) -> Iterator[str | bytes]:
    """Yield the values of the subject, and of directory names among the alternative ones."""
    others = (
        each.value for each in found.alternative_names if isinstance(each, x509.DirectoryName)
    )
    for name in (found.certificate.subject, *others):
        yield from (attribute.value for attribute in name)


@lru_cache(maxsize=256)
def read_authority(der: bytes) -> Foreign | Unreadable:
    """Take the certificate of a CA apart that is believed: the same ones over and over."""
    return read_certificate(der, LARGEST_AUTHORITY)


def unknown_critical(found: Foreign) -> Iterator[str]:
    """Name the critical extensions that are not taken into account (RFC 5280, 4.2)."""
    for extension in found.extensions:
        if extension.critical and extension.oid not in _UNDERSTOOD:
            yield extension.oid.dotted_string


def key_of(found: Foreign) -> PublicKey | str:
    """Return the public key, or say why it is none to rely on."""
    try:
        key = found.certificate.public_key()
    except UNREADABLE as error:
        return f"its key cannot be read: {shortened(str(error))}"
    return believed_key(key)


def signature_fault(found: Foreign) -> str | None:
    """Say why the way in which it is signed shows nothing; whether it is, is not looked at."""
    try:
        digest = found.certificate.signature_hash_algorithm
    except UNREADABLE as error:
        return f"it is signed in a way that is not known: {shortened(str(error))}"
    return digest_fault(digest)


def signed_by(child: Foreign, parent: Foreign) -> bool:
    """Say whether the key of *parent* has signed *child*. Costs one verification."""
    if isinstance(key_of(parent), str):
        return False  # nothing is asked of a key that may take any time
    try:
        child.certificate.verify_directly_issued_by(parent.certificate)
    except (*UNREADABLE, InvalidSignature):
        return False
    return True


def may_have_signed(child: Foreign, parent: Foreign) -> bool:
    """Say whether *parent* is whom *child* names: by name and, where it says so, by its key.

    RFC 5280, section 4.2.1.1. Costs no verification.
    """
    if child.issuer != parent.subject:
        return False
    authority = child.get(x509.AuthorityKeyIdentifier)
    subject = parent.get(x509.SubjectKeyIdentifier)
    if authority is None:
        return True
    if authority.key_identifier is not None and subject is not None:
        return authority.key_identifier == subject.digest
    serial = authority.authority_cert_serial_number
    return serial is None or serial == parent.certificate.serial_number
