"""Stored tags page by page, for lists and exports of any size. A page is read by its key, never by an offset.

A list goes by time. Where tags of one attacker are wanted together, it goes by attacker first, and the few tags that
are on an identity alone come last.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from sqlalchemy import and_, func, or_, select

from decnet.db.tables import attacker, campaign, identity, sensor, session, tag, ttp
from decnet.models.actor import AttackerUuid, IdentityUuid, SessionUuid
from decnet.models.stored_tag import Order, StoredTag
from decnet.models.tag import TagUuid

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from sqlalchemy import ColumnElement, Row, Select
    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.stored_tag import TagFilter
    from decnet.models.tag import TagKey

PAGE = 1_000
_KEYS = 100
_decode = msgspec.json.Decoder(dict).decode
_decoy = sensor.alias("decoy")


class _Place(NamedTuple):
    """Where a page ended: the attacker's number, None for tags on identities, and the tag's key."""

    attacker: int | None
    key: TagKey


def tag_page(
    connection: Connection, wanted: TagFilter, *, after: TagKey | None = None, newest: bool = True, limit: int = PAGE
) -> list[StoredTag]:
    """Up to ``limit`` tags beyond the one at ``after``, by time: the newest first, or the oldest."""
    query = _tags(wanted)
    if after is not None:
        query = query.where(_before(after) if newest else _after(after))
    order = (tag.c.observed_at, tag.c.uuid)
    query = query.order_by(*(column.desc() for column in order) if newest else order).limit(limit)
    return [_stored(row) for row in connection.execute(query)]


def added_page(
    connection: Connection,
    wanted: TagFilter,
    *,
    since: int | None,
    before: int,
    after: tuple[int, int, bytes] | None,
    limit: int,
) -> list[StoredTag]:
    """Up to ``limit`` tags that were added after ``since`` and before ``before`` (µs UTC), in the order in which.

    ``after`` is when the last one of the page before was added, and its key.
    """
    query = _tags(wanted).where(tag.c.created_at < before)
    if since is not None:
        query = query.where(tag.c.created_at > since)
    if after is not None:
        added, at, uuid = after
        same = and_(tag.c.created_at == added, _after((at, TagUuid(uuid))))
        query = query.where(tag.c.created_at >= added, or_(tag.c.created_at > added, same))
    order = (tag.c.created_at, tag.c.observed_at, tag.c.uuid)
    return [_stored(row) for row in connection.execute(query.order_by(*order).limit(limit))]


def tag_at(connection: Connection, key: TagKey) -> StoredTag | None:
    """The tag of that key, or None; also one that a newer version of its rule has superseded."""
    observed_at, uuid = key
    row = connection.execute(_columns().where(tag.c.observed_at == observed_at, tag.c.uuid == uuid)).one_or_none()
    return _stored(row) if row is not None else None


def tag_of_uuid(connection: Connection, wanted: TagFilter, uuid: bytes) -> StoredTag | None:
    """The wanted tag of that uuid. Its time is not known, so an index is gone through: for a call now and then."""
    query = select(tag.c.observed_at).where(tag.c.uuid == uuid, tag.c.created_at >= 0).limit(1)
    at = connection.execute(query).scalar()
    if at is None:
        return None
    row = connection.execute(_tags(wanted).where(tag.c.observed_at == at, tag.c.uuid == uuid)).one_or_none()
    return _stored(row) if row is not None else None


def tags_at(connection: Connection, keys: Sequence[TagKey]) -> list[StoredTag]:
    """Those of ``keys`` that are stored and in force, in the order of time."""
    found: list[StoredTag] = []
    for start in range(0, len(keys), _KEYS):
        part = keys[start : start + _KEYS]
        wanted = or_(*(and_(tag.c.observed_at == at, tag.c.uuid == uuid) for at, uuid in part))
        found += map(_stored, connection.execute(_columns().where(tag.c.superseded.is_(False), wanted)))
    return sorted(found, key=lambda one: one.key)


def all_tags(database: Database, wanted: TagFilter, order: Order = Order.OLDEST) -> Iterator[StoredTag]:
    """Every tag that is wanted, a page per transaction; what is written meanwhile may or may not be among them."""
    if order is Order.ATTACKER:
        yield from _by_attacker(database, wanted)
        return
    newest, after = order is Order.NEWEST, None
    while page := database.read(partial(tag_page, wanted=wanted, after=after, newest=newest)):
        yield from page
        after = page[-1].key


def _by_attacker(database: Database, wanted: TagFilter) -> Iterator[StoredTag]:
    place: _Place | None = None
    while page := database.read(partial(_attacker_page, wanted=wanted, after=place)):
        yield from (_stored(row) for row in page)
        place = _Place(page[-1].attacker_id, (page[-1].observed_at, page[-1].uuid))
    after: TagKey | None = None
    while page := database.read(partial(_identity_page, wanted=wanted, after=after)):
        yield from (_stored(row) for row in page)
        after = page[-1].observed_at, page[-1].uuid


def _attacker_page(connection: Connection, wanted: TagFilter, after: _Place | None) -> list[Row[Any]]:
    query = _tags(wanted).where(tag.c.attacker_id.is_not(None))
    if after is not None:
        same = and_(tag.c.attacker_id == after.attacker, _after(after.key))
        query = query.where(tag.c.attacker_id >= after.attacker, or_(tag.c.attacker_id > after.attacker, same))
    query = query.order_by(tag.c.attacker_id, tag.c.observed_at, tag.c.uuid).limit(PAGE)
    return list(connection.execute(query))


def _identity_page(connection: Connection, wanted: TagFilter, after: TagKey | None) -> list[Row[Any]]:
    query = _tags(wanted).where(tag.c.attacker_id.is_(None), tag.c.identity_id.is_not(None))
    if after is not None:
        query = query.where(_after(after))
    return list(connection.execute(query.order_by(tag.c.observed_at, tag.c.uuid).limit(PAGE)))


def _after(key: TagKey) -> ColumnElement[bool]:
    """Beyond ``key``; spelt so that each database finds the place in the primary key."""
    at, uuid = key
    return and_(tag.c.observed_at >= at, or_(tag.c.observed_at > at, tag.c.uuid > uuid))


def _before(key: TagKey) -> ColumnElement[bool]:
    at, uuid = key
    return and_(tag.c.observed_at <= at, or_(tag.c.observed_at < at, tag.c.uuid < uuid))


def _columns() -> Select[Any]:
    """All that a :class:`StoredTag` has, one row per tag."""
    owner = identity.alias("owner")
    joined = (
        tag.join(ttp, ttp.c.id == tag.c.ttp_id)
        .outerjoin(attacker, attacker.c.id == tag.c.attacker_id)
        .outerjoin(owner, owner.c.id == _identity_now())
        .outerjoin(session, session.c.id == tag.c.session_id)
        .outerjoin(_decoy, _decoy.c.id == tag.c.decky_id)
    )
    return select(
        tag.c.observed_at,
        tag.c.uuid,
        tag.c.created_at,
        tag.c.source_kind,
        tag.c.source_id,
        tag.c.attacker_id,
        attacker.c.uuid.label("attacker_uuid"),
        attacker.c.address,
        owner.c.uuid.label("identity_uuid"),
        session.c.uuid.label("session_uuid"),
        session.c.protocol,
        _decoy.c.name.label("decoy"),
        ttp.c.tactic,
        ttp.c.technique_id,
        ttp.c.sub_technique_id,
        ttp.c.attack_release,
        tag.c.confidence,
        tag.c.rule_id,
        tag.c.rule_version,
        tag.c.evidence,
    ).select_from(joined)


def _identity_now() -> ColumnElement[int]:
    """The identity of the tag's attacker or, where it has none, the tag's own, which may have gone into another."""
    head = select(func.coalesce(identity.c.merged_into_id, identity.c.id)).where(identity.c.id == tag.c.identity_id)
    return func.coalesce(attacker.c.identity_id, head.scalar_subquery())


def _tags(wanted: TagFilter) -> Select[Any]:
    """The tags in force that ``wanted`` lets through."""
    query = _columns().where(tag.c.superseded.is_(False), tag.c.confidence >= wanted.min_confidence)
    return query.where(*_owner(wanted), *_what(wanted), *_when(wanted))


def _owner(wanted: TagFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.attacker is not None:
        yield tag.c.attacker_id == select(attacker.c.id).where(attacker.c.uuid == wanted.attacker).scalar_subquery()
    if wanted.session is not None:
        yield tag.c.session_id == select(session.c.id).where(session.c.uuid == wanted.session).scalar_subquery()
        # sessions have no index of their own on tags: their attacker's has few
        yield tag.c.attacker_id == (
            select(session.c.attacker_id).where(session.c.uuid == wanted.session).scalar_subquery()
        )
    if wanted.identity is not None:
        yield _of_identities(identity.c.uuid == wanted.identity)
    if wanted.campaign is not None:
        number = select(campaign.c.id).where(campaign.c.uuid == wanted.campaign).scalar_subquery()
        yield _of_identities(identity.c.campaign_id == number)


def _of_identities(are_heads: ColumnElement[bool]) -> ColumnElement[bool]:
    """Tags of all attackers of these identities, and tags on the identities and on those that went into them."""
    heads = select(identity.c.id).where(are_heads)
    members = select(attacker.c.id).where(attacker.c.identity_id.in_(heads))
    gone = identity.alias("gone")
    numbers = select(gone.c.id).where(or_(gone.c.id.in_(heads), gone.c.merged_into_id.in_(heads)))
    return or_(tag.c.attacker_id.in_(members), tag.c.identity_id.in_(numbers))


def _what(wanted: TagFilter) -> Iterator[ColumnElement[bool]]:
    uses = select(ttp.c.id)  # looked up once, where a condition on the joined row would be looked at for every tag
    if wanted.technique is not None:
        column = ttp.c.sub_technique_id if "." in wanted.technique else ttp.c.technique_id
        uses = uses.where(column == wanted.technique)
    if wanted.tactic is not None:
        uses = uses.where(ttp.c.tactic == wanted.tactic)
    if wanted.technique is not None or wanted.tactic is not None:
        yield tag.c.ttp_id.in_(uses)
    if wanted.source_kind is not None:
        yield tag.c.source_kind == wanted.source_kind
    if wanted.decoy is not None:
        yield _decoy.c.name == wanted.decoy


def _when(wanted: TagFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.since is not None:
        yield tag.c.observed_at >= wanted.since
    if wanted.until is not None:
        yield tag.c.observed_at < wanted.until


def _stored(row: Row[Any]) -> StoredTag:
    return StoredTag(
        observed_at=row.observed_at,
        uuid=TagUuid(row.uuid),
        created_at=row.created_at,
        source_kind=row.source_kind,
        source_id=row.source_id,
        attacker_uuid=AttackerUuid(row.attacker_uuid) if row.attacker_uuid is not None else None,
        address=row.address,
        identity_uuid=IdentityUuid(row.identity_uuid),
        session_uuid=SessionUuid(row.session_uuid) if row.session_uuid is not None else None,
        protocol=row.protocol,
        decoy=row.decoy,
        tactic=row.tactic,
        technique_id=row.technique_id,
        sub_technique_id=row.sub_technique_id or None,
        attack_release=row.attack_release,
        confidence=row.confidence,
        rule_id=row.rule_id,
        rule_version=row.rule_version,
        evidence=_decode(row.evidence),
    )
