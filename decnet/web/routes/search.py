"""One box for everything: an address, a uuid, a technique, a rule, a digest, or a piece of a command."""

from __future__ import annotations

import re
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from anyio import from_thread
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from decnet.db import search as looking
from decnet.db import session_pages, sums
from decnet.db.session_pages import EventFilter
from decnet.errors import RuleError
from decnet.models.actor import canonical_address
from decnet.models.event import COMMAND
from decnet.models.ids import uuid_text
from decnet.models.text import canonical_text
from decnet.web.access.principal import Viewer
from decnet.web.filters import NO_NUL, TECHNIQUE_PATTERN
from decnet.web.place import Place, WebPlace
from decnet.web.problems import COMMON
from decnet.web.shapes import capped, uuid_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection

    from decnet.attack.catalog import Technique
    from decnet.db.session_pages import EventRow
    from decnet.ttp.store.base import RuleStore

router = APIRouter(tags=["search"], responses=COMMON)

_RULE = re.compile(r"R[0-9]{4}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_MOST_EVENTS = 50
_MOST_TECHNIQUES = 20
_SHOWN_CHARS = 300
_SHORTEST = 2
"""Characters that a piece of a command or a name must have."""

HitKind = Literal[
    "attacker", "identity", "campaign", "session", "event", "technique", "rule", "command", "file", "mail"
]


class Hit(BaseModel):
    """Something that the text may mean."""

    kind: HitKind
    id: str = Field(description="Its uuid, or the id of the technique or rule.")
    title: str = Field(description="To be shown as text: commands and names of files are attackers'.")
    url: str = Field(description="Where to ask for it, below `/api/v1`; empty where nothing tells more.")
    observed_at: int | None = Field(default=None, description="Of an event, µs UTC.")
    session_uuid: str | None = Field(default=None, description="Of an event.")


class Found(BaseModel):
    """What was found."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "kind": "attacker",
                            "id": "6e24fa0b-6ed0-5214-ba4a-03736e207982",
                            "title": "198.51.100.7",
                            "url": "/attackers/6e24fa0b-6ed0-5214-ba4a-03736e207982",
                            "observed_at": None,
                            "session_uuid": None,
                        }
                    ],
                    "is_complete": True,
                    "events_looked_at": 0,
                }
            ]
        }
    )

    items: list[Hit]
    is_complete: bool = Field(description="False where older events were not looked at.")
    events_looked_at: int = Field(description="At most; 0 where no event had to be.")


class _Events(NamedTuple):
    """Events that hold a text, and whether all were looked at."""

    rows: list[EventRow]
    is_complete: bool


@router.get("/search")
def search(
    _who: Viewer,
    place: Place,
    q: Annotated[str, Query(pattern=NO_NUL, min_length=1, max_length=200, description="What is looked for.")],
) -> Found:
    """What `q` means.

    That is an address, a uuid, a technique by its id or a part of its name, the id of a rule, a SHA-256, or else a part
    of a command. Commands and digests are looked for in the newest 20,000 events, letter by letter.
    """
    text = q.strip()
    known = [*_by_address(place, text), *_by_uuid(place, text), *_by_rule(place, text), *_by_technique(place, text)]
    if _SHA256.fullmatch(text.lower()):
        digest = text.lower()
        events = _events(place, None, digest)
        known += _mails(place, bytes.fromhex(digest))
        return _found([*known, *(_file(row) for row in events.rows)], events)
    if any(hit.kind != "technique" for hit in known) or len(text) < _SHORTEST or re.match(TECHNIQUE_PATTERN, text):
        return Found(items=known, is_complete=True, events_looked_at=0)
    events = _events(place, COMMAND, canonical_text(text))
    return _found([*known, *(_command(row) for row in events.rows)], events)


def _found(hits: list[Hit], events: _Events) -> Found:
    return Found(items=hits, is_complete=events.is_complete, events_looked_at=session_pages.MOST_LOOKED_AT)


def _events(place: WebPlace, kind: str | None, text: str) -> _Events:
    wanted = EventFilter(source_kind=kind, text=text)
    read = partial(session_pages.event_page, wanted=wanted, after=None, limit=_MOST_EVENTS)
    rows, end = place.database.read(read)
    return _Events(rows, end is None)


def _by_address(place: WebPlace, text: str) -> Iterator[Hit]:
    try:
        address = canonical_address(text)
    except ValueError:
        return
    uuid = place.database.read(partial(looking.attacker_at, address=address))
    if uuid is not None:
        yield Hit(kind="attacker", id=uuid_text(uuid), title=address, url=f"/attackers/{uuid_text(uuid)}")


def _by_uuid(place: WebPlace, text: str) -> list[Hit]:
    key = uuid_in(text)
    if key is None:
        return []
    name = uuid_text(key)

    def work(connection: Connection) -> list[Hit]:
        hits = []
        for scope, folder in _FOLDERS.items():
            owner = sums.owner_of(connection, scope, key)
            if owner is not None:
                hits.append(Hit(kind=scope, id=uuid_text(owner.uuid), title=name, url=f"/{folder}/{name}"))
        if looking.has_event(connection, key):
            hits.append(Hit(kind="event", id=name, title=name, url=f"/events/{name}"))
        return hits

    return place.database.read(work)


_FOLDERS: dict[sums.Scope, str] = {
    "attacker": "attackers",
    "identity": "identities",
    "campaign": "campaigns",
    "session": "sessions",
}


def _by_rule(place: WebPlace, text: str) -> Iterator[Hit]:
    rule_id = text.upper()
    if not _RULE.fullmatch(rule_id):
        return
    if from_thread.run(_is_rule, place.rules, rule_id):
        yield Hit(kind="rule", id=rule_id, title=rule_id, url=f"/ttp/rules/{rule_id}")


async def _is_rule(rules: RuleStore, rule_id: str) -> bool:
    """Whether there is such a rule; the store may not have looked at its files yet."""
    with suppress(RuleError):
        await rules.text_of(rule_id)
        return True
    with suppress(RuleError):
        await rules.load_compiled()
        await rules.text_of(rule_id)
        return True
    return False


def _by_technique(place: WebPlace, text: str) -> list[Hit]:
    """Techniques of the newest release, those that were seen first."""
    typed = text.casefold()
    if len(typed) < _SHORTEST:
        return []
    named = [
        one
        for one in place.newest.techniques.values()
        if one.is_active and (one.id.casefold().startswith(typed) or typed in one.name.casefold())
    ]
    if not named:
        return []
    known = place.database.read(looking.techniques_seen)
    named.sort(key=lambda one: (one.id.casefold() != typed, one.id not in known, one.id))
    return [_technique(one, is_seen=one.id in known) for one in named[:_MOST_TECHNIQUES]]


def _technique(one: Technique, *, is_seen: bool) -> Hit:
    url = f"/ttp/tags?technique={one.id}" if is_seen else ""
    return Hit(kind="technique", id=one.id, title=f"{one.id} {one.name}", url=url)


def _mails(place: WebPlace, digest: bytes) -> list[Hit]:
    keys = place.database.read(partial(looking.mails_with_body, digest=digest))
    names = [uuid_text(key) for key in keys]
    return [Hit(kind="mail", id=name, title=name, url=f"/events/{name}") for name in names]


def _file(row: EventRow) -> Hit:
    payload = row.payload
    return _event(row, "file", str(payload.get("url") or payload.get("filename") or row.source_kind))


def _command(row: EventRow) -> Hit:
    return _event(row, "command", str(row.payload.get("command_text", "")))


def _event(row: EventRow, kind: HitKind, title: str) -> Hit:
    name = uuid_text(row.id)
    return Hit(
        kind=kind,
        id=name,
        title=capped(title, _SHOWN_CHARS),
        url=f"/events/{name}",
        observed_at=row.observed_at,
        session_uuid=uuid_text(row.session_uuid),
    )
