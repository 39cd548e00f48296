"""The fleet's sums per hour and tactic: how a fortnight runs by the hour, without every technique of each hour."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import OPTIONS, text

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Add the table, filled from the sums per hour and technique."""
    op.create_table(
        "rollup_fleet_tactic",
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("tactic", text(16), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("band", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("max_confidence", sa.Double(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "tactic", "shard", "band", name="pk_rollup_fleet_tactic"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.execute(
        "INSERT INTO rollup_fleet_tactic (hour, tactic, shard, band, count, max_confidence, first_seen, last_seen) "
        "SELECT hour, tactic, 0, band, sum(count), max(max_confidence), min(first_seen), max(last_seen) "
        "FROM rollup_fleet_hour JOIN ttp ON ttp.id = rollup_fleet_hour.ttp_id "
        "GROUP BY hour, tactic, band HAVING sum(count) > 0"
    )


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("rollup_fleet_tactic")
