"""Alembic's way in: runs the migrations on the connection that `gateway.store.migration` brings."""

from alembic import context

from gateway.store.schema import ALL_TABLES

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=ALL_TABLES,
    # SQLite changes a table by making it anew.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
