"""Records that sensors hand in over HTTP: read by the adapters of logs, stored and announced as the intake does.

A sensor is known by its token, and whatever a record says of its sensor, it is stored under that name: nobody writes
into another's sessions. Handing the same in again adds nothing.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self

from decnet.bus.journal import wake_readers
from decnet.db.clocks import sensor_times
from decnet.db.refusals import add_refusals
from decnet.errors import InputRefused, StorageUnavailable
from decnet.sources.detect import SOURCES
from decnet.sources.mail.mailbox import MBOX_MARK, MessageSplitter, is_mbox
from decnet.sources.mail.source import MailSource
from decnet.sources.split import LineSplitter, Position
from decnet.telemetry import logger
from decnet.workers.ahead import Found, Ready
from decnet.workers.clocks import SILENCE_S, SensorClocks, store_clocks
from decnet.workers.ingest import IntakeRun
from decnet.workers.logs import CHUNK_BYTES, FileReport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from decnet.db.engine import Database
    from decnet.models.artifact import ArtifactStore
    from decnet.models.secret import SecretDigest
    from decnet.sources.base import Refusal, Source
    from decnet.sources.lines import Splitter
    from decnet.sources.split import LineBatch

MAX_UNPACKED = 256 << 20
"""What a packed body may unpack into: eight times what a plain one may have."""
MAX_LINES = 1_000_000
"""Of a body, blank ones too: a bomb may be nothing but ends of lines."""
MOST_TOLD = 20
"""Refusals that are told one by one; the others are counted."""
_MOST_ADAPTERS = 64
"""Of so many sensors and formats it is remembered what their sessions said; who was not heard for longest goes."""
_PATIENCE_S = 5.0
_TICK_S = 30.0
_GZIP_WINDOW = 31
_log = logger(__name__)


class Told(NamedTuple):
    """A record that was refused: which line (or message) of the body, and why."""

    line: int
    why: str


class Taken(NamedTuple):
    """What became of a body: events that are new, those that were known, and refusals, the first ones by line."""

    accepted: int
    known: int
    refused: int
    told: list[Told]


class _Adapter:
    """The adapter of a sensor's records of one format; ``lines`` is how many it has read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.lines = 0


class IntakeDesk:
    """Takes bodies from sensors, for one event loop; one piece is stored at a time, as a log is.

    While it is entered, sensors that fall silent are told of.
    ``clock`` gives µs UTC. Mails are kept among ``artifacts``. With ``keep_secrets`` what digests stand for is stored.
    """

    def __init__(
        self,
        database: Database,
        digest: SecretDigest,
        *,
        clock: Callable[[], int],
        artifacts: ArtifactStore | None = None,
        keep_secrets: bool = False,
        silence_s: float = SILENCE_S,
    ) -> None:
        self._database = database
        self._clock = clock
        self._heard = SensorClocks(silence_s=silence_s)
        self._silence_s = silence_s
        self._run = IntakeRun(
            database, digest, self._heard, wait=_Patience(), keep_secrets=keep_secrets, artifacts=artifacts
        )
        self._adapters: OrderedDict[tuple[str, str], _Adapter] = OrderedDict()
        self._turn = asyncio.Lock()
        self._ticking: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._ticking = asyncio.create_task(self._tick())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.gather(self._ticking, return_exceptions=True)

    async def take(self, body: AsyncIterator[bytes], *, sensor: str, form: str, is_gzip: bool) -> Taken:
        """Store what ``body`` holds, records of the format ``form``, as they come; a fault leaves what was stored.

        :raises InputRefused: the body is packed and damaged, unpacks into too much, or has too many lines.
        :raises StorageUnavailable: the database is away, or workers are too far behind.
        """
        reading = _Reading(self._run, sensor, form)
        unpack = _unpacked if is_gzip else _plain
        async for piece in unpack(_pieces(body)):
            async with self._turn:
                await asyncio.to_thread(reading.feed, self._adapter(sensor, form), piece)
        async with self._turn:
            await asyncio.to_thread(reading.finish, self._adapter(sensor, form))
        if reading.report.refused:
            await asyncio.to_thread(self._note_refusals, sensor, reading.report)
        return reading.taken()

    def _adapter(self, sensor: str, form: str) -> _Adapter:
        key = sensor, form
        known = self._adapters.get(key)
        if known is None:
            source = SOURCES[form](self._run.digest, sensor=sensor, file=form)
            known = self._adapters[key] = _Adapter(source)
            if len(self._adapters) > _MOST_ADAPTERS:
                self._adapters.popitem(last=False)
        self._adapters.move_to_end(key)
        return known

    def _note_refusals(self, sensor: str, report: FileReport) -> None:
        counts = {reason: (count, report.first_refused[reason]) for reason, count in report.refused.items()}
        self._database.write(partial(add_refusals, sensor=sensor, counts=counts, now=self._clock()))

    async def _tick(self) -> None:
        """Sensors that are silent for a time-out are told of, so that their sessions end."""
        has_recalled = False
        while True:
            try:
                if not has_recalled:
                    self._heard.recall(await asyncio.to_thread(self._database.read, sensor_times), time.monotonic())
                    has_recalled = True
                if clocks := self._heard.due(time.monotonic()):
                    store = partial(store_clocks, clocks=clocks, now=self._clock())
                    await asyncio.to_thread(self._database.write, store)
                    self._heard.note_told(clocks)
                    if self._database.is_embedded:
                        wake_readers(self._database)
            except StorageUnavailable as error:
                _log.warning("silent sensors are told of later: %s", error)
            await asyncio.sleep(min(self._silence_s / 4, _TICK_S))


