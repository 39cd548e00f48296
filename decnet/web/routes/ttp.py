"""Techniques and tags: what was seen, by whom, how it runs over time, and each tag with what proves it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from decnet.db import sums
from decnet.db.rollups import US_PER_DAY, US_PER_HOUR
from decnet.db.tag_lists import newest_tags
from decnet.db.tag_pages import tag_at
from decnet.models.tag import TagUuid
from decnet.web.access.principal import Viewer
from decnet.web.filters import (
    ObservedAt,
    OfFleet,
    OfOwnedTags,
    OfSums,
    OfTags,
    Technique,
    TechniqueInPath,
    Text,
    Uuid,
)
from decnet.web.fresh import UNCHANGED, remembered
from decnet.web.pages import Cursor, KeyPlace, Limit, Page, page_of, place_in
from decnet.web.place import Place
from decnet.web.problems import COMMON, Refused, responses
from decnet.web.shapes import Seen, Tag, seen, tag_shown

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.models.rollup import TechniqueCount
    from decnet.models.stored_tag import StoredTag, TagFilter

router = APIRouter(prefix="/ttp", tags=["techniques"], responses=COMMON)

BucketSize = Literal["hour", "day"]
_Scope = Literal["attacker", "identity", "campaign", "session"]
_MOST_BUCKETS = 400
_DAYS_SHOWN = 30
_LENGTHS = {"hour": US_PER_HOUR, "day": US_PER_DAY}


class Bucket(BaseModel):
    """Tags of one tactic in one stretch of time."""

    started_at: int = Field(description="µs UTC.")
    tactic: str
    count: int
    max_confidence: float


class Activity(BaseModel):
    """How the fleet's tags run over time, the oldest first. Stretches without tags are left out. Times are µs UTC."""

    since: int
    until: int
    bucket: BucketSize
    items: list[Bucket]


class TechniqueDay(BaseModel):
    """Tags of one technique in the day (UTC) that begins at `started_at` (µs UTC)."""

    started_at: int
    tactic: str
    technique_id: str
    sub_technique_id: str | None
    count: int


class OwnerActivity(BaseModel):
    """How one owner's tags run over time, the oldest first. Days without tags are left out."""

    items: list[TechniqueDay] = Field(description="Of the newest days, 4,000 at most.")


@router.get("/techniques", response_model=Page[Seen], responses=UNCHANGED)
def techniques(_who: Viewer, request: Request, place: Place, wanted: OfFleet, text: Text = None) -> Response:
    """Every technique that the fleet saw, the one seen most first, all on one page.

    Sums are kept by time and by band of confidence: times are rounded out to whole days, or to hours for three days at
    most, `min_confidence` down to 0, 0.6, 0.7, 0.8 or 0.9. `text` is part of an id or a name.
    The answer may be a second old.
    """

    def make() -> Page[Seen]:
        rows = seen(place, place.database.read(partial(sums.fleet_techniques, wanted=wanted)))
        if text is not None:
            rows = [row for row in rows if _is_named(row, text.casefold())]
        return Page[Seen](items=rows)

    return remembered(request, ("techniques", wanted, text), make)


@router.get("/by-{scope}/{uuid}", response_model=Page[Seen], responses=responses(404) | UNCHANGED)
def by_scope(scope: _Scope, uuid: Uuid, _who: Viewer, request: Request, place: Place, wanted: OfSums) -> Response:
    """The techniques of one attacker, identity, campaign or session, the one seen most first, all on one page.

    Times are rounded out to whole days. What went into another identity or campaign is answered with that one.
    The answer may be a second old.
    """

    def work(connection: Connection) -> list[TechniqueCount]:
        owner = owner_in(connection, scope, uuid.bytes)
        return sums.owner_techniques(connection, owner, wanted)

    def make() -> Page[Seen]:
        return Page[Seen](items=seen(place, place.database.read(work)))

    return remembered(request, (scope, uuid, wanted), make)


@router.get("/activity", response_model=Activity, responses=UNCHANGED)
def activity(
    _who: Viewer,
    request: Request,
    place: Place,
    wanted: OfFleet,
    technique: Technique = None,
    bucket: Annotated[BucketSize | None, Query(description="By default hours for up to three days.")] = None,
) -> Response:
    """How many tags there were over time, by tactic; by default the 30 days up to the newest tag.

    Of a time longer than 400 buckets the newest are read; `since`, `until` and `bucket` of the answer say what was,
    rounded out to whole buckets. Hours are kept for 14 days; with a decoy or a source kind there are days alone.
    The answer may be a second old.
    """
    wanted = msgspec.structs.replace(wanted, technique=technique)

    def work(connection: Connection) -> bytes:
        until = wanted.until
        if until is None:
            until = (sums.last_seen(connection) or place.clock()) + 1
        since = max(0, until - _DAYS_SHOWN * US_PER_DAY) if wanted.since is None else wanted.since
        size = _bucket(bucket, wanted, until - since)
        since = max(since, until - _MOST_BUCKETS * _LENGTHS[size])
        bounded = msgspec.structs.replace(wanted, since=since, until=until)
        items = sums.activity(connection, bounded, size)
        return msgspec.json.encode({"since": since, "until": until, "bucket": size, "items": items})

    return remembered(request, ("activity", wanted, bucket), partial(place.database.read, work))


