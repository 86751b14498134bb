"""What a trust is: one CA that is not ours and that the site believes, by a name.

Only values; `gateway.config` reads them from trust/NAME.toml and trust/NAME.pem.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import PurePath


class IdentityMap(StrEnum):
    """What in a certificate says who its holder is."""

    SAN_EMAIL = "san-email"
    """The mail address among the subject alternative names, which is that of one person here."""
    SAN_UPN = "san-upn"
    """The user principal name that AD CS writes there, which is the mail address of one person
    here: it has the form of one, and no user's name has."""
    SUBJECT_CN = "subject-cn"
    """The common name of the subject, which is the name of a user here."""
    SERIAL = "serial"
    """The serial number, which somebody here has given to a user: `Trust.people`."""


class PastEnd(StrEnum):
    """What happens when the newest information about revocation has ended."""

    REFUSE = "refuse"
    GO_ON = "go-on"
    """It is believed for a stated grace, and an alarm is given."""


@dataclass(frozen=True, slots=True)
class Trust:
    """One CA that is not ours, as trust/NAME.toml and trust/NAME.pem say."""

    name: str
    certificates: tuple[bytes, ...]
    """DER: the issuing CAs and those above them, up to the anchor, in the order of the file."""
    identity: IdentityMap
    crl_urls: tuple[str, ...] = ()
    """Where its lists are; none, and no file: at the certificates' own distribution points."""
    crl_file: PurePath | None = None
    ocsp: bool = False
    """Whether the CA's responder is asked besides."""
    past_end: PastEnd = PastEnd.REFUSE
    grace: timedelta = timedelta(0)
    """How long it goes on past the end; only with `PastEnd.GO_ON`."""
    people: Mapping[str, str] = field(default_factory=dict)
    """Serial numbers in lower-case hexadecimal, each with its user; for `IdentityMap.SERIAL`."""
