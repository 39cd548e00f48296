"""What each durable reads, so that its lag is known to every process."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import LONG_TEXT

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the topics; a durable that is there counts all of them until it is used again."""
    op.add_column("bus_position", sa.Column("topics", LONG_TEXT, nullable=False, server_default=">"))


def downgrade() -> None:
    """Take them away again."""
    op.drop_column("bus_position", "topics")
