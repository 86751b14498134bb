"""Recovery codes: ten on a sheet of paper, for whoever has neither stick nor authenticator.

A code is 80 random bits, so nothing is gained by guessing, neither here nor with a stolen store
at leisure: what is kept is an HMAC under a key of the site's, which costs us nothing to compute
for whoever types nonsense. (A password is slow to check because people choose it.) Owner and code
are both under the HMAC, so one person's code is worth nothing in another's hands.
"""

import hmac
from hashlib import sha256
from typing import Final

from gateway.core.spelling import spell, unspell

CODES: Final = 10
CODE_BYTES: Final = 10
"""80 bits: 16 characters of five bits each."""

_LENGTH: Final = 16
_PURPOSE: Final = b"pusterla: recovery codes"


def new_codes(entropy: bytes) -> tuple[str, ...]:
    """Return `CODES` new codes as people write them, made of fresh random *entropy*.

    That is `CODES` * `CODE_BYTES` bytes; another number raises `ValueError`.
    """
    if len(entropy) != CODES * CODE_BYTES:
        raise ValueError(f"expected {CODES * CODE_BYTES} bytes, not {len(entropy)}")
    return tuple(
        spell(entropy[start : start + CODE_BYTES], _LENGTH)
        for start in range(0, len(entropy), CODE_BYTES)
    )


def plain_code(typed: str) -> str | None:
    """Return the code that somebody has *typed*, in its one form; None for what cannot be one."""
    return unspell(typed, _LENGTH)


def code_digest(key: bytes, user: str, code: str) -> str:
    """Return what is kept of the plain *code* of *user*: 64 hexadecimal digits.

    *key* is the site's; what is computed here stands under a key of its own that follows from it.
    """
    own = hmac.digest(key, _PURPOSE, sha256)
    return hmac.digest(own, f"{user}\0{code}".encode(errors="surrogatepass"), sha256).hex()


def code_digests(key: bytes, user: str, codes: tuple[str, ...]) -> list[str]:
    """Return what is kept of *codes* that `new_codes` has made for *user*."""
    return [code_digest(key, user, plain_code(code) or "") for code in codes]
