"""Tags as a collection of TAXII 2.1 (https://docs.oasis-open.org/cti/taxii/v2.1/os/taxii-v2.1-os.html), to be read.

There is one API root with one collection: the objects of the STIX export, tag by tag in the order in which tags were
added. What several tags refer to comes with each of them, under the same id, so that every page can be understood by
itself. An object is added when its tag is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Header, Path, Query
from fastapi.responses import JSONResponse, Response
from msgspec import Meta
from pydantic import BaseModel, BeforeValidator

from decnet.attack.catalog import load
from decnet.db.owners import stored_decoys, stored_uses
from decnet.db.tag_lists import newest_tags
from decnet.db.tag_pages import added_page, tag_of_uuid
from decnet.export.spelling import moment_text, stable_uuid
from decnet.export.stix import decoy_id, pattern_id, stix_objects
from decnet.models.finding import SECOND_US
from decnet.models.stored_tag import TagFilter
from decnet.web.access.principal import Viewer
from decnet.web.pages import MOST, cursor_of, place_in
from decnet.web.place import Place, WebPlace
from decnet.web.problems import COMMON, Refused, responses
from decnet.web.routes.auth import PATH
from decnet.web.routes.exports import readable_catalogs
from decnet.web.shapes import uuid_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from decnet.attack.catalog import Catalog
    from decnet.export.stix import StixObject
    from decnet.models.stored_tag import StoredTag

MEDIA_TYPE = "application/taxii+json;version=2.1"
COLLECTION = str(stable_uuid("taxii", "tags"))
_STIX = "application/stix+json;version=2.1"
_MARKING = "amber"
_DEFAULT_LIMIT = 100
_MAX_TAGS = 200
"""How many tags one request reads at most: those who look for what is rare come again."""
_MAX_TAGS_FOR_ONE = 2_000
"""The same where one object is looked for."""
_SETTLED_US = 5 * SECOND_US
"""Writers commit in another order than they look at the clock: what is newer than this is not told yet."""
_ACCEPTED = ("*/*", "application/*", "application/taxii+json", "application/json")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOUND_AT_ONCE = frozenset({"sighting", "identity", "marking-definition", "attack-pattern"})
"""Types whose ids lead to a tag without a look at each; the others are made of what is known of an event alone."""


class TaxiiResponse(JSONResponse):
    """JSON under the media type of TAXII."""

    media_type = MEDIA_TYPE


def _accepts(accept: Annotated[str, Header(include_in_schema=False)] = "*/*") -> None:
    wanted = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    if not any(name in _ACCEPTED for name in wanted):
        raise Refused(406, f"this is {MEDIA_TYPE}")


router = APIRouter(
    prefix="/taxii2",
    tags=["taxii"],
    responses=COMMON | responses(406, 409),
    default_response_class=TaxiiResponse,
    dependencies=[Depends(_accepts)],
)


class Discovery(BaseModel):
    """What is served here."""

    title: str
    description: str
    default: str
    api_roots: list[str]


class ApiRoot(BaseModel):
    """The one root."""

    title: str
    description: str
    versions: list[str]
    max_content_length: int


class CollectionInfo(BaseModel):
    """A collection; this one can only be read."""

    id: str
    title: str
    description: str
    alias: str
    can_read: bool
    can_write: bool
    media_types: list[str]


class Collections(BaseModel):
    """All collections."""

    collections: list[CollectionInfo]


class Envelope(BaseModel):
    """Objects of STIX 2.1."""

    more: bool
    next: str | None = None
    objects: list[dict[str, Any]]


class ManifestRecord(BaseModel):
    """What there is to say of an object without it."""

    id: str
    date_added: str
    version: str
    media_type: str


class Manifest(BaseModel):
    """Objects without what they say."""

    more: bool
    next: str | None = None
    objects: list[ManifestRecord]


_Time = Annotated[int, Meta(ge=0, lt=2**53)]
_Uuid = Annotated[bytes, Meta(min_length=16, max_length=16)]


class _Place(NamedTuple):
    """Where a page ended: the last tag of which all was told, by its addition and key, and how much of the next."""

    last: tuple[_Time, _Time, _Uuid]
    told: Annotated[int, Meta(ge=0, le=1_000)]


_BEFORE_ALL = _Place((0, 0, bytes(16)), 0)


class _Wanted(NamedTuple):
    """Which objects: added after that, how many, from where on, of these types and ids."""

    since: int | None
    limit: int
    place: _Place | None
    types: frozenset[str]
    ids: frozenset[str]
    is_readable: bool
    versions: frozenset[str]


class Versions(BaseModel):
    """The versions of an object; each of ours has one."""

    more: bool
    next: str | None = None
    versions: list[str]


class _Found(NamedTuple):
    """Objects with the time at which each was added (µs UTC), and where to go on."""

    objects: list[tuple[int, dict[str, Any]]]
    place: _Place | None


def _as_written(text: object) -> object:
    """Moments are dates with times; a bare number is none of RFC 3339."""
    if isinstance(text, str) and "-" not in text[1:5]:
        raise ValueError("write it as 2026-11-23T01:36:17.000000Z")
    return text


_Moment = Annotated[datetime, BeforeValidator(_as_written)]
_Text = Annotated[str | None, Query(max_length=4_000)]


_LimitAtMost = Annotated[int, Query(ge=0, le=2**31, description=f"How many at most; 0 for {_DEFAULT_LIMIT}.")]
_Next = Annotated[str | None, Query(max_length=600, description="`next` of the page before.")]
_AddedAfter = Annotated[_Moment | None, Query(description="Only what was added after this.")]
_SpecVersion = Annotated[_Text, Query(alias="match[spec_version]", description="2.1 is what there is.")]
_Versions = Annotated[
    _Text, Query(alias="match[version]", description="`first`, `last`, `all` or moments, with commas between them.")
]
_ALL_VERSIONS = frozenset({"first", "last", "all"})


def _wanted(
    *,
    added_after: _AddedAfter = None,
    limit: _LimitAtMost = 0,
    next: _Next = None,  # noqa: A002 - as TAXII names it
    types: Annotated[_Text, Query(alias="match[type]", description="Types, with commas between them.")] = None,
    ids: Annotated[_Text, Query(alias="match[id]", description="Ids, with commas between them.")] = None,
    versions: _Versions = None,
    spec_version: _SpecVersion = None,
) -> _Wanted:
    return _asked(added_after, limit, next, _listed(types), _listed(ids), versions, spec_version)


def _wanted_of_one(
    *,
    added_after: _AddedAfter = None,
    limit: _LimitAtMost = 0,
    next: _Next = None,  # noqa: A002 - as TAXII names it
    versions: _Versions = None,
    spec_version: _SpecVersion = None,
) -> _Wanted:
    return _asked(added_after, limit, next, frozenset(), frozenset(), versions, spec_version)


def _wanted_versions(
    *,
    added_after: _AddedAfter = None,
    limit: _LimitAtMost = 0,
    next: _Next = None,  # noqa: A002 - as TAXII names it
    spec_version: _SpecVersion = None,
) -> _Wanted:
    return _asked(added_after, limit, next, frozenset(), frozenset(), None, spec_version)


def _asked(
    added_after: datetime | None,
    limit: int,
    cursor: str | None,
    types: frozenset[str],
    ids: frozenset[str],
    versions: str | None,
    spec_version: str | None,
) -> _Wanted:
    return _Wanted(
        _micros(added_after) if added_after is not None else None,
        min(limit or _DEFAULT_LIMIT, MOST),
        place_in(cursor, _Place),
        types,
        ids,
        spec_version is None or "2.1" in _listed(spec_version),
        _listed(versions) or _ALL_VERSIONS,
    )


Wanted = Annotated[_Wanted, Depends(_wanted)]
WantedOfOne = Annotated[_Wanted, Depends(_wanted_of_one)]
WantedVersions = Annotated[_Wanted, Depends(_wanted_versions)]
ObjectId = Annotated[str, Path(max_length=200, examples=["sighting--304cd89b-5604-556b-9baa-ceb30c43ac49"])]
CollectionId = Annotated[str, Path(max_length=100, examples=[COLLECTION])]
_COLLECTION = CollectionInfo(
    id=COLLECTION,
    title="Tags",
    description=f"What attackers did to honeypots: sightings of attack patterns, and what was seen. TLP:{_MARKING}.",
    alias="tags",
    can_read=True,
    can_write=False,
    media_types=[_STIX],
)


@router.get("/")
def discovery(_who: Viewer) -> Discovery:
    """Where the API root is."""
    root = f"{PATH}/taxii2/root/"
    return Discovery(title="DECNET TTP", description=_COLLECTION.description, default=root, api_roots=[root])


@router.get("/root/")
def api_root(_who: Viewer) -> ApiRoot:
    """The API root."""
    return ApiRoot(title="DECNET TTP", description=_COLLECTION.description, versions=[MEDIA_TYPE], max_content_length=1)


@router.get("/root/collections/")
def collections(_who: Viewer) -> Collections:
    """Every collection."""
    return Collections(collections=[_COLLECTION])


@router.get("/root/collections/{collection}/", responses=responses(404))
def collection_info(collection: CollectionId, _who: Viewer) -> CollectionInfo:
    """One collection."""
    _known(collection)
    return _COLLECTION


@router.get("/root/collections/{collection}/objects/", responses=responses(404))
def objects(collection: CollectionId, response: Response, _who: Viewer, place: Place, wanted: Wanted) -> Envelope:
    """Objects, in the order in which they were added."""
    _known(collection)
    found = _find(place, wanted, response, min(wanted.limit, _MAX_TAGS))
    told = [one for _, one in found.objects]
    return Envelope(more=found.place is not None, next=_cursor(found), objects=told)


@router.get("/root/collections/{collection}/objects/{object_id}/", responses=responses(404))
def object_by_id(
    collection: CollectionId,
    object_id: ObjectId,
    response: Response,
    _who: Viewer,
    place: Place,
    wanted: WantedOfOne,
) -> Envelope:
    """One object.

    Sightings, identities, markings and attack patterns are found at once; others are looked for in the order of
    addition, some tags at a time: where the answer is empty and says `more`, ask for `next`.
    """
    _known(collection)
    found = _find_one(place, wanted, object_id, response)
    told = [one for _, one in found.objects]
    return Envelope(more=found.place is not None, next=_cursor(found), objects=told)


@router.get("/root/collections/{collection}/objects/{object_id}/versions/", responses=responses(404))
def versions_of_object(
    collection: CollectionId,
    object_id: ObjectId,
    response: Response,
    _who: Viewer,
    place: Place,
    wanted: WantedVersions,
) -> Versions:
    """The versions of one object, looked for in the same way."""
    _known(collection)
    found = _find_one(place, wanted, object_id, response)
    told = [_version(one, added) for added, one in found.objects]
    return Versions(more=found.place is not None, next=_cursor(found), versions=told)


@router.get("/root/collections/{collection}/manifest/", responses=responses(404))
def manifest(collection: CollectionId, response: Response, _who: Viewer, place: Place, wanted: Wanted) -> Manifest:
    """The same without what they say."""
    _known(collection)
    found = _find(place, wanted, response, min(wanted.limit, _MAX_TAGS))
    records = [
        ManifestRecord(id=one["id"], date_added=moment_text(added), version=_version(one, added), media_type=_STIX)
        for added, one in found.objects
    ]
    return Manifest(more=found.place is not None, next=_cursor(found), objects=records)


def _find(place: WebPlace, wanted: _Wanted, response: Response, most: int) -> _Found:
    """The objects of a page, out of ``most`` tags."""
    if not wanted.is_readable:
        return _Found([], None)
    start = wanted.place or _BEFORE_ALL
    before = place.clock() - _SETTLED_US
    page = partial(added_page, wanted=TagFilter(), since=wanted.since, before=before, after=start.last, limit=most)
    tags = place.database.read(page)
    found = _page(place, wanted, tags, start, is_last=len(tags) < most)
    _tell_when(response, found)
    return found


def _find_one(place: WebPlace, wanted: _Wanted, object_id: str, response: Response) -> _Found:
    """The object of that id, or where to go on looking for it.

    :raises Refused: 404, there is none.
    """
    wanted = wanted._replace(ids=frozenset({object_id}))
    if object_id.partition("--")[0] in _FOUND_AT_ONCE and wanted.place is None:
        catalogs = readable_catalogs(place)
        tags = place.database.read(partial(_tags_near, catalogs=catalogs, object_id=object_id))
        if not tags:
            raise _no_such_object()
        for tag in tags:
            if any(made["id"] == object_id for made in stix_objects([tag], catalogs, _MARKING)):
                return _told_of(place, wanted, tag, response)
    found = _find(place, wanted, response, _MAX_TAGS_FOR_ONE)
    is_whole = wanted.place is None and wanted.since is None and wanted.is_readable
    if is_whole and wanted.versions == _ALL_VERSIONS and not found.objects and found.place is None:
        raise _no_such_object()
    return found._replace(place=None) if found.objects else found


def _told_of(place: WebPlace, wanted: _Wanted, tag: StoredTag, response: Response) -> _Found:
    """The wanted object, which comes with ``tag``; nothing where it was not added in the time that is asked for."""
    is_settled = tag.created_at < place.clock() - _SETTLED_US
    if not wanted.is_readable or not is_settled or (wanted.since is not None and tag.created_at <= wanted.since):
        return _Found([], None)
    found = _page(place, wanted, [tag], _BEFORE_ALL, is_last=True)
    _tell_when(response, found)
    return found


def _no_such_object() -> Refused:
    return Refused(404, "there is no such object in this collection; its manifest names all")


def _tags_near(connection: Connection, catalogs: Callable[[str], Catalog], object_id: str) -> list[StoredTag]:
    """Some of the newest tags of what an id names, most likely one with which the object comes; none for no such id."""
    kind, _, digits = object_id.partition("--")
    if kind == "sighting":
        uuid = uuid_in(digits)
        tag = tag_of_uuid(connection, TagFilter(), uuid) if uuid is not None else None
        return [tag] if tag is not None else []
    filters = [TagFilter()]
    if kind == "attack-pattern":
        uses = stored_uses(connection)
        filters = [TagFilter(technique=of) for release, of in uses if pattern_id(catalogs(release), of) == object_id]
    elif object_id not in _heads():
        filters = [TagFilter(decoy=name) for name in stored_decoys(connection) if decoy_id(name) == object_id]
    return [tag for of in filters for tag in newest_tags(connection, None, of, after=None, limit=_MAX_TAGS)]


@cache
def _heads() -> frozenset[str]:
    """The ids of what comes with every tag."""
    return frozenset(one["id"] for one in stix_objects([], load, _MARKING))


def _tell_when(response: Response, found: _Found) -> None:
    """Headers that say when the first and the last of the objects were added."""
    if found.objects:
        response.headers["X-TAXII-Date-Added-First"] = moment_text(found.objects[0][0])
        response.headers["X-TAXII-Date-Added-Last"] = moment_text(found.objects[-1][0])


def _page(place: WebPlace, wanted: _Wanted, tags: list[StoredTag], start: _Place, *, is_last: bool) -> _Found:
    """The wanted objects of ``tags`` behind ``start``, each once, up to the limit."""
    catalogs = readable_catalogs(place)
    found: dict[str, tuple[int, dict[str, Any]]] = {}
    done, told = start
    for tag in tags:
        for number, one in enumerate(stix_objects([tag], catalogs, _MARKING)):
            if number < told or one["id"] in found or not _is_wanted(wanted, one, tag.created_at):
                continue
            if len(found) == wanted.limit:
                return _Found([*found.values()], _Place(done, number))
            found[one["id"]] = tag.created_at, one
        done, told = (tag.created_at, tag.observed_at, tag.uuid), 0
    return _Found([*found.values()], None if is_last else _Place(done, 0))


def _is_wanted(wanted: _Wanted, one: StixObject, added: int) -> bool:
    """By type, id and version; an object has one version, which is its first and its last."""
    is_named = (not wanted.types or one["type"] in wanted.types) and (not wanted.ids or one["id"] in wanted.ids)
    return is_named and (bool(wanted.versions & _ALL_VERSIONS) or _version(one, added) in wanted.versions)


def _cursor(found: _Found) -> str | None:
    return cursor_of(found.place) if found.place is not None else None


def _version(one: dict[str, Any], added: int) -> str:
    """Objects that have no versions (what was observed) are as old as their addition (5.3 of TAXII)."""
    return str(one.get("modified") or one.get("created") or moment_text(added))


def _known(collection: str) -> None:
    if collection not in {COLLECTION, _COLLECTION.alias}:
        raise Refused(404, "there is no such collection; /taxii2/root/collections/ lists all")


def _listed(text: str | None) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip()) if text else frozenset()


def _micros(moment: datetime) -> int:
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1)
