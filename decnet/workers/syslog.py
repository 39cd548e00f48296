"""Records that honeypots send over syslog: TCP (RFC 6587) and UDP (RFC 5426), each message with one record.

What arrives waits in a bounded backlog and is stored by one task, some messages per transaction. While the database is
away TCP is not read, so that senders hold back; datagrams cannot be held back, and those without room are dropped and
counted. Syslog has no receipts: what a sender has sent and a killed process had not stored yet is lost, which a log
file is not.

A sender is known by its address, and an event's source never comes from it. A sensor's name belongs to whoever used it
first, a log that is followed or a sender: no other sender can write into its sessions.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter, OrderedDict, deque
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from decnet.errors import InputRefused, SettingsError, StorageUnavailable
from decnet.sources.base import Refusal, quoted
from decnet.sources.detect import SOURCES, detect
from decnet.sources.syslog import BadFrame, FrameSplitter, record_of
from decnet.telemetry import logger
from decnet.workers.stopping import pause_unless

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence

    from decnet.config import SyslogAddress
    from decnet.models.event import Event
    from decnet.models.secret import SecretDigest
    from decnet.sources.base import Source
    from decnet.sources.syslog import Frame

MAX_CONNECTIONS, MAX_PEER_CONNECTIONS = 256, 16
"""More connections are closed at once and counted."""
MAX_BACKLOG_BYTES = 8 * 1024 * 1024
"""What waits to be stored; beyond, TCP is not read and datagrams are dropped."""
STEP_MESSAGES, STEP_BYTES = 400, 128 * 1024
"""What one transaction holds."""
MAX_PEERS = 256
"""Of so many senders it is remembered what they send; who has not been heard for longest goes first."""
MAX_SENSORS, MAX_PEER_SENSORS = 10_000, 64
"""Names of sensors that have an owner, altogether and of one sender."""
LOGS = ""
"""The owner of names that are heard from logs."""

UNKNOWN_FORMAT = "record of no known format"
FOREIGN_SENSOR = "the sensor's name belongs to another sender"
TOO_MANY_CONNECTIONS = "too many connections"
DROPPED = "datagrams dropped for lack of room"
_READ_BYTES = 64 * 1024
_OVERHEAD_BYTES = 200
_AFTER_FAULT_S = 2.0
_HANG_UP_S = 5.0
_log = logger(__name__)


class SensorOwners:
    """Whose each sensor's name is: the address of the sender, or :data:`LOGS`, that used it first since the start."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._owned: Counter[str] = Counter()

    def take(self, names: Iterable[str], owner: str) -> bool:
        """Whether all ``names`` are ``owner``'s, now or from now on; what logs name is theirs in any case."""
        for name in names:
            known = self._owners.get(name)
            if known == owner:
                continue
            if known is not None and owner != LOGS:
                return False
            if known is None and owner != LOGS and self._is_full(owner):
                return False
            self._owners[name] = owner
            self._owned[owner] += 1
        return True

    def _is_full(self, owner: str) -> bool:
        return len(self._owners) >= MAX_SENSORS or self._owned[owner] >= MAX_PEER_SENSORS


class _Message(NamedTuple):
    """A frame, and the address that it came from."""

    peer: str
    frame: bytes


