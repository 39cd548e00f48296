"""The schema. Times are integer µs UTC, uuids 16 bytes, text is canonical and compared byte by byte.

Actors (attackers, sessions, identities, campaigns) have a public uuid and an integer that other tables point to:
integers keep indexes small. An event belongs to a session, a session to an attacker: deleting an attacker deletes both.
Events, tags and findings are clustered by time, so that new rows are written next to each other.

Foreign keys lead to what can be deleted. Sensors and technique uses never are, and a check of each row against the few
of them costs a third of an insert and makes every writer lock the same rows.

One schema on SQLite, MariaDB and PostgreSQL; only the spelling of a few types differs, so that every database compares
bytes, cuts nothing and counts in 64 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
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
    text,
)
from sqlalchemy.dialects.mysql import BINARY, LONGBLOB, LONGTEXT, VARBINARY

if TYPE_CHECKING:
    from sqlalchemy.schema import SchemaItem
    from sqlalchemy.types import TypeEngine

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
UuidBytes = LargeBinary(16).with_variant(BINARY(16), "mysql")
DigestBytes = LargeBinary(32).with_variant(BINARY(32), "mysql")
Key = LargeBinary(64).with_variant(VARBINARY(64), "mysql")
Bytes = LargeBinary().with_variant(LONGBLOB(), "mysql")
LongText = Text().with_variant(Text(collation="C"), "postgresql").with_variant(LONGTEXT(), "mysql")
OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",  # plain utf8mb4_bin takes 'a' and 'a ' for the same
}


def _text(length: int) -> TypeEngine[str]:
    """Text of up to ``length`` characters, compared byte by byte everywhere."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _table(name: str, *columns: SchemaItem, numbered: bool = False) -> Table:
    """A table clustered by its key or, where ``numbered``, by an integer that never comes back after a delete."""
    kind: dict[str, Any] = {"sqlite_autoincrement": True} if numbered else {"sqlite_with_rowid": False}
    return Table(name, metadata, *columns, **OPTIONS, **kind)


_IS_OPEN = text("is_open")  # some sessions among thousands
_OF_IDENTITY = text("identity_id IS NOT NULL")  # one tag or finding in thousands; MariaDB has no partial indexes


def _id() -> Column[int]:
    return Column("id", BigKey, primary_key=True, autoincrement=True)


def _actor(name: str, *columns: SchemaItem) -> Table:
    """A table of actors: an integer for other tables, and a public uuid."""
    return _table(name, _id(), Column("uuid", UuidBytes, nullable=False, unique=True), *columns, numbered=True)


sensor = _table(
    "sensor",
    _id(),
    Column("name", _text(255), nullable=False, unique=True),
    numbered=True,
)

campaign = _actor(
    "campaign",
    Column("merged_into_id", BigKey, ForeignKey("campaign.id"), index=True),
)

identity = _actor(
    "identity",
    Column("merged_into_id", BigKey, ForeignKey("identity.id"), index=True),
    Column("campaign_id", BigKey, ForeignKey("campaign.id"), nullable=False, index=True),
)

attacker = _actor(
    "attacker",
    Column("address", _text(45), nullable=False),
    Column("identity_id", BigKey, ForeignKey("identity.id"), nullable=False, index=True),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("event_count", BigInteger, nullable=False),
    Column("intel_bump", Double, nullable=False, server_default="0"),  # added by views, see db/views.py
    Index(None, "last_seen"),
)

session = _actor(
    "session",
    Column("native_id", _text(255), nullable=False),
    Column("sensor_id", BigKey, ForeignKey("sensor.id"), nullable=False),
    Column("decky_id", BigKey, ForeignKey("sensor.id"), nullable=False),
    Column("attacker_id", BigKey, ForeignKey("attacker.id", ondelete="CASCADE"), nullable=False),
    Column("protocol", _text(32), nullable=False),
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
    Index(None, "started_at"),
    Index(None, "attacker_id", "started_at"),
)

