"""Signatures of other CAs."""

import math

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from cryptography.x509.oid import SignatureAlgorithmOID as Algorithm

from ca.der import elements, encode
from ca.foreign.signatures import believed_key, is_right
from tests.ca.makers import NOW

DATA = b"good"
RSA = rsa.generate_private_key(65537, 2048)


def signed(
    key: CertificateIssuerPrivateKeyTypes,
    digest: hashes.HashAlgorithm | None,
    pss: padding.PSS | None = None,
) -> tuple[object, x509.ObjectIdentifier, bytes, bytes, bytes]:
    """Sign a certificate, for the way in which it names the algorithm."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    one = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
        .public_key(key.public_key()).not_valid_before(NOW).not_valid_after(NOW)
        .sign(key, digest, rsa_padding=pss)  # type: ignore[arg-type]  # narrower than what it takes
    )  # fmt: skip
    ((_, outer),) = elements(one.public_bytes(Encoding.DER))
    _, (_, algorithm), _ = elements(outer)
    _, *parameters = elements(algorithm)
    written = encode(*parameters[0]) if parameters else b""
    return (
        key.public_key(), one.signature_algorithm_oid, written, one.signature,
        one.tbs_certificate_bytes,
    )  # fmt: skip


def pss(digest: hashes.HashAlgorithm, salt: int | None = None) -> padding.PSS:
    """Return the padding with *digest* throughout."""
    return padding.PSS(padding.MGF1(digest), salt or digest.digest_size)


BELIEVED = [
    signed(RSA, hashes.SHA256()),
    signed(RSA, hashes.SHA384()),
    signed(RSA, hashes.SHA512()),
    signed(RSA, hashes.SHA256(), pss(hashes.SHA256())),
    signed(RSA, hashes.SHA384(), pss(hashes.SHA384())),
    signed(RSA, hashes.SHA512(), pss(hashes.SHA512(), 20)),
    signed(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()),
    signed(ec.generate_private_key(ec.SECP384R1()), hashes.SHA384()),
    signed(ec.generate_private_key(ec.SECP521R1()), hashes.SHA512()),
    signed(ed25519.Ed25519PrivateKey.generate(), None),
    signed(ed448.Ed448PrivateKey.generate(), None),
]


@pytest.mark.parametrize("one", BELIEVED)
def test_what_is_believed(
    one: tuple[object, x509.ObjectIdentifier, bytes, bytes, bytes],
) -> None:
    """Right as it is; wrong for other data, and by every other algorithm."""
    key, algorithm, parameters, signature, data = one
    assert is_right(*one)
    assert not is_right(key, algorithm, parameters, signature, data + b".")
    assert not is_right(key, algorithm, parameters, b"", data)
    for _, other, others, _, _ in BELIEVED:
        if (other, others) != (algorithm, parameters):
            assert not is_right(key, other, others, signature, data)


def test_sha_1_is_not_believed() -> None:
    """Neither named outright nor as what PSS means by saying nothing (RFC 4055, section 3.1)."""
    sha1 = hashes.SHA1()  # noqa: S303 - to be refused
    plain = RSA.sign(DATA, padding.PKCS1v15(), sha1)
    assert not is_right(RSA.public_key(), Algorithm.RSA_WITH_SHA1, b"", plain, DATA)
    silent = RSA.sign(DATA, pss(sha1), sha1)
    for parameters in (b"", encode(0x30)):
        assert not is_right(RSA.public_key(), Algorithm.RSASSA_PSS, parameters, silent, DATA)


def test_weak_keys_are_not_believed() -> None:
    """RSA with 1024 bits, and a curve of 224, though the signature is right."""
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 - to be refused
    signature = weak.sign(DATA, padding.PKCS1v15(), hashes.SHA256())
    assert not is_right(weak.public_key(), Algorithm.RSA_WITH_SHA256, b"", signature, DATA)
    small = ec.generate_private_key(ec.SECP224R1())
    signature = small.sign(DATA, ec.ECDSA(hashes.SHA256()))
    assert not is_right(small.public_key(), Algorithm.ECDSA_WITH_SHA256, b"", signature, DATA)


@pytest.mark.parametrize(
    "curve", [ec.SECP256K1(), ec.BrainpoolP256R1(), ec.BrainpoolP384R1(), ec.SECP224R1()]
)
def test_curves_that_no_path_is_believed_by(curve: ec.EllipticCurve) -> None:
    """A list or an answer is not signed by a key that no certificate could have."""
    key = ec.generate_private_key(curve)
    signature = key.sign(DATA, ec.ECDSA(hashes.SHA256()))
    assert not is_right(key.public_key(), Algorithm.ECDSA_WITH_SHA256, b"", signature, DATA)


def test_an_exponent_that_makes_it_slow() -> None:
    """Nothing is verified with a key that says how long that takes, though it would be right."""
    numbers = RSA.private_numbers()
    exponent = next(
        each
        for each in range(2**64 + 1, 2**65, 2)
        if math.gcd(each, (numbers.p - 1) * (numbers.q - 1)) == 1
    )
    private = pow(exponent, -1, (numbers.p - 1) * (numbers.q - 1))
    key = rsa.RSAPrivateNumbers(
        numbers.p, numbers.q, private,
        rsa.rsa_crt_dmp1(private, numbers.p), rsa.rsa_crt_dmq1(private, numbers.q), numbers.iqmp,
        rsa.RSAPublicNumbers(exponent, numbers.public_numbers.n),
    ).private_key()  # fmt: skip
    signature = key.sign(DATA, padding.PKCS1v15(), hashes.SHA256())
    key.public_key().verify(signature, DATA, padding.PKCS1v15(), hashes.SHA256())
    assert not is_right(key.public_key(), Algorithm.RSA_WITH_SHA256, b"", signature, DATA)


def test_keys_that_are_too_long() -> None:
    """Whoever asks for 16,384 bits asks for time."""
    key = rsa.RSAPublicNumbers(65537, 2**16383 + 1).public_key()
    assert isinstance(believed_key(key), str)


def test_what_is_no_key_for_signing() -> None:
    """Whatever else a certificate may hold signs nothing."""
    assert not is_right(None, Algorithm.ED25519, b"", b"", DATA)
