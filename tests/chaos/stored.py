"""What a run stored, in words that do not depend on the database: names, uuids and members instead of numbers."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from decnet.attribution.sessions import SessionTraits
from decnet.db.maintenance import fold_fleet_shards
from tests.databases import rows

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.db.engine import Database

Stored = dict[str, "Counter[tuple[Any, ...]]"]
"""Rows of each table, and how often each is there."""

_USE = "u.attack_release, u.tactic, u.technique_id, u.sub_technique_id"
_SUMS = "r.band, r.count, r.max_confidence, r.first_seen, r.last_seen"
_OF_USE = "JOIN ttp u ON u.id = r.ttp_id"
_QUERIES = {
    "events": (
        "SELECT e.id, s.uuid, e.observed_at, e.seq, e.source_kind, e.payload "
        "FROM event e JOIN session s ON s.id = e.session_id"
    ),
    "sessions": (
        "SELECT s.uuid, a.uuid, n.name, s.protocol, s.src_port, s.started_at, s.last_event_at, s.ended_at, "
        "s.duration_ms, s.event_count, s.command_count, s.login_failed_count, s.login_success_count, s.file_count "
        "FROM session s JOIN attacker a ON a.id = s.attacker_id JOIN sensor n ON n.id = s.sensor_id"
    ),
    "attackers": "SELECT uuid, address, first_seen, last_seen, event_count FROM attacker",
    "tags": (
        f"SELECT r.uuid, r.observed_at, r.source_kind, r.source_id, a.uuid, s.uuid, n.name, {_USE}, r.confidence, "
        f"r.rule_id, r.rule_version, r.superseded FROM tag r {_OF_USE} LEFT JOIN attacker a ON a.id = r.attacker_id "
        "LEFT JOIN session s ON s.id = r.session_id LEFT JOIN sensor n ON n.id = r.decky_id"
    ),
    "evidence": "SELECT uuid, evidence FROM tag",
    "findings": (
        "SELECT f.source_id, f.source_kind, f.observed_at, f.revision, f.figures, a.uuid, s.uuid, f.decky "
        "FROM finding f LEFT JOIN attacker a ON a.id = f.attacker_id LEFT JOIN session s ON s.id = f.session_id "
        "WHERE f.identity_id IS NULL"
    ),
    "roll-ups by attacker": (
        f"SELECT a.uuid, r.day, {_USE}, {_SUMS} FROM rollup_attacker r {_OF_USE} "
        "JOIN attacker a ON a.id = r.attacker_id WHERE r.count > 0"
    ),
    "roll-ups by session": (
        f"SELECT s.uuid, r.day, {_USE}, {_SUMS} FROM rollup_session r {_OF_USE} "
        "JOIN session s ON s.id = r.session_id WHERE r.count > 0"
    ),
    "roll-ups by hour": f"SELECT r.hour, {_USE}, {_SUMS} FROM rollup_fleet_hour r {_OF_USE} WHERE r.count > 0",
    "roll-ups by tactic": f"SELECT r.hour, r.tactic, r.band, {_SUMS} FROM rollup_fleet_tactic r WHERE r.count > 0",
    "roll-ups by decoy": (
        f"SELECT r.day, n.name, r.source_kind, {_USE}, {_SUMS} FROM rollup_fleet_day r {_OF_USE} "
        "LEFT JOIN sensor n ON n.id = r.decky_id WHERE r.count > 0"
    ),
}
_OWNED = {
    "roll-ups by identity": f"SELECT identity_id, r.day, {_USE}, {_SUMS} FROM rollup_identity r {_OF_USE}",
    "roll-ups by campaign": f"SELECT campaign_id, r.day, {_USE}, {_SUMS} FROM rollup_campaign r {_OF_USE}",
}


def stored(database: Database) -> Stored:
    """Everything that must be the same after an undisturbed run; what only tells when something was done is left out.

    Identities and campaigns are their members' addresses.
    """
    fold_fleet_shards(database)
    found = {name: Counter(map(_plain, rows(database, sql))) for name, sql in _QUERIES.items()}
    identities = _members(rows(database, "SELECT identity_id, address FROM attacker"))
    sql = "SELECT i.campaign_id, a.address FROM attacker a JOIN identity i ON i.id = a.identity_id"
    campaigns = _members(rows(database, sql))
    found["identities"] = Counter((members,) for members in identities.values())
    found["campaigns"] = Counter((members,) for members in campaigns.values())
    for (name, sql), owners in zip(_OWNED.items(), (identities, campaigns), strict=True):
        owned = rows(database, f"{sql} WHERE r.count > 0")
        found[name] = Counter((owners.get(owner, ()), *_plain(row)) for owner, *row in owned)
    found["findings about identities"] = _about_identities(database, identities)
    found["traits"] = Counter(_traits(body) for (body,) in rows(database, "SELECT body FROM session_traits"))
    return found


def assert_same(found: Stored, wanted: Stored) -> None:
    """Every table holds the same rows, each as often.

    :raises AssertionError: it names the tables that differ, how much, and some of the rows.
    """
    faults = []
    for name, rows_wanted in wanted.items():
        missing, added = rows_wanted - found[name], found[name] - rows_wanted
        if missing or added:
            some = [f"  lacks {row}" for row in list(missing)[:3]] + [f"  has {row}" for row in list(added)[:3]]
            faults += [f"{name}: {missing.total()} rows are missing, {added.total()} are too many", *some]
    assert not faults, "\n".join(faults)


def _plain(row: Iterable[Any]) -> tuple[Any, ...]:
    """``row`` with the same types from every database."""
    return tuple(
        bytes(value) if isinstance(value, memoryview) else int(value) if isinstance(value, bool) else value
        for value in row
    )


def _members(pairs: Iterable[tuple[Any, ...]]) -> dict[int, tuple[str, ...]]:
    members: dict[int, list[str]] = defaultdict(list)
    for owner, address in pairs:
        members[owner].append(address)
    return {owner: tuple(sorted(addresses)) for owner, addresses in members.items()}


def _about_identities(database: Database, identities: dict[int, tuple[str, ...]]) -> Counter[tuple[Any, ...]]:
    """The figures of each identity's day, whoever founded it: what an attacker showed before it joined is its too.

    Which of two identities was looked at before they became one depends on when that was; what both show does not.
    """
    founders = {
        str(UUID(bytes=bytes(uuid))): identities[identity]
        for uuid, identity in rows(database, "SELECT uuid, identity_id FROM attacker")
    }
    greatest: dict[tuple[Any, ...], tuple[int, ...]] = {}
    for source_id, figures in rows(database, "SELECT source_id, figures FROM finding WHERE identity_id IS NOT NULL"):
        _, kind, founder, digest, day = source_id.split(":")
        key = kind, founders[founder], digest, day
        values = tuple(value for value in msgspec.json.decode(figures).values() if isinstance(value, int))
        greatest[key] = max(greatest.get(key, values), values)
    return Counter((*key, values) for key, values in greatest.items())


def _traits(body: bytes) -> tuple[Any, ...]:
    traits = msgspec.msgpack.decode(body, type=SessionTraits)
    return tuple(getattr(traits, name) for name in traits.__struct_fields__)
