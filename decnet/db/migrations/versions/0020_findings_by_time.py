"""Findings are clustered by time: new rows are written next to each other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import KEY, LONG_TEXT, text

revision = "0020"
down_revision = "0019"

_BY_TIME = ("observed_at", "source_id")
_COLUMNS = "observed_at, source_id, source_kind, revision, figures, attacker_id, identity_id, session_id, decky"


def upgrade() -> None:
    """Cluster findings anew; a backfill that was interrupted begins again."""
    op.add_column("intel_lookup", sa.Column("found_at", sa.BigInteger(), nullable=True))
    op.execute(
        "UPDATE intel_lookup SET found_at ="
        " (SELECT observed_at FROM finding WHERE finding.source_id = intel_lookup.source_id)"
    )
    _cluster_findings(*_BY_TIME)
    op.execute("DELETE FROM log_position WHERE fingerprint = 'backfill'")


def downgrade() -> None:
    """Cluster them by their ids again."""
    _cluster_findings("source_id")
    op.drop_column("intel_lookup", "found_at")
    op.execute("DELETE FROM log_position WHERE fingerprint = 'backfill'")


def _cluster_findings(*key: str) -> None:
    """Give findings this primary key."""
    spelled = ", ".join(key)
    name = op.get_bind().dialect.name
    if name == "mysql":
        op.execute(f"ALTER TABLE finding DROP PRIMARY KEY, ADD PRIMARY KEY ({spelled})")
        return
    if name == "postgresql":
        op.execute(f"ALTER TABLE finding DROP CONSTRAINT pk_finding, ADD CONSTRAINT pk_finding PRIMARY KEY ({spelled})")
        return
    op.create_table(
        "finding_anew",
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("source_id", text(255), nullable=False),
        sa.Column("source_kind", text(40), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("figures", LONG_TEXT, nullable=False),
        sa.Column("attacker_id", KEY, nullable=True),
        sa.Column("identity_id", KEY, nullable=True),
        sa.Column("session_id", KEY, nullable=True),
        sa.Column("decky", text(255), nullable=True),
        sa.CheckConstraint("attacker_id IS NOT NULL OR identity_id IS NOT NULL", name=op.f("ck_finding_anchor")),
        sa.ForeignKeyConstraint(["attacker_id"], ["attacker.id"], name="fk_finding_attacker_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_finding_identity_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*key, name="pk_finding"),
        sqlite_with_rowid=False,
    )
    op.execute(f"INSERT INTO finding_anew ({_COLUMNS}) SELECT {_COLUMNS} FROM finding ORDER BY {spelled}")  # noqa: S608 - names of ours
    op.drop_table("finding")
    op.rename_table("finding_anew", "finding")
    op.create_index("ix_finding_attacker_id", "finding", ["attacker_id"])
    of_identity = sa.text("identity_id IS NOT NULL")
    op.create_index("ix_finding_identity_id", "finding", ["identity_id"], sqlite_where=of_identity)
