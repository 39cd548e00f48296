"""Writes small MMDB files, as https://maxmind.github.io/MaxMind-DB/ describes them: what vendors sell, made by hand."""

from __future__ import annotations

import struct
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_Node = list[Any]
_MAP, _TEXT, _U32, _EXTENDED_ARRAY = 7, 2, 6, 11


def write_mmdb(path: Path, entries: Mapping[str, Mapping[str, Any]], kind: str = "Test") -> None:
    """``path`` holds ``entries`` by network."""
    data = b""
    tree: _Node = [None, None]
    for text, value in entries.items():
        _put(tree, _bits(ip_network(text)), len(data))
        data += _encoded(value)
    nodes = _numbered(tree)
    places = {id(node): number for number, node in enumerate(nodes)}
    records = b"".join(_record(side, places, len(nodes)) for node in nodes for side in node)
    metadata = {
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1,
        "database_type": kind,
        "description": {"en": kind},
        "ip_version": 6,
        "languages": ["en"],
        "node_count": len(nodes),
        "record_size": 32,
    }
    path.write_bytes(records + b"\0" * 16 + data + b"\xab\xcd\xefMaxMind.com" + _encoded(metadata))


def _bits(network: IPv4Network | IPv6Network) -> str:
    number, length = int(network.network_address), network.prefixlen
    if isinstance(network, IPv4Network):
        length += 96  # IPv4 stands at ::/96
    return f"{number:0128b}"[:length]


def _put(tree: _Node, bits: str, place: int) -> None:
    for bit in bits[:-1]:
        if tree[int(bit)] is None:
            tree[int(bit)] = [None, None]
        tree = tree[int(bit)]
    tree[int(bits[-1])] = place


def _numbered(tree: _Node) -> list[_Node]:
    nodes = [tree]
    for node in nodes:
        nodes += [side for side in node if isinstance(side, list)]
    return nodes


def _record(side: Any, places: Mapping[int, int], count: int) -> bytes:
    if side is None:
        return struct.pack(">I", count)
    return struct.pack(">I", places[id(side)] if isinstance(side, list) else count + 16 + side)


def _encoded(value: Any) -> bytes:
    if isinstance(value, dict):
        inner = b"".join(_encoded(key) + _encoded(each) for key, each in value.items())
        return bytes([_MAP << 5 | len(value)]) + inner
    if isinstance(value, list):
        return bytes([len(value), _EXTENDED_ARRAY - 7]) + b"".join(map(_encoded, value))
    if isinstance(value, str):
        text = value.encode()
        if len(text) >= 29:
            return bytes([_TEXT << 5 | 29, len(text) - 29]) + text
        return bytes([_TEXT << 5 | len(text)]) + text
    return bytes([_U32 << 5 | 4]) + struct.pack(">I", value)
