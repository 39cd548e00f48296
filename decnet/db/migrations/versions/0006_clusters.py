"""What sessions show of who is behind them, why attackers were joined, and a quick way to what was merged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import BYTES, KEY, OPTIONS, text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add traits, edges and the index."""
    op.create_table(
        "session_traits",
        sa.Column("session_id", KEY, nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["session.id"], name="fk_session_traits_session_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", name="pk_session_traits"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "identity_edge",
        sa.Column("attacker_id", KEY, nullable=False),
        sa.Column("reason", text(255), nullable=False),
        sa.Column("kinds", text(255), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attacker_id"], ["attacker.id"], name="fk_identity_edge_attacker_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("attacker_id", "reason", name="pk_identity_edge"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_index("ix_identity_merged_into_id", "identity", ["merged_into_id"])


def downgrade() -> None:
    """Take them away again."""
    if op.get_bind().dialect.name == "mysql":  # a foreign key needs an index, and lost its own to ours
        op.create_index("fk_identity_merged_into_id", "identity", ["merged_into_id"])
    op.drop_index("ix_identity_merged_into_id", "identity")
    for name in ("identity_edge", "session_traits"):
        op.drop_table(name)
