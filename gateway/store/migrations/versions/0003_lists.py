"""Delta lists and partitions, certificates on hold, numbers that are taken before signing.

What was revoked before counts as one change that no list tells yet, so every list is signed once
more. It has numbers above all that were given.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _certificates()
    _lists()
    op.create_table(
        "crl_partition",
        sa.Column("issuer", sa.String(64), nullable=False),
        sa.Column("name", sa.String(16), nullable=False),
        sa.Column("last_day", sa.BigInteger, nullable=False),
        sa.ForeignKeyConstraint(["issuer"], ["issuer.name"], name="fk_crl_partition_issuer_issuer"),
        sa.PrimaryKeyConstraint("issuer", "name", name="pk_crl_partition"),
    )
    op.create_table(
        "ocsp_responder",
        sa.Column("issuer", sa.String(64), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("asked_at", sa.BigInteger, nullable=False),
        sa.Column("serial", sa.String(40)),
        sa.Column("certificate", sa.LargeBinary),
        sa.Column("not_after", sa.BigInteger),
        sa.ForeignKeyConstraint(
            ["issuer"], ["issuer.name"], name="fk_ocsp_responder_issuer_issuer"
        ),
        sa.PrimaryKeyConstraint("issuer", "key", name="pk_ocsp_responder"),
        sa.UniqueConstraint("issuer", "serial", name="uq_ocsp_responder_issuer_serial"),
    )


def _certificates() -> None:
    op.add_column("certificate", sa.Column("crl_partition", sa.String(16)))
    op.add_column("certificate", sa.Column("change", sa.BigInteger))
    op.create_index(
        "ix_certificate_issuer_change_serial", "certificate", ["issuer", "change", "serial"]
    )
    listed = sa.text("revoked_at IS NOT NULL")
    op.create_index(
        "ix_certificate_listed",
        "certificate",
        ["issuer", "serial", "revoked_at", "reason", "not_after", "change", "crl_partition"],
        sqlite_where=listed,
        postgresql_where=listed,
    )
    untold = sa.text("crl_number IS NULL AND change IS NOT NULL")
    op.create_index(
        "ix_certificate_untold",
        "certificate",
        ["issuer", "change"],
        sqlite_where=untold,
        postgresql_where=untold,
    )
    op.execute("UPDATE certificate SET change = 1 WHERE state = 'revoked'")
    # Not in a batch: SQLite would make the table anew, and others refer to it.
    for name in ("changes", "last_number"):
        op.add_column("issuer", sa.Column(name, sa.BigInteger, nullable=False, server_default="0"))
    op.execute(
        "UPDATE issuer SET changes = 1, last_number ="
        " coalesce((SELECT max(number) FROM crl WHERE crl.issuer = issuer.name), 0)"
    )


def _lists() -> None:
    with op.batch_alter_table("crl") as crl:
        crl.alter_column("der", existing_type=sa.LargeBinary, nullable=True)
        crl.add_column(sa.Column("kind", sa.String(32), nullable=False, server_default="full"))
        crl.add_column(sa.Column("scope", sa.String(16), nullable=False, server_default=""))
        crl.add_column(sa.Column("covers", sa.BigInteger, nullable=False, server_default="0"))
        crl.add_column(sa.Column("scheduled", sa.Boolean, nullable=False, server_default=sa.true()))
        crl.add_column(sa.Column("entries", sa.BigInteger, nullable=False, server_default="0"))
        crl.add_column(sa.Column("base", sa.BigInteger))
        crl.add_column(sa.Column("floor", sa.BigInteger))
        crl.add_column(sa.Column("floor_covers", sa.BigInteger))
    with op.batch_alter_table("crl") as crl:
        for name in ("kind", "scope", "covers", "scheduled", "entries"):
            crl.alter_column(name, server_default=None)
    op.create_index("ix_crl_issuer_scope_kind_number", "crl", ["issuer", "scope", "kind", "number"])
