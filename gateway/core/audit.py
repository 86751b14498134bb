"""Security events, and the chain that shows when a line was changed.

Each line's hash covers the line and the hash before it. A chain does *not*
show that the newest lines were cut off, nor a forger who rewrites all of it:
for that the newest hash must be kept somewhere else.
"""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AuditKind(StrEnum):
    """What happened; never renamed, only added."""

    SITE_CREATED = "site-created"
    USER_ADDED = "user-added"
    USER_DISABLED = "user-disabled"
    USER_ENABLED = "user-enabled"
    USER_REMOVED = "user-removed"
    PASSWORD_CHANGED = "password-changed"  # noqa: S105 - the name of an event
    TOTP_RESET = "totp-reset"
    RECOVERY_CODES_MADE = "recovery-codes-made"
    TOTP_CHANGED = "totp-changed"
    """Somebody has another authenticator secret, by their own doing; *proved* says with what."""
    TICKET_MADE = "ticket-made"
    TICKET_WITHDRAWN = "ticket-withdrawn"
    AUTHENTICATOR_SHOWN = "authenticator-shown"
    """The secret of an authenticator that is not in force yet; *proved* says to whom."""
    ENROLLED = "enrolled"
    """Somebody has set up their sign-in with a ticket; *replaced*: whether they had one."""
    ACCOUNT_CHANGE_REFUSED = "account-change-refused"
    """Somebody who is signed in wanted to change their account, and did not prove who they are."""
    CERTIFICATE_ISSUED = "certificate-issued"
    CERTIFICATE_REVOKED = "certificate-revoked"
    RENEWAL_ASKED = "renewal-asked"
    """Somebody wants their certificate renewed; *way* says for which key."""
    RENEWAL_REFUSED = "renewal-refused"
    RENEWAL_HANDED_OVER = "renewal-handed-over"
    """A key that the portal has made went to whoever asked for it; *successor* is its serial."""
    CERTIFICATE_HELD = "certificate-held"
    CERTIFICATE_RELEASED = "certificate-released"
    BULK_REVOCATION = "bulk-revocation"
    """Many are going to be revoked, or were: *stage* says which."""
    CERTIFICATE_REFUSED = "certificate-refused"
    CERTIFICATE_ADOPTED = "certificate-adopted"
    """One of another CA was shown for the first time, and is believed."""
    SERVER_CERTIFICATE_RENEWED = "server-certificate-renewed"
    CRL_PUBLISHED = "crl-published"
    SIGNED_IN = "signed-in"
    SIGN_IN_FAILED = "sign-in-failed"
    CODE_CONFIRMED = "code-confirmed"
    """Somebody who is signed in has given a code again; *proved* says whether a password too."""
    CODE_REFUSED = "code-refused"
    """A code was asked for again, and what was given did not hold."""
    SIGNED_OUT = "signed-out"
    SESSION_ENDED = "session-ended"
    LOST_REPORT_BEGUN = "lost-report-begun"
    """Somebody has proved, without a certificate, who they are, and is shown what they have."""
    LOST_REPORT_REFUSED = "lost-report-refused"
    LOST_REPORTED = "lost-reported"
    SESSION_REFUSED = "session-refused"
    IDENTITY_CLAIMED = "identity-claimed"
    """A client sent fields that say who it is; they were taken out of the request."""
    ACCESS_ALLOWED = "access-allowed"
    ACCESS_DENIED = "access-denied"
    ACCESS_OBSERVED = "access-observed"
    """Let in, against a rule on trial: *rule* names it, or several."""
    DAY_COUNTED = "day-counted"
    """A day of a quota is used by its first request; *used* says how many are, of how many."""
    DAY_GIVEN_BACK = "day-given-back"
    """An administrator has freed a day that was counted; *app* and serial are of its request."""
    APPROVAL_ASKED = "approval-asked"
    """Somebody asks to be let into an application on certain days; *number* is the request's."""
    APPROVAL_GRANTED = "approval-granted"
    APPROVAL_REFUSED = "approval-refused"
    APPROVAL_WITHDRAWN = "approval-withdrawn"
    """A request was taken back before anybody decided it."""
    APPROVAL_ENDED = "approval-ended"
    """What was granted was taken or given back before its last day."""
    CONNECTION_CUT = "connection-cut"
    REQUEST_REFUSED = "request-refused"
    MAIL_SENT = "mail-sent"
    MAIL_FAILED = "mail-failed"
    ISSUER_ADDED = "issuer-added"
    ISSUER_RETIRED = "issuer-retired"
    CA_KEYS_ENCRYPTED = "ca-keys-encrypted"
    CA_KEYS_DECRYPTED = "ca-keys-decrypted"
    APPLICATION_ADDED = "application-added"
    APPLICATION_REMOVED = "application-removed"
    TRUST_ADDED = "trust-added"
    """The site believes another CA from now on."""
    TRUST_ASSIGNED = "trust-assigned"
    """A certificate of another CA, by its serial number, is somebody's from now on."""
    TRUST_REMOVED = "trust-removed"
    KIT_BUILT = "kit-built"
    """A stick is about to be whole; *manifest* is the SHA-256 of its list of files."""
    KIT_RENEWED = "kit-renewed"
    AGREEMENT_ACCEPTED = "agreement-accepted"
    """Somebody has accepted a text; *digest* is its SHA-256."""
    AGREEMENT_WITHDRAWN = "agreement-withdrawn"


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One security event, before it has a place in the chain.

    *reason* is a named value (of `policies.Reason`, of a refusal), never free
    text of a stranger; *detail* holds what else helps, without any secret.
    """

    kind: AuditKind
    at: datetime
    user: str = ""
    serial: str = ""
    device: str = ""
    app: str = ""
    address: str = ""
    reason: str = ""
    detail: dict[str, str] = field(default_factory=dict)

    def canonical(self) -> bytes:
        """Return the bytes that the chain covers: the same for the same event, for ever."""
        return json.dumps(
            {
                "kind": self.kind.value,
                # Whole numbers: from 2038 on a float confuses neighbouring microseconds.
                "at": (self.at - _EPOCH) // timedelta(microseconds=1),
                "user": self.user,
                "serial": self.serial,
                "device": self.device,
                "app": self.app,
                "address": self.address,
                "reason": self.reason,
                "detail": self.detail,
            },
            sort_keys=True,
            separators=(",", ":"),
            ensure_ascii=True,
        ).encode("ascii")


@dataclass(frozen=True, slots=True)
class AuditLine:
    """An event in its place: *number* rises by one, *chain* is hexadecimal."""

    number: int
    event: AuditEvent
    chain: str


FIRST_CHAIN = "0" * 64


def link(previous: str, number: int, event: AuditEvent) -> str:
    """Return the chain value of *event* as line *number*, behind *previous*."""
    digest = sha256(bytes.fromhex(previous))
    digest.update(number.to_bytes(8))
    digest.update(event.canonical())
    return digest.hexdigest()
