"""Certificates of CAs that are not ours, and what is known of their lists."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "foreign_certificate",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("der", sa.LargeBinary, nullable=False),
        sa.Column("presented_at", sa.BigInteger, nullable=False),
        sa.Column("judged_at", sa.BigInteger),
        sa.Column("trust", sa.String(64), nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("not_before", sa.BigInteger),
        sa.Column("not_after", sa.BigInteger),
        sa.Column("person_by", sa.String(16)),
        sa.Column("identity", sa.Text, nullable=False),
        sa.Column("fault", sa.String(64), nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("revoked_at", sa.BigInteger),
        sa.Column("reason", sa.String(32)),
        sa.Column("good_until", sa.BigInteger),
        sa.Column("blocked_at", sa.BigInteger),
        sa.Column("block_reason", sa.String(32)),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_foreign_certificate"),
    )
    for columns in (["state"], ["trust"], ["serial"], ["identity"]):
        op.create_index(f"ix_foreign_certificate_{columns[0]}", "foreign_certificate", columns)
    op.create_table(
        "foreign_list",
        sa.Column("trust", sa.String(64), nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("number", sa.String(64), nullable=False),
        sa.Column("this_update", sa.BigInteger),
        sa.Column("next_update", sa.BigInteger),
        sa.Column("entries", sa.BigInteger, nullable=False),
        sa.Column("fetched_at", sa.BigInteger),
        sa.Column("failed_at", sa.BigInteger),
        sa.Column("failure", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("trust", "source", name="pk_foreign_list"),
    )
