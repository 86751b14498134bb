"""Renewals: which certificate takes the place of which, and when the old one is superseded."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("certificate", sa.Column("renews_issuer", sa.String(64)))
    op.add_column("certificate", sa.Column("renews", sa.String(40)))
    op.add_column("certificate", sa.Column("supersede_at", sa.BigInteger))
    for name, columns in (
        ("renews", ["renews_issuer", "renews"]),
        ("supersede_at", ["supersede_at"]),
    ):
        present = sa.text(f"{name} IS NOT NULL")
        op.create_index(
            f"ix_certificate_{name}",
            "certificate",
            columns,
            sqlite_where=present,
            postgresql_where=present,
        )
