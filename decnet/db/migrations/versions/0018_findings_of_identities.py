"""Of findings, those of identities alone are in the index of identities: one in thousands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Make the index anew; MariaDB has no partial indexes and keeps the whole one."""
    if op.get_bind().dialect.name == "mysql":
        return
    of_identity = sa.text("identity_id IS NOT NULL")
    op.drop_index("ix_finding_identity_id", "finding")
    op.create_index(
        "ix_finding_identity_id",
        "finding",
        ["identity_id"],
        sqlite_where=of_identity,
        postgresql_where=of_identity,
    )


def downgrade() -> None:
    """Put every finding into it again."""
    if op.get_bind().dialect.name == "mysql":
        return
    op.drop_index("ix_finding_identity_id", "finding")
    op.create_index("ix_finding_identity_id", "finding", ["identity_id"])
