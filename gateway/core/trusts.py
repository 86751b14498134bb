"""What a trust is: one CA that is not ours and that the site believes, by a name.

Only values; `gateway.config` reads them from trust/NAME.toml and trust/NAME.pem.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import PurePath
from typing import Final

_LATEST: Final = datetime.max.replace(microsecond=0, tzinfo=UTC)


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

    def good_until(self, ends: datetime) -> datetime:
        """Return until when it is gone by what is known of revocation until *ends*.

        The last second that can be written where that would be later: "without an end" is
        99991231235959Z (RFC 5280, 4.1.2.5).
        """
        if self.past_end is PastEnd.REFUSE:
            return ends
        return ends + min(self.grace, max(_LATEST - ends, timedelta(0)))
