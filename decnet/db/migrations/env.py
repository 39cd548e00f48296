"""What Alembic runs for each command: the caller's connection, the caller's transaction."""

from __future__ import annotations

from alembic import context

from decnet.db.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_as_batch=True)
context.run_migrations()
