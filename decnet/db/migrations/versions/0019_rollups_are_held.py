"""Roll-ups can be held alone by who takes from them."""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Add the row that writers hold in share."""
    op.execute("INSERT INTO epoch (name, value) VALUES ('rollups', 0)")


def downgrade() -> None:
    """Take it away."""
    op.execute("DELETE FROM epoch WHERE name = 'rollups'")
