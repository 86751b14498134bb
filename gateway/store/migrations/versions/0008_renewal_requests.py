"""Renewals that people ask for at the portal, and the letters that remind them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "renewal_request",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("issuer", sa.String(64), nullable=False),
        sa.Column("serial", sa.String(40), nullable=False),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("way", sa.String(16), nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("settled_at", sa.BigInteger),
        sa.Column("successor", sa.String(40)),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.Column("handed_at", sa.BigInteger),
        sa.Column("words", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_renewal_request"),
    )
    op.create_index("ix_renewal_request_id", "renewal_request", ["id"])
    op.create_index("ix_renewal_request_state", "renewal_request", ["state"])
    op.create_table(
        "renewal_notice",
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "step", name="pk_renewal_notice"),
    )
