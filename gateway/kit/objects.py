"""Keys, certificates and trust as objects of PKCS #11, attribute by attribute, as NSS keeps them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca.der import OCTET_STRING, encode, encode_integer
from ca.kinds import PrivateKey

# Attributes of PKCS #11 (pkcs11t.h) and of NSS (pkcs11n.h), by their names there.
_CLASS, _TOKEN, _PRIVATE, _LABEL, _VALUE = 0x0, 0x1, 0x2, 0x3, 0x11
_CERTIFICATE_TYPE, _ISSUER, _SERIAL = 0x80, 0x81, 0x82
_KEY_TYPE, _SUBJECT, _ID, _SENSITIVE = 0x100, 0x101, 0x102, 0x103
_ENCRYPT, _DECRYPT, _WRAP, _UNWRAP = 0x104, 0x105, 0x106, 0x107
_SIGN, _SIGN_RECOVER, _VERIFY, _VERIFY_RECOVER, _DERIVE = 0x108, 0x109, 0x10A, 0x10B, 0x10C
_START, _END, _MODULUS, _PUBLIC_EXPONENT = 0x110, 0x111, 0x120, 0x122
_PRIVATE_EXPONENT, _PRIME_1, _PRIME_2, _EXPONENT_1 = 0x123, 0x124, 0x125, 0x126
_EXPONENT_2, _COEFFICIENT = 0x127, 0x128
_EXTRACTABLE, _LOCAL, _NEVER_EXTRACTABLE, _ALWAYS_SENSITIVE = 0x162, 0x163, 0x164, 0x165
_MODIFIABLE, _EC_PARAMS, _EC_POINT = 0x170, 0x180, 0x181
_TRUST_SERVER, _TRUST_CLIENT, _TRUST_CODE, _TRUST_MAIL = (
    *(0xCE536358, 0xCE536359),
    *(0xCE53635A, 0xCE53635B),
)
_TRUST_STEP_UP, _CERT_SHA1, _CERT_MD5 = 0xCE536360, 0xCE5363B4, 0xCE5363B5
_NSS_DB = 0xD5A0DB00
"""The public value of a private key, by which NSS looks for it."""

_IS_CERTIFICATE, _IS_PUBLIC_KEY, _IS_PRIVATE_KEY, _IS_TRUST = 1, 2, 3, 0xCE534353
_X509, _RSA, _EC = 0, 0, 3
_DELEGATOR, _VALID_DELEGATOR, _MUST_VERIFY = 0xCE534352, 0xCE53435B, 0xCE534353
"""Whose word is good; who is known as an authority; who must show by whom it was signed."""

_YES, _NO = b"\x01", b"\x00"
_EMPTY = bytes.fromhex("a5005a")
"""How NSS writes an attribute that is there and empty: a column that is NULL is not there."""

Attributes = Mapping[int, bytes]

INDEXES = {"issuer": _ISSUER, "subject": _SUBJECT, "label": _LABEL, "ckaid": _ID}
"""The attributes by which NSS looks for objects, with the names of their indexes."""


# Which attributes NSS takes only with a MAC (its `sftkdb_isAuthenticatedAttribute`).
_AUTHENTICATED = (
    *(_MODULUS, _PUBLIC_EXPONENT, _CERT_SHA1, _CERT_MD5),
    *(_TRUST_SERVER, _TRUST_CLIENT, _TRUST_CODE, _TRUST_MAIL, _TRUST_STEP_UP),
)


@dataclass(frozen=True, slots=True)
class KeyParts:
    """A key as attributes: what may be read of it, what is *secret*, and its public half."""

    opened: dict[int, bytes]
    secret: dict[int, bytes]
    public: dict[int, bytes]

    @property
    def id(self) -> bytes:
        """By this key and certificate find each other."""
        return hashlib.sha1(self.opened[_NSS_DB], usedforsecurity=False).digest()


def authenticated(attributes: Attributes) -> dict[int, bytes]:
    """Return those of *attributes* that need a MAC."""
    return {number: value for number, value in attributes.items() if number in _AUTHENTICATED}


def _number(value: int) -> bytes:
    """Write a CK_ULONG as the store has it: four octets, the highest first."""
    return value.to_bytes(4)


def take_apart(key: PrivateKey) -> KeyParts:
    """Take *key* apart; raise `ValueError` for one that no browser takes."""
    return replace(public_parts(key.public_key()), secret=_secret(key))


def public_parts(key: CertificatePublicKeyTypes) -> KeyParts:
    """Do so with the public half alone: there is nothing secret then."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _ec_parts(key)
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa_parts(key)
    raise ValueError("no browser takes a key on Ed25519: choose p256, p384 or rsa3072")