@router.get("/activity/by-{scope}/{uuid}", response_model=OwnerActivity, responses=responses(404) | UNCHANGED)
def activity_by_scope(
    scope: _Scope, uuid: Uuid, _who: Viewer, request: Request, place: Place, wanted: OfSums
) -> Response:
    """How many tags one attacker, identity, campaign or session has by day and technique.

    What went into another identity or campaign is answered with that one. The answer may be a second old.
    """

    def make() -> OwnerActivity:
        rows = place.database.read(lambda connection: _owner_activity(connection, scope, uuid.bytes, wanted))
        return OwnerActivity(items=[TechniqueDay(**msgspec.structs.asdict(row)) for row in rows])

    return remembered(request, ("activity", scope, uuid, wanted), make)


@router.get("/tags")
def tags(_who: Viewer, place: Place, wanted: OfTags, limit: Limit = 100, cursor: Cursor = None) -> Page[Tag]:
    """The tags of the whole fleet, the newest first."""
    after = place_in(cursor, KeyPlace)
    return _tag_page(place.database.read(partial(_tags, None, wanted, after, limit)), limit)


@router.get("/tags/by-{scope}/{uuid}/{technique}", responses=responses(404))
def tags_by_scope(
    *,
    scope: _Scope,
    uuid: Uuid,
    technique: TechniqueInPath,
    _who: Viewer,
    place: Place,
    wanted: OfOwnedTags,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Tag]:
    """The tags of one technique and what is below it, of one attacker, identity, campaign or session; newest first."""
    after = place_in(cursor, KeyPlace)

    def work(connection: Connection) -> list[StoredTag]:
        owner = owner_in(connection, scope, uuid.bytes)
        return _tags(owner, msgspec.structs.replace(wanted, technique=technique), after, limit, connection)

    return _tag_page(place.database.read(work), limit)


@router.get("/tags/{observed_at}/{uuid}", responses=responses(404))
def tag(observed_at: ObservedAt, uuid: Uuid, _who: Viewer, place: Place) -> Tag:
    """One tag with what proves it; also one that a newer version of its rule has superseded."""
    found = place.database.read(partial(tag_at, key=(observed_at, TagUuid(uuid.bytes))))
    if found is None:
        raise Refused(404, "there is no such tag; it takes its time and its uuid to find one")
    return tag_shown(found)


def owner_in(connection: Connection, scope: _Scope, uuid: bytes) -> sums.Owner:
    """Whom ``uuid`` means.

    :raises Refused: 404, nobody.
    """
    owner = sums.owner_of(connection, scope, uuid)
    if owner is None:
        raise Refused(404, f"there is no such {scope}")
    return owner


def _owner_activity(connection: Connection, scope: _Scope, uuid: bytes, wanted: TagFilter) -> list[sums.TechniqueDay]:
    return sums.owner_activity(connection, owner_in(connection, scope, uuid), wanted)


def _tags(
    owner: sums.Owner | None, wanted: TagFilter, after: KeyPlace | None, limit: int, connection: Connection
) -> list[StoredTag]:
    if owner is not None:
        wanted = msgspec.structs.replace(wanted, **{owner.scope: owner.uuid})
    key = None if after is None else (after.at, TagUuid(after.id))
    return newest_tags(connection, owner, wanted, after=key, limit=limit)


def _tag_page(found: list[StoredTag], limit: int) -> Page[Tag]:
    return page_of(found, limit, [tag_shown(one) for one in found], found[-1].key if found else None)


def _is_named(row: Seen, text: str) -> bool:
    return any(text in name.casefold() for name in (row.name, row.technique_id, row.sub_technique_id or "") if name)


def _bucket(asked: BucketSize | None, wanted: TagFilter, length: int) -> BucketSize:
    """The bucket that is asked for where it is kept; else hours for a short time, days for a long one."""
    if wanted.decoy is not None or wanted.source_kind is not None:
        return "day"
    return asked or ("hour" if length <= sums.MOST_HOURS_US else "day")
