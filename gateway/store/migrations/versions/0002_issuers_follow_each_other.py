"""What each issuing CA still does, and since when: one follows another.

A store of before has one, which issues.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "issuer", sa.Column("state", sa.String(32), nullable=False, server_default="active")
    )
    op.add_column("issuer", sa.Column("since", sa.BigInteger))


def downgrade() -> None:
    op.drop_column("issuer", "since")
    op.drop_column("issuer", "state")
