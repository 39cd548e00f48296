"""Who may use the API: accounts, their log-ins, keys of programs and sensors, and what administrators did."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import DIGEST, KEY, LONG_TEXT, OPTIONS, text

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Add the tables."""
    _numbered(
        "account",
        sa.Column("name", text(64), nullable=False),
        sa.Column("role", text(16), nullable=False),
        sa.Column("password_hash", text(255), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.UniqueConstraint("name", name="uq_account_name"),
    )
    _numbered(
        "account_login",
        sa.Column("account_id", KEY, nullable=False),
        sa.Column("refresh_digest", DIGEST, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["account_id"], ["account.id"], name="fk_account_login_account_id", ondelete="CASCADE"),
    )
    op.create_index("ix_account_login_account_id", "account_login", ["account_id"])
    _numbered(
        "access_key",
        sa.Column("name", text(255), nullable=False),
        sa.Column("scope", text(16), nullable=False),
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("created_by", text(120), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
    )
    op.create_table(
        "login_throttle",
        sa.Column("subject", text(120), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_login_throttle"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    _numbered(
        "audit",
        sa.Column("done_at", sa.BigInteger(), nullable=False),
        sa.Column("actor", text(120), nullable=False),
        sa.Column("action", text(60), nullable=False),
        sa.Column("target", text(255), nullable=False),
        sa.Column("detail", LONG_TEXT, nullable=False),
    )


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
    for name in ("audit", "login_throttle", "access_key", "account_login", "account"):
        op.drop_table(name)
