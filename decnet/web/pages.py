"""Lists page by page: where a page ended goes to the reader and comes back, so that no page is read by an offset."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Any, Generic, NamedTuple, TypeVar

import msgspec
from fastapi import Query
from pydantic import BaseModel, Field

from decnet.web.problems import Refused

Item = TypeVar("Item")
T = TypeVar("T")

MOST = 1_000
_MAX_CURSOR = 600

Limit = Annotated[int, Query(ge=1, le=MOST, description="How many at most.")]
Cursor = Annotated[
    str | None,
    Query(max_length=_MAX_CURSOR, description="`next` of the page before; the filters must be the same."),
]


At = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""A number within a cursor, which anybody may have written: one that every database takes."""
Id = Annotated[bytes, msgspec.Meta(min_length=16, max_length=16)]


class TimePlace(NamedTuple):
    """Where a list by time ended: the time (µs UTC) and the number of the last row."""

    at: At
    number: At


class KeyPlace(NamedTuple):
    """Where a list by time ended: the time (µs UTC) and the id of the last row."""

    at: At
    id: Id


class Page(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    next: str | None = Field(default=None, description="The cursor of the next page; null on the last one.")


def cursor_of(place: object) -> str:
    """``place``, where a page ended, as text for a URL."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).rstrip(b"=").decode()


def place_in(cursor: str | None, shape: type[T]) -> T | None:
    """Where the page before ended.

    :raises Refused: 404, it ended nowhere: the cursor is none of ours.
    """
    if cursor is None:
        return None
    try:
        raw = base64.b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(raw, type=shape)
    except (msgspec.DecodeError, binascii.Error, UnicodeEncodeError):
        raise Refused(404, "there is no such page; give the `next` of the page before as cursor, or nothing") from None


def page_of(rows: list[Any], limit: int, items: list[Item], place: object | None) -> Page[Item]:
    """A page of ``items``; there is a next one when as many ``rows`` came as were asked for."""
    return Page(items=items, next=cursor_of(place) if place is not None and len(rows) >= limit else None)
