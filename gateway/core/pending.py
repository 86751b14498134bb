"""What somebody is about to sign in with, between the QR code and the code that confirms it.

It travels in the form of its page and is kept nowhere else, so a tab that is closed leaves nothing
behind. It is sealed with the site's key, so nobody reads or swaps what is in it, and bound to a
person, a certificate and what they have proved: an enrolment ticket, a recovery code or a session.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.core.people import Fingerprint
from gateway.core.sealing import open_form, seal_form

PENDING_LIFETIME: Final = timedelta(minutes=30)
"""Long enough to find the telephone and to install an application on it."""

_OWNER: Final = "about to sign in with"


class Ground(StrEnum):
    """What somebody has proved who gets another authenticator secret."""

    TICKET = "ticket"
    RECOVERY = "recovery"
    ACCOUNT = "account"


@dataclass(frozen=True, slots=True)
class Pending:
    """A secret that is not in force yet.

    *proof* is the digest of the ticket or of the recovery code, or the session's number.
    *password_hash* is that of the password which goes with a ticket. *version* is that of the
    credentials which were proved, where there are any.
    """

    ground: Ground
    user: str
    fingerprint: Fingerprint
    proof: str
    secret: str
    password_hash: str = ""
    version: int = 0


def mint_pending(key: bytes, pending: Pending, now: datetime, nonce: bytes) -> str:
    """Return *pending* as it travels; *nonce* is `sealing.NONCE_BYTES` fresh random bytes."""
    words = [
        *(pending.ground.value, pending.user, pending.fingerprint, pending.proof),
        *(pending.secret, pending.password_hash, pending.version),
    ]
    return seal_form(key, _OWNER, words, now + PENDING_LIFETIME, nonce)


def read_pending(key: bytes, text: str, now: datetime) -> Pending | None:
    """Return what *text* carries; None where it has ended, or is none of ours.

    Says nothing on whether what was proved is still so: the store does, when it is put in force.
    """
    words = open_form(key, _OWNER, text, now, PENDING_LIFETIME)
    if words is None:
        return None
    ground, user, fingerprint, *rest = words
    return Pending(Ground(ground), user, Fingerprint(fingerprint), *rest)
