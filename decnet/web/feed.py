"""What is new, for everybody who looks: one listener on the bus, one look-up per tag, however many readers there are.

The last events are kept, so that a reader who was away for a moment goes on where it was. A reader that is slower than
what happens loses events and is told so; it never holds up the others.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

import msgspec

from decnet.bus.topics import (
    CAMPAIGN_ASSIGNED,
    CAMPAIGN_FORMED,
    CAMPAIGN_MERGED,
    IDENTITY_FORMED,
    IDENTITY_LINKED,
    IDENTITY_MERGED,
    RULE_RELOADED,
    RULE_STATE,
    TAGGED,
)
from decnet.db.tag_pages import tags_at
from decnet.errors import BusUnavailable, DecnetError
from decnet.models.announcement import Tagged
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from types import TracebackType

    from decnet.models.message import Message
    from decnet.models.stored_tag import StoredTag
    from decnet.models.tag import TagKey
    from decnet.web.place import WebPlace

PATTERNS = tuple(
    topic.subject
    for topic in (
        TAGGED,
        RULE_STATE,
        RULE_RELOADED,
        IDENTITY_FORMED,
        IDENTITY_LINKED,
        IDENTITY_MERGED,
        CAMPAIGN_FORMED,
        CAMPAIGN_ASSIGNED,
        CAMPAIGN_MERGED,
    )
)
MOST_READERS = 100
_KEPT = 2_000
_WAITING = 500
_TAGS_PER_SECOND = 200
_MOST_NAMED = 50
_QUIET_S = 15.0
_AFTER_FAULT_S = 2.0
_PATIENCE_S = 5.0
_UUID_BYTES = 16
_log = logger(__name__)


class FeedEvent(NamedTuple):
    """Something that happened: its place in the feed, its kind (``tag``, ``rule``, …) and JSON."""

    number: int
    kind: str
    data: bytes


class Reader:
    """One who looks: what waits for it, and how much it has lost."""

    def __init__(self) -> None:
        self.waiting: deque[FeedEvent] = deque()
        self.lost = 0
        self.woken = asyncio.Event()

    def offer(self, event: FeedEvent) -> None:
        """Keep ``event`` if there is room, else count it."""
        if len(self.waiting) >= _WAITING:
            self.lost += 1
        else:
            self.waiting.append(event)
        self.woken.set()


class Feed:
    """Listens while there is anybody to tell; entered and left with the application."""

    def __init__(self, place: WebPlace) -> None:
        self._place = place
        self._name = secrets.token_hex(4)
        self._kept: deque[FeedEvent] = deque(maxlen=_KEPT)
        self._number = 0
        self._readers: set[Reader] = set()
        self._listening: asyncio.Task[None] | None = None
        self._hears = asyncio.Event()
        self._second = 0
        self._tags = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)

    @property
    def is_full(self) -> bool:
        """Whether one more reader is too many."""
        return len(self._readers) >= MOST_READERS

    async def place_now(self) -> str:
        """The id behind which everything is that happens from now on.

        :raises BusUnavailable: nothing is heard from the bus.
        """
        if self._listening is None:
            self._listening = asyncio.create_task(self._listen())
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._hears.wait()
        except TimeoutError:
            raise BusUnavailable("the bus is out of reach; nothing is told of what is new") from None
        return f"{self._name}-{self._number}"

    async def read(self, last_id: str) -> AsyncIterator[bytes]:
        """Server-sent events behind ``last_id``, then what happens, until the reader leaves or the API ends."""
        reader = Reader()
        is_known = self._resume(reader, last_id)
        self._readers.add(reader)
        try:
            yield b"retry: 3000\n\n"
            if not is_known:
                yield self._spelled("reset", b"{}")
            async for piece in self._pieces(reader):
                yield piece
        finally:
            self._readers.discard(reader)

    async def _pieces(self, reader: Reader) -> AsyncIterator[bytes]:
        stopping = asyncio.create_task(self._place.stop.wait())
        try:
            while not self._place.stop.is_set():
                reader.woken.clear()
                while reader.waiting:
                    event = reader.waiting.popleft()
                    yield self._spelled(event.kind, event.data, event.number)
                if reader.lost:
                    lost, reader.lost = reader.lost, 0
                    yield self._spelled("lost", msgspec.json.encode({"count": lost}))
                woken = asyncio.create_task(reader.woken.wait())
                try:
                    awaited = {woken, stopping}
                    done, _ = await asyncio.wait(awaited, timeout=_QUIET_S, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    woken.cancel()
                if not done:
                    yield b": still here\n\n"
        finally:
            stopping.cancel()

    def _resume(self, reader: Reader, last_id: str) -> bool:
        """Give ``reader`` what it missed; False when that is no longer known here."""
        name, _, number = last_id.partition("-")
        oldest = self._kept[0].number if self._kept else self._number + 1
        is_number = number.isascii() and number.isdigit() and len(number) < _UUID_BYTES
        if name != self._name or not is_number or not oldest - 1 <= int(number) <= self._number:
            return False
        missed = [event for event in self._kept if event.number > int(number)]
        for event in missed[-_WAITING:]:
            reader.offer(event)
        reader.lost += max(0, len(missed) - _WAITING)
        return True

    def _spelled(self, kind: str, data: bytes, number: int | None = None) -> bytes:
        """An event as the HTML standard spells it (section 9.2); JSON holds no line break."""
        head = b"" if number is None else f"id: {self._name}-{number}\n".encode()
        return head + b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    async def _listen(self) -> None:
        while True:
            try:
                async with self._place.bus.subscribe(PATTERNS, durable=None) as subscription:
                    self._hears.set()
                    async for delivery in subscription:
                        for kind, value in await self._told(delivery.message):
                            self._tell(kind, value)
            except DecnetError as error:
                _log.warning("the stream waits: %s", error)
            except Exception:  # noqa: BLE001 - the boundary of a loop that everybody looks through
                _log.exception("the stream failed and begins anew")
            await asyncio.sleep(_AFTER_FAULT_S)

    def _tell(self, kind: str, value: object) -> None:
        self._number += 1
        event = FeedEvent(self._number, kind, msgspec.json.encode(value))
        self._kept.append(event)
        for reader in self._readers:
            reader.offer(event)

    async def _told(self, message: Message) -> list[tuple[str, object]]:
        """What readers are told of ``message``."""
        if message.topic != TAGGED.pattern:
            kind = message.topic.split(".")[1 if message.topic.startswith("ttp.") else 0]
            return [(kind, {"topic": message.topic} | _readable(item)) for item in message.items]
        items = [msgspec.msgpack.decode(item, type=Tagged) for item in message.items]
        keys = [key for item in items for key in item.tags]
        taken = self._rationed(keys)
        found = await asyncio.to_thread(self._place.database.read, partial(tags_at, keys=taken)) if taken else []
        told: list[tuple[str, object]] = [("tag", tag_line(tag)) for tag in found]
        if len(taken) < len(keys):
            told.append(("more", {"tags": len(keys) - len(taken)}))
        return told

    def _rationed(self, keys: Sequence[TagKey]) -> Sequence[TagKey]:
        """As many of ``keys`` as this second has room for: a flood is counted, not shown."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._tags = second, 0
        taken = keys[: max(0, _TAGS_PER_SECOND - self._tags)]
        self._tags += len(taken)
        return taken


def tag_line(tag: StoredTag) -> dict[str, Any]:
    """A tag as a line of news: what is needed to show it and to find the rest."""
    return {
        "observed_at": tag.observed_at,
        "uuid": str(UUID(bytes=tag.uuid)),
        "tactic": tag.tactic,
        "technique_id": tag.technique_id,
        "sub_technique_id": tag.sub_technique_id,
        "confidence": tag.confidence,
        "rule_id": tag.rule_id,
        "source_kind": tag.source_kind,
        "address": tag.address,
        "decoy": tag.decoy,
        "attacker_uuid": _text(tag.attacker_uuid),
        "identity_uuid": _text(tag.identity_uuid),
        "session_uuid": _text(tag.session_uuid),
    }


def _readable(item: bytes) -> dict[str, Any]:
    """An announcement with its uuids as text."""
    fields: dict[str, Any] = msgspec.msgpack.decode(item)
    return {name: _plain(value) for name, value in fields.items()}


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return _text(value) if len(value) == _UUID_BYTES else value.hex()
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value[:_MOST_NAMED]]
    return value


def _text(uuid: bytes | None) -> str | None:
    return str(UUID(bytes=uuid)) if uuid is not None else None
