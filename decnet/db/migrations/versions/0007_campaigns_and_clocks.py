"""Why identities are in one campaign, how far each sensor's time has come, and a sign that tags were replaced."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import KEY, OPTIONS, text

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add edges, clocks and the epoch."""
    op.create_table(
        "campaign_edge",
        sa.Column("identity_id", KEY, nullable=False),
        sa.Column("reason", text(300), nullable=False),
        sa.Column("kinds", text(255), nullable=False),
        sa.Column("weight", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identity.id"], name="fk_campaign_edge_identity_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("identity_id", "reason", name="pk_campaign_edge"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "sensor_clock",
        sa.Column("sensor_id", KEY, nullable=False),
        sa.Column("heard_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["sensor_id"], ["sensor.id"], name="fk_sensor_clock_sensor_id"),
        sa.PrimaryKeyConstraint("sensor_id", name="pk_sensor_clock"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "clock",
        sa.Column("sensor_id", KEY, nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["sensor_id"], ["sensor.id"], name="fk_clock_sensor_id"),
        sa.PrimaryKeyConstraint("sensor_id", "observed_at", name="pk_clock"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_index("ix_campaign_merged_into_id", "campaign", ["merged_into_id"])
    op.execute("INSERT INTO epoch (name, value) VALUES ('tags', 0)")


def downgrade() -> None:
    """Take them away again."""
    if op.get_bind().dialect.name == "mysql":  # a foreign key needs an index, and lost its own to ours
        op.create_index("fk_campaign_merged_into_id", "campaign", ["merged_into_id"])
    op.drop_index("ix_campaign_merged_into_id", "campaign")
    op.execute("DELETE FROM epoch WHERE name = 'tags'")
    for name in ("clock", "sensor_clock", "campaign_edge"):
        op.drop_table(name)
