"""Keys in a PKCS#11 token: they sign there and never leave it.

Such a key's file holds no key but an address, a URI of RFC 7512::

    pkcs11:token=pusterla;object=issuing-2?module-path=/usr/lib/softhsm/libsofthsm2.so

The classes here stand for `cryptography`'s own, whose builders of certificates and lists ask a key
for nothing but a signature. A session is opened for each signature, so a token that was taken out
and put back goes on working. python-pkcs11 is imported here alone, and only when there is a token.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from ca.addresses import Address
from ca.der import elements
from ca.errors import FileRefused, KeyLocked
from ca.kinds import KINDS, PrivateKey, PublicKey, kind_of

if TYPE_CHECKING:
    import pkcs11

# DigestInfo around a SHA-256 (RFC 8017, section 9.2, note 1).
_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
_CURVES: dict[bytes, ec.EllipticCurve] = {
    bytes.fromhex("06082a8648ce3d030107"): ec.SECP256R1(),
    bytes.fromhex("06052b81040022"): ec.SECP384R1(),
}
_EDWARDS_POINT = 32
# The login belongs to the process and not to the session, so one at a time.
_turn = threading.Lock()
_refused: set[bytes] = set()


def open_key(address: Address, pin: bytes) -> PrivateKey:
    """Return what signs with the key at *address*; raise `FileRefused` or `KeyLocked`.

    The public half is read now, the private one never.
    """
    slot = _Slot(address, pin)
    with slot.session() as session:
        public = _public_half(address, session, slot.private(session))
    if isinstance(public, ec.EllipticCurvePublicKey):
        return EllipticTokenKey(slot, public)
    if isinstance(public, rsa.RSAPublicKey):
        return RSATokenKey(slot, public)
    return EdwardsTokenKey(slot, public)


def refuse_last_try(flags: int, address: Address) -> None:
    """Raise `KeyLocked` when a wrong PIN would lock the token, or has done so (PKCS#11, 4.4).

    A process that starts by itself would otherwise go on until it is locked.
    """
    import pkcs11

    if flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
        raise KeyLocked(f"{address}: its PIN is locked; unlock it with the token's own tools")
    if flags & pkcs11.TokenFlag.USER_PIN_FINAL_TRY:
        raise KeyLocked(
            f"{address}: one more wrong PIN would lock it, so none is tried; log in once with the "
            "token's own tools"
        )


class _Slot:
    """Opens sessions with the token of one key."""

    def __init__(self, address: Address, pin: bytes) -> None:
        self._address = address
        self._pin = pin

    @contextmanager
    def session(self) -> Iterator["pkcs11.Session"]:
        """Log in for the time of the block; every error becomes one of ours."""
        try:
            import pkcs11
            from pkcs11 import exceptions
        except ImportError as error:
            raise FileRefused(
                "keys in a token need python-pkcs11: pip install 'pusterla[token]'"
            ) from error
        address, mark = self._address, sha256(self._pin + str(self._address).encode()).digest()
        if mark in _refused:
            raise KeyLocked(f"{address}: the PIN is wrong, and is not tried a second time")
        try:
            with _turn:
                token = pkcs11.lib(address.module).get_token(
                    token_label=address.token, token_serial=address.serial
                )
                refuse_last_try(int(token.flags), address)
                with token.open(user_pin=self._pin.decode("utf-8", "replace")) as session:
                    yield session
        except (exceptions.PinIncorrect, exceptions.PinInvalid, exceptions.PinLenRange) as error:
            _refused.add(mark)
            raise KeyLocked(f"{address}: the PIN is wrong") from error
        except exceptions.PinLocked as error:
            raise KeyLocked(f"{address}: its PIN is locked") from error
        except exceptions.NoSuchToken as error:
            raise FileRefused(f"{address}: there is no such token; is it plugged in?") from error
        except exceptions.MultipleTokensReturned as error:
            raise FileRefused(f"{address}: several tokens are called so; add serial=") from error
        except exceptions.PKCS11Error as error:
            words = str(error) or type(error).__name__
            raise FileRefused(f"{address}: {words}") from error

    def private(self, session: "pkcs11.Session") -> Any:
        """Find the key that signs."""
        import pkcs11

        return _find(self._address, session, pkcs11.ObjectClass.PRIVATE_KEY)

    def sign(self, data: bytes, mechanism: str) -> bytes:
        """Let the token sign *data* by *mechanism*, a name of PKCS#11 without its CKM_."""
        import pkcs11

        with self.session() as session:
            key = self.private(session)
            return bytes(key.sign(data, mechanism=pkcs11.Mechanism[mechanism]))


def _find(address: Address, session: Any, kind: "pkcs11.ObjectClass") -> Any:
    """Return the one object of *kind* at *address*.

    The search is brought to its end, which the library's own search for one does not do.
    """
    from pkcs11 import Attribute

    wanted: dict[Any, Any] = {Attribute.CLASS: kind}
    if address.label is not None:
        wanted[Attribute.LABEL] = address.label
    if address.identifier is not None:
        wanted[Attribute.ID] = address.identifier
    found = list(session.get_objects(wanted))
    if not found:
        raise FileRefused(f"{address}: there is no such key in it ({kind.name.lower()})")
    if len(found) > 1:
        raise FileRefused(f"{address}: several keys are called so; add id=")
    return found[0]


def _public_half(address: Address, session: Any, private: Any) -> PublicKey:
    from pkcs11 import Attribute, KeyType, ObjectClass

    public: PublicKey | None
    if private.key_type is KeyType.RSA:
        modulus, exponent = private[Attribute.MODULUS], private[Attribute.PUBLIC_EXPONENT]
        public = rsa.RSAPublicNumbers(
            int.from_bytes(exponent), int.from_bytes(modulus)
        ).public_key()
    else:
        other = _find(address, session, ObjectClass.PUBLIC_KEY)
        public = _on_a_curve(other[Attribute.EC_PARAMS], other[Attribute.EC_POINT])
    if public is None or kind_of(public) is None:
        raise FileRefused(f"{address} is not {KINDS}")
    return public


def _on_a_curve(parameters: bytes, point: bytes) -> PublicKey | None:
    """Read a point, which tokens keep with an OCTET STRING around it, or without."""
    curve = _CURVES.get(parameters)
    size = _EDWARDS_POINT if curve is None else 1 + 2 * curve.key_size // 8
    if len(point) != size:
        ((_, point),) = elements(point)
    try:
        if curve is not None:
            return ec.EllipticCurvePublicKey.from_encoded_point(curve, point)
        return ed25519.Ed25519PublicKey.from_public_bytes(point)
    except ValueError:
        return None


def _stays(*_: object) -> NoReturn:
    raise FileRefused("a key in a token does not leave it")


class EllipticTokenKey(ec.EllipticCurvePrivateKey):
    """A key on P-256 or P-384 in a token."""

    def __init__(self, slot: _Slot, public: ec.EllipticCurvePublicKey) -> None:
        """Take where it is, and its public half."""
        self._slot = slot
        self._public = public

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """In bits."""
        return self._public.key_size

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Sign the digest of *data*, which is made here: a list may be long, and the token slow."""
        algorithm = signature_algorithm.algorithm
        if not isinstance(algorithm, hashes.HashAlgorithm):
            raise TypeError("a digest that was made before is not signed here")
        signature = self._slot.sign(_digest(data, algorithm), "ECDSA")
        half = len(signature) // 2
        numbers = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
        return encode_dss_signature(*numbers)

    def exchange(self, *_: object) -> bytes:
        """Not a thing that a CA's key does."""
        _stays()

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        """Never leave the token."""
        _stays()

    def private_bytes(self, *_: object) -> bytes:
        """Never leave the token."""
        _stays()

    def __copy__(self) -> "EllipticTokenKey":
        return self

    def __deepcopy__(self, memo: object) -> "EllipticTokenKey":
        return self


class RSATokenKey(rsa.RSAPrivateKey):
    """A key of RSA in a token."""

    def __init__(self, slot: _Slot, public: rsa.RSAPublicKey) -> None:
        """Take where it is, and its public half."""
        self._slot = slot
        self._public = public

    def public_key(self) -> rsa.RSAPublicKey:
        """The public half."""
        return self._public

    @property
    def key_size(self) -> int:
        """In bits."""
        return self._public.key_size

    def sign(self, data: Any, padding: object, algorithm: object) -> bytes:
        """Sign the digest of *data* with PKCS #1 version 1.5, which is all that we sign with."""
        if not isinstance(padding, _PKCS1) or not isinstance(algorithm, hashes.SHA256):
            raise TypeError("only PKCS #1 v1.5 with SHA-256 is signed here")
        return self._slot.sign(_SHA256_INFO + _digest(data, algorithm), "RSA_PKCS")

    def decrypt(self, *_: object) -> bytes:
        """Not a thing that a CA's key does."""
        _stays()

    def private_numbers(self) -> rsa.RSAPrivateNumbers:
        """Never leave the token."""
        _stays()

    def private_bytes(self, *_: object) -> bytes:
        """Never leave the token."""
        _stays()

    def __copy__(self) -> "RSATokenKey":
        return self

    def __deepcopy__(self, memo: object) -> "RSATokenKey":
        return self


class EdwardsTokenKey(ed25519.Ed25519PrivateKey):
    """A key on Ed25519 in a token."""

    def __init__(self, slot: _Slot, public: ed25519.Ed25519PublicKey) -> None:
        """Take where it is, and its public half."""
        self._slot = slot
        self._public = public

    def public_key(self) -> ed25519.Ed25519PublicKey:
        """The public half."""
        return self._public

    def sign(self, data: Any) -> bytes:
        """Sign *data*, all of which goes to the token: this kind has no digest."""
        return self._slot.sign(bytes(data), "EDDSA")

    def private_bytes_raw(self) -> bytes:
        """Never leave the token."""
        _stays()

    def private_bytes(self, *_: object) -> bytes:
        """Never leave the token."""
        _stays()

    def __copy__(self) -> "EdwardsTokenKey":
        return self

    def __deepcopy__(self, memo: object) -> "EdwardsTokenKey":
        return self


_PKCS1 = padding.PKCS1v15


def _digest(data: Any, algorithm: hashes.HashAlgorithm) -> bytes:
    digest = hashes.Hash(algorithm)
    digest.update(data)
    return digest.finalize()
