"""Addresses through which others reach the internet: exits of Tor and of VPNs, from lists with an address per line.

The Tor project publishes its own at https://check.torproject.org/torbulkexitlist; lists of VPNs hold networks as well.
What stands behind ``#`` or ``;`` is a remark::

    185.220.101.1
    203.0.113.0/24   # a provider of VPNs
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import TYPE_CHECKING

from decnet.errors import InputRefused
from decnet.intel.ranges import RangeFile, range_of, write_ranges

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from decnet.intel.ranges import Range

MAX_LIST_BYTES = 64 << 20
_SHOWN = 3
_LEAST_SHARE = 0.5


def write_exits(path: Path, source: Path, kind: str) -> int:
    """``path`` holds the ranges of the list ``source``, or is as it was; returns how many.

    :raises InputRefused: the list is too long, or most of its lines are no addresses.
    :raises OSError: one cannot be read, the other not written.
    """
    if source.stat().st_size > MAX_LIST_BYTES:
        raise InputRefused(f"{source}: is longer than {MAX_LIST_BYTES:,} bytes, which no list of exits is")
    ranges: list[Range] = []
    others: list[str] = []
    for number, line in enumerate(source.read_text("utf-8", "replace").splitlines(), 1):
        text = line.partition("#")[0].partition(";")[0].strip()
        if not text:
            continue
        try:
            ranges.append(range_of(ip_network(text, strict=False), (kind,)))
        except ValueError:
            others.append(f"{source}:{number}")
    if len(ranges) < _LEAST_SHARE * (len(ranges) + len(others)) or not ranges:
        where = f" ({', '.join(others[:_SHOWN])})" if others else ""
        raise InputRefused(f"{source}: is no list of addresses{where}; write an address or a network per line")
    return write_ranges(path, ranges)


class ExitFiles:
    """See :class:`~decnet.models.network.Exits`; ``paths`` by kind.

    :raises InputRefused: a file is damaged.
    :raises OSError: a file cannot be read.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._files = {kind: RangeFile(path) for kind, path in paths.items()}

    def kinds_of(self, address: str) -> frozenset[str]:
        """What ``address`` is an exit of; empty where it is none that is known."""
        return frozenset(kind for kind, file in self._files.items() if file.fact_of(address) is not None)