def _secret(key: PrivateKey) -> dict[int, bytes]:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        value = key.private_numbers().private_value
        return {_VALUE: value.to_bytes((key.key_size + 7) // 8)}
    if not isinstance(key, rsa.RSAPrivateKey):
        return {}
    numbers = key.private_numbers()
    return {
        _PRIVATE_EXPONENT: _unsigned(numbers.d),
        _PRIME_1: _unsigned(numbers.p),
        _PRIME_2: _unsigned(numbers.q),
        _EXPONENT_1: _unsigned(numbers.dmp1),
        _EXPONENT_2: _unsigned(numbers.dmq1),
        _COEFFICIENT: _unsigned(numbers.iqmp),
    }


def _ec_parts(key: ec.EllipticCurvePublicKey) -> KeyParts:
    point = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    parameters = _curve_of(key)
    private = {
        _KEY_TYPE: _number(_EC),
        _EC_PARAMS: parameters,
        _NSS_DB: point,
        _DECRYPT: _NO,
        _UNWRAP: _NO,
        _SIGN: _YES,
        _SIGN_RECOVER: _YES,
        _DERIVE: _YES,
    }
    public = {
        _KEY_TYPE: _number(_EC),
        _EC_PARAMS: parameters,
        _EC_POINT: encode(OCTET_STRING, point),
        _ENCRYPT: _NO,
        _WRAP: _NO,
        _VERIFY: _YES,
        _VERIFY_RECOVER: _NO,
        _DERIVE: _YES,
    }
    return KeyParts(private, {}, public)


def _curve_of(key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the name of the curve as DER: CKA_EC_PARAMS holds an OBJECT IDENTIFIER."""
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    # SEQUENCE { SEQUENCE { OID of the kind of key, OID of the curve }, BIT STRING } (RFC 5480).
    algorithm = spki[spki.index(b"\x06\x07") :]
    named = algorithm[2 + algorithm[1] :]
    return named[: 2 + named[1]]


def _rsa_parts(key: rsa.RSAPublicKey) -> KeyParts:
    numbers = key.public_numbers()
    modulus = _unsigned(numbers.n)
    exponent = _unsigned(numbers.e)
    # NSS writes 65537 in three octets; each value without a leading zero.
    opened = {_KEY_TYPE: _number(_RSA), _MODULUS: modulus, _PUBLIC_EXPONENT: exponent}
    private = {
        **opened,
        _NSS_DB: modulus,
        _DECRYPT: _YES,
        _UNWRAP: _YES,
        _SIGN: _YES,
        _SIGN_RECOVER: _YES,
        _DERIVE: _NO,
    }
    public = {
        **opened,
        _ENCRYPT: _YES,
        _WRAP: _YES,
        _VERIFY: _YES,
        _VERIFY_RECOVER: _YES,
        _DERIVE: _NO,
    }
    return KeyParts(private, {}, public)


def _unsigned(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8)


def _frame(kind: int, *, private: bytes = _NO, label: bytes = _EMPTY) -> dict[int, bytes]:
    return {
        _CLASS: _number(kind),
        _TOKEN: _YES,
        _PRIVATE: private,
        _LABEL: label,
        _MODIFIABLE: _YES,
    }


def private_key_object(name: str, subject: x509.Name, parts: KeyParts) -> dict[int, bytes]:
    """Return what is open of a private key, for the certificate of *subject*, shown as *name*."""
    return {
        **_frame(_IS_PRIVATE_KEY, private=_YES, label=name.encode()),
        _SUBJECT: subject.public_bytes(),
        _ID: parts.id,
        **parts.opened,
        _SENSITIVE: _YES,
        _EXTRACTABLE: _YES,
        _LOCAL: _NO,
        _START: _EMPTY,
        _END: _EMPTY,
        _NEVER_EXTRACTABLE: _NO,
        _ALWAYS_SENSITIVE: _NO,
    }


def public_key_object(parts: KeyParts) -> dict[int, bytes]:
    """Return the public half, which NSS keeps beside the certificate."""
    return {
        **_frame(_IS_PUBLIC_KEY),
        **parts.public,
        _ID: parts.id,
        _SUBJECT: _EMPTY,
        _START: _EMPTY,
        _END: _EMPTY,
        _LOCAL: _NO,
    }


def certificate_object(
    certificate: x509.Certificate, name: str = "", key_id: bytes = b""
) -> dict[int, bytes]:
    """Return *certificate*, shown as *name* or as its subject; *key_id* if its key is here."""
    der = certificate.public_bytes(Encoding.DER)
    shown = name or certificate.subject.rfc4514_string()
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return {
        **_frame(_IS_CERTIFICATE, label=shown.encode()),
        _CERTIFICATE_TYPE: _number(_X509),
        _VALUE: der,
        _ISSUER: certificate.issuer.public_bytes(),
        _SERIAL: serial_der(certificate),
        _SUBJECT: certificate.subject.public_bytes(),
        _ID: key_id or hashlib.sha1(spki, usedforsecurity=False).digest(),
    }


def serial_der(certificate: x509.Certificate) -> bytes:
    """Return the serial number as NSS names certificates by: the whole INTEGER."""
    return encode_integer(certificate.serial_number)


def trust_object(root: x509.Certificate) -> dict[int, bytes]:
    """Say of *root* what `certutil -t C,,` says."""
    der = root.public_bytes(Encoding.DER)
    return {
        **_frame(_IS_TRUST),
        _ISSUER: root.issuer.public_bytes(),
        _SERIAL: serial_der(root),
        _TRUST_SERVER: _number(_DELEGATOR),
        _TRUST_CLIENT: _number(_VALID_DELEGATOR),
        _TRUST_CODE: _number(_MUST_VERIFY),
        _TRUST_MAIL: _number(_MUST_VERIFY),
        _TRUST_STEP_UP: _NO,
        _CERT_SHA1: hashlib.sha1(der, usedforsecurity=False).digest(),
        _CERT_MD5: hashlib.md5(der, usedforsecurity=False).digest(),
    }
