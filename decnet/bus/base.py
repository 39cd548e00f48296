"""What every bus promises, and what it does not. The contract suite runs on every implementation.

A *message* (:class:`~decnet.models.message.Message`) has a topic, a partition and items. A *durable* is a named
consumer whose position survives restarts: all processes that subscribe under one name share its partitions.

Guarantees:

* **At least once.** A message that :meth:`Bus.publish` has taken is given to every durable that matches it until it is
  acknowledged, whatever process or server is killed in between.
* **In order.** Messages of one topic and one partition reach a durable in the order in which they were published, one
  delivery at a time: the next one comes when this one is acknowledged, also when it had to be tried again.
* **Runs on request.** A subscription may ask for several messages of a partition in one delivery, of what waits: a bus
  gives as many as it likes up to that, never waits for more, and keeps their order. What was delivered before, and may
  have killed its handler, comes alone.
* **One holder.** A partition of a durable is held by one process at a time, under a lease; what a dead process held
  goes to another within the life of the lease. Processes share the partitions evenly.
* **Bounded memory.** A subscription hands out one delivery per partition (and topic filter) at a time and reads at most
  :data:`READ_AHEAD` messages, or a run, ahead; an ephemeral one holds at most its buffer. A publisher waits for room.
* **Nothing is dropped unseen.** What an ephemeral subscription could not hold is counted, what could not be handled
  is a dead letter.

Not guaranteed:

* **Never twice.** A message comes again after a kill, an expired lease or a lost acknowledgement: handlers are
  idempotent, or use :meth:`Delivery.acknowledge_within` where the bus offers it.
* **Order between topics or partitions**, and order among messages that two publishers send at the same time.
* **All or nothing.** Of the messages of one failed :meth:`Bus.publish` some may have been taken.
* **For ever.** A message older than the bus's limit of age is gone, also when a durable has not read it.
* **That a message is handled at all** after it was delivered :data:`MAX_TRIES` times and never acknowledged: then it is
  what kills its handler, and goes to the dead letters whole. A process or server that is ended for other reasons counts
  too, where the bus cannot tell.
* **That an ephemeral subscription sees everything**: it begins when it is entered and misses what is published
  while it is out of reach of the server.
"""

from __future__ import annotations

import enum
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from decnet.errors import BusError
from decnet.models.message import MAX_BYTES, PARTITIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from types import TracebackType
    from typing import Self

    from decnet.models.message import Message

MAX_TRIES = 5
"""How often an item may fail, and a message be delivered, before it is put aside."""
MAX_ALONE = 1_000_000
"""The longest item, in bytes, which then is alone in its message: a NATS server takes 1 MiB unless told otherwise."""
MAX_ERROR_CHARS = 500
READ_AHEAD = 8
"""How many messages of a partition may wait in a subscription."""
RUN_BYTES = 256 * 1024
"""Where a run ends, in bytes of items: with the message that reaches it."""
MAX_DURABLE = 48
"""The longest name of a durable, in characters."""
ALL_PARTITIONS = range(PARTITIONS)


class Start(enum.Enum):
    """Where a durable begins when it is new; one that has a position goes on there."""

    FIRST = "first"
    """At the oldest message that the bus still keeps."""
    NEW = "new"
    """At the first message that is published after the subscription was entered."""


