"""Whether everything runs: sensors, workers, what could not be handled."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from decnet.bus.base import DeadLetter
from decnet.db.access import add_audit
from decnet.db.clocks import sensor_times
from decnet.db.leases import lease_holders
from decnet.db.outbox import backlog
from decnet.db.refusals import refusal_page
from decnet.errors import BusError, BusUnavailable
from decnet.models.access import AuditEntry
from decnet.web.access.principal import Admin, Viewer
from decnet.web.pages import Cursor, Limit, Page, page_of, place_in
from decnet.web.place import Place
from decnet.web.problems import COMMON, Refused
from decnet.workers.durables import DURABLES

router = APIRouter(prefix="/ops", tags=["operations"], responses=COMMON)

_MAX_ITEM = 2_000
_LEASED = ("cluster", "relay", "enrich")


class SensorHealth(BaseModel):
    """How a sensor is. Times are µs UTC, by the sensor's own clock."""

    name: str
    heard_at: int = Field(description="When its latest event happened.")
    quiet_s: float = Field(description="Seconds since then.")


class WorkerHealth(BaseModel):
    """How far behind a worker is."""

    name: str
    waiting: int = Field(description="Messages that it has not handled.")
    oldest_age_s: float = Field(description="Seconds that the oldest of them has waited.")


class Workers(BaseModel):
    """All workers, and what passes between them."""

    workers: list[WorkerHealth]
    leases: dict[str, str] = Field(description="Who alone does what for now.")
    outbox: int = Field(description="Messages that are stored for others to read.")


class Refusals(BaseModel):
    """A reason for which records of a sensor were refused. Times are µs UTC, of the refusals."""

    sensor: str
    reason: str
    count: int
    first_seen: int
    last_seen: int
    example: str = Field(description="The first of them, cut.")


class Dead(BaseModel):
    """Something that could not be handled, and why."""

    id: str
    worker: str
    topic: str
    partition: int
    error: str
    tries: int
    died_at: int
    item_hex: str = Field(description="The beginning of what was to be handled.")


@router.get("/sensors")
def sensors(_who: Viewer, place: Place) -> list[SensorHealth]:
    """Every sensor that was heard, the quietest last."""
    now = place.clock()
    known = sorted(place.database.read(sensor_times), key=lambda one: -one.heard_at)
    return [
        SensorHealth(name=one.sensor, heard_at=one.heard_at, quiet_s=max(0, now - one.heard_at) / 1_000_000)
        for one in known
    ]


@router.get("/workers")
async def workers(_who: Viewer, place: Place) -> Workers:
    """How far behind each worker is."""
    lags = {name: await place.bus.lag(durable) for name, durable in DURABLES.items()}
    now = place.clock()
    leases: dict[str, str] = {}
    for prefix in _LEASED:
        found = await asyncio.to_thread(place.database.read, partial(lease_holders, prefix=prefix, now=now))
        leases.update(found)
    stored, _ = await asyncio.to_thread(place.database.read, backlog)
    return Workers(
        workers=[
            WorkerHealth(name=name, waiting=lag.messages, oldest_age_s=lag.oldest_age_s) for name, lag in lags.items()
        ],
        leases=leases,
        outbox=stored,
    )


@router.get("/refusals")
def refusals(_who: Viewer, place: Place, limit: Limit = 100, cursor: Cursor = None) -> Page[Refusals]:
    """What sensors handed in and was not taken, by sensor and reason."""
    after = place_in(cursor, tuple[str, str])
    rows = place.database.read(partial(refusal_page, after=after, limit=limit))
    items = [Refusals(**asdict(row)) for row in rows]
    return page_of(rows, limit, items, (rows[-1].sensor, rows[-1].reason) if rows else None)


@router.get("/deadletters")
async def dead_letters(_who: Viewer, place: Place, limit: Annotated[int, Query(ge=1, le=1_000)] = 100) -> list[Dead]:
    """What could not be handled, the oldest first."""
    return [_dead(letter) for letter in await place.bus.dead_letters(limit=limit)]


@router.post("/deadletters/{letter_id}/replay", status_code=204)
async def replay(
    letter_id: Annotated[str, Path(max_length=200, pattern=r"^[A-Za-z0-9._:-]+$")], who: Admin, place: Place
) -> None:
    """Hand it to its workers again; it is no dead letter any more."""
    try:
        await place.bus.replay_dead_letter(letter_id)
    except BusUnavailable:
        raise
    except BusError:
        raise Refused(404, "there is no such dead letter") from None
    entry = AuditEntry(0, place.clock(), who.actor, "dead letter replayed", letter_id, "")
    await asyncio.to_thread(place.database.write, partial(add_audit, entry=entry))


def _dead(letter: DeadLetter) -> Dead:
    return Dead(
        id=letter.id,
        worker=letter.durable,
        topic=letter.topic,
        partition=letter.partition,
        error=letter.error,
        tries=letter.tries,
        died_at=letter.at,
        item_hex=letter.item[:_MAX_ITEM].hex(),
    )
