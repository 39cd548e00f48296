"""What is announced to workers: a message of one topic and one partition, with one or many items in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PARTITIONS = 32
"""Into how many ordered streams messages are divided; all of one attacker's are in one of them."""
EVENTS = "events"
"""The topic of new events, in bulk."""
MAX_ITEMS = 100
MAX_BYTES = 512 * 1024


class Message(msgspec.Struct, frozen=True, gc=False):
    """Something to announce. ``topic`` has neither prefix nor partition: ``events``, ``finding.auth_attempt``.

    ``items`` are encoded by the publisher, and in order; a bulk message holds up to :data:`MAX_ITEMS` of them and
    :data:`MAX_BYTES` together.
    """

    topic: str
    partition: int
    items: tuple[bytes, ...]


def partition_of(owner: bytes) -> int:
    """The partition of everything that belongs to ``owner``, a uuid of 16 bytes: the same in every process."""
    return int.from_bytes(owner[-4:], "big") % PARTITIONS


def bulk_messages(topic: str, partition: int, items: Iterable[bytes]) -> Iterator[Message]:
    """``items`` in as few messages as the limits allow, order kept; an item beyond the limit of bytes goes alone."""
    part: list[bytes] = []
    size = 0
    for item in items:
        if part and (len(part) == MAX_ITEMS or size + len(item) > MAX_BYTES):
            yield Message(topic, partition, tuple(part))
            part, size = [], 0
        part.append(item)
        size += len(item)
    if part:
        yield Message(topic, partition, tuple(part))
