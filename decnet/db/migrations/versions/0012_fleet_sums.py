"""The fleet's sums over all time: summed over days, decoys and source kinds they cost more every day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import KEY, OPTIONS

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Add the table, filled from the sums per day."""
    op.create_table(
        "rollup_fleet",
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("ttp_id", KEY, nullable=False),
        sa.Column("band", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("max_confidence", sa.Double(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("shard", "ttp_id", "band", name="pk_rollup_fleet"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.execute(
        "INSERT INTO rollup_fleet (shard, ttp_id, band, count, max_confidence, first_seen, last_seen) "
        "SELECT 0, ttp_id, band, sum(count), max(max_confidence), min(first_seen), max(last_seen) "
        "FROM rollup_fleet_day GROUP BY ttp_id, band HAVING sum(count) > 0"
    )


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("rollup_fleet")
