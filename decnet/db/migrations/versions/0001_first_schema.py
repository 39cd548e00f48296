"""Actors, events, tags, their roll-ups, and how far each log was read."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from decnet.db.migrations.columns import KEY, LONG_TEXT, OPTIONS, UUID, text

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make every table."""
    op.create_table(
        "campaign",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("merged_into_id", KEY, nullable=True),
        sa.ForeignKeyConstraint(["merged_into_id"], ["campaign.id"], name="fk_campaign_merged_into_id"),
        sa.PrimaryKeyConstraint("id", name="pk_campaign"),
        sa.UniqueConstraint("uuid", name="uq_campaign_uuid"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_table(
        "log_position",
        sa.Column("fingerprint", text(64), nullable=False),
        sa.Column("path", LONG_TEXT, nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("line_number", sa.BigInteger(), nullable=False),
        sa.Column("tail_digest", text(64), nullable=False),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_log_position"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "sensor",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("name", text(255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sensor"),
        sa.UniqueConstraint("name", name="uq_sensor_name"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_table(
        "ttp",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("attack_release", text(40), nullable=False),
        sa.Column("tactic", text(16), nullable=False),
        sa.Column("technique_id", text(16), nullable=False),
        sa.Column("sub_technique_id", text(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ttp"),
        sa.UniqueConstraint(
            "attack_release",
            "tactic",
            "technique_id",
            "sub_technique_id",
            name="uq_ttp_attack_release_tactic_technique_id_sub_technique_id",
        ),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_table(
        "identity",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("merged_into_id", KEY, nullable=True),
        sa.Column("campaign_id", KEY, nullable=False),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_identity_campaign_id"),
        sa.ForeignKeyConstraint(["merged_into_id"], ["identity.id"], name="fk_identity_merged_into_id"),
        sa.PrimaryKeyConstraint("id", name="pk_identity"),
        sa.UniqueConstraint("uuid", name="uq_identity_uuid"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_index("ix_identity_campaign_id", "identity", ["campaign_id"], unique=False)
    op.create_table(
        "rollup_campaign",
        sa.Column("campaign_id", KEY, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("ttp_id", KEY, nullable=False),
        sa.Column("band", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("max_confidence", sa.Double(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaign.id"], name="fk_rollup_campaign_campaign_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("campaign_id", "day", "ttp_id", "band", name="pk_rollup_campaign"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "rollup_fleet_day",
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("decky_id", KEY, nullable=False),
        sa.Column("source_kind", text(40), nullable=False),
        sa.Column("ttp_id", KEY, nullable=False),
        sa.Column("band", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("max_confidence", sa.Double(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("day", "decky_id", "source_kind", "ttp_id", "band", name="pk_rollup_fleet_day"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "rollup_fleet_hour",
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("ttp_id", KEY, nullable=False),
        sa.Column("band", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("max_confidence", sa.Double(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("hour", "ttp_id", "band", name="pk_rollup_fleet_hour"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "attacker",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("address", text(45), nullable=False),
        sa.Column("identity_id", KEY, nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_attacker_identity_id"),
        sa.PrimaryKeyConstraint("id", name="pk_attacker"),
        sa.UniqueConstraint("uuid", name="uq_attacker_uuid"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_index("ix_attacker_identity_id", "attacker", ["identity_id"], unique=False)
    op.create_table(
        "rollup_identity",
        sa.Column("identity_id", KEY, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("ttp_id", KEY, nullable=False),
        sa.Column("band", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("max_confidence", sa.Double(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["identity_id"], ["identity.id"], name="fk_rollup_identity_identity_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("identity_id", "day", "ttp_id", "band", name="pk_rollup_identity"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "rollup_attacker",
        sa.Column("attacker_id", KEY, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("ttp_id", KEY, nullable=False),
        sa.Column("band", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("max_confidence", sa.Double(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["attacker_id"], ["attacker.id"], name="fk_rollup_attacker_attacker_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("attacker_id", "day", "ttp_id", "band", name="pk_rollup_attacker"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_table(
        "session",
        sa.Column("id", KEY, autoincrement=True, nullable=False),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("native_id", text(255), nullable=False),
        sa.Column("sensor_id", KEY, nullable=False),
        sa.Column("decky_id", KEY, nullable=False),
        sa.Column("attacker_id", KEY, nullable=False),
        sa.Column("protocol", text(32), nullable=False),
        sa.Column("src_port", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("last_event_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("event_count", sa.BigInteger(), nullable=False),
        sa.Column("command_count", sa.BigInteger(), nullable=False),
        sa.Column("login_failed_count", sa.BigInteger(), nullable=False),
        sa.Column("login_success_count", sa.BigInteger(), nullable=False),
        sa.Column("file_count", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["attacker_id"], ["attacker.id"], name="fk_session_attacker_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["decky_id"], ["sensor.id"], name="fk_session_decky_id"),
        sa.ForeignKeyConstraint(["sensor_id"], ["sensor.id"], name="fk_session_sensor_id"),
        sa.PrimaryKeyConstraint("id", name="pk_session"),
        sa.UniqueConstraint("uuid", name="uq_session_uuid"),
        sqlite_autoincrement=True,
        **OPTIONS,
    )
    op.create_index("ix_session_attacker_id", "session", ["attacker_id"], unique=False)
    op.create_table(
        "tag",
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("uuid", UUID, nullable=False),
        sa.Column("source_kind", text(40), nullable=False),
        sa.Column("source_id", text(255), nullable=False),
        sa.Column("attacker_id", KEY, nullable=True),
        sa.Column("identity_id", KEY, nullable=True),
        sa.Column("session_id", KEY, nullable=True),
        sa.Column("decky_id", KEY, nullable=True),
        sa.Column("ttp_id", KEY, nullable=False),
        sa.Column("confidence", sa.Double(), nullable=False),
        sa.Column("rule_id", text(16), nullable=False),
        sa.Column("rule_version", sa.Integer(), nullable=False),
        sa.Column("superseded", sa.Boolean(), nullable=False),
        sa.Column("evidence", LONG_TEXT, nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("attacker_id IS NOT NULL OR identity_id IS NOT NULL", name="anchor"),
        sa.CheckConstraint("confidence >= 0.3 AND confidence <= 1", name="confidence"),
        sa.ForeignKeyConstraint(["attacker_id"], ["attacker.id"], name="fk_tag_attacker_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["identity_id"], ["identity.id"], name="fk_tag_identity_id"),
        sa.PrimaryKeyConstraint("observed_at", "uuid", name="pk_tag"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_index("ix_tag_attacker_id", "tag", ["attacker_id"], unique=False)
    op.create_table(
        "event",
        sa.Column("id", UUID, nullable=False),
        sa.Column("session_id", KEY, nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("source_kind", text(40), nullable=False),
        sa.Column("payload", LONG_TEXT, nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], name="fk_event_session_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )
    op.create_index("ix_event_session_id_observed_at_seq", "event", ["session_id", "observed_at", "seq"], unique=False)
    op.create_table(
        "rollup_session",
        sa.Column("session_id", KEY, nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("ttp_id", KEY, nullable=False),
        sa.Column("band", sa.SmallInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("max_confidence", sa.Double(), nullable=False),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"], ["session.id"], name="fk_rollup_session_session_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", "day", "ttp_id", "band", name="pk_rollup_session"),
        sqlite_with_rowid=False,
        **OPTIONS,
    )


def downgrade() -> None:
    """Drop every table."""
    op.drop_table("rollup_session")
    op.drop_table("event")
    op.drop_table("tag")
    op.drop_table("session")
    op.drop_table("rollup_attacker")
    op.drop_table("rollup_identity")
    op.drop_table("attacker")
    op.drop_table("rollup_fleet_hour")
    op.drop_table("rollup_fleet_day")
    op.drop_table("rollup_campaign")
    op.drop_table("identity")
    op.drop_table("ttp")
    op.drop_table("sensor")
    op.drop_table("log_position")
    op.drop_table("campaign")
