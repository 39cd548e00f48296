"""Which texts came by mail, and when: whether a text was seen before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import DIGEST, OPTIONS, UUID

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "mail_body",
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", UUID, nullable=False),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name="fk_mail_body_event_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", "observed_at", "event_id", name="pk_mail_body"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_index("ix_mail_body_event_id", "mail_body", ["event_id"])


def downgrade() -> None:
    """Take it away again."""
    op.drop_table("mail_body")
