"""Days used, agreements accepted, access asked for and granted, codes given again."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("session", sa.Column("proved_at", sa.BigInteger))
    op.add_column("session", sa.Column("renewed_at", sa.BigInteger))
    op.create_table(
        "session_use",
        sa.Column("session", sa.String(32), nullable=False),
        sa.Column("app", sa.String(64), nullable=False),
        sa.Column("used_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("session", "app", name="pk_session_use"),
    )
    op.create_table(
        "used_day",
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("count", sa.String(64), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("app", sa.String(64), nullable=False),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("username", "count", "day", name="pk_used_day"),
    )
    op.create_table(
        "acceptance",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("agreement", sa.String(64), nullable=False),
        sa.Column("version", sa.String(64), nullable=False),
        sa.Column("language", sa.String(8), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("accepted_at", sa.BigInteger, nullable=False),
        sa.Column("withdrawn_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_acceptance"),
    )
    op.create_index("ix_acceptance_username", "acceptance", ["username"])
    op.create_table(
        "access_request",
        sa.Column("number", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("app", sa.String(64), nullable=False),
        sa.Column("wanted", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("agreements", sa.Text, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("granted", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_at", sa.BigInteger),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("ended_by", sa.Text, nullable=False),
        sa.Column("ended_at", sa.BigInteger),
        sa.Column("told_at", sa.BigInteger),
        sa.Column("answered_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("number", name="pk_access_request"),
    )
    op.create_index("ix_access_request_username", "access_request", ["username"])
    op.create_index("ix_access_request_state", "access_request", ["state"])
    op.create_index("ix_access_request_decided_at", "access_request", ["decided_at"])
