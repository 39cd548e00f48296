"""What digests of secrets stand for, where the operator wants that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import LONG_TEXT, OPTIONS, text

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add the table; it stays empty until it is switched on."""
    op.create_table(
        "clear_secret",
        sa.Column("digest", text(64), nullable=False),
        sa.Column("secret", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_clear_secret"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("clear_secret")
