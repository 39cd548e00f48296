"""Predicates about single events that say more than their text: files, addresses, names, typing."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from decnet.errors import RuleError
from decnet.models.event import (
    FINGERPRINT,
    PAYLOAD,
    SESSION,
    FilePayload,
    FingerprintPayload,
    SessionPayload,
)
from decnet.models.text import MARK
from decnet.ttp.lifters.base import Predicate, Sight, look_at_payload, parameter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from decnet.models.event import Event
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Tables

_HEADS = ((f"{chr(0x7F)}ELF", "elf"), (f"MZ{MARK}x90", "pe"), ("#!/", "script"))
"""How files begin, in canonical text: ELF (System V ABI 4.3), a DOS header as linkers write it, a script."""

_LOCAL = tuple(
    map(
        ip_network,
        (
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16"),
            *("::1/128", "fe80::/10", "fc00::/7"),
        ),
    )
)
"""Sources that may stand in the sensor's own segment (RFC 1918, 3927, 4193, 4291): nothing was routed on the way."""
_LONGEST_ADDRESS = 80
_MOST_WORDS = 64


def _bind_payload_type(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    types = frozenset(parameter(parameters, "types", list[str]))
    actions = frozenset(parameter(parameters, "actions", list[str]))

    def look(_event: Event, file: FilePayload) -> Sight | None:
        if file.action not in actions:
            return None
        found = file.file_type or next((name for head, name in _HEADS if file.text.startswith(head)), "")
        if found not in types:
            return None
        evidence = {"type": found, "action": file.action}
        return Sight({**evidence, "sha256": file.sha256} if file.sha256 else evidence)

    return look_at_payload(FilePayload, look)


def _bind_link_local_address(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """An address of the prefix among the words of a fingerprint; the source must have come over a router."""
    text, routed = parameter(parameters, "prefix", str), parameter(parameters, "routed_source", bool)
    try:
        prefix = ip_network(text)
    except ValueError:
        raise RuleError([f"prefix: {text!r} is no network; write one such as fe80::/10"]) from None

    def look(event: Event, shown: FingerprintPayload) -> Sight | None:
        if prefix.version == 6 and ":" not in shown.value + shown.detail:  # noqa: PLR2004 - the version of IP
            return None
        if routed and _is_local(event.src_ip):
            return None
        addresses = _addresses_in(f"{shown.value} {shown.detail}")
        return Sight({"sign": text}) if any(address in prefix for address in addresses) else None

    return look_at_payload(FingerprintPayload, look)


def _is_local(source: str) -> bool:
    try:
        address = ip_address(source)
    except ValueError:
        return True  # what is no address came over no router
    return any(address in network for network in _LOCAL)


def _addresses_in(text: str) -> Iterator[IPv4Address | IPv6Address]:
    """The addresses among the first words of ``text``: ``NAME=fe80::1%eth0 22``, ``[fe80::1]``."""
    spaced = text[: _MOST_WORDS * _LONGEST_ADDRESS].translate(_BREAKS)
    for word in spaced.split(None, _MOST_WORDS)[:_MOST_WORDS]:
        if len(word) > _LONGEST_ADDRESS:
            continue
        try:
            yield ip_address(word.partition("%")[0])
        except ValueError:
            continue


_BREAKS = str.maketrans(dict.fromkeys("=[](){}<>,;\"'", " "))


def _bind_name_poisoning(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """An answer to a question that only the honeypot asked: its names exist nowhere, so whoever answers lies.

    :raises RuleError: the rule asks for what a single answer cannot tell.
    """
    actions = {f"{protocol}_response": protocol for protocol in parameter(parameters, "protocols", list[str])}
    if parameter(parameters, "answers_gte", int) != 1:
        raise RuleError(["answers_gte: answers are looked at one by one; write 1"])
    if not parameter(parameters, "bait_names", bool):
        raise RuleError(["bait_names: honeypots record answers to their own questions only; write true"])

    def look(_event: Event, note: SessionPayload) -> Sight | None:
        protocol = actions.get(note.action)
        return Sight({"sign": protocol, "threshold": {"answers_gte": 1}}) if protocol is not None else None

    return look_at_payload(SessionPayload, look)


def _bind_tftp_read(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """The file that is asked for has one of the names, in which ``*`` is any text; letter case does not count."""
    names = [(name, name.lower().split("*")) for name in parameter(parameters, "names", list[str])]

    def look(event: Event, note: SessionPayload) -> Sight | None:
        if note.action != "file_read" or event.protocol != "tftp":
            return None
        file = note.text.lower().rpartition("/")[2]
        fitting = next((name for name, pieces in names if _fits(file, pieces)), None)
        return Sight({"sign": fitting}) if fitting is not None else None

    return look_at_payload(SessionPayload, look)


def _fits(text: str, pieces: Sequence[str]) -> bool:
    """Whether ``text`` is ``pieces`` with anything between them, in one pass from left to right."""
    first, *rest = pieces
    if not rest:
        return text == first
    *middle, last = rest
    if not text.startswith(first) or not text.endswith(last) or len(text) < len(first) + len(last):
        return False
    place, end = len(first), len(text) - len(last)
    for piece in middle:
        found = text.find(piece, place, end)
        if found < 0:
            return False
        place = found + len(piece)
    return True


def _bind_keystrokes(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    keys = parameter(parameters, "keys_gte", int)
    variation = parameter(parameters, "interval_variation_lte", float)
    median_ms = parameter(parameters, "median_interval_ms_lte", float)
    threshold = {"keys_gte": keys, "interval_variation_lte": variation, "median_interval_ms_lte": median_ms}

    def look(_event: Event, note: SessionPayload) -> Sight | None:
        typed = note.keystrokes
        if typed is None or typed.keys < keys:
            return None
        is_machine = typed.interval_variation <= variation and typed.median_interval_ms <= median_ms
        return Sight({"sign": "keystrokes", "threshold": threshold}) if is_machine else None

    return look_at_payload(SessionPayload, look)


PREDICATES: Mapping[str, Predicate] = {
    "behavioral_payload_type": Predicate(frozenset({PAYLOAD}), (FilePayload,), _bind_payload_type),
    "behavioral_link_local_address": Predicate(
        frozenset({FINGERPRINT}), (FingerprintPayload,), _bind_link_local_address
    ),
    "behavioral_name_poisoning": Predicate(frozenset({SESSION}), (SessionPayload,), _bind_name_poisoning),
    "behavioral_tftp_read": Predicate(frozenset({SESSION}), (SessionPayload,), _bind_tftp_read),
    "behavioral_keystrokes": Predicate(frozenset({SESSION}), (SessionPayload,), _bind_keystrokes),
}
