"""The migrations of the store, which Alembic loads by path: `versions/`, the oldest first."""
