"""Findings, and what attribution remembers between two batches of events."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import BYTES, KEY, LONG_TEXT, OPTIONS, STATE_KEY, text

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add findings and states."""
    op.create_table(
        "finding",
        sa.Column("source_id", text(255), nullable=False),
        sa.Column("source_kind", text(40), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("figures", LONG_TEXT, nullable=False),
        sa.Column("attacker_id", KEY, nullable=True),
        sa.Column("identity_id", KEY, nullable=True),
        sa.Column("session_id", KEY, nullable=True),
        sa.Column("decky", text(255), nullable=True),
        sa.CheckConstraint("attacker_id IS NOT NULL OR identity_id IS NOT NULL", name="anchor"),
        sa.ForeignKeyConstraint(["attacker_id"], ["attacker.id"], name="fk_finding_attacker_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_finding_identity_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source_id", name="pk_finding"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_index("ix_finding_attacker_id", "finding", ["attacker_id"])
    op.create_index("ix_finding_identity_id", "finding", ["identity_id"])
    op.create_table(
        "attribution_state",
        sa.Column("scope", sa.SmallInteger(), nullable=False),
        sa.Column("state_key", STATE_KEY, nullable=False),
        sa.Column("bus_partition", sa.SmallInteger(), nullable=False),
        sa.Column("attacker_id", KEY, nullable=True),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.ForeignKeyConstraint(
            ["attacker_id"], ["attacker.id"], name="fk_attribution_state_attacker_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("scope", "state_key", name="pk_attribution_state"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_index("ix_attribution_state_attacker_id", "attribution_state", ["attacker_id"])
    op.create_index("ix_attribution_state_bus_partition_is_open", "attribution_state", ["bus_partition", "is_open"])
    op.create_table(
        "attribution_seen",
        sa.Column("bus_partition", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("items", BYTES, nullable=False),
        sa.PrimaryKeyConstraint("bus_partition", "number", name="pk_attribution_seen"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )


def downgrade() -> None:
    """Take them away again."""
    for name in ("attribution_seen", "attribution_state", "finding"):
        op.drop_table(name)
