"""Recovery codes: ten on a sheet of paper, for whoever has neither stick nor authenticator.

A code is 80 random bits, so nothing is gained by guessing, neither here nor with a stolen store
at leisure: what is kept is an HMAC under a key of the site's, which costs us nothing to compute
for whoever types nonsense. (A password is slow to check because people choose it.) Owner and code
are both under the HMAC, so one person's code is worth nothing in another's hands.
"""

import hmac
from hashlib import sha256
from typing import Final

CODES: Final = 10
CODE_BYTES: Final = 10
"""80 bits: 16 characters of five bits each."""
LONGEST: Final = 40
"""How long a code may be as it is typed, with all its hyphens and blanks."""

# Crockford's: no I, L, O or U, which are mistaken for 1, 0 and V, or make words.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BITS: Final = 5
_GROUP: Final = 4
_LENGTH: Final = CODE_BYTES * 8 // _BITS
_READ_AS: Final = str.maketrans("OIL", "011", " -\u2010\u2011\u2012\u2013\u2014")
_PURPOSE: Final = b"pusterla: recovery codes"


def new_codes(entropy: bytes) -> tuple[str, ...]:
    """Return `CODES` new codes as people write them, made of fresh random *entropy*.

    That is `CODES` * `CODE_BYTES` bytes; another number raises `ValueError`.
    """
    if len(entropy) != CODES * CODE_BYTES:
        raise ValueError(f"expected {CODES * CODE_BYTES} bytes, not {len(entropy)}")
    return tuple(
        _written(entropy[start : start + CODE_BYTES])
        for start in range(0, len(entropy), CODE_BYTES)
    )


def plain_code(typed: str) -> str | None:
    """Return the code that somebody has *typed*, in its one form; None for what cannot be one.

    Small letters, hyphens and blanks make no difference, nor do letters that we never use and
    that look like digits.
    """
    if len(typed) > LONGEST:
        return None
    code = typed.upper().translate(_READ_AS)
    return code if len(code) == _LENGTH and set(code) <= set(_ALPHABET) else None


def code_digest(key: bytes, user: str, code: str) -> str:
    """Return what is kept of the plain *code* of *user*: 64 hexadecimal digits.

    *key* is the site's; what is computed here stands under a key of its own that follows from it.
    """
    own = hmac.digest(key, _PURPOSE, sha256)
    return hmac.digest(own, f"{user}\0{code}".encode(errors="surrogatepass"), sha256).hex()


def _written(octets: bytes) -> str:
    number = int.from_bytes(octets)
    places = range(_BITS * (_LENGTH - 1), -1, -_BITS)
    letters = [_ALPHABET[number >> place & (1 << _BITS) - 1] for place in places]
    groups = ["".join(letters[at : at + _GROUP]) for at in range(0, _LENGTH, _GROUP)]
    return "-".join(groups)
