"""PKCS#12 bundles: a key, its certificate and the chain, under a passphrase.

One profile so far, *modern*: PBES2 with AES-256-CBC and HMAC-SHA-256, as OpenSSL 3, NSS (Firefox,
Chromium), GnuTLS, Java and current Windows read it. Older systems that know only 3DES and SHA-1
say "wrong password" to it.
"""

import hashlib
import hmac
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    KeySerializationEncryption,
    PrivateFormat,
    pkcs12,
)

from ca.der import OCTET_STRING, SEQUENCE, elements, encode, encode_integer
from ca.errors import BundleRefused
from ca.identity import is_visible
from ca.kinds import PrivateKey

ROUNDS = 200_000
"""Rounds of every key derivation. A bundle travels by mail and on sticks, and whoever finds it may
guess offline; importing derives three times, which this keeps under a second."""

_VERSION = 3
_MAC_KEY = 3
"""The "ID" that sets a key for a MAC apart from others (RFC 7292, appendix B.3)."""
_BLOCK = 64
_BASIC_PLANE = 0xFFFF


def friendly_name(name: str, device: str) -> str:
    """Name a bundle as browsers list it: whose, and for which device."""
    return f"{name} ({device})"


def refuse_unfit(name: str, passphrase: str) -> None:
    """Raise `BundleRefused`, with every reason, when a bundle could not be made or opened.

    Asked before a certificate is issued, so that none is issued in vain. An empty passphrase is
    refused: some programs read it as none. So is what programs encode in different ways.
    """
    reasons = []
    if not passphrase:
        reasons.append("a bundle holds a private key and needs a passphrase")
    if not (passphrase.isascii() and passphrase.isprintable()):
        reasons.append(
            "the passphrase must be of ASCII letters, digits and signs: programs encode others"
            " differently, and some refuse them"
        )
    if not name or not all(map(_is_portable, name)):
        reasons.append(f"the bundle's name {name!a} is empty or holds characters that cannot show")
    if reasons:
        raise BundleRefused(reasons)


def _is_portable(character: str) -> bool:
    """Tell whether *character* shows, and fits the two octets that PKCS#12 gives it."""
    return is_visible(character) and ord(character) <= _BASIC_PLANE


def build_bundle(
    name: str,
    key: PrivateKey,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    passphrase: str,
) -> bytes:
    """Seal *key* and *certificate* under *passphrase*, with *name* as the friendly name.

    *chain* holds the certificates above, the nearest first. Raises `BundleRefused` for a name or
    passphrase that `refuse_unfit` refuses. Takes a good part of a second, on purpose.
    """
    refuse_unfit(name, passphrase)
    sealed = pkcs12.serialize_key_and_certificates(
        name.encode(), key, certificate, chain, _modern(passphrase)
    )
    return strengthen(sealed, passphrase)


def _modern(passphrase: str) -> KeySerializationEncryption:
    return (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(passphrase.encode())
    )


def strengthen(bundle: bytes, passphrase: str) -> bytes:
    """Renew the outer MAC of *bundle* with as many rounds as protect its contents.

    The library gives the MAC 2,048 rounds whatever is asked for the rest, and whoever guesses
    passphrases tries them where it is cheapest. The salt stays. Raises `BundleRefused` when the
    MAC at hand cannot be reproduced: wrong passphrase, or another algorithm than we know.
    """
    ((_, pfx),) = elements(bundle)
    _, (_, contents), (_, mac_data) = elements(pfx)
    (_, digest_info), (_, salt), (_, rounds) = elements(mac_data)
    (_, algorithm), (_, found) = elements(digest_info)
    # AuthenticatedSafe: what the MAC covers is inside [0] and its OCTET STRING (RFC 7292, 4).
    _, (_, wrapped) = elements(contents)
    ((_, safe),) = elements(wrapped)
    if not hmac.compare_digest(_mac(safe, passphrase, salt, int.from_bytes(rounds)), found):
        raise BundleRefused(["the bundle's MAC is not as we know it"])
    return encode(
        SEQUENCE,
        encode_integer(_VERSION),
        encode(SEQUENCE, contents),
        encode(
            SEQUENCE,
            encode(
                SEQUENCE,
                encode(SEQUENCE, algorithm),
                encode(OCTET_STRING, _mac(safe, passphrase, salt, ROUNDS)),
            ),
            encode(OCTET_STRING, salt),
            encode_integer(ROUNDS),
        ),
    )


def _mac(message: bytes, passphrase: str, salt: bytes, rounds: int) -> bytes:
    """Return the HMAC-SHA-256 of *message* under the key that RFC 7292, appendix B.2 derives."""
    password = passphrase.encode("utf-16-be") + b"\0\0"
    key = bytes([_MAC_KEY] * _BLOCK) + _filled(salt) + _filled(password)
    for _ in range(rounds):
        key = hashlib.sha256(key).digest()
    return hmac.digest(key, message, "sha256")


def _filled(data: bytes) -> bytes:
    """Repeat *data* until it fills whole blocks."""
    length = -(-len(data) // _BLOCK) * _BLOCK
    return (data * length)[:length]
