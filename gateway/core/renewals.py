"""Renewals that people ask for at the portal: what is asked, and what has become of it.

The portal cannot sign. It writes down what is asked for, and the authority works it off. A key
that the portal has made travels in the form of its page, sealed, and is kept nowhere else.
"""

from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.core.people import Fingerprint
from gateway.core.sealing import open_form, seal_form


class Way(StrEnum):
    """Which key the new certificate is for."""

    SAME_KEY = "same-key"
    """That of the old one: whoever has it needs nothing but the certificate."""
    NEW_KEY = "new-key"
    """One that the portal has made, to be handed over once, in a file."""


class RenewalState(StrEnum):
    """How far a request has come; only ever forward, and never twice to the same."""

    ASKED = "asked"
    SIGNED = "signed"
    """And nobody has signed in with the new certificate: until then the old one is not revoked."""
    USED = "used"
    REFUSED = "refused"
    LAPSED = "lapsed"
    """Nobody fetched the new key in time: its certificate, if there was one, is revoked."""


FETCH_WITHIN: Final = timedelta(minutes=10)
"""How long a new key may wait for whoever asked for it, once it is certified."""
ASKED_LIFETIME: Final = timedelta(hours=1)
"""How long a new key may wait to be certified: as long as its page is good for."""
KEPT: Final = timedelta(days=60)
"""How long a request that is over is remembered."""
UNANSWERED: Final = timedelta(seconds=30)
"""After how long people are told that nobody is there to sign."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What somebody has asked for with the certificate *fingerprint*, and what came of it.

    One for each certificate: who asks once more, after it came to nothing, takes its place. *id*
    tells one from the next. *public_key* (DER) is that of a new key. *successor* and *chain* (PEM: the new certificate and what stands
    above it) are there once it is signed; *handed_at* once its key was handed over.
    """

    id: str
    fingerprint: Fingerprint
    issuer: str
    serial: str
    user: str
    way: Way
    public_key: bytes
    asked_at: datetime
    state: RenewalState = RenewalState.ASKED
    settled_at: datetime | None = None
    successor: str | None = None
    chain: bytes = b""
    handed_at: datetime | None = None
    words: str = ""
    """Why it was refused, for administrators."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A certificate that may be renewed: its end, and what has become of a renewal.

    *successor* is the serial of what takes its place, and *used* says whether somebody has signed
    in with that; *goes_at* is until when the old one goes on beside it: its own end, as long as
    nobody has used what its person ordered by themselves.
    """

    serial: str
    device: str
    not_after: datetime
    asked: Renewal | None
    successor: str | None
    used: bool
    goes_at: datetime | None

    @property
    def unfetched(self) -> bool:
        """Say whether *successor* has a new key that nobody has, and lapses unless it is fetched."""
        asked = self.asked
        return (
            asked is not None
            and asked.successor is not None
            and asked.successor == self.successor
            and asked.way is Way.NEW_KEY
            and asked.handed_at is None
        )


STEPS: Final[Mapping[int, timedelta]] = MappingProxyType(
    {days: timedelta(days=days) for days in (30, 7, 1)}
)
"""How long before its end, in days, the holder of a certificate is written to."""


def step_of(left: timedelta) -> int | None:
    """Return the step, in days, at which somebody is whose certificate lasts *left*; None: none.

    A step that nobody was there for is not made up for: only the nearest counts.
    """
    if left <= timedelta():
        return None
    return min((days for days, span in STEPS.items() if left <= span), default=None)


@dataclass(frozen=True, slots=True)
class Ending:
    """A certificate that ends soon, and whose it is.

    Either nothing takes its place, or, where it is *renewed*, something that nobody has used yet.
    """

    fingerprint: Fingerprint
    serial: str
    device: str
    not_after: datetime
    name: str
    email: str
    renewed: bool = False


@dataclass(frozen=True, slots=True)
class NewKey:
    """A private key (PKCS #8, DER) on its way to whoever asked for it, of one request."""

    renewal_id: str
    user: str
    fingerprint: Fingerprint
    key: bytes


_OWNER: Final = "new key of a renewal"


def mint_key_token(site_key: bytes, new: NewKey, now: datetime, nonce: bytes) -> str:
    """Return *new* as it travels in a form; *nonce* is `sealing.NONCE_BYTES` fresh random bytes."""
    words = [new.renewal_id, new.user, new.fingerprint, b64encode(new.key).decode()]
    return seal_form(site_key, _OWNER, words, now + ASKED_LIFETIME, nonce)


def read_key_token(site_key: bytes, text: str, now: datetime) -> NewKey | None:
    """Return what *text* carries; None where it has ended, or is none of ours."""
    words = open_form(site_key, _OWNER, text, now, ASKED_LIFETIME)
    if words is None:
        return None
    renewal_id, user, fingerprint, key = words
    return NewKey(renewal_id, user, Fingerprint(fingerprint), b64decode(key))
