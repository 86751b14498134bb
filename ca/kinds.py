"""The kinds of key that sign here and are certified: four, each with the digest that fits it.

A kind is asked of the public key, so it is the same question for a key in a file, in a token,
or in somebody's request.
"""

from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
"""What signs. That it is of one of the kinds below is for `kind_of` to say."""

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
"""What is certified, as `PrivateKey`."""

PUBLIC_KEYS = (ec.EllipticCurvePublicKey, rsa.RSAPublicKey, ed25519.Ed25519PublicKey)
PRIVATE_KEYS = (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)

RSA_BITS = 3072
_RSA_EXPONENT = 65537


class KeyKind(StrEnum):
    """A kind of key, by the name under which people choose it."""

    P256 = "p256"
    P384 = "p384"
    RSA3072 = "rsa3072"
    ED25519 = "ed25519"
    """No browser takes it, neither from a person nor from the CA above a server."""

    @property
    def digest(self) -> hashes.SHA256 | hashes.SHA384 | None:
        """What is signed in place of the message; None where the key takes the message whole.

        As strong as the key (NIST SP 800-57 part 1, tables 2 and 3).
        """
        match self:
            case KeyKind.P256 | KeyKind.RSA3072:
                return hashes.SHA256()
            case KeyKind.P384:
                return hashes.SHA384()
            case KeyKind.ED25519:
                return None

    @property
    def algorithm(self) -> x509.ObjectIdentifier:
        """The name of such a key's signature in certificates and lists."""
        return _ALGORITHMS[self]


_ALGORITHMS = {
    KeyKind.P256: SignatureAlgorithmOID.ECDSA_WITH_SHA256,
    KeyKind.P384: SignatureAlgorithmOID.ECDSA_WITH_SHA384,
    KeyKind.RSA3072: SignatureAlgorithmOID.RSA_WITH_SHA256,
    KeyKind.ED25519: SignatureAlgorithmOID.ED25519,
}
_CURVES = {ec.SECP256R1.name: KeyKind.P256, ec.SECP384R1.name: KeyKind.P384}

KINDS = "P-256, P-384, RSA with 3072 bits, or Ed25519"
"""The kinds in words, for whoever brought another key."""


def kind_of(key: object) -> KeyKind | None:
    """Return the kind of the public *key*, None for everything that is none of ours."""
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name)
    if isinstance(key, rsa.RSAPublicKey):
        fits = key.key_size == RSA_BITS and key.public_numbers().e == _RSA_EXPONENT
        return KeyKind.RSA3072 if fits else None
    return KeyKind.ED25519 if isinstance(key, ed25519.Ed25519PublicKey) else None


def digest_of(key: PrivateKey) -> hashes.SHA256 | hashes.SHA384 | None:
    """Return what the builders of `cryptography.x509` are to hash with when *key* signs.

    Raises `ValueError` for a key of no kind of ours.
    """
    kind = kind_of(key.public_key())
    if kind is None:
        raise ValueError(f"a key that signs is {KINDS}")
    return kind.digest


def make_key(kind: KeyKind = KeyKind.P256) -> PrivateKey:
    """Make a new key, from the system's source of randomness.

    One of RSA takes up to some seconds, the others no time.
    """
    match kind:
        case KeyKind.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyKind.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyKind.RSA3072:
            return rsa.generate_private_key(_RSA_EXPONENT, RSA_BITS)
        case KeyKind.ED25519:
            return ed25519.Ed25519PrivateKey.generate()
