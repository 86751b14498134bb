"""Keys at rest under a passphrase: PKCS#8 with PBES2, in honest rounds.

The library writes the same form with 2,048 rounds, which a graphics card takes for nothing; so
the few lines around the cipher are ours. It reads them, and so does whatever reads PKCS#8:
PBKDF2 rather than scrypt, because OpenSSL refuses to spend the memory that would make scrypt
worth more.
"""

import hashlib
import secrets
from base64 import encodebytes

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.der import OCTET_STRING, SEQUENCE, encode, encode_integer
from ca.errors import KeyLocked
from ca.kinds import PrivateKey

ROUNDS = 600_000
"""Of PBKDF2 with HMAC-SHA-256, a good part of a second: what OWASP asks for since 2023."""

SHORTEST_PASSPHRASE = 12
"""In characters. Whoever steals the file guesses at leisure."""

_SALT = 16
_KEY = 32
_BLOCK = 16
_NULL = b"\x05\x00"
# RFC 8018, appendix A.4, A.2 and B.1.2; NIST's AES-256 in CBC.
_PBES2 = bytes.fromhex("06092a864886f70d01050d")
_PBKDF2 = bytes.fromhex("06092a864886f70d01050c")
_HMAC_SHA256 = bytes.fromhex("06082a864886f70d0209")
_AES_256_CBC = bytes.fromhex("060960864801650304012a")
_LABEL = "ENCRYPTED PRIVATE KEY"
MARK = f"-----BEGIN {_LABEL}-----".encode()
"""How such a file is known (RFC 7468, section 11)."""


def encrypt_key(key: PrivateKey, passphrase: bytes) -> bytes:
    """Return *key* as PEM that *passphrase* opens; no two results are alike.

    Raises `KeyLocked` for a passphrase that protects nothing.
    """
    refuse_weak(passphrase)
    salt, vector = secrets.token_bytes(_SALT), secrets.token_bytes(_BLOCK)
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    derived = hashlib.pbkdf2_hmac("sha256", passphrase, salt, ROUNDS, _KEY)
    cipher = Cipher(algorithms.AES(derived), modes.CBC(vector)).encryptor()
    padder = PKCS7(_BLOCK * 8).padder()
    padded = padder.update(plain) + padder.finalize()
    function = encode(
        SEQUENCE,
        _PBKDF2,
        encode(
            SEQUENCE,
            encode(OCTET_STRING, salt),
            encode_integer(ROUNDS),
            encode(SEQUENCE, _HMAC_SHA256, _NULL),
        ),
    )
    scheme = encode(SEQUENCE, _AES_256_CBC, encode(OCTET_STRING, vector))
    algorithm = encode(SEQUENCE, _PBES2, encode(SEQUENCE, function, scheme))
    sealed = encode(OCTET_STRING, cipher.update(padded) + cipher.finalize())
    return _pem(encode(SEQUENCE, algorithm, sealed))


def refuse_weak(passphrase: bytes) -> None:
    """Raise `KeyLocked` unless *passphrase* is long enough to protect a key."""
    if len(passphrase.decode("utf-8", "replace")) < SHORTEST_PASSPHRASE:
        raise KeyLocked(
            f"a passphrase for the CA's key has at least {SHORTEST_PASSPHRASE} characters"
        )


def _pem(der: bytes) -> bytes:
    # 48 octets make the 64 characters of a line (RFC 7468, section 2); encodebytes takes 57.
    lines = b"".join(encodebytes(der[start : start + 48]) for start in range(0, len(der), 48))
    return MARK + b"\n" + lines + f"-----END {_LABEL}-----\n".encode()
