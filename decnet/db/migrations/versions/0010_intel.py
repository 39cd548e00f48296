"""What providers of threat intelligence are asked and said, and how much more sure that makes views of an attacker."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import KEY, OPTIONS, text

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the look-ups, the quotas and the column."""
    op.add_column("attacker", sa.Column("intel_bump", sa.Double(), nullable=False, server_default="0"))
    op.create_table(
        "intel_lookup",
        sa.Column("provider", text(32), nullable=False),
        sa.Column("attacker_id", KEY, nullable=False),
        sa.Column("wanted_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger()),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("answered_at", sa.BigInteger()),
        sa.Column("source_id", text(255)),
        sa.ForeignKeyConstraint(
            ["attacker_id"], ["attacker.id"], name="fk_intel_lookup_attacker_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("provider", "attacker_id", name="pk_intel_lookup"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_index("ix_intel_lookup_attacker_id", "intel_lookup", ["attacker_id"])
    op.create_index("ix_intel_lookup_provider_due_at", "intel_lookup", ["provider", "due_at"])
    op.create_table(
        "intel_quota",
        sa.Column("provider", text(32), nullable=False),
        sa.Column("window_number", sa.BigInteger(), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.Column("closed_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("provider", name="pk_intel_quota"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )


def downgrade() -> None:
    """Take them away again."""
    for name in ("intel_quota", "intel_lookup"):
        op.drop_table(name)
    op.drop_column("attacker", "intel_bump")
