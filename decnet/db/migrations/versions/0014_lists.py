"""Lists of attackers go by when they were last seen, lists of sessions by when they began, each with its newest first.

The index of sessions by attacker takes their start in, so that an attacker's sessions come in order as well.
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the indexes; the wider one comes before the narrower goes, since a foreign key needs one of them."""
    op.create_index("ix_attacker_last_seen", "attacker", ["last_seen"])
    op.create_index("ix_session_started_at", "session", ["started_at"])
    op.create_index("ix_session_attacker_id_started_at", "session", ["attacker_id", "started_at"])
    op.drop_index("ix_session_attacker_id", "session")


def downgrade() -> None:
    """Take them away again."""
    op.create_index("ix_session_attacker_id", "session", ["attacker_id"])
    op.drop_index("ix_session_attacker_id_started_at", "session")
    op.drop_index("ix_session_started_at", "session")
    op.drop_index("ix_attacker_last_seen", "attacker")
