"""States of sessions are clustered by the session: new rows are written next to each other."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import BYTES, KEY, OPTIONS

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Give them a table, and take them out of the one of all states."""
    op.create_table(
        "session_state",
        sa.Column("session_id", KEY, nullable=False, autoincrement=False),
        sa.Column("bus_partition", sa.SmallInteger(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_session_state_session_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", name="pk_session_state"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    is_open = sa.text("is_open")
    op.create_index(
        "ix_session_state_is_open_bus_partition",
        "session_state",
        ["is_open", "bus_partition"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.execute(
        "INSERT INTO session_state (session_id, bus_partition, is_open, body)"
        " SELECT session.id, bus_partition, is_open, body FROM attribution_state"
        " JOIN session ON session.uuid = attribution_state.state_key WHERE attribution_state.scope = 1"
    )
    op.execute("DELETE FROM attribution_state WHERE scope = 1")
    op.drop_index("ix_attribution_state_bus_partition_is_open", "attribution_state")
    op.drop_column("attribution_state", "is_open")


def downgrade() -> None:
    """Put them where they were. States in pages are dropped: who goes on from there sees the rest of their day."""
    open_or_not: sa.Column[bool] = sa.Column("is_open", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("attribution_state", open_or_not)
    op.create_index("ix_attribution_state_bus_partition_is_open", "attribution_state", ["bus_partition", "is_open"])
    op.execute("DELETE FROM attribution_state WHERE scope > 3")
    op.execute(
        "INSERT INTO attribution_state (scope, state_key, bus_partition, attacker_id, is_open, body)"
        " SELECT 1, session.uuid, bus_partition, session.attacker_id, is_open, body FROM session_state"
        " JOIN session ON session.id = session_state.session_id"
    )
    op.drop_table("session_state")
