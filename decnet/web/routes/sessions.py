"""Sessions and what happened in them, event by event, each with the tags on it."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple
from uuid import UUID

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from decnet.db import session_pages, sums
from decnet.db.session_pages import EventFilter, SessionFilter
from decnet.db.tag_lists import newest_tags
from decnet.db.tag_pages import tag_page
from decnet.models.actor import SessionUuid
from decnet.models.ids import uuid_text
from decnet.models.stored_tag import TagFilter
from decnet.models.tag import MIN_STORED_CONFIDENCE
from decnet.web.access.principal import Viewer
from decnet.web.filters import NO_NUL, Decoy, MinConfidence, Since, SourceKind, Until, Uuid
from decnet.web.fresh import UNCHANGED, answer
from decnet.web.pages import At, Cursor, Id, Limit, Page, TimePlace, cursor_of, place_in
from decnet.web.place import Place
from decnet.web.problems import COMMON, Refused, responses
from decnet.web.routes.ttp import owner_in
from decnet.web.shapes import Seen, Tag, capped, seen, tag_shown

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.db.session_pages import EventRow, SessionRow
    from decnet.models.stored_tag import StoredTag

router = APIRouter(tags=["sessions"], responses=COMMON)

_MOST_TAGS = 10_000
_SESSION_TAGS = 200
_WHOLE_CHARS = 1 << 18
_Attacker = Annotated[UUID | None, Query(description="Only this attacker's.")]
_Identity = Annotated[
    UUID | None, Query(description="Only those of this identity's attackers; also by one that went into it.")
]
_Protocol = Annotated[str | None, Query(pattern=r"^[a-z0-9_.+-]{1,32}$", description="`ssh`, `http`, …")]


class _EventPlace(NamedTuple):
    """Where a part of a session ended."""

    observed_at: At
    seq: At
    id: Id


class _IdPlace(NamedTuple):
    """Where a list of events ended."""

    id: Id


class Session(BaseModel):
    """One connection of one attacker to one decoy. Times are µs UTC."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "uuid": "9d0b7a51-0d3c-5f0d-9c8e-0e1b1d7f2c33",
                    "native_id": "c83f2a4b19d0",
                    "sensor": "svr04",
                    "decoy": "svr04",
                    "protocol": "ssh",
                    "attacker_uuid": "6e24fa0b-6ed0-5214-ba4a-03736e207982",
                    "address": "198.51.100.7",
                    "identity_uuid": "2d1f7a34-97b2-5a0a-8c0f-7f1f8d8f3f10",
                    "src_port": 40022,
                    "started_at": 1795003200000000,
                    "last_event_at": 1795003260000000,
                    "ended_at": 1795003260000000,
                    "duration_ms": 60000,
                    "events": 24,
                    "commands": 6,
                    "logins_failed": 2,
                    "logins_succeeded": 1,
                    "files": 1,
                    "tags": 5,
                    "techniques": 3,
                }
            ]
        }
    )

    uuid: str
    native_id: str = Field(description="What the sensor calls it.")
    sensor: str
    decoy: str
    protocol: str
    attacker_uuid: str
    address: str
    identity_uuid: str
    src_port: int | None
    started_at: int
    last_event_at: int
    ended_at: int | None = Field(description="Null while no end was recorded.")
    duration_ms: int | None
    events: int
    commands: int
    logins_failed: int
    logins_succeeded: int
    files: int
    tags: int
    techniques: int


class SessionDetail(Session):
    """One session with its techniques."""

    seen: list[Seen]
    newest_tags: list[Tag] = Field(description="The 200 newest, those on the session as a whole among them.")


class Event(BaseModel):
    """One record of a sensor. `payload` is what the attacker sent; passwords are digests."""

    id: str
    observed_at: int
    seq: int = Field(description="Breaks ties of `observed_at` within a session.")
    source_kind: str
    session_uuid: str
    attacker_uuid: str
    address: str
    decoy: str
    protocol: str
    payload: dict[str, Any] = Field(description="By source kind; long texts are cut and then end in `…`.")


class Step(Event):
    """An event of a session with the tags on it."""

    tags: list[Tag] = Field(description="With what matched, where in the text, and what was decoded to see it.")


