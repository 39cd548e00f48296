"""Tags and their roll-ups: written by this module and nobody else, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import select

from decnet.db.rows import add_counts, insert_new
from decnet.db.tables import (
    rollup_attacker,
    rollup_campaign,
    rollup_fleet_day,
    rollup_fleet_hour,
    rollup_identity,
    rollup_session,
    ttp,
)
from decnet.db.tables import tag as tag_table
from decnet.models.tag import confidence_band

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from decnet.db.actors import SessionRow
    from decnet.models.actor import SessionUuid
    from decnet.models.tag import TTPTag

_US_PER_HOUR = 3_600_000_000
_US_PER_DAY = 24 * _US_PER_HOUR

_COLUMNS = (
    *(
        "observed_at",
        "uuid",
        "source_kind",
        "source_id",
        "attacker_id",
        "identity_id",
        "session_id",
        "decky_id",
        "ttp_id",
    ),
    *("confidence", "rule_id", "rule_version", "superseded", "evidence", "created_at"),
)
_encode = msgspec.json.Encoder().encode

Use = tuple[str, str, str, str]
"""How a technique was used: release, tactic, technique, sub-technique or empty."""


class TagWriter:
    """Writes tags, and knows the integers of technique uses; :meth:`forget` after a rolled-back transaction."""

    def __init__(self) -> None:
        self._uses: dict[Use, int] = {}

    def forget(self) -> None:
        """Know nothing: what was learnt in a transaction that failed is not stored."""
        self._uses.clear()

    def insert_tags(
        self, connection: Connection, tags: Iterable[TTPTag], sessions: Mapping[SessionUuid, SessionRow], *, now: int
    ) -> list[TTPTag]:
        """Store ``tags`` (each of a session in ``sessions``) and add them to the roll-ups.

        Returns exactly those that are new, in order of (observed_at, uuid). A tag that is stored already is a no-op.
        ``now`` is the ``created_at``, µs UTC.
        """
        unique = {(tag.observed_at, tag.uuid): tag for tag in tags}
        if not unique:
            return []
        ordered = [unique[key] for key in sorted(unique)]
        uses = self._use_ids(connection, {_use(tag) for tag in ordered})
        rows = [_row(tag, sessions, uses[_use(tag)], now) for tag in ordered]
        added = insert_new(connection, tag_table, ("observed_at", "uuid"), _COLUMNS, rows)
        new = [tag for tag in ordered if (tag.observed_at, tag.uuid) in added]
        _add_to_rollups(connection, new, sessions, uses)
        return new

    def _use_ids(self, connection: Connection, wanted: set[Use]) -> Mapping[Use, int]:
        missing = sorted(wanted - self._uses.keys())
        if missing:
            columns = ("attack_release", "tactic", "technique_id", "sub_technique_id")
            insert_new(connection, ttp, columns, columns, missing)
            for number, *use in connection.execute(select(ttp.c.id, *(ttp.c[name] for name in columns))):
                self._uses[use[0], use[1], use[2], use[3]] = number
        return self._uses


def _use(tag: TTPTag) -> Use:
    return tag.attack_release, tag.tactic, tag.technique_id, tag.sub_technique_id or ""


def _row(tag: TTPTag, sessions: Mapping[SessionUuid, SessionRow], use: int, now: int) -> tuple[object, ...]:
    session = sessions[tag.session_id] if tag.session_id else None
    return (
        tag.observed_at,
        tag.uuid,
        tag.source_kind,
        tag.source_id,
        session.attacker_id if session else None,
        None,
        session.id if session else None,
        session.decky_id if session else None,
        use,
        tag.confidence,
        tag.rule_id,
        tag.rule_version,
        tag.superseded,
        _encode(tag.evidence).decode(),
        now,
    )


class _Count:
    """A running roll-up cell."""

    __slots__ = ("count", "first", "last", "most")

    def __init__(self) -> None:
        self.count, self.most, self.first, self.last = 0, 0.0, 1 << 62, -(1 << 62)

    def add(self, confidence: float, at: int) -> None:
        self.count += 1
        self.most = max(self.most, confidence)
        self.first = min(self.first, at)
        self.last = max(self.last, at)


def _add_to_rollups(
    connection: Connection, tags: Sequence[TTPTag], sessions: Mapping[SessionUuid, SessionRow], uses: Mapping[Use, int]
) -> None:
    """Add new tags to every roll-up of the contract, keys in sorted order so that writers never wait in a circle."""
    cells: dict[tuple[Table, tuple[object, ...]], _Count] = {}
    for tag in tags:
        if tag.session_id is None:
            continue
        session, use, band = sessions[tag.session_id], uses[_use(tag)], confidence_band(tag.confidence)
        day = tag.observed_at // _US_PER_DAY
        for key in (
            (rollup_attacker, (session.attacker_id, day, use, band)),
            (rollup_session, (session.id, day, use, band)),
            (rollup_identity, (session.identity_id, day, use, band)),
            (rollup_campaign, (session.campaign_id, day, use, band)),
            (rollup_fleet_hour, (tag.observed_at // _US_PER_HOUR, use, band)),
            (rollup_fleet_day, (day, session.decky_id, tag.source_kind, use, band)),
        ):
            cell = cells.get(key)
            if cell is None:
                cell = cells[key] = _Count()
            cell.add(tag.confidence, tag.observed_at)
    for table in _ROLLUPS:
        rows = [
            (*key, cell.count, cell.most, cell.first, cell.last)
            for (owner, key), cell in cells.items()
            if owner is table
        ]
        add_counts(connection, table, [column.name for column in table.primary_key], sorted(rows, key=_key_order))


def _key_order(row: tuple[object, ...]) -> tuple[object, ...]:
    return row[:-4]


_ROLLUPS = (rollup_attacker, rollup_session, rollup_identity, rollup_campaign, rollup_fleet_hour, rollup_fleet_day)
