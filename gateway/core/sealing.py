"""Secrets at rest: sealed with the site's key, bound to whom they belong to.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; the owner is the
associated data, so one person's sealed secret does not open as another's.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
NONCE_BYTES = 12


class SealBroken(Exception):
    """A sealed secret does not open: another site key, another owner, or changed bytes."""


def seal(key: bytes, owner: str, secret: str, nonce: bytes) -> bytes:
    """Seal *secret* for *owner*; *nonce* is `NONCE_BYTES` fresh random bytes, never used before.

    Another length raises `ValueError`: the cipher would take it, and nobody
    could open the secret again.
    """
    if len(nonce) != NONCE_BYTES:
        message = f"a nonce has {NONCE_BYTES} bytes, not {len(nonce)}"
        raise ValueError(message)
    return nonce + AESGCM(key).encrypt(nonce, secret.encode(), owner.encode())


def unseal(key: bytes, owner: str, sealed: bytes) -> str:
    """Return the secret that was sealed for *owner*, or raise `SealBroken`."""
    nonce, data = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    try:
        return AESGCM(key).decrypt(nonce, data, owner.encode()).decode()
    except (InvalidTag, ValueError) as error:
        message = f"the secret of {owner!r} cannot be opened with this site's key"
        raise SealBroken(message) from error