class _Patience:
    """Waits for room a little; then whoever hands in is to come again."""

    def __init__(self) -> None:
        self._began = self._latest = -_PATIENCE_S

    def __call__(self, seconds: float) -> bool:
        """Pause.

        :raises StorageUnavailable: that is enough.
        """
        now = time.monotonic()
        if now - self._latest > 2 * seconds:
            self._began = now  # there was room meanwhile
        if now - self._began > _PATIENCE_S:
            raise StorageUnavailable("workers are too far behind; hand it in again later")
        time.sleep(seconds)
        self._latest = time.monotonic()
        return False


class _Reading:
    """One body, cut into records and stored piece by piece. Used by one thread at a time."""

    def __init__(self, run: IntakeRun, sensor: str, form: str) -> None:
        self._run = run
        self._is_mail = form == MailSource.name
        self._splitter: Splitter | None = None
        self._head = b""
        self._first = 1
        self.report = FileReport(f"handed in by {sensor}")
        self._told: list[Told] = []

    def feed(self, adapter: _Adapter, piece: bytes) -> None:
        """Store the records that ``piece`` completes."""
        if self._splitter is None:
            self._head += piece
            if len(self._head) < len(MBOX_MARK):
                return
            piece, self._head = self._head, b""
            self._splitter = self._begin(adapter, piece)
        batch = self._splitter.feed(piece)
        if batch is not None:
            self._store(adapter, batch)

    def finish(self, adapter: _Adapter) -> None:
        """Store the last record, which needs no newline."""
        splitter = self._splitter or self._begin(adapter, self._head)
        for batch in (splitter.feed(self._head) if self._head else None, splitter.finish()):
            if batch is not None:
                self._store(adapter, batch)

    def taken(self) -> Taken:
        """What became of it."""
        report = self.report
        return Taken(report.new_events, report.known_events, report.refused_total, self._told)

    def _begin(self, adapter: _Adapter, head: bytes) -> Splitter:
        """Records count on from body to body, so that those of one moment keep their order."""
        self._first = adapter.lines + 1
        start = Position(line=self._first)
        if self._is_mail:
            return MessageSplitter(adapter.source.file, start, is_mbox=is_mbox(head))
        return LineSplitter(adapter.source.file, start)

    def _store(self, adapter: _Adapter, batch: LineBatch) -> None:
        if self.report.lines + len(batch.lines) > MAX_LINES:
            raise InputRefused(f"the body has more than {MAX_LINES:,} lines; send less at a time")
        refusals = list(batch.refusals)
        events = self._run.events_of(batch, adapter.source, refusals)
        adapter.lines = max(adapter.lines, batch.first_line + len(batch.lines) - 1)
        here = [self._placed(refusal) for refusal in refusals]
        for refusal in here[: MOST_TOLD - len(self._told)]:
            what = f": {refusal.detail}" if refusal.detail else ""
            self._told.append(Told(refusal.line, f"{refusal.reason}{what}"))
        ready = Ready(len(batch.lines) + len(here), here, events, Found(), Position())
        self._run.take(ready, self.report)

    def _placed(self, refusal: Refusal) -> Refusal:
        """``refusal`` with the number of the line within its own body."""
        return type(refusal)(refusal.file, refusal.line - self._first + 1, refusal.reason, refusal.detail)


async def _pieces(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """``body`` in pieces of about what one transaction holds."""
    held: list[bytes] = []
    size = 0
    async for chunk in body:
        for start in range(0, len(chunk), CHUNK_BYTES):
            part = chunk[start : start + CHUNK_BYTES]
            if size + len(part) > CHUNK_BYTES:
                yield b"".join(held)
                held, size = [], 0
            held.append(part)
            size += len(part)
    if held:
        yield b"".join(held)


async def _plain(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece


async def _unpacked(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """What gzip data holds (RFC 1952), member after member, in pieces as large as packed ones.

    :raises InputRefused: it is damaged, or holds too much.
    """
    gzip = _Gzip()
    async for packed in pieces:
        for piece in gzip.feed(packed):
            yield piece
            await asyncio.sleep(0)
    gzip.finish()


class _Gzip:
    """Unpacks piece by piece, so that a bomb costs time and no memory, and only up to :data:`MAX_UNPACKED`."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._is_within = False
        self._unpacked = 0

    def feed(self, packed: bytes) -> Iterator[bytes]:
        """What ``packed`` adds."""
        rest = packed
        while rest:
            try:
                data = self._member.decompress(rest, CHUNK_BYTES)
            except zlib.error:
                raise InputRefused("the body is no gzip data, or damaged; send it plain or pack it again") from None
            self._is_within = not self._member.eof
            rest = self._member.unconsumed_tail
            if self._member.eof:
                rest = self._member.unused_data.lstrip(b"\0")
                self._member = zlib.decompressobj(_GZIP_WINDOW)
            self._unpacked += len(data)
            if self._unpacked > MAX_UNPACKED:
                raise InputRefused(f"the body unpacks into more than {MAX_UNPACKED:,} bytes; send less at a time")
            if data:
                yield data

    def finish(self) -> None:
        """Nothing more comes.

        :raises InputRefused: there should be more.
        """
        if self._is_within:
            raise InputRefused("the gzip data ends early; send the whole of it")
