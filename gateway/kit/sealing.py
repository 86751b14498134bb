"""How NSS protects keys and trust in its store (its `sftkpwd.c` and `lowpbe.c`).

All keys come from the primary password: SHA-1 with a salt of the store, then PBKDF2. NSS lets us
choose the rounds and reads them from each entry. A stick that was found is attacked at leisure,
so they are sixty times its own.

One salt serves all ciphers and one all MACs: whoever guesses must compute each round anyway, and
the browser, which remembers what it has derived, opens the store sixteen times faster.
"""

import hashlib
import hmac
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7

from ca.der import OCTET_STRING, SEQUENCE, encode, encode_integer

ROUNDS = 600_000
"""OWASP's figure for PBKDF2 with HMAC-SHA-256 (2023). NSS itself writes 10,000."""

STORE_SALT = 20
ENTRY_SALT = 32
_KEY = 32
_IV = 14
"""NSS takes the DER of this OCTET STRING, with tag and length, for the 16 octets of the IV."""

_OID = 0x06
_PBES2 = encode(_OID, bytes.fromhex("2a864886f70d01050d"))
_PBMAC1 = encode(_OID, bytes.fromhex("2a864886f70d01050e"))
_PBKDF2 = encode(_OID, bytes.fromhex("2a864886f70d01050c"))
_HMAC_SHA256 = encode(_OID, bytes.fromhex("2a864886f70d0209"))
_AES256_CBC = encode(_OID, bytes.fromhex("60864801650304012a"))
_PASSWORD_CHECK = b"password-check"

Entropy = Callable[[int], bytes]
"""Gives so many random octets."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The two columns of the row `password`: what tells the right password from a wrong one."""

    salt: bytes
    check: bytes


class Sealer:
    """Seals under one primary password. Making one takes about a second, on purpose."""

    def __init__(self, password: str, entropy: Entropy, rounds: int = ROUNDS) -> None:
        """Derive the keys of *password*; *entropy* is a source fit for keys."""
        self._entropy = entropy
        self._rounds = rounds
        self._store_salt = entropy(STORE_SALT)
        self._pass_key = hashlib.sha1(  # noqa: S324 - as NSS does; the rounds are PBKDF2's
            self._store_salt + password.encode()
        ).digest()
        self._cipher_salt, self._cipher_key = self._derive()
        self._mac_salt, self._mac_key = self._derive()

    def _derive(self) -> tuple[bytes, bytes]:
        salt = self._entropy(ENTRY_SALT)
        return salt, hashlib.pbkdf2_hmac("sha256", self._pass_key, salt, self._rounds, _KEY)

    def password(self) -> Sealed:
        """Return the row that tells NSS whether a password is the right one."""
        return Sealed(self._store_salt, self.encrypt(_PASSWORD_CHECK))

    def encrypt(self, secret: bytes) -> bytes:
        """Seal *secret* as NSS has it: PBES2 (RFC 8018) with AES-256 in CBC mode."""
        iv = encode(OCTET_STRING, self._entropy(_IV))
        padder = PKCS7(AES256.block_size).padder()
        padded = padder.update(secret) + padder.finalize()
        encryptor = Cipher(AES256(self._cipher_key), CBC(iv)).encryptor()
        ciphertext = encryptor.update(padded) + encryptor.finalize()
        scheme = encode(SEQUENCE, _AES256_CBC, iv)
        return self._entry(_PBES2, self._cipher_salt, scheme, ciphertext)

    def sign(self, object_id: int, attribute: int, value: bytes) -> bytes:
        """Return the MAC (PBMAC1, RFC 8018) that ties *value* to its place in the store.

        *object_id* is 0 for what is secret of a private key.
        """
        message = object_id.to_bytes(4) + attribute.to_bytes(4) + value
        mac = hmac.digest(self._mac_key, message, "sha256")
        return self._entry(_PBMAC1, self._mac_salt, encode(SEQUENCE, _HMAC_SHA256), mac)

    def _entry(self, algorithm: bytes, salt: bytes, scheme: bytes, content: bytes) -> bytes:
        derivation = encode(
            SEQUENCE,
            encode(OCTET_STRING, salt),
            encode_integer(self._rounds),
            encode_integer(_KEY),
            encode(SEQUENCE, _HMAC_SHA256),
        )
        parameters = encode(SEQUENCE, encode(SEQUENCE, _PBKDF2, derivation), scheme)
        return encode(
            SEQUENCE, encode(SEQUENCE, algorithm, parameters), encode(OCTET_STRING, content)
        )
