"""Signatures of other CAs: which algorithms are believed, and whether one is right.

For what the library reads without verifying it. Certificates and lists it verifies itself.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509.oid import ObjectIdentifier, SignatureAlgorithmOID

from ca.der import SEQUENCE, elements

StrongHash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
"""What is believed under a signature."""
_RSA_BITS = 2048
_CURVE_BITS = 256
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


def is_right(
    key: object, algorithm: ObjectIdentifier, parameters: bytes, signature: bytes, data: bytes
) -> bool:
    """Say whether *signature* is that of *key* over *data*, by an algorithm that is believed.

    *parameters*: those of the algorithm, in DER; empty where it has none. Neither MD5 nor SHA-1
    is believed, nor RSA below 2048 bits, nor a curve below 256.
    """
    try:
        return _verify(key, algorithm, parameters, signature, data)
    except InvalidSignature:
        return False


def _verify(
    key: object, algorithm: ObjectIdentifier, parameters: bytes, signature: bytes, data: bytes
) -> bool:
    """Verify, or raise `InvalidSignature`; False where the algorithm does not fit the key."""
    match key:
        case rsa.RSAPublicKey() if key.key_size >= _RSA_BITS:
            if algorithm == SignatureAlgorithmOID.RSASSA_PSS:
                return _verify_pss(key, parameters, signature, data)
            if (digest := _RSA.get(algorithm)) is None:
                return False
            key.verify(signature, data, padding.PKCS1v15(), digest)
        case ec.EllipticCurvePublicKey() if key.curve.key_size >= _CURVE_BITS:
            if (digest := _ECDSA.get(algorithm)) is None:
                return False
            key.verify(signature, data, ec.ECDSA(digest))
        case ed25519.Ed25519PublicKey() if algorithm == SignatureAlgorithmOID.ED25519:
            key.verify(signature, data)
        case ed448.Ed448PublicKey() if algorithm == SignatureAlgorithmOID.ED448:
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
