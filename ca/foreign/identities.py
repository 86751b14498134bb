"""Who a certificate of somebody else's CA names: one value, read strictly, or nobody.

A certificate with two mail addresses names nobody here: which of them counts would be a guess,
and a CA that lets people add a second one would let them be somebody else.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from ca.foreign.certificates import UNREADABLE
from ca.identity import is_visible, shortened
from ca.serials import serial_text

LONGEST: Final = 254
"""Characters of a mail address (RFC 5321, errata 1690), and of any other name of a person."""

_UPN: Final = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
_UTF8_STRING: Final = 0x0C
_SHORT_FORM: Final = 0x80
_LONG_FORM_ONE: Final = 0x81
_LONG_FORM_TWO: Final = 0x82


@dataclass(frozen=True, slots=True)
class Identity:
    """What names the holder: *kind* is a setting's value, as in "san-email".

    The *value* of a mail address and of a user principal name is in lower case, since neither
    is told apart by case in any directory; a serial is lower-case hexadecimal.
    """

    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class NoIdentity:
    """It names nobody, several, or somebody in a way that deceives; *words* are for the log."""

    words: str


def identity_of(certificate: x509.Certificate, kind: str) -> Identity | NoIdentity:
    """Read whom *certificate* names; *kind* is the value of a `gateway.core.trusts.IdentityMap`.

    Only for certificates whose path holds. Any other *kind* raises `KeyError`.
    """
    words, read = _READERS[kind]
    try:
        values = read(certificate)
    except (*UNREADABLE, _Malformed) as error:
        return NoIdentity(f"its {words} cannot be read: {shortened(str(error))}")
    if len(values) != 1:
        count = "no" if not values else f"{len(values)} different"
        return NoIdentity(f"it has {count} {words}, and exactly one says who holds it")
    (value,) = values
    if (fault := _fault(value)) is not None:
        return NoIdentity(f"its {words} {shortened(value)} {fault}")
    if kind in _ADDRESSES and not _is_address(value):
        return NoIdentity(f"its {words} {shortened(value)} is not of the form name@domain")
    return Identity(kind, value)


class _Malformed(Exception):
    """A name whose encoding is not what its kind demands."""


def _emails(certificate: x509.Certificate) -> set[str]:
    names = _alternative_names(certificate)
    return {name.value.lower() for name in names if isinstance(name, x509.RFC822Name)}


def _principals(certificate: x509.Certificate) -> set[str]:
    names = _alternative_names(certificate)
    found = [name for name in names if isinstance(name, x509.OtherName) and name.type_id == _UPN]
    return {_folded(_utf8_string(name.value)) for name in found}


def _folded(name: str) -> str:
    """Write *name* in lower case, unless that would make another name of it.

    The Kelvin sign, which no composed form has, is a plain k in lower case.
    """
    if unicodedata.normalize("NFC", name) != name:
        raise _Malformed("it is not in Unicode's composed form (NFC)")
    return name.lower()


def _common_names(certificate: x509.Certificate) -> set[str]:
    attributes = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    # Two of the same are one too many: which tool shows which is not known.
    if len(attributes) > 1:
        raise _Malformed(f"there are {len(attributes)}")
    return {each.value for each in attributes if isinstance(each.value, str)}


def _serials(certificate: x509.Certificate) -> set[str]:
    return {serial_text(certificate.serial_number)}


_READERS: Final = {
    "san-email": ("mail address in subjectAltName", _emails),
    "san-upn": ("user principal name", _principals),
    "subject-cn": ("common name", _common_names),
    "serial": ("serial number", _serials),
}
_ADDRESSES: Final = {"san-email", "san-upn"}


def _alternative_names(certificate: x509.Certificate) -> Sequence[x509.GeneralName]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return list(found.value)


def _utf8_string(der: bytes) -> str:
    """Read *der*, which is to be one UTF8String and nothing behind it."""
    start, length = 2, der[1] if len(der) > 1 else -1
    if length == _LONG_FORM_ONE and len(der) > start:
        start, length = 3, der[2]
    elif length == _LONG_FORM_TWO and len(der) > start + 1:
        start, length = 4, int.from_bytes(der[2:4])
    elif length >= _SHORT_FORM:
        length = -1
    if not der or der[0] != _UTF8_STRING or length != len(der) - start:
        raise _Malformed("it is not a UTF8String")
    return der[start:].decode()


def _fault(value: str) -> str | None:
    """Say what keeps *value* from naming somebody: length, form, or characters that deceive."""
    if not value.strip():
        return "is empty"
    if len(value) > LONGEST:
        return f"has {len(value)} characters, and at most {LONGEST} are read"
    if hidden := sorted({each for each in value if not is_visible(each)}):
        names = ", ".join(f"U+{ord(each):04X}" for each in hidden[:8])
        return f"holds characters that cannot be seen or that deceive: {names}"
    if unicodedata.normalize("NFC", value) != value:
        return "is not in Unicode's composed form (NFC)"
    if value.strip(" ") != value or "  " in value:
        return "begins or ends with a space, or holds two in a row"
    return None


def _is_address(value: str) -> bool:
    name, at, domain = value.rpartition("@")
    return bool(name and at and domain) and " " not in value and "@" not in name
