"""The first tables: certificates, people, sessions, change feed, audit log.

Written with plain types: what a migration makes never changes, whatever
becomes of the code's own types. Moments are microseconds since 1970, UTC.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _certificates()
    _people()
    _logs()


def _certificates() -> None:
    op.create_table(
        "issuer",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("certificate", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_issuer"),
    )
    op.create_table(
        "certificate",
        sa.Column("issuer", sa.String(64), nullable=False),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("fingerprint", sa.String(64)),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("scope", sa.Text),
        sa.Column("not_before", sa.BigInteger, nullable=False),
        sa.Column("not_after", sa.BigInteger, nullable=False),
        sa.Column("der", sa.LargeBinary),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("reserved_at", sa.BigInteger, nullable=False),
        sa.Column("issued_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("reason", sa.String(32)),
        sa.Column("crl_number", sa.BigInteger),
        sa.ForeignKeyConstraint(["issuer"], ["issuer.name"], name="fk_certificate_issuer_issuer"),
        sa.PrimaryKeyConstraint("issuer", "serial", name="pk_certificate"),
        sa.UniqueConstraint("fingerprint", name="uq_certificate_fingerprint"),
    )
    op.create_index("ix_certificate_not_after", "certificate", ["not_after"])
    op.create_index("ix_certificate_state_crl_number", "certificate", ["state", "crl_number"])
    op.create_index("ix_certificate_username_device", "certificate", ["username", "device"])
    op.create_table(
        "crl",
        sa.Column("issuer", sa.String(64), nullable=False),
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("this_update", sa.BigInteger, nullable=False),
        sa.Column("next_update", sa.BigInteger, nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.ForeignKeyConstraint(["issuer"], ["issuer.name"], name="fk_crl_issuer_issuer"),
        sa.PrimaryKeyConstraint("issuer", "number", name="pk_crl"),
    )


def _people() -> None:
    op.create_table(
        "person",
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("member_of", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("sealed_totp", sa.LargeBinary, nullable=False),
        sa.Column("totp_last_step", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("added_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("username", name="pk_person"),
    )
    op.create_table(
        "session",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("device", sa.String(64), nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
    )
    op.create_index("ix_session_username", "session", ["username"])
    op.create_index("ix_session_fingerprint", "session", ["fingerprint"])
    op.create_index("ix_session_expires_at", "session", ["expires_at"])
    op.create_table(
        "attempt",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("failures", sa.BigInteger, nullable=False),
        sa.Column("free_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_attempt"),
    )


def _logs() -> None:
    head = op.create_table(
        "head",
        sa.Column("log", sa.String(16), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("log", name="pk_head"),
    )
    # Both logs begin before their first line; only the audit log is chained.
    op.bulk_insert(
        head,
        [
            {"log": "feed", "number": 0, "chain": ""},
            {"log": "audit", "number": 0, "chain": "0" * 64},
        ],
    )
    op.create_table(
        "feed",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_feed"),
    )
    op.create_index("ix_feed_at", "feed", ["at"])
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("chain", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
    )
