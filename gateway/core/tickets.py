"""Enrolment tickets: with one, once, and with their certificate, somebody sets up their sign-in.

A ticket is 60 random bits in three groups of four, short enough to be dictated on the telephone.
It can be tried only with a certificate of that very person, and wrong ones are counted together
with that certificate's failed sign-ins: some hundreds in a week, of 10^18. What is kept is an HMAC
under a key that follows from the site's, so a stolen store gives none away.
"""

import hmac
from base64 import b32encode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from gateway.core.people import Fingerprint
from gateway.core.spelling import spell, unspell

TICKET_BYTES: Final = 8
"""How much entropy a ticket is made of; the last 60 bits of it."""

_CHARACTERS: Final = 12
_SECRET_BYTES: Final = 20
_KEPT: Final = b"pusterla: enrolment tickets"
_SECRET: Final = b"pusterla: authenticator secrets of enrolment tickets"


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is kept of a ticket: its *digest*, and until when it is good."""

    digest: str
    ends_at: datetime


def new_ticket(entropy: bytes) -> str:
    """Return a new ticket as people read it, made of `TICKET_BYTES` fresh random bytes."""
    return spell(entropy, _CHARACTERS)


def plain_ticket(typed: str) -> str | None:
    """Return the ticket that somebody has *typed*, in its one form; None for what cannot be one."""
    return unspell(typed, _CHARACTERS)


def ticket_digest(key: bytes, user: str, ticket: str) -> str:
    """Return what is kept of the plain *ticket* of *user*; *key* is the site's."""
    return _mac(key, _KEPT, user, ticket).hex()


def ticket_secret(key: bytes, digest: str, user: str, fingerprint: Fingerprint) -> str:
    """Return the authenticator secret (base32) that *user* gets by a ticket with one certificate.

    It follows from the ticket's *digest* and the site's *key*, so it is kept nowhere before it is
    confirmed, nobody can swap it, and whoever begins once more (a closed tab, the back button)
    scans what they have scanned already.
    """
    return b32encode(_mac(key, _SECRET, user, digest, fingerprint)[:_SECRET_BYTES]).decode()


def _mac(key: bytes, purpose: bytes, *words: str) -> bytes:
    own = hmac.digest(key, purpose, sha256)
    return hmac.digest(own, "\0".join(words).encode(errors="surrogatepass"), sha256)
