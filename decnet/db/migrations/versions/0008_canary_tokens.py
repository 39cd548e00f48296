"""Canary tokens: bait, by the secret part of its address."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import LONG_TEXT, OPTIONS, text

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "canary_token",
        sa.Column("slug", text(64), nullable=False),
        sa.Column("kind", text(40), nullable=False),
        sa.Column("label", LONG_TEXT, nullable=False),
        sa.Column("target", LONG_TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("slug", name="pk_canary_token"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("canary_token")