@router.get("/sessions")
def sessions(
    *,
    _who: Viewer,
    place: Place,
    attacker: _Attacker = None,
    identity: _Identity = None,
    decoy: Decoy = None,
    protocol: _Protocol = None,
    since: Since = None,
    until: Until = None,
    min_commands: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    logged_in: Annotated[bool | None, Query(description="Whether a log-in succeeded.")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Session]:
    """Sessions, the last begun first; times are those of their beginnings.

    A page may be short; the list is at its end when `next` is null.
    """
    wanted = SessionFilter(
        attacker=attacker.bytes if attacker is not None else None,
        identity=identity.bytes if identity is not None else None,
        decoy=decoy,
        protocol=protocol,
        since=since,
        until=until,
        min_commands=min_commands,
        logged_in=logged_in,
    )
    read = partial(session_pages.session_page, wanted=wanted, after=place_in(cursor, TimePlace), limit=limit)
    rows, end = place.database.read(read)
    return Page(items=[_session(row) for row in rows], next=cursor_of(end) if end is not None else None)


@router.get("/sessions/{uuid}", responses=responses(404) | UNCHANGED, response_model=SessionDetail)
def session(uuid: Uuid, _who: Viewer, request: Request, place: Place) -> Response:
    """One session, its techniques and its newest tags."""

    def work(connection: Connection) -> SessionDetail:
        owner = owner_in(connection, "session", uuid.bytes)
        wanted = TagFilter(session=SessionUuid(owner.uuid))
        newest = newest_tags(connection, owner, wanted, after=None, limit=_SESSION_TAGS)
        return SessionDetail(
            **_session(session_pages.session_numbered(connection, owner.number)).model_dump(),
            seen=seen(place, sums.owner_techniques(connection, owner, wanted)),
            newest_tags=[tag_shown(one) for one in newest],
        )

    return answer(request, place.database.read(work))


@router.get("/sessions/{uuid}/replay", responses=responses(404))
def replay(
    *,
    uuid: Uuid,
    _who: Viewer,
    place: Place,
    min_confidence: MinConfidence = MIN_STORED_CONFIDENCE,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Step]:
    """What happened in a session, in its order: commands, log-ins, files, notes of the honeypot, with their tags."""
    after = place_in(cursor, _EventPlace)

    def work(connection: Connection) -> tuple[list[EventRow], dict[str, list[StoredTag]]]:
        owner = owner_in(connection, "session", uuid.bytes)
        events = session_pages.events_of_session(connection, owner.number, after=after, limit=limit)
        wanted = TagFilter(session=SessionUuid(owner.uuid), min_confidence=min_confidence)
        return events, _tags_on(connection, wanted, events)

    events, tags = place.database.read(work)
    items = [
        Step(**_event(one).model_dump(), tags=[tag_shown(tag) for tag in tags.get(one.id.hex(), ())]) for one in events
    ]
    end = _EventPlace(events[-1].observed_at, events[-1].seq, events[-1].id) if len(events) == limit else None
    return Page(items=items, next=cursor_of(end) if end is not None else None)


@router.get("/events")
def events(
    *,
    _who: Viewer,
    place: Place,
    source_kind: SourceKind = None,
    since: Since = None,
    until: Until = None,
    text: Annotated[
        str | None,
        Query(pattern=NO_NUL, min_length=2, max_length=200, description="Found in the payload, letter by letter."),
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Event]:
    """Events, the newest first, by whole milliseconds.

    With a filter a page looks at 20,000 events and may be short or empty; at the end `next` is null.
    """
    after = place_in(cursor, _IdPlace)
    wanted = EventFilter(source_kind=source_kind, since=since, until=until, text=text)
    read = partial(session_pages.event_page, wanted=wanted, after=after.id if after is not None else None, limit=limit)
    rows, end = place.database.read(read)
    return Page(items=[_event(row) for row in rows], next=cursor_of(_IdPlace(end)) if end is not None else None)


@router.get("/events/{uuid}", responses=responses(404))
def event(uuid: Uuid, _who: Viewer, place: Place) -> Event:
    """One event with the whole of its payload."""
    found = place.database.read(partial(session_pages.event_numbered, key=uuid.bytes))
    if found is None:
        raise Refused(404, "there is no such event")
    return _event(found, _WHOLE_CHARS)


def _tags_on(connection: Connection, wanted: TagFilter, events: list[EventRow]) -> dict[str, list[StoredTag]]:
    """The tags on these events by the event's id in hexadecimal digits, the surest first."""
    if not events:
        return {}
    first, last = min(one.observed_at for one in events), max(one.observed_at for one in events)
    bounded = TagFilter(
        session=wanted.session, min_confidence=wanted.min_confidence, since=max(first, 0), until=last + 1
    )
    found: dict[str, list[StoredTag]] = defaultdict(list)
    for tag in tag_page(connection, bounded, limit=_MOST_TAGS):
        found[tag.source_id].append(tag)
    return {source: sorted(tags, key=lambda tag: -tag.confidence) for source, tags in found.items()}


def _session(row: SessionRow) -> Session:
    return Session(
        uuid=uuid_text(row.uuid),
        native_id=row.native_id,
        sensor=row.sensor,
        decoy=row.decoy,
        protocol=row.protocol,
        attacker_uuid=uuid_text(row.attacker_uuid),
        address=row.address,
        identity_uuid=uuid_text(row.identity_uuid),
        src_port=row.src_port,
        started_at=row.started_at,
        last_event_at=row.last_event_at,
        ended_at=row.ended_at,
        duration_ms=row.duration_ms,
        events=row.events,
        commands=row.commands,
        logins_failed=row.logins_failed,
        logins_succeeded=row.logins_succeeded,
        files=row.files,
        tags=row.tags,
        techniques=row.techniques,
    )


def _event(row: EventRow, most: int | None = None) -> Event:
    return Event(
        id=uuid_text(row.id),
        observed_at=row.observed_at,
        seq=row.seq,
        source_kind=row.source_kind,
        session_uuid=uuid_text(row.session_uuid),
        attacker_uuid=uuid_text(row.attacker_uuid),
        address=row.address,
        decoy=row.decoy,
        protocol=row.protocol,
        payload=capped(row.payload) if most is None else capped(row.payload, most),
    )
