"""The store's own tables; those of the certificates are `ca.ledger`'s.

*head* holds, for the feed and the audit log, the newest number that was given.
Numbers are counted there and not by the database, since sequences of
PostgreSQL leave holes when a transaction is rolled back, and a hole could not
be told from a row that was taken out.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

from ca.ledger import Instant, NameList
from ca.ledger import metadata as ledger_metadata

REVISION = "0010"
"""The migration that these tables are the result of."""

metadata = MetaData(naming_convention=ledger_metadata.naming_convention)

person = Table(
    "person",
    metadata,
    Column("username", String(64), primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("member_of", NameList, nullable=False),
    Column("enabled", Boolean, nullable=False),
    # Empty, as the secret below, until somebody has been given, or has set, what to sign in with.
    Column("password_hash", Text, nullable=False),
    Column("sealed_totp", LargeBinary, nullable=False),
    Column("totp_last_step", BigInteger, nullable=False),
    # Rises whenever what a sign-in proves is no longer what it was.
    Column("version", Integer, nullable=False),
    Column("added_at", Instant, nullable=False),
)

recovery_code = Table(
    "recovery_code",
    metadata,
    Column("username", String(64), primary_key=True),
    # As `gateway.core.recovery` makes it.
    Column("digest", String(64), primary_key=True),
    Column("made_at", Instant, nullable=False),
    # Kept, so that how many are left can be told, until the next ones are made.
    Column("used_at", Instant),
)

enrolment_ticket = Table(
    "enrolment_ticket",
    metadata,
    # One for each person: a new one takes the place of the old.
    Column("username", String(64), primary_key=True),
    # As `gateway.core.tickets` makes it.
    Column("digest", String(64), nullable=False),
    Column("made_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
)

session = Table(
    "session",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("username", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),
    Column("serial", String(40), nullable=False),
    Column("device", String(64), nullable=False),
    Column("level", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("address", Text, nullable=False),
    Column("ended_at", Instant),
    # When a code was last given on it; NULL: when it began.
    Column("proved_at", Instant),
    # When password and code were; NULL: when it began.
    Column("renewed_at", Instant),
    Index(None, "username"),
    Index(None, "fingerprint"),
    Index(None, "expires_at"),
)

session_use = Table(
    "session_use",
    metadata,
    # Only of applications that end what is not used.
    Column("session", String(32), primary_key=True),
    Column("app", String(64), primary_key=True),
    Column("used_at", Instant, nullable=False),
)

used_day = Table(
    "used_day",
    metadata,
    # What keeps two nodes from counting one day twice.
    Column("username", String(64), primary_key=True),
    # What the day counts for: `policies.papers.DayQuota.count`.
    Column("count", String(64), primary_key=True),
    # By the clock on the wall of the site's zone: `2026-11-24`.
    Column("day", String(10), primary_key=True),
    Column("app", String(64), nullable=False),
    Column("serial", String(40), nullable=False),
    Column("at", Instant, nullable=False),
)

acceptance = Table(
    "acceptance",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("username", String(64), nullable=False),
    Column("agreement", String(64), nullable=False),
    Column("version", String(64), nullable=False),
    Column("language", String(8), nullable=False),
    # SHA-256 of the text as it was shown.
    Column("digest", String(64), nullable=False),
    Column("serial", String(40), nullable=False),
    Column("accepted_at", Instant, nullable=False),
    Column("withdrawn_at", Instant),
    Index(None, "username"),
)

access_request = Table(
    "access_request",
    metadata,
    # Counted from 1, so that people can say it.
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("username", String(64), nullable=False),
    Column("app", String(64), nullable=False),
    # Spans of days, as `gateway.core.spans` writes them: `2026-11-24,2026-12-01/2026-12-03`.
    Column("wanted", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("serial", String(40), nullable=False),
    # The agreements that the rules ask for, as they stood accepted: `NAME VERSION DIGEST` a line.
    Column("agreements", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("granted", Text, nullable=False),
    # A user, or who was at the command: `command:root(giulia)`.
    Column("decided_by", Text, nullable=False),
    Column("decided_at", Instant),
    Column("words", Text, nullable=False),
    Column("ended_by", Text, nullable=False),
    Column("ended_at", Instant),
    # When its managers were written to, and the person who asked; NULL: not yet.
    Column("told_at", Instant),
    Column("answered_at", Instant),
    Index(None, "username"),
    Index(None, "state"),
    Index(None, "decided_at"),
)

attempt = Table(
    "attempt",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("failures", BigInteger, nullable=False),
    Column("free_at", Instant, nullable=False),
)

head = Table(
    "head",
    metadata,
    Column("log", String(16), primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("chain", String(64), nullable=False),
)

feed = Table(
    "feed",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(32), nullable=False),
    Column("key", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index(None, "at"),
)

audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    # The very bytes that the chain covers, as `AuditEvent.canonical` writes them.
    Column("event", Text, nullable=False),
    Column("chain", String(64), nullable=False),
)

renewal_request = Table(
    "renewal_request",
    metadata,
    # One for each certificate that is to be renewed.
    Column("fingerprint", String(64), primary_key=True),
    Column("id", String(32), nullable=False),
    Column("issuer", String(64), nullable=False),
    Column("serial", String(40), nullable=False),
    Column("username", String(64), nullable=False),
    Column("way", String(16), nullable=False),
    # Empty where it is that of the old certificate.
    Column("public_key", LargeBinary, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("state", String(16), nullable=False),
    Column("settled_at", Instant),
    Column("successor", String(40)),
    Column("chain", LargeBinary, nullable=False),
    Column("handed_at", Instant),
    Column("words", Text, nullable=False),
    Index(None, "id"),
    Index(None, "state"),
)

renewal_notice = Table(
    "renewal_notice",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    # So many days before its end.
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
)

foreign_certificate = Table(
    "foreign_certificate",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("der", LargeBinary, nullable=False),
    Column("presented_at", Instant, nullable=False),
    Column("judged_at", Instant),
    Column("trust", String(64), nullable=False),
    Column("issuer", Text, nullable=False),
    Column("serial", String(40), nullable=False),
    Column("not_before", Instant),
    Column("not_after", Instant),
    # What of its person is compared with the identity that it states: `PersonBy`.
    Column("person_by", String(16)),
    Column("identity", Text, nullable=False),
    Column("fault", String(64), nullable=False),
    Column("words", Text, nullable=False),
    # What its own CA says.
    Column("revoked_at", Instant),
    Column("reason", String(32)),
    Column("good_until", Instant),
    # What was said here; no list of its CA takes it back.
    Column("blocked_at", Instant),
    Column("block_reason", String(32)),
    Index(None, "state"),
    Index(None, "trust"),
    Index(None, "serial"),
    Index(None, "identity"),
)

foreign_list = Table(
    "foreign_list",
    metadata,
    Column("trust", String(64), primary_key=True),
    Column("source", Text, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("number", String(64), nullable=False),
    Column("this_update", Instant),
    Column("next_update", Instant),
    Column("entries", BigInteger, nullable=False),
    Column("fetched_at", Instant),
    Column("failed_at", Instant),
    Column("failure", Text, nullable=False),
)

ALL_TABLES = [ledger_metadata, metadata]
"""Everything that a store's database holds."""
