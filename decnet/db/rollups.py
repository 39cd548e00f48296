"""Sums over tags, kept in the same transaction as the tags: per owner and day, for the fleet per hour, day and in all.

The fleet's hours are kept twice: by technique, and by tactic, which is how activity is read.

Adding is cheap: every writer joins its sums with what is stored. Taking away (a tag was superseded or deleted) recounts
the cells that it touched, while nobody adds to roll-ups: a part of the fleet's sums that a writer stored between the
removal of the old parts and the count of the tags would be counted twice. Fleet sums are counted anew only
where the removed tags held a first, a last or a greatest value; else their number is subtracted. Those over all time
are then counted from those per day, those by tactic from those by technique.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import and_, case, delete, false, func, or_, select

from decnet.db.dialect import Merge, Merged, dialect_of
from decnet.db.tables import (
    attacker,
    identity,
    rollup_attacker,
    rollup_campaign,
    rollup_fleet,
    rollup_fleet_day,
    rollup_fleet_hour,
    rollup_fleet_tactic,
    rollup_identity,
    rollup_session,
    tag,
    ttp,
)
from decnet.models.tag import BAND_EDGES, confidence_band

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from sqlalchemy import ColumnElement, Select, Table
    from sqlalchemy.engine import Connection

    from decnet.db.actors import Anchor

US_PER_HOUR = 3_600_000_000
US_PER_DAY = 24 * US_PER_HOUR

FOLDED = 0
"""The shard into which the parts of writers are folded."""
FLEET = (rollup_fleet_hour, rollup_fleet_tactic, rollup_fleet_day, rollup_fleet)
"""Those of the whole fleet, in parts."""
TABLES = (rollup_attacker, rollup_session, rollup_identity, rollup_campaign, *FLEET)
"""In the order in which they are written."""
_KEYS = {table: tuple(column.name for column in table.primary_key) for table in TABLES}
SUMS = {
    "count": Merge.ADD,
    "max_confidence": Merge.GREATEST,
    "first_seen": Merge.LEAST,
    "last_seen": Merge.GREATEST,
}
"""The sums of a cell, and how they grow."""


Counted = tuple["Anchor", int, str, int, float]
"""What roll-ups need of a stored tag: its owners, observed_at, source_kind, ttp_id and confidence."""


class Cell(msgspec.Struct, gc=False):
    """A running sum: how many, the greatest confidence, first and last seen (µs)."""

    number: int
    most: float
    first: int
    last: int

    def add(self, number: int, most: float, first: int, last: int) -> None:
        """Join another sum; comparisons, because a call of ``max`` costs four times as much."""
        self.number += number
        if most > self.most:  # noqa: PLR1730
            self.most = most
        if first < self.first:  # noqa: PLR1730
            self.first = first
        if last > self.last:  # noqa: PLR1730
            self.last = last

    def values(self) -> tuple[int, float, int, int]:
        """As a roll-up has them."""
        return self.number, self.most, self.first, self.last


Key = tuple[Any, ...]
Cells = dict[Key, Cell]


def sums_of(tags: Iterable[Counted], tactics: Mapping[int, str], shard: int) -> list[Merged]:
    """What ``tags`` add to every roll-up, tables and keys in one order so that writers never wait in a circle.

    ``tactics`` has the tactic of each technique use. ``shard`` is the writer's own part of the fleet's sums.
    """
    return [
        Merged(table, _KEYS[table], [(*key, *cells[key].values()) for key in sorted(cells)])
        for table, cells in cells_of(tags, tactics, shard).items()
    ]


def add_to_rollups(connection: Connection, sums: Sequence[Merged]) -> None:
    """Join sums over new tags with what is stored."""
    dialect_of(connection).merge_all(connection, SUMS, sums)


def cells_of(tags: Iterable[Counted], tactics: Mapping[int, str], shard: int) -> Mapping[Table, Cells]:
    """The sums that ``tags`` make, per roll-up in the order in which roll-ups are written."""
    sums: dict[Table, Cells] = {table: {} for table in TABLES}
    by_attacker, by_session, by_identity, by_campaign, by_hour, by_tactic, by_day, by_use = sums.values()
    for (anchor, hour, kind, use, band), cell in _finest(tags).items():
        session_id, attacker_id, identity_id, campaign_id, decky_id = anchor
        day = hour // 24
        if attacker_id is not None:
            add_to(by_attacker, (attacker_id, day, use, band), cell)
        if session_id is not None:
            add_to(by_session, (session_id, day, use, band), cell)
        add_to(by_identity, (identity_id, day, use, band), cell)
        add_to(by_campaign, (campaign_id, day, use, band), cell)
        add_to(by_hour, (hour, shard, use, band), cell)
        add_to(by_day, (day, decky_id, kind, shard, use, band), cell)
    for (hour, _, use, band), cell in by_hour.items():
        add_to(by_tactic, (hour, tactics[use], shard, band), cell)
        add_to(by_use, (shard, use, band), cell)
    return sums


def _finest(tags: Iterable[Counted]) -> Cells:
    """Sums per anchor, hour, source kind, technique use and band, of which every roll-up is made."""
    cells: Cells = {}
    bands: dict[float, int] = {}  # rules have few confidences, tags are many
    for anchor, at, kind, ttp_id, confidence in tags:
        band = bands.get(confidence)
        if band is None:
            band = bands[confidence] = confidence_band(confidence)
        key = (anchor, at // US_PER_HOUR, kind, ttp_id, band)
        known = cells.get(key)
        if known is None:
            cells[key] = Cell(1, confidence, at, at)
        else:
            known.add(1, confidence, at, at)
    return cells


def add_to(cells: Cells, key: Key, cell: Cell) -> None:
    """Join ``cell`` with the one at ``key``."""
    known = cells.get(key)
    if known is None:
        cells[key] = Cell(cell.number, cell.most, cell.first, cell.last)
    else:
        known.add(cell.number, cell.most, cell.first, cell.last)


def take_from_rollups(connection: Connection, tags: Sequence[Counted], shard: int) -> None:
    """Bring every roll-up that counted ``tags`` in line with the tags that are still stored and not superseded.

    The caller holds the roll-ups alone (:func:`decnet.db.epochs.hold_rollups`).
    """
    tactics = dict(connection.execute(select(ttp.c.id, ttp.c.tactic)).all())
    cells = cells_of(tags, tactics, shard)
    attackers = {anchor.session_id: anchor.attacker_id for anchor, *_ in tags}
    _recount(connection, rollup_attacker, cells, lambda owner: tag.c.attacker_id == owner)
    _recount(
        connection,
        rollup_session,
        cells,
        lambda owner: and_(tag.c.attacker_id == attackers[owner], tag.c.session_id == owner),
    )
    _recount(connection, rollup_identity, cells, lambda owner: tag.c.identity_id.in_(_merged_into(owner)), _members_of)
    _recount(connection, rollup_campaign, cells, lambda _: false(), _identities_of)
    for table in FLEET:
        _take_from_fleet(connection, table, cells[table])


def recount_identity(connection: Connection, identity_id: int) -> None:
    """Count an identity anew from its present members and its own tags, all days; for when members came or went.

    The tags of an identity that was merged into it are its own.
    """
    recount_identities(connection, [identity_id])


def recount_identities(connection: Connection, identities: Sequence[int]) -> None:
    """:func:`recount_identity` of many, in as many statements as of one."""
    table, numbers = rollup_identity, sorted(identities)
    connection.execute(delete(table).where(table.c.identity_id.in_(numbers)))
    owner = attacker.c.identity_id
    members = _rollup_summed(rollup_attacker, None, owner).join(
        attacker, attacker.c.id == rollup_attacker.c.attacker_id
    )
    _add_rows(connection, table, [tuple(row) for row in connection.execute(members.where(owner.in_(numbers)))])
    head = func.coalesce(identity.c.merged_into_id, identity.c.id)
    own = (
        select(head, tag.c.observed_at, tag.c.ttp_id, tag.c.confidence)
        .select_from(tag.join(identity, identity.c.id == tag.c.identity_id))
        .where(or_(identity.c.id.in_(numbers), identity.c.merged_into_id.in_(numbers)))
        .where(head.in_(numbers), tag.c.superseded.is_(False))
    )
    sums: Cells = {}
    for identity_id, at, ttp_id, confidence in connection.execute(own):
        key = (identity_id, at // US_PER_DAY, ttp_id, confidence_band(confidence))
        add_to(sums, key, Cell(1, confidence, at, at))
    _add_rows(connection, table, [(*key, *sums[key].values()) for key in sorted(sums)])


def recount_campaign(connection: Connection, campaign_id: int) -> None:
    """Count a campaign anew from its present identities, all days."""
    recount_campaigns(connection, [campaign_id])


def recount_campaigns(connection: Connection, campaigns: Sequence[int]) -> None:
    """:func:`recount_campaign` of many, in as many statements as of one."""
    table, numbers = rollup_campaign, sorted(campaigns)
    connection.execute(delete(table).where(table.c.campaign_id.in_(numbers)))
    owner = identity.c.campaign_id
    parts = _rollup_summed(rollup_identity, None, owner).join(identity, identity.c.id == rollup_identity.c.identity_id)
    _add_rows(connection, table, [tuple(row) for row in connection.execute(parts.where(owner.in_(numbers)))])


def _recount(
    connection: Connection,
    table: Table,
    taken: Mapping[Table, Cells],
    tags_of: Callable[[Any], ColumnElement[bool]],
    parts_of: Callable[[int, int], Select[Any]] | None = None,
) -> None:
    """Count the cells of owners in ``taken`` anew: their own tags, and the sums of the parts that they are made of."""
    cells = sorted(taken[table])
    for key in cells:
        connection.execute(delete(table).where(_exactly(table, dict(zip(_KEYS[table], key, strict=True)))))
    wanted: dict[tuple[Any, int], set[tuple[int, int]]] = defaultdict(set)
    for owner, day, ttp_id, band in cells:
        wanted[owner, int(day)].add((int(ttp_id), int(band)))
    for (owner, day), keys in wanted.items():
        own = _tags_summed(day * US_PER_DAY, US_PER_DAY, tags_of(owner), by=(tag.c.ttp_id, _BAND))
        rows = [(day, *row) for row in connection.execute(own)]
        if parts_of is not None:
            rows += map(tuple, connection.execute(parts_of(owner, day)))
        _add_rows(connection, table, [(owner, *row) for row in rows if row[1:3] in keys])


def _take_from_fleet(connection: Connection, table: Table, taken: Cells) -> None:
    """Subtract what was taken from sums of the fleet; count those anew that lost a first, last or greatest value."""
    labels = [name for name in _KEYS[table] if name != "shard"]
    place = _KEYS[table].index("shard")
    lessened = []
    for key in sorted(taken):
        cell = taken[key]
        values = dict(zip(labels, (*key[:place], *key[place + 1 :]), strict=True))
        here = _exactly(table, values)
        ends = select(func.max(table.c.max_confidence), func.min(table.c.first_seen), func.max(table.c.last_seen))
        most, first, last = connection.execute(ends.where(here)).one()
        if most is None:
            continue  # older than what is kept
        if cell.most < most and cell.first > first and cell.last < last:
            lessened.append((*key, -cell.number, most, first, last))
            continue
        connection.execute(delete(table).where(here))
        sums = connection.execute(_fleet_summed(values)).one()
        if sums[0]:
            _add_rows(connection, table, [(*key[:place], FOLDED, *key[place + 1 :], *sums)])
    _add_rows(connection, table, lessened)


def _fleet_summed(key: Mapping[str, Any]) -> Select[Any]:
    """(count, max_confidence, first_seen, last_seen) of what one cell of the fleet counts: its tags, or sums of them.

    The hours by technique and the days are in line by the time at which others are counted from them.
    """
    if "tactic" in key:
        uses = select(ttp.c.id).where(ttp.c.tactic == key["tactic"])
        of = rollup_fleet_hour
        return _sums_summed(of, of.c.hour == key["hour"], of.c.ttp_id.in_(uses), of.c.band == key["band"])
    wanted = (tag.c.ttp_id == key["ttp_id"], key["band"] == _BAND)
    if "hour" in key:
        return _tags_summed(key["hour"] * US_PER_HOUR, US_PER_HOUR, *wanted)
    if "day" in key:
        place = (tag.c.decky_id == key["decky_id"], tag.c.source_kind == key["source_kind"])
        return _tags_summed(key["day"] * US_PER_DAY, US_PER_DAY, *wanted, *place)
    days = rollup_fleet_day
    return _sums_summed(days, days.c.ttp_id == key["ttp_id"], days.c.band == key["band"])


def _tags_summed(
    start: int, length: int, *wanted: ColumnElement[bool], by: Sequence[ColumnElement[int]] = ()
) -> Select[Any]:
    """(count, max_confidence, first_seen, last_seen) of the tags in force in ``length`` µs, per ``by``."""
    sums = (func.count(), func.max(tag.c.confidence), func.min(tag.c.observed_at), func.max(tag.c.observed_at))
    within = (tag.c.observed_at >= start, tag.c.observed_at < start + length)
    query: Select[*tuple[Any, ...]] = select(*by, *sums)
    return query.where(*within, tag.c.superseded.is_(False), *wanted).group_by(*by)


def _sums_summed(table: Table, *wanted: ColumnElement[bool]) -> Select[Any]:
    """The same of the rows of a roll-up."""
    of = table.c
    sums = (func.sum(of.count), func.max(of.max_confidence), func.min(of.first_seen), func.max(of.last_seen))
    return select(*sums).where(*wanted)


def _merged_into(identity_id: int) -> Select[Any]:
    """An identity and those that were merged into it."""
    return select(identity.c.id).where(or_(identity.c.id == identity_id, identity.c.merged_into_id == identity_id))


def _members_of(identity_id: int, day: int | None = None) -> Select[Any]:
    """(day, ttp_id, band, sums) over the attackers that are this identity now."""
    of = rollup_attacker.c
    members = select(attacker.c.id).where(attacker.c.identity_id == identity_id)
    return _rollup_summed(rollup_attacker, day).where(of.attacker_id.in_(members))


def _identities_of(campaign_id: int, day: int | None = None) -> Select[Any]:
    """(day, ttp_id, band, sums) over the identities that are in this campaign now."""
    of = rollup_identity.c
    members = select(identity.c.id).where(identity.c.campaign_id == campaign_id)
    return _rollup_summed(rollup_identity, day).where(of.identity_id.in_(members))


def _rollup_summed(table: Table, day: int | None, *owner: ColumnElement[int]) -> Select[Any]:
    """Sums of ``table`` per ``owner``, day, technique use and band."""
    of = table.c
    sums = (func.sum(of.count), func.max(of.max_confidence), func.min(of.first_seen), func.max(of.last_seen))
    keys = (*owner, of.day, of.ttp_id, of.band)
    query = select(*keys, *sums).select_from(table).group_by(*keys)
    return query if day is None else query.where(of.day == day)


def _exactly(table: Table, values: Mapping[str, Any]) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in values.items()))


def _add_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    numbers = [(*row[:-4], int(row[-4]), *row[-3:]) for row in rows]  # a sum over integers may come as a decimal
    dialect_of(connection).merge(connection, table, _KEYS[table], SUMS, numbers)


_BAND = case(*((tag.c.confidence >= edge, number) for number, edge in reversed(list(enumerate(BAND_EDGES)))), else_=0)
