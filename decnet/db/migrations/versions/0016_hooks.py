"""Receivers of alerts, and what is on its way to them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import DIGEST, KEY, LONG_TEXT, OPTIONS, UUID, text

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the tables."""
    _numbered(
        "hook",
        sa.Column("name", text(255), nullable=False),
        sa.Column("url", LONG_TEXT, nullable=False),
        sa.Column("format", text(16), nullable=False),
        sa.Column("wanted", LONG_TEXT, nullable=False),
        sa.Column("per_minute", sa.Integer(), nullable=False),
        sa.Column("salt", DIGEST, nullable=False),
        sa.Column("created_by", text(120), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.Column("window_since", sa.BigInteger(), nullable=False),
        sa.Column("window_sent", sa.BigInteger(), nullable=False),
        sa.Column("window_held", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("closed_until", sa.BigInteger(), nullable=False),
    )
    _numbered(
        "hook_delivery",
        sa.Column("hook_id", KEY, nullable=False),
        sa.Column("kind", text(16), nullable=False),
        sa.Column("tag_at", sa.BigInteger()),
        sa.Column("tag_uuid", UUID),
        sa.Column("detail", LONG_TEXT),
        sa.Column("state", text(16), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("error", text(500), nullable=False),
        sa.ForeignKeyConstraint(["hook_id"], ["hook.id"], name="fk_hook_delivery_hook_id", ondelete="CASCADE"),
        sa.UniqueConstraint("hook_id", "tag_at", "tag_uuid", name="uq_hook_delivery_hook_id_tag_at_tag_uuid"),
    )
    op.create_index("ix_hook_delivery_hook_id_state_id", "hook_delivery", ["hook_id", "state", "id"])
    op.create_index("ix_hook_delivery_state_ended_at", "hook_delivery", ["state", "ended_at"])


def _numbered(name: str, *parts: sa.schema.SchemaItem) -> None:
    op.create_table(
        name,
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        *parts,
        sa.PrimaryKeyConstraint("id", name=f"pk_{name}"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )


def downgrade() -> None:
    """Take them away again."""
    for name in ("hook_delivery", "hook"):
        op.drop_table(name)
