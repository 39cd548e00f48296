"""Rules and their states, for hosts that share a database."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import KEY, LONG_TEXT, OPTIONS, text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add texts, states and the audit trail of rules."""
    op.execute("INSERT INTO epoch (name, value) VALUES ('rules', 0)")
    op.create_table(
        "ttp_rule",
        sa.Column("rule_id", text(16), nullable=False),
        sa.Column("text", LONG_TEXT, nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rule_id", name="pk_ttp_rule"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_index("ix_ttp_rule_number", "ttp_rule", ["number"])
    op.create_table(
        "ttp_rule_state",
        sa.Column("rule_id", text(16), nullable=False),
        *state(),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("rule_id", name="pk_ttp_rule_state"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_index("ix_ttp_rule_state_number", "ttp_rule_state", ["number"])
    op.create_table(
        "ttp_rule_audit",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("rule_id", text(16), nullable=False),
        *state(),
        sa.PrimaryKeyConstraint("id", name="pk_ttp_rule_audit"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_index("ix_ttp_rule_audit_rule_id_id", "ttp_rule_audit", ["rule_id", "id"])


def downgrade() -> None:
    """Take them away again."""
    for name in ("ttp_rule_audit", "ttp_rule_state", "ttp_rule"):
        op.drop_table(name)
    op.execute("DELETE FROM epoch WHERE name = 'rules'")


def state() -> tuple[sa.Column[Any], ...]:
    """The columns of a rule's state."""
    return (
        sa.Column("mode", text(16), nullable=False),
        sa.Column("confidence_max", sa.Double(), nullable=True),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", LONG_TEXT, nullable=False),
        sa.Column("set_by", text(120), nullable=False),
        sa.Column("set_at", sa.BigInteger(), nullable=False),
    )
