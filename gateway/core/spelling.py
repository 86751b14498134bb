"""Codes that people read, dictate and type: random bits in groups of four characters.

The alphabet is Crockford's base 32: no I, L, O or U, which are mistaken for 1, 0 and V, or make
words. Each character carries five bits.
"""

from typing import Final

LONGEST: Final = 40
"""How long a code may be as it is typed, with all its hyphens and blanks."""

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_BITS: Final = 5
_GROUP: Final = 4
_READ_AS: Final = str.maketrans("OIL", "011", " -\u2010\u2011\u2012\u2013\u2014")


def spell(entropy: bytes, characters: int) -> str:
    """Return the last bits of *entropy* as *characters* in groups, such as `7K3M-QX2A-9DFT`.

    Raises `ValueError` where it has not as many bits as that takes.
    """
    if len(entropy) * 8 < characters * _BITS:
        raise ValueError(f"{len(entropy)} bytes do not fill {characters} characters")
    number = int.from_bytes(entropy)
    places = range(_BITS * (characters - 1), -1, -_BITS)
    letters = [_ALPHABET[number >> place & (1 << _BITS) - 1] for place in places]
    groups = ["".join(letters[at : at + _GROUP]) for at in range(0, characters, _GROUP)]
    return "-".join(groups)


def unspell(typed: str, characters: int) -> str | None:
    """Return the code that somebody has *typed*, in its one form; None for what cannot be one.

    Small letters, hyphens and blanks make no difference, nor do letters that we never use and
    that look like digits.
    """
    if len(typed) > LONGEST:
        return None
    code = typed.upper().translate(_READ_AS)
    return code if len(code) == characters and set(code) <= set(_ALPHABET) else None
