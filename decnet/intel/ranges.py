"""Ranges of addresses with something to say about each, as one compact, sorted file that is read in place.

Every address is 16 bytes, IPv4 as ``::ffff:a.b.c.d``, so one order holds both. The file: 16 bytes of magic, the number
of ranges and of facts (little-endian 32-bit), the first addresses in order, the last addresses, the number of each
range's fact, where each fact begins (and, as one more, where the last ends), and the facts in MessagePack. A look-up is
a binary search of some twenty steps.
"""

from __future__ import annotations

import mmap
import struct
from bisect import bisect_right
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from decnet.attack.files import write_whole
from decnet.errors import InputRefused

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ADDRESS_BYTES = 16
_MAGIC = b"decnet ranges 1\n"
_COUNTS = struct.Struct("<2I")
_NUMBER = struct.Struct("<I")
_HEADER_BYTES = len(_MAGIC) + _COUNTS.size
_MAPPED = b"\0" * 10 + b"\xff\xff"


class Range(NamedTuple):
    """Addresses ``first`` to ``last``, both included, as 16 bytes; ``fact`` is a tuple of plain values."""

    first: bytes
    last: bytes
    fact: tuple[Any, ...]


def address_bytes(address: IPv4Address | IPv6Address) -> bytes:
    """``address`` as 16 bytes."""
    return _MAPPED + address.packed if isinstance(address, IPv4Address) else address.packed


def range_of(network: IPv4Network | IPv6Network, fact: tuple[Any, ...]) -> Range:
    """All addresses of a network."""
    return Range(address_bytes(network[0]), address_bytes(network[-1]), fact)


def write_ranges(path: Path, ranges: Iterable[Range]) -> int:
    """``path`` holds these ranges, or is as it was; returns how many. Of those that overlap, the later one is cut.

    :raises OSError: it cannot be written.
    """
    ordered = _apart(sorted(ranges, key=lambda one: (one.first, one.last)))
    numbers: dict[tuple[Any, ...], int] = {}
    places = [numbers.setdefault(one.fact, len(numbers)) for one in ordered]
    facts = [msgspec.msgpack.encode(fact) for fact in numbers]
    starts = accumulate(map(len, facts), initial=0)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    parts = (
        *(_MAGIC, _COUNTS.pack(len(ordered), len(facts))),
        *(b"".join(one.first for one in ordered), b"".join(one.last for one in ordered)),
        *(b"".join(map(_NUMBER.pack, places)), b"".join(map(_NUMBER.pack, starts)), *facts),
    )
    write_whole(path, b"".join(parts))
    return len(ordered)


def _apart(ordered: list[Range]) -> list[Range]:
    """Ranges without what an earlier one covers already."""
    kept: list[Range] = []
    for one in ordered:
        if kept and one.first <= kept[-1].last:
            if one.last <= kept[-1].last:
                continue
            behind = int.from_bytes(kept[-1].last, "big") + 1
            kept.append(one._replace(first=behind.to_bytes(ADDRESS_BYTES, "big")))
        else:
            kept.append(one)
    return kept


class RangeFile:
    """What is said of addresses; many threads may ask.

    :raises InputRefused: ``path`` holds something else.
    :raises OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            try:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:  # an empty file cannot be mapped
                raise _refusal(path) from None
        if self._bytes[: len(_MAGIC)] != _MAGIC or len(self._bytes) < _HEADER_BYTES:
            raise _refusal(path)
        counts: tuple[int, int] = _COUNTS.unpack_from(self._bytes, len(_MAGIC))
        self.count, facts = counts
        self._lasts = _HEADER_BYTES + ADDRESS_BYTES * self.count
        self._numbers = self._lasts + ADDRESS_BYTES * self.count
        self._starts = self._numbers + _NUMBER.size * self.count
        self._facts = self._starts + _NUMBER.size * (facts + 1)
        if len(self._bytes) < self._facts or len(self._bytes) != self._facts + self._start(facts):
            raise _refusal(path)
        self._places = range(self.count)

    def __len__(self) -> int:
        return self.count

    def fact_of(self, address: str) -> tuple[Any, ...] | None:
        """The fact of the range that holds ``address``, None where none does or where it is no address."""
        try:
            wanted = address_bytes(ip_address(address))
        except ValueError:
            return None
        place = bisect_right(self._places, wanted, key=self._first) - 1
        if place < 0 or wanted > self._at(self._lasts, place):
            return None
        number = self._number(self._numbers, place)
        body = self._bytes[self._facts + self._start(number) : self._facts + self._start(number + 1)]
        return msgspec.msgpack.decode(body, type=tuple[Any, ...])

    def _first(self, place: int) -> bytes:
        return self._at(_HEADER_BYTES, place)

    def _at(self, table: int, place: int) -> bytes:
        return self._bytes[table + ADDRESS_BYTES * place : table + ADDRESS_BYTES * (place + 1)]

    def _number(self, table: int, place: int) -> int:
        found: int = _NUMBER.unpack_from(self._bytes, table + _NUMBER.size * place)[0]
        return found

    def _start(self, fact: int) -> int:
        return self._number(self._starts, fact)


def _refusal(path: Path) -> InputRefused:
    return InputRefused(f"{path}: is no table of addresses of ours; run decnet intel update-networks or update-feeds")