class Lag(NamedTuple):
    """How far behind a durable is."""

    #: published and not acknowledged, of the topics that the durable reads
    messages: int
    #: seconds since the oldest of them was published; 0 when there is none
    oldest_age_s: float


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An item that could not be handled. ``error`` is capped and escaped; ``at`` is µs UTC."""

    id: str
    durable: str
    topic: str
    partition: int
    item: bytes
    error: str
    tries: int
    at: int


class Delivery(ABC):
    """A run of messages that was handed out, most often of one, and what may become of it.

    Exactly one of :meth:`acknowledge` and :meth:`retry` ends it, for all of its messages. Only
    :meth:`acknowledge_within` may be called from another thread than that of the event loop.
    """

    hold: int = 0
    """Another number each time that this subscription came to hold the partition. In between others may have handled
    messages of it: what a handler remembers of a partition holds for one hold."""

    @property
    @abstractmethod
    def messages(self) -> tuple[Message, ...]:
        """What was published: one message or more of one partition, in their order."""

    @property
    def message(self) -> Message:
        """The first of :attr:`messages`."""
        return self.messages[0]

    @property
    @abstractmethod
    def tries(self) -> int:
        """1 for the first delivery to this durable, one more each time it comes again; beyond 1 it is one message."""

    @abstractmethod
    async def acknowledge(self) -> None:
        """The messages never come again to this durable, and the next ones of the partition may come.

        :raises BusUnavailable: out of reach for now; nothing has changed, call it again.
        :raises PartitionLost: another process holds the partition by now, and the message.
        """

    @abstractmethod
    def acknowledge_within(self, connection: object) -> bool:
        """Whether the position moves with the caller's transaction, on ``connection`` to the bus's own database.

        Call :meth:`acknowledge` after the commit in either case: after True it costs nothing. After a roll-back call
        this again in the next attempt, or :meth:`undone`, or :meth:`retry`.

        :raises PartitionLost: another process holds the partition: the transaction must be rolled back.
        """

    def undone(self) -> None:  # noqa: B027 - where positions move in no transaction there is nothing to take back
        """The transaction of the last :meth:`acknowledge_within` was rolled back, and is not tried again as it was."""

    @abstractmethod
    async def retry(self, delay_s: float) -> None:
        """The messages come again after ``delay_s``, ``tries`` of the first one higher; their partition waits for them.

        :raises BusUnavailable: out of reach; the message comes again by itself, later.
        """

    @abstractmethod
    async def bury(self, index: int, error: str) -> None:
        """Item ``index``, counted through all messages, is among the dead letters, for the reason ``error``.

        This ends nothing.

        Burying an item twice makes one dead letter, as far as the bus can tell.

        :raises BusUnavailable: out of reach or full for now.
        """


class Subscription(ABC):
    """An asynchronous context manager and iterator of :class:`Delivery`.

    Several tasks may iterate at the same time. The iterator waits when there is nothing; it ends when the subscription
    is left, which gives back what was handed out and not acknowledged.
    """

    dropped: int = 0
    """How many messages an ephemeral subscription could not hold; always 0 for a durable."""

    @abstractmethod
    async def __aenter__(self) -> Self:
        """From here on messages are read.

        :raises BusUnavailable: the bus is out of reach.
        """

    @abstractmethod
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Partitions are given up and what was not acknowledged is given back; never raises because of the bus."""

    def __aiter__(self) -> Self:
        return self

    @abstractmethod
    async def __anext__(self) -> Delivery: ...


class Bus(ABC):
    """Where messages go. One per process."""

    @abstractmethod
    async def publish(self, messages: Sequence[Message], *, ids: Sequence[str] | None = None) -> None:
        """Every message is stored when this returns, in the order given within its partition.

        ``ids``, one per message, let a bus that remembers ids for a while take each of them once, so that a publisher
        may repeat what it is not sure of.

        :raises BusUnavailable: out of reach, or no room for longer than the bus's patience.
        :raises BusError: a topic is not declared, a partition does not exist or a message is too large.
        """

    @abstractmethod
    def subscribe(
        self,
        patterns: str | tuple[str, ...],
        *,
        durable: str | None,
        start: Start = Start.NEW,
        partitions: Collection[int] = ALL_PARTITIONS,
        run: int = 1,
    ) -> Subscription:
        """The messages whose topic one of the NATS ``patterns`` takes, in ``partitions``.

        Under the name ``durable`` the position is kept and partitions are shared with everybody who uses that name
        (with the same patterns). With None the subscription is ephemeral: everything from now on, as far as the
        buffer goes, to be acknowledged by nobody; acknowledging does nothing and ``retry`` is refused. A delivery to
        a durable holds up to ``run`` messages, and :data:`RUN_BYTES` or a single message.

        :raises BusError: a pattern meets no declared topic, or the name is not usable.
        """

    @abstractmethod
    async def lag(self, durable: str) -> Lag:
        """How far behind ``durable`` is; none for a name that nobody ever used.

        :raises BusUnavailable: out of reach.
        """

    @abstractmethod
    async def forget(self, durable: str) -> None:
        """The position of ``durable`` is gone, and with it what was kept on its account. Its dead letters stay.

        For a durable that nobody will use again: as long as it has a position, the bus keeps what it has not read.

        :raises BusUnavailable: out of reach.
        """

    @abstractmethod
    async def dead_letters(self, durable: str | None = None, *, limit: int = 100) -> list[DeadLetter]:
        """The oldest ``limit`` dead letters of ``durable``, or of all; oldest first.

        :raises BusUnavailable: out of reach.
        """

    @abstractmethod
    async def replay_dead_letter(self, letter_id: str) -> None:
        """The item is published again, to its topic and partition, and is no dead letter any more.

        Every durable of that topic gets it, not only the one that failed: handlers are idempotent.

        :raises BusError: there is no such dead letter.
        :raises BusUnavailable: out of reach or full; it may then be published and still be among the dead letters.
        """

    @abstractmethod
    async def drop_dead_letter(self, letter_id: str) -> None:
        """The dead letter is gone for good.

        :raises BusError: there is no such dead letter.
        :raises BusUnavailable: out of reach.
        """

    @abstractmethod
    async def close(self) -> None:
        """Connections are closed. Leave the subscriptions first. Closing twice is harmless."""


