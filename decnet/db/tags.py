"""Tags and their roll-ups: written by this module and nobody else, in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import delete, select, tuple_, update

from decnet.db.actors import Anchor
from decnet.db.dialect import Merge, dialect_of
from decnet.db.epochs import RULE_FLOOR, begin_epoch, hold_rollups, read_epochs
from decnet.db.fires import fires_of
from decnet.db.rollups import Counted, add_to_rollups, sums_of, take_from_rollups
from decnet.db.tables import rule_floor, ttp
from decnet.db.tables import tag as tag_table
from decnet.errors import OutdatedRule
from decnet.telemetry import span

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.engine import Connection

    from decnet.db.actors import Actors
    from decnet.db.dialect import Merged
    from decnet.models.tag import TTPTag

_COLUMNS = (
    *("observed_at", "uuid", "source_kind", "source_id", "attacker_id", "identity_id", "session_id", "decky_id"),
    *("ttp_id", "confidence", "rule_id", "rule_version", "superseded", "evidence", "created_at"),
)
_USE_COLUMNS = ("attack_release", "tactic", "technique_id", "sub_technique_id")
_STORED_TAGS = """
SELECT tag.observed_at, tag.uuid, tag.source_kind, tag.source_id, tag.rule_id, tag.rule_version, tag.ttp_id,
tag.confidence, tag.session_id, tag.attacker_id, coalesce(head.id, own.id, attacker.identity_id),
coalesce(head.campaign_id, own.campaign_id, current.campaign_id), tag.decky_id
FROM tag LEFT JOIN attacker ON attacker.id = tag.attacker_id
LEFT JOIN identity AS current ON current.id = attacker.identity_id
LEFT JOIN identity AS own ON own.id = tag.identity_id LEFT JOIN identity AS head ON head.id = own.merged_into_id
WHERE NOT tag.superseded AND """
_encode = msgspec.json.Encoder().encode

Use = tuple[str, str, str, str]
"""How a technique was used: release, tactic, technique, sub-technique or empty."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """What a second evaluation changed."""

    added: list[TTPTag]
    superseded: int


class TagWriter:
    """Writes tags; :meth:`forget` after a rolled-back transaction.

    ``actors`` is shared with whoever stores events in the same transactions. ``shard`` is this writer's own part of the
    fleet's sums: any number where several processes write to one server, 0 where one file has one writer at a time.
    """

    def __init__(self, actors: Actors, *, shard: int = 0) -> None:
        self._actors = actors
        self._shard = shard
        self._uses: dict[Use, int] = {}
        self._tactics: dict[int, str] = {}
        self._floors: dict[str, int] = {}
        self._floor_epoch = -1

    def forget(self) -> None:
        """Know nothing: what was learnt in a transaction that failed is not stored."""
        self._uses.clear()
        self._tactics.clear()
        self._floor_epoch = -1
        self._actors.forget()

    def insert_tags(self, connection: Connection, tags: Iterable[TTPTag], *, now: int) -> list[TTPTag]:
        """Store ``tags``, whose actors are stored, and add them to the roll-ups.

        Returns exactly those that are new, in order of (observed_at, uuid). A tag that is stored already is a no-op.
        ``now`` is the ``created_at``, µs UTC.

        :raises OutdatedRule: a tag comes from a version of a rule below its floor; evaluate again under the pack in
            force.
        :raises StorageError: an actor of a tag is not stored.
        """
        unique = {(tag.observed_at, tag.uuid): tag for tag in tags}
        if not unique:
            return []
        ordered = [unique[key] for key in sorted(unique)]
        self._refuse_outdated(connection, ordered)
        anchors = self._actors.anchors_of(connection, ordered)
        uses = self._use_ids(connection, ordered)
        rows = _rows(ordered, anchors, uses, now)
        sums: list[Merged] = []  # of all tags, which most often are all new

        def count() -> None:
            sums.extend(self._sums(ordered, anchors, uses))

        with span("db.tags.insert", tags=len(rows)):
            added = dialect_of(connection).insert_new(
                connection, tag_table, ("observed_at", "uuid"), _COLUMNS, rows, count
            )
        with span("db.tags.rollups", tags=len(added)):
            new = ordered
            if len(added) < len(ordered):
                is_new = [(tag.observed_at, tag.uuid) in added for tag in ordered]
                new = list(compress(ordered, is_new))
                sums = self._sums(new, list(compress(anchors, is_new)), list(compress(uses, is_new)))
            add_to_rollups(connection, sums or self._sums(ordered, anchors, uses))
        return new

    def _sums(self, tags: Sequence[TTPTag], anchors: Sequence[Anchor], uses: Sequence[int]) -> list[Merged]:
        """What ``tags`` add to the roll-ups and to the counts of rules."""
        counted = [
            (anchor, tag.observed_at, tag.source_kind, use, tag.confidence)
            for tag, anchor, use in zip(tags, anchors, uses, strict=True)
        ]
        return [*sums_of(counted, self._tactics, self._shard), fires_of(tags, self._shard)]

    def replace_tags(
        self,
        connection: Connection,
        sources: Iterable[tuple[int, str]],
        versions: Mapping[str, int],
        tags: Iterable[TTPTag],
        *,
        now: int,
    ) -> Replaced:
        """Store what a second evaluation gave, and supersede what older versions of the same rules had written.

        ``sources`` are the (observed_at, source_id) that were evaluated, ``versions`` the rules that took part: their
        older tags on these sources are superseded whether or not the new version fires. Rules that did not take part
        keep theirs.
        """
        wanted = set(sources)
        old = _outdated(connection, wanted, versions)
        if old:
            hold_rollups(connection)
            old = _outdated(connection, wanted, versions)  # as it is now that nobody else writes
        added = self.insert_tags(connection, tags, now=now)
        for at, uuid, *_ in old:
            where = (tag_table.c.observed_at == at, tag_table.c.uuid == uuid)
            connection.execute(update(tag_table).where(*where).values(superseded=True))
        take_from_rollups(connection, [_counted_row(row) for row in old], self._shard)
        return Replaced(added, len(old))

    def delete_tags(self, connection: Connection, keys: Sequence[tuple[int, bytes]]) -> int:
        """Delete the tags with these (observed_at, uuid); returns how many of them counted in roll-ups."""
        hold_rollups(connection)
        rows = _stored_tags(connection, "tag.observed_at IN ({places})", sorted({at for at, _ in keys}))
        wanted = set(keys)
        found = [row for row in rows if (row[0], row[1]) in wanted]
        self._delete(connection, found, tuple_(tag_table.c.observed_at, tag_table.c.uuid).in_(sorted(wanted)))
        return len(found)

    def delete_tags_of_attacker(self, connection: Connection, attacker_id: int, limit: int) -> int:
        """Delete up to ``limit`` tags of an attacker, oldest first; returns how many were there."""
        key = (tag_table.c.observed_at, tag_table.c.uuid)
        found = connection.execute(
            select(*key).where(tag_table.c.attacker_id == attacker_id).order_by(*key).limit(limit)
        )
        keys = [(at, uuid) for at, uuid in found]
        if keys:
            self.delete_tags(connection, keys)
        return len(keys)

    def _delete(self, connection: Connection, counted: Sequence[Sequence[Any]], where: ColumnElement[bool]) -> None:
        connection.execute(delete(tag_table).where(where))
        take_from_rollups(connection, [_counted_row(row) for row in counted], self._shard)

    def _refuse_outdated(self, connection: Connection, tags: Sequence[TTPTag]) -> None:
        now = read_epochs(connection)[RULE_FLOOR]
        if now != self._floor_epoch:
            rows = connection.execute(select(rule_floor.c.rule_id, rule_floor.c.rule_version))
            self._floors = dict(rows.all())
            self._floor_epoch = now
        if not self._floors:
            return
        versions = {(tag.rule_id, tag.rule_version) for tag in tags}
        old = {rule: version for rule, version in versions if version < self._floors.get(rule, 0)}
        if old:
            told = ", ".join(f"{rule} v{version} (floor {self._floors[rule]})" for rule, version in sorted(old.items()))
            raise OutdatedRule(f"tags of outdated rules: {told}; load the pack in force and evaluate again")

    def _use_ids(self, connection: Connection, tags: Sequence[TTPTag]) -> list[int]:
        wanted = [(tag.attack_release, tag.tactic, tag.technique_id, tag.sub_technique_id or "") for tag in tags]
        missing = sorted(set(wanted) - self._uses.keys())
        if missing:
            dialect_of(connection).insert_missing(connection, ttp, _USE_COLUMNS, _USE_COLUMNS, missing)
            for number, *use in connection.execute(select(ttp.c.id, *(ttp.c[name] for name in _USE_COLUMNS))):
                self._uses[use[0], use[1], use[2], use[3]] = number
                self._tactics[number] = use[1]
        return [self._uses[use] for use in wanted]


def raise_rule_floor(connection: Connection, versions: Mapping[str, int]) -> None:
    """From now on no tag of an older version of these rules is stored; waits for writers that are at it."""
    begin_epoch(connection, RULE_FLOOR)
    rules = {"rule_version": Merge.GREATEST}
    dialect_of(connection).merge(connection, rule_floor, ("rule_id",), rules, sorted(versions.items()))


def _rows(tags: Sequence[TTPTag], anchors: Sequence[Anchor], uses: Sequence[int], now: int) -> list[tuple[object, ...]]:
    """The rows of ``tags``, in the order of :data:`_COLUMNS`; in one expression, because tags are many."""
    return [
        (
            tag.observed_at,
            tag.uuid,
            tag.source_kind,
            tag.source_id,
            attacker_id,
            identity_id if attacker_id is None else None,
            session_id,
            decky_id,
            use,
            tag.confidence,
            tag.rule_id,
            tag.rule_version,
            tag.superseded,
            _encode(tag.evidence).decode(),
            now,
        )
        for tag, (session_id, attacker_id, identity_id, _, decky_id), use in zip(tags, anchors, uses, strict=True)
    ]


def _stored_tags(connection: Connection, where: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Tags that count, with the current owners of their sums."""
    return dialect_of(connection).rows_with(connection, _STORED_TAGS + where, values)


def _outdated(
    connection: Connection, sources: Collection[tuple[int, str]], versions: Mapping[str, int]
) -> list[tuple[Any, ...]]:
    """Tags that count on these (observed_at, source_id), from versions of rules that are older than ``versions``."""
    rows = _stored_tags(connection, "tag.observed_at IN ({places})", sorted({at for at, _ in sources}))
    return [row for row in rows if (row[0], row[3]) in sources and row[4] in versions and row[5] < versions[row[4]]]


def _counted_row(row: Sequence[Any]) -> Counted:
    at, _, kind, _, _, _, ttp_id, confidence, *owners = row
    return Anchor(*owners), at, kind, ttp_id, confidence