class SyslogIntake:
    """Listens on ``addresses`` and hands events to ``store``, which is called in a thread, one call at a time.

    ``store`` returns when they are stored, and raises :class:`~decnet.errors.StorageUnavailable` when that has to wait.
    ``sensor`` is the operator's name for all that comes here; then records cannot claim one.
    """

    def __init__(
        self,
        addresses: Sequence[SyslogAddress],
        digest: SecretDigest,
        store: Callable[[list[Event]], object],
        owners: SensorOwners,
        *,
        sensor: str | None = None,
        max_backlog_bytes: int = MAX_BACKLOG_BYTES,
    ) -> None:
        self._addresses = addresses
        self._store = store
        self._senders = _Senders(digest, owners, sensor)
        self._backlog = _Backlog(max_backlog_bytes)
        self._open: Counter[str] = Counter()
        self._connections: set[asyncio.Task[None]] = set()
        self._told = asyncio.Event()
        self.messages = 0
        self.is_listening = asyncio.Event()

    @property
    def refused(self) -> Counter[str]:
        """How many messages, or connections, were refused, by reason."""
        return self._senders.refused

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until ``stop`` is set, then store what was read.

        :raises SettingsError: an address cannot be listened on.
        """
        storing = asyncio.create_task(self._store_all(stop))
        told = asyncio.create_task(stop.wait())
        try:
            async with AsyncExitStack() as stack:
                for address in self._addresses:
                    await stack.enter_async_context(self._listening(address))
                self.is_listening.set()
                await asyncio.wait({told, storing}, return_when=asyncio.FIRST_COMPLETED)
            await self._hang_up(storing)
        finally:
            told.cancel()
            self._backlog.close()
            await storing

    @asynccontextmanager
    async def _listening(self, address: SyslogAddress) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        try:
            if address.transport == "udp":
                where = (address.host, address.port)
                transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self._offer), local_addr=where)
                close: Callable[[], None] = transport.close
            else:
                server = await asyncio.start_server(self._converse, address.host, address.port, limit=_READ_BYTES)
                close = server.close
        except OSError as error:
            raise SettingsError(
                f"DECNET_SYSLOG: cannot listen on {address} ({error.strerror or error}); choose an address of this "
                "host and a port above 1023 that nobody else uses"
            ) from None
        try:
            yield
        finally:
            close()

    # --- what comes in

    def _offer(self, peer: str, frame: bytes) -> None:
        if not self._backlog.offer(_Message(peer, frame)):
            self._senders.refuse(DROPPED, peer)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        peer = _host(writer.get_extra_info("peername"))
        task = asyncio.current_task()
        if task is None or len(self._connections) >= MAX_CONNECTIONS or self._open[peer] >= MAX_PEER_CONNECTIONS:
            self._senders.refuse(TOO_MANY_CONNECTIONS, peer)
            writer.close()
            return
        self._connections.add(task)
        self._open[peer] += 1
        try:
            await self._read(peer, reader)
        except OSError as error:
            _log.info("syslog: %s hung up: %s", peer, error)
        finally:
            self._connections.discard(task)
            self._open[peer] -= 1
            writer.close()

    async def _read(self, peer: str, reader: asyncio.StreamReader) -> None:
        splitter = FrameSplitter()
        while not splitter.is_lost and (chunk := await self._next_chunk(reader)):
            await self._put(peer, splitter.feed(chunk))
        await self._put(peer, splitter.finish())

    async def _put(self, peer: str, frames: Iterable[Frame]) -> None:
        for frame in frames:
            if isinstance(frame, BadFrame):
                self._senders.refuse(frame, peer)
            else:
                await self._backlog.put(_Message(peer, frame))

    async def _next_chunk(self, reader: asyncio.StreamReader) -> bytes:
        """What has come; nothing when the sender has hung up, or once we are to and what was received is read."""
        reading, told = asyncio.create_task(reader.read(_READ_BYTES)), asyncio.create_task(self._told.wait())
        try:
            await asyncio.wait({reading, told}, return_when=asyncio.FIRST_COMPLETED)
            return reading.result() if reading.done() else b""
        finally:
            reading.cancel()
            told.cancel()

    async def _hang_up(self, storing: asyncio.Task[None]) -> None:
        """What was received finds its way into the backlog, unless that takes too long or nobody empties it."""
        self._told.set()
        reading = asyncio.gather(*self._connections, return_exceptions=True)
        either: set[asyncio.Future[Any]] = {reading, storing}
        await asyncio.wait(either, timeout=_HANG_UP_S, return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)

    # --- what is stored

    async def _store_all(self, stop: asyncio.Event) -> None:
        while messages := await self._backlog.take():
            self.messages += len(messages)
            events = await asyncio.to_thread(self._senders.events_of, messages)
            while events:
                try:
                    await asyncio.to_thread(self._store, events)
                    break
                except StorageUnavailable as error:
                    if stop.is_set():
                        _log.warning("syslog: %d events are lost, the database is away: %s", len(events), error)
                        break
                    _log.warning("syslog waits for the database: %s", error)
                await pause_unless(stop, _AFTER_FAULT_S)


class _Senders:
    """What is known of those who send: which adapter reads them, and which sensors are theirs."""

    def __init__(self, digest: SecretDigest, owners: SensorOwners, sensor: str | None) -> None:
        self._digest = digest
        self._owners = owners
        self._sensor = sensor
        self._sources: OrderedDict[str, dict[str, Source]] = OrderedDict()
        self._number = 0
        self._turn = threading.Lock()
        self.refused: Counter[str] = Counter()

    def events_of(self, messages: Iterable[_Message]) -> list[Event]:
        """The events of ``messages``, in order; what gives none is counted."""
        return [event for message in messages for event in self._events(message)]

    def refuse(self, reason: str, peer: str, detail: str = "") -> None:
        """Count a refusal; the first of its reason is told. Any thread may call it."""
        with self._turn:
            self.refused[reason] += 1
            is_first = self.refused[reason] == 1
        if is_first:
            _log.warning("syslog: %s: %s%s", peer, reason, f": {detail}" if detail else "")

    def _events(self, message: _Message) -> Sequence[Event]:
        record = record_of(message.frame)
        if isinstance(record, BadFrame):
            self.refuse(record, message.peer, quoted(repr(message.frame[:60])))
            return ()
        source = self._source_of(message.peer, record)
        if source is None:
            self.refuse(UNKNOWN_FORMAT, message.peer, quoted(repr(record[:60])))
            return ()
        self._number += 1
        found = source.read(record, self._number)
        if isinstance(found, Refusal):
            self.refuse(found.reason, message.peer, found.detail)
            return ()
        if self._sensor is None and not self._owners.take({event.sensor for event in found}, message.peer):
            self.refuse(FOREIGN_SENSOR, message.peer, quoted(found[0].sensor))
            return ()
        return found

    def _source_of(self, peer: str, record: bytes) -> Source | None:
        """The adapter of what ``peer`` sends; one host may have several honeypots."""
        known = self._sources.setdefault(peer, {})
        self._sources.move_to_end(peer)
        if len(self._sources) > MAX_PEERS:
            self._sources.popitem(last=False)
        for name, source in known.items():
            if SOURCES[name].sniff([record]):
                return source
        try:
            kind = detect([record], peer)
        except InputRefused:
            return None
        return known.setdefault(kind.name, kind(self._digest, sensor=self._sensor, file=peer))


class _Backlog:
    """Messages that wait, bounded in bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._waiting: deque[_Message] = deque()
        self._is_closed = False
        self._changed = asyncio.Condition()
        self._arrived = asyncio.Event()

    def offer(self, message: _Message) -> bool:
        """Add ``message`` if there is room for it."""
        if self._bytes >= self._max_bytes:
            return False
        self._add(message)
        return True

    async def put(self, message: _Message) -> None:
        """Add ``message`` once there is room for it."""
        if self._bytes >= self._max_bytes:
            async with self._changed:
                await self._changed.wait_for(lambda: self._bytes < self._max_bytes)
        self._add(message)

    async def take(self) -> list[_Message]:
        """The oldest messages, waited for; none once there are none and it is closed."""
        await self._arrived.wait()
        taken = list(self._oldest())
        if not self._waiting and not self._is_closed:
            self._arrived.clear()
        async with self._changed:
            self._changed.notify_all()
        return taken

    def close(self) -> None:
        """Nothing more will come."""
        self._is_closed = True
        self._arrived.set()

    def _add(self, message: _Message) -> None:
        self._waiting.append(message)
        self._bytes += len(message.frame) + _OVERHEAD_BYTES
        self._arrived.set()

    def _oldest(self) -> Iterator[_Message]:
        size = count = 0
        while self._waiting and count < STEP_MESSAGES and size < STEP_BYTES:
            message = self._waiting.popleft()
            self._bytes -= len(message.frame) + _OVERHEAD_BYTES
            size, count = size + len(message.frame), count + 1
            yield message


class _Datagrams(asyncio.DatagramProtocol):
    """One message per datagram, RFC 5426 3.1."""

    def __init__(self, offer: Callable[[str, bytes], None]) -> None:
        self._offer = offer

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        self._offer(_host(addr), data)


def _host(address: tuple[object, ...] | None) -> str:
    """The host of a socket's address; a connection that has gone already has none."""
    return str(address[0]) if address else "unknown"