event = _table(
    "event",
    Column("id", UuidBytes, primary_key=True),
    Column("session_id", BigKey, ForeignKey("session.id", ondelete="CASCADE"), nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("source_kind", _text(40), nullable=False),
    Column("payload", LongText, nullable=False),
    Column("write_id", BigInteger),  # where a database cannot tell new rows itself, see dialect.py
    Index(None, "session_id", "observed_at", "seq"),
)

ttp = _table(
    "ttp",
    _id(),
    Column("attack_release", _text(40), nullable=False),
    Column("tactic", _text(16), nullable=False),
    Column("technique_id", _text(16), nullable=False),
    Column("sub_technique_id", _text(16), nullable=False),  # empty for none: NULLs are never equal in a unique key
    UniqueConstraint("attack_release", "tactic", "technique_id", "sub_technique_id"),
    numbered=True,
)

tag = _table(
    "tag",
    Column("observed_at", BigInteger, nullable=False),
    Column("uuid", UuidBytes, nullable=False),
    Column("source_kind", _text(40), nullable=False),
    Column("source_id", _text(255), nullable=False),
    Column("attacker_id", BigKey, ForeignKey("attacker.id", ondelete="CASCADE")),
    Column("identity_id", BigKey, ForeignKey("identity.id")),
    Column("session_id", BigKey),
    Column("decky_id", BigKey),
    Column("ttp_id", BigKey, nullable=False),
    Column("confidence", Double, nullable=False),
    Column("rule_id", _text(16), nullable=False),
    Column("rule_version", Integer, nullable=False),
    Column("superseded", Boolean, nullable=False),
    Column("evidence", LongText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("write_id", BigInteger),
    Index(None, "attacker_id", "observed_at"),
    Index(None, "created_at", "observed_at", "uuid"),  # what was added since: it grows at its end alone
    Index(None, "identity_id", sqlite_where=_OF_IDENTITY, postgresql_where=_OF_IDENTITY),
    PrimaryKeyConstraint("observed_at", "uuid"),
    CheckConstraint("attacker_id IS NOT NULL OR identity_id IS NOT NULL", name="anchor"),
    CheckConstraint("confidence >= 0.3 AND confidence <= 1", name="confidence"),
)


def _rollup(name: str, *keys: Column[object]) -> Table:
    """Counts of stored, not superseded tags per ``keys``, technique use and confidence band."""
    labels = [key.name for key in keys]
    return _table(
        name,
        *keys,
        Column("ttp_id", BigKey, nullable=False),
        Column("band", SmallInteger, nullable=False),
        *_sums(),
        PrimaryKeyConstraint(*labels, "ttp_id", "band"),
    )


def _sums() -> tuple[Column[object], ...]:
    return (
        Column("count", BigInteger, nullable=False),
        Column("max_confidence", Double, nullable=False),
        Column("first_seen", BigInteger, nullable=False),
        Column("last_seen", BigInteger, nullable=False),
    )


def _owner(table: str) -> Column[object]:
    return Column(f"{table}_id", BigKey, ForeignKey(f"{table}.id", ondelete="CASCADE"), nullable=False)


def _day() -> Column[object]:
    return Column("day", Integer, nullable=False)  # days since 1970


def _hour() -> Column[object]:
    return Column("hour", Integer, nullable=False)  # hours since 1970


def _shard() -> Column[object]:
    """Which writer's part of the sum: many writers would wait for one row. Parts are folded into 0."""
    return Column("shard", SmallInteger, nullable=False)


rollup_attacker = _rollup("rollup_attacker", _owner("attacker"), _day())
rollup_session = _rollup("rollup_session", _owner("session"), _day())
rollup_identity = _rollup("rollup_identity", _owner("identity"), _day())
rollup_campaign = _rollup("rollup_campaign", _owner("campaign"), _day())
rollup_fleet_hour = _rollup("rollup_fleet_hour", _hour(), _shard())
rollup_fleet_tactic = _table(
    "rollup_fleet_tactic",  # how the hours run: its key is the order in which they are read, so nothing is sorted
    _hour(),
    Column("tactic", _text(16), nullable=False),
    _shard(),
    Column("band", SmallInteger, nullable=False),
    *_sums(),
    PrimaryKeyConstraint("hour", "tactic", "shard", "band"),
)
rollup_fleet_day = _rollup(
    "rollup_fleet_day",
    _day(),
    Column("decky_id", BigKey, nullable=False),
    Column("source_kind", _text(40), nullable=False),
    _shard(),
)
rollup_fleet = _rollup("rollup_fleet", _shard())  # over all time, sparing readers the days, decoys and kinds

rule_fires = _table(
    "rule_fires",
    Column("hour", Integer, nullable=False),  # hours since 1970; 0 for all time
    Column("rule_id", _text(16), nullable=False),
    _shard(),
    *_sums(),
    PrimaryKeyConstraint("hour", "rule_id", "shard"),
)

log_position = _table(
    "log_position",
    Column("fingerprint", _text(64), primary_key=True),
    Column("path", LongText, nullable=False),
    Column("end_offset", BigInteger, nullable=False),
    Column("line_number", BigInteger, nullable=False),
    Column("tail_digest", _text(64), nullable=False),
    Column("read_at", BigInteger, nullable=False),
)

outbox = _table(
    "outbox",
    _id(),
    Column("partition", SmallInteger, nullable=False),
    Column("topic", _text(255), nullable=False),
    Column("body", Bytes, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index(None, "partition", "id"),
    numbered=True,
)

bus_position = _table(
    "bus_position",
    Column("consumer", _text(120), nullable=False),
    Column("partition", SmallInteger, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("topics", LongText, nullable=False, server_default=">"),  # NATS patterns with spaces between them
    PrimaryKeyConstraint("consumer", "partition"),
)

dead_letter = _table(
    "dead_letter",
    _id(),
    Column("consumer", _text(120), nullable=False),
    Column("partition", SmallInteger, nullable=False),
    Column("topic", _text(255), nullable=False),
    Column("item", Bytes, nullable=False),
    Column("error", LongText, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("died_at", BigInteger, nullable=False),
    Index(None, "consumer", "id"),
    numbered=True,
)

lease = _table(
    "lease",
    Column("name", _text(120), primary_key=True),
    Column("holder", _text(120), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
)

epoch = _table(
    "epoch",
    Column("name", _text(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

rule_floor = _table(
    "rule_floor",
    Column("rule_id", _text(16), primary_key=True),
    Column("rule_version", Integer, nullable=False),
)

ttp_rule = _table(
    "ttp_rule",
    Column("rule_id", _text(16), primary_key=True),
    Column("text", LongText),  # NULL once deleted, so that followers learn of it
    Column("number", BigInteger, nullable=False),
    Index(None, "number"),
)


def _rule_state() -> tuple[Column[object], ...]:
    return (
        Column("mode", _text(16), nullable=False),
        Column("confidence_max", Double),
        Column("expires_at", BigInteger),
        Column("reason", LongText, nullable=False),
        Column("set_by", _text(120), nullable=False),
        Column("set_at", BigInteger, nullable=False),
    )


ttp_rule_state = _table(
    "ttp_rule_state",
    Column("rule_id", _text(16), primary_key=True),
    *_rule_state(),
    Column("number", BigInteger, nullable=False),
    Index(None, "number"),
)

ttp_rule_audit = _table(
    "ttp_rule_audit",
    _id(),
    Column("rule_id", _text(16), nullable=False),
    *_rule_state(),
    Index(None, "rule_id", "id"),
    numbered=True,
)

finding = _table(
    "finding",
    Column("observed_at", BigInteger, nullable=False),  # of one ``source_id`` always the same
    Column("source_id", _text(255), nullable=False),
    Column("source_kind", _text(40), nullable=False),
    Column("revision", Integer, nullable=False),
    Column("figures", LongText, nullable=False),
    Column("attacker_id", BigKey, ForeignKey("attacker.id", ondelete="CASCADE"), index=True),
    Column("identity_id", BigKey, ForeignKey("identity.id", ondelete="CASCADE")),
    Column("session_id", BigKey),
    Column("decky", _text(255)),
    Index(None, "identity_id", sqlite_where=_OF_IDENTITY, postgresql_where=_OF_IDENTITY),
    PrimaryKeyConstraint("observed_at", "source_id"),
    CheckConstraint("attacker_id IS NOT NULL OR identity_id IS NOT NULL", name="anchor"),
)

session_state = _table(
    "session_state",  # apart from the others: keyed by an integer that grows, it is written at its end
    Column("session_id", BigKey, ForeignKey("session.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("bus_partition", SmallInteger, nullable=False),
    Column("is_open", Boolean, nullable=False),
    Column("body", Bytes, nullable=False),
    Index(None, "is_open", "bus_partition", sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN),
)

attribution_state = _table(
    "attribution_state",
    Column("scope", SmallInteger, nullable=False),
    Column("state_key", Key, nullable=False),
    Column("bus_partition", SmallInteger, nullable=False),
    Column("attacker_id", BigKey, ForeignKey("attacker.id", ondelete="CASCADE"), index=True),
    Column("body", Bytes, nullable=False),
    PrimaryKeyConstraint("scope", "state_key"),
)

attribution_seen = _table(
    "attribution_seen",
    Column("bus_partition", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("items", Bytes, nullable=False),
    PrimaryKeyConstraint("bus_partition", "number"),
)

session_traits = _table(
    "session_traits",
    Column("session_id", BigKey, ForeignKey("session.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("body", Bytes, nullable=False),
)

identity_edge = _table(
    "identity_edge",
    Column("attacker_id", BigKey, ForeignKey("attacker.id", ondelete="CASCADE"), nullable=False),
    Column("reason", _text(255), nullable=False),
    Column("kinds", _text(255), nullable=False),
    Column("weight", Double, nullable=False),
    PrimaryKeyConstraint("attacker_id", "reason"),
)

mail_body = _table(
    "mail_body",
    Column("digest", DigestBytes, nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("event_id", UuidBytes, ForeignKey("event.id", ondelete="CASCADE"), nullable=False, index=True),
    PrimaryKeyConstraint("digest", "observed_at", "event_id"),
)

campaign_edge = _table(
    "campaign_edge",
    Column("identity_id", BigKey, ForeignKey("identity.id", ondelete="CASCADE"), nullable=False),
    Column("reason", _text(300), nullable=False),
    Column("kinds", _text(255), nullable=False),
    Column("weight", Double, nullable=False),
    PrimaryKeyConstraint("identity_id", "reason"),
)

sensor_clock = _table(
    "sensor_clock",
    Column("sensor_id", BigKey, ForeignKey("sensor.id"), primary_key=True, autoincrement=False),
    Column("heard_at", BigInteger, nullable=False),  # the time of its latest event
    Column("told_at", BigInteger, nullable=False),  # how far all partitions know that its time has come
)

clock = _table(
    "clock",
    Column("sensor_id", BigKey, ForeignKey("sensor.id"), nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("sensor_id", "observed_at"),
)

intel_lookup = _table(
    "intel_lookup",
    Column("provider", _text(32), nullable=False),
    Column("attacker_id", BigKey, ForeignKey("attacker.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("wanted_at", BigInteger, nullable=False),
    Column("due_at", BigInteger),  # NULL once answered
    Column("tries", Integer, nullable=False),
    Column("answered_at", BigInteger),
    Column("found_at", BigInteger),  # this and ``source_id`` name the finding of the newest verdict; NULL for none
    Column("source_id", _text(255)),
    PrimaryKeyConstraint("provider", "attacker_id"),
    Index(None, "provider", "due_at"),
)

intel_quota = _table(
    "intel_quota",
    Column("provider", _text(32), primary_key=True),
    Column("window_number", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("closed_until", BigInteger, nullable=False),
)

clear_secret = _table(
    "clear_secret",
    Column("digest", _text(64), primary_key=True),
    Column("secret", LongText, nullable=False),
)

artifact = _table(
    "artifact",
    Column("digest", DigestBytes, primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("stored_at", BigInteger, nullable=False),
    Index(None, "stored_at"),
)

artifact_part = _table(
    "artifact_part",
    Column("digest", DigestBytes, ForeignKey("artifact.digest", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("body", Bytes, nullable=False),
    PrimaryKeyConstraint("digest", "number"),
)

canary_token = _table(
    "canary_token",
    Column("slug", _text(64), primary_key=True),
    Column("kind", _text(40), nullable=False),
    Column("label", LongText, nullable=False),
    Column("target", LongText, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
)

account = _table(
    "account",
    _id(),
    Column("name", _text(64), nullable=False, unique=True),
    Column("role", _text(16), nullable=False),
    Column("password_hash", _text(255), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    numbered=True,
)

account_login = _table(
    "account_login",
    _id(),
    Column("account_id", BigKey, ForeignKey("account.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("refresh_digest", DigestBytes, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    numbered=True,
)

access_key = _table(
    "access_key",
    _id(),
    Column("name", _text(255), nullable=False),
    Column("scope", _text(16), nullable=False),
    Column("digest", DigestBytes, nullable=False),
    Column("created_by", _text(120), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("revoked_at", BigInteger),
    numbered=True,
)

login_throttle = _table(
    "login_throttle",
    Column("subject", _text(120), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("failed_at", BigInteger, nullable=False),
)

audit = _table(
    "audit",
    _id(),
    Column("done_at", BigInteger, nullable=False),
    Column("actor", _text(120), nullable=False),
    Column("action", _text(60), nullable=False),
    Column("target", _text(255), nullable=False),
    Column("detail", LongText, nullable=False),
    numbered=True,
)

refusal = _table(
    "refusal",
    Column("sensor", _text(255), nullable=False),
    Column("reason", _text(80), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("first_seen", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
    Column("example", LongText, nullable=False),  # the first one
    PrimaryKeyConstraint("sensor", "reason"),
)

hook = _table(
    "hook",
    _id(),
    Column("name", _text(255), nullable=False),
    Column("url", LongText, nullable=False),
    Column("format", _text(16), nullable=False),
    Column("wanted", LongText, nullable=False),
    Column("per_minute", Integer, nullable=False),
    Column("salt", DigestBytes, nullable=False),
    Column("created_by", _text(120), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("window_since", BigInteger, nullable=False),
    Column("window_sent", BigInteger, nullable=False),
    Column("window_held", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("closed_until", BigInteger, nullable=False),
    numbered=True,
)

hook_delivery = _table(
    "hook_delivery",
    _id(),
    Column("hook_id", BigKey, ForeignKey("hook.id", ondelete="CASCADE"), nullable=False),
    Column("kind", _text(16), nullable=False),
    Column("tag_at", BigInteger),  # with the uuid the key of a tag, NULL for what is about none
    Column("tag_uuid", UuidBytes),
    Column("detail", LongText),
    Column("state", _text(16), nullable=False),
    Column("tries", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("error", _text(500), nullable=False),
    UniqueConstraint("hook_id", "tag_at", "tag_uuid"),  # a tag that is announced again is told once
    Index(None, "hook_id", "state", "id"),
    Index(None, "state", "ended_at"),
    numbered=True,
)
