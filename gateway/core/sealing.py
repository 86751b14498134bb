"""Secrets at rest: sealed with the site's key, bound to whom they belong to.

AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce; the owner is the
associated data, so one person's sealed secret does not open as another's.

What a page must carry to the next one travels in its form, sealed in the same way, and is good for
a while: it is in no table, whoever holds it reads and swaps nothing, and any portal can go on.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

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


def seal_form(
    key: bytes, owner: str, words: Sequence[str | int], ends_at: datetime, nonce: bytes
) -> str:
    """Return *words* as they travel in a form until *ends_at*; *nonce* as for `seal`.

    *owner* says what kind of form it is. Where that is no name of a person, as none with a blank
    is, no form is taken for somebody's secret.
    """
    octets = seal(key, owner, json.dumps([int(ends_at.timestamp()), *words]), nonce)
    return urlsafe_b64encode(octets).decode()


def open_form(
    key: bytes, owner: str, text: str, now: datetime, lifetime: timedelta
) -> list[Any] | None:
    """Return the words that *text* carries; None where it has ended, or is none of ours.

    *lifetime* is the longest that such a form is good for: what says more was sealed by a clock
    that has been put back since.
    """
    try:
        sealed = urlsafe_b64decode(text.encode("ascii"))
        ends, *words = json.loads(unseal(key, owner, sealed))
    except (ValueError, SealBroken):
        return None
    return words if 0 < ends - now.timestamp() <= lifetime.total_seconds() else None
