"""The schema. Times are integer µs UTC, uuids 16 bytes, text is canonical and compared byte by byte.

Actors (attackers, sessions, identities, campaigns) have a public uuid and an integer that other tables point to:
integers keep indexes small. An event belongs to a session, a session to an attacker: deleting an attacker deletes both.
Events and tags are clustered by time, so that new rows are written next to each other.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

BigKey = BigInteger().with_variant(Integer, "sqlite")
"""SQLite numbers rows only in a column that is spelled INTEGER."""
UuidBytes = LargeBinary(16)


def _actor(name: str, *columns: Column[object] | UniqueConstraint | Index) -> Table:
    """A table of actors: an integer that never comes back after a delete, and a public uuid."""
    return Table(
        name,
        metadata,
        Column("id", BigKey, primary_key=True, autoincrement=True),
        Column("uuid", UuidBytes, nullable=False, unique=True),
        *columns,
        sqlite_autoincrement=True,
    )


sensor = Table(
    "sensor",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("name", String(255), nullable=False, unique=True),
    sqlite_autoincrement=True,
)

campaign = _actor(
    "campaign",
    Column("merged_into_id", BigKey, ForeignKey("campaign.id")),
)

identity = _actor(
    "identity",
    Column("merged_into_id", BigKey, ForeignKey("identity.id")),
    Column("campaign_id", BigKey, ForeignKey("campaign.id"), nullable=False, index=True),
)

attacker = _actor(
    "attacker",
    Column("address", String(45), nullable=False),
    Column("identity_id", BigKey, ForeignKey("identity.id"), nullable=False, index=True),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("event_count", BigInteger, nullable=False),
)

session = _actor(
    "session",
    Column("native_id", String(255), nullable=False),
    Column("sensor_id", BigKey, ForeignKey("sensor.id"), nullable=False),
    Column("decky_id", BigKey, ForeignKey("sensor.id"), nullable=False),
    Column("attacker_id", BigKey, ForeignKey("attacker.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("protocol", String(32), nullable=False),
    Column("src_port", Integer),
    Column("started_at", BigInteger, nullable=False),
    Column("last_event_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("duration_ms", BigInteger),
    Column("event_count", BigInteger, nullable=False),
    Column("command_count", BigInteger, nullable=False),
    Column("login_failed_count", BigInteger, nullable=False),
    Column("login_success_count", BigInteger, nullable=False),
    Column("file_count", BigInteger, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("id", UuidBytes, primary_key=True),
    Column("session_id", BigKey, ForeignKey("session.id", ondelete="CASCADE"), nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("source_kind", String(40), nullable=False),
    Column("payload", Text, nullable=False),
    Index(None, "session_id", "observed_at", "seq"),
    sqlite_with_rowid=False,
)

ttp = Table(
    "ttp",
    metadata,
    Column("id", BigKey, primary_key=True, autoincrement=True),
    Column("attack_release", String(40), nullable=False),
    Column("tactic", String(16), nullable=False),
    Column("technique_id", String(16), nullable=False),
    Column("sub_technique_id", String(16), nullable=False),  # empty for none: NULLs are never equal in a unique key
    UniqueConstraint("attack_release", "tactic", "technique_id", "sub_technique_id"),
    sqlite_autoincrement=True,
)

tag = Table(
    "tag",
    metadata,
    Column("observed_at", BigInteger, nullable=False),
    Column("uuid", UuidBytes, nullable=False),
    Column("source_kind", String(40), nullable=False),
    Column("source_id", String(255), nullable=False),
    Column("attacker_id", BigKey, ForeignKey("attacker.id", ondelete="CASCADE"), index=True),
    Column("identity_id", BigKey, ForeignKey("identity.id")),
    Column("session_id", BigKey),
    Column("decky_id", BigKey, ForeignKey("sensor.id")),
    Column("ttp_id", BigKey, ForeignKey("ttp.id"), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("rule_id", String(16), nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("superseded", Boolean, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("observed_at", "uuid"),
    CheckConstraint("attacker_id IS NOT NULL OR identity_id IS NOT NULL", name="anchor"),
    CheckConstraint("confidence >= 0.3 AND confidence <= 1", name="confidence"),
    sqlite_with_rowid=False,
)


def _rollup(name: str, *keys: Column[object]) -> Table:
    """Counts of stored, not superseded tags per ``keys``, technique use and confidence band."""
    labels = [key.name for key in keys]
    return Table(
        name,
        metadata,
        *keys,
        Column("ttp_id", BigKey, ForeignKey("ttp.id"), nullable=False),
        Column("band", SmallInteger, nullable=False),
        Column("count", BigInteger, nullable=False),
        Column("max_confidence", Float, nullable=False),
        Column("first_seen", BigInteger, nullable=False),
        Column("last_seen", BigInteger, nullable=False),
        PrimaryKeyConstraint(*labels, "ttp_id", "band"),
        sqlite_with_rowid=False,
    )


def _owner(table: str) -> Column[object]:
    return Column(f"{table}_id", BigKey, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False)


def _day() -> Column[object]:
    return Column("day", Integer, nullable=False)  # days since 1970


rollup_attacker = _rollup("rollup_attacker", _owner("attacker"), _day())
rollup_session = _rollup("rollup_session", _owner("session"), _day())
rollup_identity = _rollup("rollup_identity", _owner("identity"), _day())
rollup_campaign = _rollup("rollup_campaign", _owner("campaign"), _day())
rollup_fleet_hour = _rollup("rollup_fleet_hour", Column("hour", Integer, nullable=False))  # hours since 1970
rollup_fleet_day = _rollup(
    "rollup_fleet_day",
    _day(),
    Column("decky_id", BigKey, ForeignKey("sensor.id"), nullable=False),
    Column("source_kind", String(40), nullable=False),
)

log_position = Table(
    "log_position",
    metadata,
    Column("fingerprint", String(64), primary_key=True),
    Column("path", Text, nullable=False),
    Column("offset", BigInteger, nullable=False),
    Column("line_number", BigInteger, nullable=False),
    Column("tail_digest", String(64), nullable=False),
    Column("read_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
