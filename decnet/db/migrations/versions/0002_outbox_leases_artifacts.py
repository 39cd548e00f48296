"""Outbox and what reads it, leases, artifacts, floors of rule versions; fleet roll-ups in parts of their writers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import BYTES, DIGEST, KEY, LONG_TEXT, OPTIONS, text

if TYPE_CHECKING:
    from collections.abc import Callable

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add what a bus, several writers and replays need."""
    _rename("log_position", "offset", "end_offset")
    op.add_column("event", sa.Column("write_id", sa.BigInteger(), nullable=True))
    op.add_column("tag", sa.Column("write_id", sa.BigInteger(), nullable=True))
    op.create_index("ix_tag_attacker_id_observed_at", "tag", ["attacker_id", "observed_at"])
    of_identity = sa.text("identity_id IS NOT NULL")
    op.create_index(
        "ix_tag_identity_id", "tag", ["identity_id"], sqlite_where=of_identity, postgresql_where=of_identity
    )
    op.drop_index("ix_tag_attacker_id", table_name="tag")
    for name, keys in FLEET.items():
        _rebuild(name, [*keys(), sa.Column("shard", sa.SmallInteger(), nullable=False)], "0")
    _numbered(
        "outbox",
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("topic", text(255), nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_outbox_partition_id", "outbox", ["partition", "id"])
    _keyed(
        "bus_position",
        ["consumer", "partition"],
        sa.Column("consumer", text(120), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
    )
    _numbered(
        "dead_letter",
        sa.Column("consumer", text(120), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("topic", text(255), nullable=False),
        sa.Column("item", BYTES, nullable=False),
        sa.Column("error", LONG_TEXT, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("died_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_dead_letter_consumer_id", "dead_letter", ["consumer", "id"])
    _keyed(
        "lease",
        ["name"],
        sa.Column("name", text(120), nullable=False),
        sa.Column("holder", text(120), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
    )
    _keyed(
        "epoch",
        ["name"],
        sa.Column("name", text(40), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
    op.execute("INSERT INTO epoch (name, value) VALUES ('membership', 0), ('rule_floor', 0)")
    _keyed(
        "rule_floor",
        ["rule_id"],
        sa.Column("rule_id", text(16), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
    )
    _keyed(
        "artifact",
        ["digest"],
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_artifact_stored_at", "artifact", ["stored_at"])
    _keyed(
        "artifact_part",
        ["digest", "number"],
        sa.Column("digest", DIGEST, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("body", BYTES, nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["artifact.digest"], name="fk_artifact_part_digest", ondelete="CASCADE"),
    )


def downgrade() -> None:
    """Take it away again; parts of fleet roll-ups are summed up."""
    for name in ("artifact_part", "artifact", "rule_floor", "epoch", "lease", "dead_letter", "bus_position", "outbox"):
        op.drop_table(name)
    for name, keys in FLEET.items():
        _rebuild(name, keys(), None)
    op.create_index("ix_tag_attacker_id", "tag", ["attacker_id"])
    op.drop_index("ix_tag_attacker_id_observed_at", table_name="tag")
    with op.batch_alter_table("tag") as batch:
        if op.get_bind().dialect.name == "mysql":
            batch.drop_constraint("fk_tag_identity_id", type_="foreignkey")
        batch.drop_index("ix_tag_identity_id")
        batch.drop_column("write_id")
        if op.get_bind().dialect.name == "mysql":
            batch.create_foreign_key("fk_tag_identity_id", "identity", ["identity_id"], ["id"])
    op.drop_column("event", "write_id")
    _rename("log_position", "end_offset", "offset")


FLEET: dict[str, Callable[[], list[sa.Column[Any]]]] = {
    "rollup_fleet_hour": lambda: [sa.Column("hour", sa.Integer(), nullable=False)],
    "rollup_fleet_day": lambda: [
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("decky_id", KEY, nullable=False),
        sa.Column("source_kind", text(40), nullable=False),
    ],
}


def _numbered(name: str, *columns: sa.Column[Any]) -> None:
    number = sa.Column("id", KEY, autoincrement=True, nullable=False)
    key = sa.PrimaryKeyConstraint("id", name=f"pk_{name}")
    op.create_table(name, number, *columns, key, sqlite_autoincrement=True, **OPTIONS)


def _keyed(name: str, key: list[str], *parts: sa.Column[Any] | sa.ForeignKeyConstraint) -> None:
    primary = sa.PrimaryKeyConstraint(*key, name=f"pk_{name}")
    op.create_table(name, *parts, primary, sqlite_with_rowid=False, **OPTIONS)


def _rebuild(name: str, keys: list[sa.Column[Any]], shard: str | None) -> None:
    """Make a fleet roll-up anew with other ``keys``, and fill it with what it held."""
    labels = [key.name for key in keys if key.name != "shard"]
    columns = ", ".join((*labels, "ttp_id", "band"))
    sums = "sum(count), max(max_confidence), min(first_seen), max(last_seen)"
    op.execute(f"CREATE TEMPORARY TABLE kept AS SELECT * FROM {name}")  # noqa: S608 - names of ours
    op.drop_table(name)
    _keyed(
        name,
        [*(key.name for key in keys), "ttp_id", "band"],
        *keys,
        sa.Column("ttp_id", KEY, nullable=False),
        sa.Column("band", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("max_confidence", sa.Double(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
    )
    added, value = (", shard", f", {shard}") if shard else ("", "")
    op.execute(
        f"INSERT INTO {name} ({columns}{added}, count, max_confidence, first_seen, last_seen) "  # noqa: S608
        f"SELECT {columns}{value}, {sums} FROM kept GROUP BY {columns}"
    )
    op.execute("DROP TABLE kept")


def _rename(table: str, old: str, new: str) -> None:
    quote = op.get_bind().dialect.identifier_preparer.quote_identifier
    op.execute(f"ALTER TABLE {table} RENAME COLUMN {quote(old)} TO {quote(new)}")
