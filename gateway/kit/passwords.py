"""The primary password of a kit: what will do, and making one by chance.

It alone is between whoever finds a stick and the key, and nobody counts the guesses.
"""

from gateway.core.credentials import PASSWORD_MINIMUM
from gateway.kit.sealing import Entropy

# Letters and digits that nobody takes for one another: 32, so each is five bits.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 4, 4
_LONGEST = 256


def fault_of(password: str) -> str | None:
    """Say why *password* will not do as a primary password; None if it will."""
    if len(password) < PASSWORD_MINIMUM:
        return (
            f"the primary password has at least {PASSWORD_MINIMUM} characters:"
            " whoever finds the stick may guess as often as they like"
        )
    if len(password) > _LONGEST:
        return f"the primary password has at most {_LONGEST} characters"
    if not password.isprintable():
        return "the primary password holds characters that cannot be typed"
    return None


def make_password(entropy: Entropy) -> str:
    """Make one of 80 bits, in groups that can be read out."""
    letters = [_ALPHABET[octet % len(_ALPHABET)] for octet in entropy(_GROUPS * _GROUP)]
    groups = (letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))
    return "-".join("".join(group) for group in groups)
