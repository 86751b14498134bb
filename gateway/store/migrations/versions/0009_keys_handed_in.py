"""For whom keys were handed in to be certified."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "handed_in_key",
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("username", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_handed_in_key"),
    )
