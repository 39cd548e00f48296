"""How often each rule fired, what was refused of each sensor, and tags by when they were added."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import LONG_TEXT, OPTIONS, text

revision = "0015"
down_revision = "0014"

_US_PER_HOUR = 3_600_000_000
_SUMS = ("count", "max_confidence", "first_seen", "last_seen")


def upgrade() -> None:
    """Add the tables; fires are counted from the tags that are stored, per hour for the last day."""
    op.create_table(
        "rule_fires",
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("rule_id", text(16), nullable=False),
        sa.Column("shard", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("max_confidence", sa.Double(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "rule_id", "shard", name="pk_rule_fires"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "refusal",
        sa.Column("sensor", text(255), nullable=False),
        sa.Column("reason", text(80), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("example", LONG_TEXT, nullable=False),
        sa.PrimaryKeyConstraint("sensor", "reason", name="pk_refusal"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_index("ix_tag_created_at_observed_at_uuid", "tag", ["created_at", "observed_at", "uuid"])
    _count_fires()


def _count_fires() -> None:
    fires = sa.table("rule_fires", *map(sa.column, ("hour", "rule_id", "shard", *_SUMS)))
    tag = sa.table("tag", *map(sa.column, ("observed_at", "confidence", "rule_id")))
    of = tag.c
    sums = (sa.func.count(), sa.func.max(of.confidence), sa.func.min(of.observed_at), sa.func.max(of.observed_at))
    everything = sa.select(sa.literal_column("0"), of.rule_id, sa.literal_column("0"), *sums).group_by(of.rule_id)
    op.execute(fires.insert().from_select([*fires.c.keys()], everything))
    newest = op.get_bind().execute(sa.select(sa.func.max(of.observed_at))).scalar()
    for hour in range((newest or 0) // _US_PER_HOUR - 24, (newest or 0) // _US_PER_HOUR + 1):
        if hour > 0:
            start = hour * _US_PER_HOUR
            within = sa.and_(of.observed_at >= start, of.observed_at < start + _US_PER_HOUR)
            of_hour = sa.select(sa.literal_column(str(hour)), of.rule_id, sa.literal_column("0"), *sums)
            op.execute(fires.insert().from_select([*fires.c.keys()], of_hour.where(within).group_by(of.rule_id)))


def downgrade() -> None:
    """Take them away again."""
    op.drop_index("ix_tag_created_at_observed_at_uuid", "tag")
    for name in ("refusal", "rule_fires"):
        op.drop_table(name)
