"""Signatures of other CAs: which keys and algorithms are believed, and whether one is right.

The one place that says which: for the certificates of a path, for lists, for answers and for who
gives them. `is_right` is for what the library reads without verifying it; the signatures of
certificates it verifies itself.
"""

from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import ObjectIdentifier, SignatureAlgorithmOID

from ca.der import SEQUENCE, elements
from ca.identity import shortened

StrongHash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
"""What is believed under a signature."""
PublicKey = (
    rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
)
KEYS_IN_WORDS: Final = "RSA with 2048 to 8192 bits, P-256, P-384, P-521, Ed25519 or Ed448"
_SHORTEST_RSA: Final = 2048
# Longer ones, and larger exponents, let whoever made them say how long a verification takes.
_LONGEST_RSA: Final = 8192
_LARGEST_EXPONENT: Final = 1 << 32
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASH_TAG = 0xA0

_RSA: dict[ObjectIdentifier, StrongHash] = {
    SignatureAlgorithmOID.RSA_WITH_SHA256: hashes.SHA256(),
    SignatureAlgorithmOID.RSA_WITH_SHA384: hashes.SHA384(),
    SignatureAlgorithmOID.RSA_WITH_SHA512: hashes.SHA512(),
}
_ECDSA: dict[ObjectIdentifier, StrongHash] = {
    SignatureAlgorithmOID.ECDSA_WITH_SHA256: hashes.SHA256(),
    SignatureAlgorithmOID.ECDSA_WITH_SHA384: hashes.SHA384(),
    SignatureAlgorithmOID.ECDSA_WITH_SHA512: hashes.SHA512(),
}
# What the hash is called inside the parameters of PSS (RFC 4055, section 2.1), without its tag.
_HASHES: dict[bytes, StrongHash] = {
    bytes.fromhex("608648016503040201"): hashes.SHA256(),
    bytes.fromhex("608648016503040202"): hashes.SHA384(),
    bytes.fromhex("608648016503040203"): hashes.SHA512(),
}


def believed_key(key: object) -> PublicKey | str:
    """Return *key*, or say why it is none to rely on."""
    match key:
        case rsa.RSAPublicKey():
            exponent = key.public_numbers().e
            if not _SHORTEST_RSA <= key.key_size <= _LONGEST_RSA:
                return f"its key of RSA has {key.key_size} bits; it must be {KEYS_IN_WORDS}"
            if exponent % 2 == 0 or not 1 < exponent < _LARGEST_EXPONENT:
                return f"its key of RSA has the exponent {shortened(str(exponent))}"
            return key
        case ec.EllipticCurvePublicKey():
            if not isinstance(key.curve, _CURVES):
                return f"its key is on the curve {key.curve.name}; it must be {KEYS_IN_WORDS}"
            return key
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            return key
        case _:
            kind = type(key).__name__.removesuffix("PublicKey")
            return f"its key is of the kind {kind}; it must be {KEYS_IN_WORDS}"


def digest_fault(digest: hashes.HashAlgorithm | None) -> str | None:
    """Say why a signature over *digest* shows nothing; None, for what needs none, is believed."""
    if isinstance(digest, StrongHash | None):
        return None
    return f"it is signed with {digest.name.upper()}, which shows nothing today"


def is_right(
    key: object, algorithm: ObjectIdentifier, parameters: bytes, signature: bytes, data: bytes
) -> bool:
    """Say whether *signature* is that of *key* over *data*, by an algorithm that is believed.

    *parameters*: those of the algorithm, in DER; empty where it has none. With a key that is none
    to rely on nothing is verified: it is not right.
    """
    try:
        return _verify(key, algorithm, parameters, signature, data)
    except InvalidSignature:
        return False


def _verify(
    key: object, algorithm: ObjectIdentifier, parameters: bytes, signature: bytes, data: bytes
) -> bool:
    """Verify, or raise `InvalidSignature`; False where the algorithm does not fit the key."""
    match believed_key(key):
        case rsa.RSAPublicKey() as key:
            if algorithm == SignatureAlgorithmOID.RSASSA_PSS:
                return _verify_pss(key, parameters, signature, data)
            if (digest := _RSA.get(algorithm)) is None:
                return False
            key.verify(signature, data, padding.PKCS1v15(), digest)
        case ec.EllipticCurvePublicKey() as key:
            if (digest := _ECDSA.get(algorithm)) is None:
                return False
            key.verify(signature, data, ec.ECDSA(digest))
        case ed25519.Ed25519PublicKey() as key if algorithm == SignatureAlgorithmOID.ED25519:
            key.verify(signature, data)
        case ed448.Ed448PublicKey() as key if algorithm == SignatureAlgorithmOID.ED448:
            key.verify(signature, data)
        case _:
            return False
    return True


def _verify_pss(key: rsa.RSAPublicKey, parameters: bytes, signature: bytes, data: bytes) -> bool:
    """Verify by the one hash that the parameters name first, as everybody writes them."""
    digest = _pss_digest(parameters)
    if digest is None:
        return False
    scheme = padding.PSS(mgf=padding.MGF1(digest), salt_length=padding.PSS.AUTO)
    key.verify(signature, data, scheme, digest)
    return True


def _pss_digest(parameters: bytes) -> StrongHash | None:
    """Return the hash; None where it is left out, since that says SHA-1, or is none of ours."""
    tag, inner = next(elements(parameters), (0, b""))
    if tag != SEQUENCE:
        return None
    for tag, value in elements(inner):
        if tag == _HASH_TAG:
            ((_, named),) = elements(value)
            _, name = next(elements(named))
            return _HASHES.get(name)
    return None
