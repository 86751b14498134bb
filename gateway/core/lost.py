"""Reporting a lost stick: what it is about, and the token between its two pages.

The token opens nothing but the second page, for the person who has just proved who they are: their
certificates can be seen and revoked with it, for a few minutes, and nothing else. It is sealed,
so it tells nothing to whoever sees it, and bound to the version of the credentials that were
proved: another password, another secret or new recovery codes end it.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gateway.core.people import Fingerprint, Person
from gateway.core.sealing import open_form, seal_form

TOKEN_LIFETIME: Final = timedelta(minutes=10)
"""Long enough to find out which stick it was."""

_OWNER: Final = "reporting a lost stick"
_DEVICE: Final = "device "
_FOREIGN: Final = "certificate "


@dataclass(frozen=True, slots=True)
class Reporter:
    """Somebody who has proved who they are; *version* is that of what they proved it with."""

    user: str
    version: int


@dataclass(frozen=True, slots=True)
class Belonging:
    """A certificate that still opens something, or would if it were released.

    *trust* is the name of the CA where it is not ours, and then there is no *device*.
    """

    fingerprint: Fingerprint
    serial: str
    device: str
    since: datetime
    until: datetime
    held: bool
    last_sign_in: datetime | None
    trust: str = ""

    @property
    def choice(self) -> str:
        """What stands for it in a form: everything on its device goes together."""
        return f"{_FOREIGN}{self.fingerprint}" if self.trust else f"{_DEVICE}{self.device}"


@dataclass(frozen=True, slots=True)
class Lost:
    """What is to be revoked: a device, a certificate of another CA, or, with neither, everything."""

    device: str | None = None
    foreign: Fingerprint | None = None

    @property
    def everything(self) -> bool:
        """Whether all that the person has is meant."""
        return self.device is None and self.foreign is None


@dataclass(frozen=True, slots=True)
class ReporterView:
    """Who a reporter is, and what they have, at one moment."""

    person: Person
    belongings: tuple[Belonging, ...]


@dataclass(frozen=True, slots=True)
class Reported:
    """What a report of *person* has *ended*, none of it if nothing was open; and what is *left*."""

    person: Person
    ended: tuple[Belonging, ...]
    left: tuple[Belonging, ...]


EVERYTHING: Final = "everything"
"""What stands for all of it in a form."""


def read_choice(text: str) -> Lost | None:
    """Read what `Belonging.choice` wrote, or `EVERYTHING`; None for anything else."""
    if text == EVERYTHING:
        return Lost()
    if text.startswith(_DEVICE) and (device := text.removeprefix(_DEVICE)):
        return Lost(device=device)
    if text.startswith(_FOREIGN) and (fingerprint := text.removeprefix(_FOREIGN)):
        return Lost(foreign=Fingerprint(fingerprint))
    return None


def mint_token(key: bytes, reporter: Reporter, now: datetime, nonce: bytes) -> str:
    """Return a token for *reporter*; *nonce* is `sealing.NONCE_BYTES` fresh random bytes."""
    words = (reporter.user, reporter.version)
    return seal_form(key, _OWNER, words, now + TOKEN_LIFETIME, nonce)


def read_token(key: bytes, text: str, now: datetime) -> Reporter | None:
    """Return whom *text* is a token of at *now*; None where it has ended, or is none of ours.

    Says nothing on whether the credentials are still of that version.
    """
    words = open_form(key, _OWNER, text, now, TOKEN_LIFETIME)
    return None if words is None else Reporter(*words)