class Leases(ABC):
    """Names that one holder has at a time, until the holder lets go or is silent for ``ttl_s``.

    Time is measured where the leases are kept, so holders need no common clock.
    """

    @property
    @abstractmethod
    def ttl_s(self) -> float:
        """How long a lease lasts that nobody renews, in seconds."""

    @abstractmethod
    async def acquire(self, names: Collection[str], holder: str) -> frozenset[str]:
        """Those of ``names`` that ``holder`` has now; none is waited for.

        :raises BusUnavailable, StorageUnavailable: out of reach; some may have been acquired.
        """

    @abstractmethod
    async def renew(self, names: Collection[str], holder: str) -> frozenset[str]:
        """Those of ``names`` that ``holder`` still had, which then last another ``ttl_s``.

        :raises BusUnavailable, StorageUnavailable: out of reach; some may have been renewed.
        """

    @abstractmethod
    async def release(self, names: Collection[str], holder: str) -> None:
        """Those of ``names`` that ``holder`` had are free.

        :raises BusUnavailable, StorageUnavailable: out of reach.
        """

    @abstractmethod
    async def taken(self, prefix: str) -> frozenset[str]:
        """The names beginning with ``prefix`` that somebody has.

        :raises BusUnavailable, StorageUnavailable: out of reach.
        """


def check_durable(name: str) -> str:
    """``name``, which is letters, digits and dashes.

    :raises BusError: it is not.
    """
    if name.isascii() and name.replace("-", "").isalnum() and len(name) <= MAX_DURABLE:
        return name
    raise BusError(f"durable {name[:MAX_DURABLE]!r}: use up to {MAX_DURABLE} letters, digits and dashes")


def check_partitions(partitions: Collection[int]) -> tuple[int, ...]:
    """``partitions``, sorted.

    :raises BusError: one of them does not exist.
    """
    for partition in partitions:
        if partition not in ALL_PARTITIONS:
            raise BusError(f"partition {partition} does not exist: there are {PARTITIONS}, from 0")
    return tuple(sorted(partitions))


def item_at(messages: Sequence[Message], index: int) -> tuple[int, int]:
    """Which of ``messages`` item ``index`` of all of them is in, and its place there."""
    number = 0
    while index >= len(messages[number].items):
        index -= len(messages[number].items)
        number += 1
    return number, index


def run_length(sizes: Iterable[int], most: int) -> int:
    """How many messages, of ``sizes`` bytes each, make a run of up to ``most``; 1 or more where there are any."""
    length = size = 0
    for one in sizes:
        if length >= most or (length and size >= RUN_BYTES):
            break
        length += 1
        size += one
    return length


def check_size(message: Message) -> int:
    """The bytes of ``message``'s items together.

    :raises BusError: there are none, they are over the limit of a message, or one is over what any bus carries.
    """
    if not message.items:
        raise BusError(f"message of topic {message.topic}, partition {message.partition}: it has no items")
    size = sum(map(len, message.items))
    if size > (MAX_BYTES if len(message.items) > 1 else MAX_ALONE):
        raise BusError(
            f"message of topic {message.topic}, partition {message.partition}: {size:,} bytes in {len(message.items)} "
            f"items are too many; divide it with bulk_messages, and announce what is larger than {MAX_ALONE:,} bytes "
            "by a pointer"
        )
    return size


def readable_error(error: BaseException) -> str:
    """``error`` as a dead letter keeps it: its kind and text, escaped, at most :data:`MAX_ERROR_CHARS` characters."""
    text = f"{type(error).__name__}: {error}"[:MAX_ERROR_CHARS]
    shown = "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
    return shown[:MAX_ERROR_CHARS]
