"""PKCS#12 bundles: a key, its certificate and the chain, under a passphrase.

How one is sealed depends on who is to open it: see `ca.targets`.
"""

import hashlib
import hmac
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    KeySerializationEncryption,
    PrivateFormat,
    pkcs12,
)

from ca.der import OCTET_STRING, SEQUENCE, elements, encode, encode_integer
from ca.errors import BundleRefused
from ca.identity import is_visible
from ca.kinds import KeyKind, PrivateKey, kind_of
from ca.targets import Sealing, Target, can_import, sealing_for

_VERSION = 3
_MAC_KEY = 3
"""The "ID" that sets a key for a MAC apart from others (RFC 7292, appendix B.3)."""
_BLOCK = 64
_BASIC_PLANE = 0xFFFF
_DIGESTS = {"sha1": hashlib.sha1, "sha256": hashlib.sha256}


def friendly_name(name: str, device: str) -> str:
    """Name a bundle as browsers list it: whose, and for which device."""
    return f"{name} ({device})"


def refuse_unfit(name: str, passphrase: str, kind: KeyKind | None, target: Target) -> None:
    """Raise `BundleRefused`, with every reason, when a bundle could not be made or opened.

    Asked before a certificate is issued, so that none is issued in vain. An empty passphrase is
    refused: some programs read it as none. So is what programs encode in different ways, and a
    key of a *kind* that *target* does not import.
    """
    reasons = []
    if not can_import(target, kind):
        reasons.append(
            f"the profile {target} is of no use with a key on Ed25519, which is not imported"
            " there: choose another kind of key, or the profile modern"
        )
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
    target: Target = Target.MODERN,
) -> bytes:
    """Seal *key* and *certificate* under *passphrase*, with *name* as the friendly name.

    *chain* holds the certificates above, the nearest first. Raises `BundleRefused` for what
    `refuse_unfit` refuses. Takes a good part of a second, on purpose.
    """
    refuse_unfit(name, passphrase, kind_of(key.public_key()), target)
    sealing = sealing_for(target)
    sealed = pkcs12.serialize_key_and_certificates(
        name.encode(), key, certificate, chain, _encryption(sealing, passphrase)
    )
    return strengthen(sealed, passphrase, sealing)


def _encryption(sealing: Sealing, passphrase: str) -> KeySerializationEncryption:
    return (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(sealing.rounds)
        .key_cert_algorithm(sealing.pbes)
        .hmac_hash(sealing.digest)
        .build(passphrase.encode())
    )


def strengthen(bundle: bytes, passphrase: str, sealing: Sealing) -> bytes:
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
    digest = sealing.digest.name
    known = _mac(digest, safe, passphrase, salt, int.from_bytes(rounds))
    if not hmac.compare_digest(known, found):
        raise BundleRefused(["the bundle's MAC is not as we know it"])
    renewed = _mac(digest, safe, passphrase, salt, sealing.rounds)
    return encode(
        SEQUENCE,
        encode_integer(_VERSION),
        encode(SEQUENCE, contents),
        encode(
            SEQUENCE,
            encode(
                SEQUENCE,
                encode(SEQUENCE, algorithm),
                encode(OCTET_STRING, renewed),
            ),
            encode(OCTET_STRING, salt),
            encode_integer(sealing.rounds),
        ),
    )


def _mac(digest: str, message: bytes, passphrase: str, salt: bytes, rounds: int) -> bytes:
    """Return the HMAC of *message* under the key that RFC 7292, appendix B.2 derives."""
    hashed = _DIGESTS[digest]
    password = passphrase.encode("utf-16-be") + b"\0\0"
    key = bytes([_MAC_KEY] * _BLOCK) + _filled(salt) + _filled(password)
    for _ in range(rounds):
        key = hashed(key).digest()
    return hmac.digest(key, message, digest)


def _filled(data: bytes) -> bytes:
    """Repeat *data* until it fills whole blocks."""
    length = -(-len(data) // _BLOCK) * _BLOCK
    return (data * length)[:length]
