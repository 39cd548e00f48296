"""Decodes one line of a ``cowrie.json`` into the fields that we use, whatever release wrote it (2017 to 2026).

::

    {"session":"9b6afa222b4d","protocol":"ssh","src_ip":"198.51.100.12","src_port":44163,"duration_ms":1,
     "eventid":"cowrie.session.closed","sensor":"decoy-ssh-01","timestamp":"2026-11-23T01:36:18.612765Z", ...}

(one line in the file). The usual line goes straight into a struct. One that does not fit, because a field has another
type than it has today or holds what is no text, is read again, slowly and field by field.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import msgspec

from decnet.sources.records import Refused, as_integer, as_text, bounded, from_epoch, object_in, parsed_time

if TYPE_CHECKING:
    from collections.abc import Callable

_US_PER_SECOND = 1_000_000
_MS_PER_SECOND = 1_000
_US_PER_MS = 1_000
_UTC_LENGTH = len("2026-11-23T01:36:18.612765Z")
_MINUTE_LENGTH = len("2026-11-23T01:36")
_SECOND_LENGTH = len("2026-11-23T01:36:18")
_SECONDS = {f":{second:02}": second * _US_PER_SECOND for second in range(60)}
_REMEMBERED_MINUTES = 4096
_ABSENT = msgspec.Raw()


class CowrieRecord(
    msgspec.Struct,
    gc=False,
    rename={
        "account_ip": "IP",
        "comp_cs": "compCS",
        "enc_cs": "encCS",
        "hassh_algorithms": "hasshAlgorithms",
        "kex_algs": "kexAlgs",
        "key_type": "type",
        "mac_cs": "macCS",
    },
):
    """The fields of a record that mean something to us; what is missing or null is empty or None.

    ``Raw`` fields are long and seldom needed: :func:`text_in` and :func:`names_in` read them.
    """

    # In the order in which Cowrie writes them: the decoder looks for the next key after the last one that it found.
    session: str | int = ""
    protocol: str = ""
    src_ip: str = ""
    src_port: int | None = None
    dst_ip: str = ""
    dst_port: int | None = None
    eventid: str = ""
    sensor: str = ""
    timestamp: str | int | float = ""
    message: msgspec.Raw = _ABSENT
    system: str = ""
    epoch: int | float | None = None

    username: str = ""
    password: str | None = None
    fingerprint: str = ""
    key_type: str = ""
    input: str = ""
    realm: str = ""
    duration_ms: int | float | str | None = None
    duration: int | float | str | None = None
    arch: str = ""
    ttylog: str = ""
    size: int | None = None

    version: str = ""
    hassh: str = ""
    hassh_algorithms: str = ""
    kex_algs: msgspec.Raw = _ABSENT
    enc_cs: msgspec.Raw = _ABSENT
    mac_cs: msgspec.Raw = _ABSENT
    comp_cs: msgspec.Raw = _ABSENT
    width: int | None = None
    height: int | None = None
    name: str = ""
    value: str = ""
    ja4: str = ""
    ja4h: str = ""
    command: str = ""
    option_name: str = ""
    cve: str = ""
    original_username: str = ""
    attempted_command: str = ""

    url: str = ""
    filename: str = ""
    destfile: str = ""
    shasum: str = ""
    error: str = ""
    data: str = ""
    datalen: int | None = None
    messagenum: int | None = None
    new_ip: str = ""
    new_port: int | None = None

    account_ip: str = ""
    confidence: int | None = None
    is_new: str | bool = ""
    positives: int | None = None
    ptr: str = ""
    result: str = ""
    sha256: str = ""
    total: int | None = None


decode_usual: Final = msgspec.json.Decoder(CowrieRecord).decode
"""The record in a line as Cowrie writes it today; raises one of ``records.UNUSUAL`` on any other."""


def decode_tolerantly(line: bytes, on_wrong_field: Callable[[str], None]) -> CowrieRecord | Refused:
    """The record in ``line``, for lone surrogates, invalid UTF-8, control characters and unexpected types.

    ``on_wrong_field`` gets the name of each field whose value was of no use.

    An invalid byte E9 becomes U+DCE9 (PEP 383), which is how Cowrie itself writes such a byte.
    """
    found = object_in(line)
    return found if isinstance(found, Refused) else _record_of(found, on_wrong_field)


def _record_of(found: dict[str, Any], on_wrong_field: Callable[[str], None]) -> CowrieRecord:
    values: dict[str, Any] = {}
    for key, (attribute, read_value) in _FIELD_READERS.items():
        value = found.get(key)
        if value is None:
            continue
        usable = read_value(value)
        if usable is None:
            on_wrong_field(key)
        else:
            values[attribute] = usable
    return CowrieRecord(**values)


def _as_scalar(value: object) -> str | int | float | None:
    return value if isinstance(value, str | int | float) else None


def _as_raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


_READERS: dict[Any, Callable[[object], Any]] = {
    str: as_text,
    int | None: as_integer,
    str | None: as_text,
    msgspec.Raw: _as_raw,
}
_FIELD_READERS = {
    field.encode_name: (field.name, _READERS.get(field.type, _as_scalar))
    for field in msgspec.structs.fields(CowrieRecord)
}


def observed_at(record: CowrieRecord) -> int | None:
    """When it happened, in µs UTC; None when the record does not tell. A time without an offset is UTC."""
    stamp = record.timestamp
    if isinstance(stamp, str):
        if len(stamp) == _UTC_LENGTH and stamp[-1] == "Z" and stamp[_SECOND_LENGTH] == ".":
            minute = _minute(stamp[:_MINUTE_LENGTH])
            second = _SECONDS.get(stamp[_MINUTE_LENGTH:_SECOND_LENGTH])
            fraction = stamp[_SECOND_LENGTH + 1 : -1]
            if minute is not None and second is not None and fraction.isdecimal():
                return minute + second + int(fraction)
        if stamp:
            return parsed_time(stamp)
    elif stamp:
        return from_epoch(stamp)
    return from_epoch(record.epoch / _MS_PER_SECOND) if record.epoch else None


@lru_cache(_REMEMBERED_MINUTES)
def _minute(text: str) -> int | None:
    """µs UTC of ``2026-11-23T01:36``; cached, as neighbouring lines share their minute."""
    return parsed_time(text)


def duration_ms(record: CowrieRecord) -> int | None:
    """How long it took: ``duration_ms`` since 3.0.4, before that ``duration`` in seconds, as number or text."""
    if type(record.duration_ms) is int:
        return bounded(record.duration_ms)
    value, unit = (record.duration, _MS_PER_SECOND) if record.duration_ms is None else (record.duration_ms, 1)
    try:
        return None if value is None else bounded(round(float(value) * unit))
    except (ValueError, OverflowError):
        return None


def text_in(raw: msgspec.Raw) -> str:
    """The text in a field that is left undecoded because it is rarely needed; empty when it holds something else."""
    value = _value_in(raw)
    return value if isinstance(value, str) else ""


def names_in(raw: msgspec.Raw) -> list[str]:
    """The list of names in such a field; empty when it holds something else."""
    value = _value_in(raw)
    return [str(name) for name in value] if isinstance(value, list) else []


def _value_in(raw: msgspec.Raw) -> object:
    """Undecoded fields were not checked either: they may hold invalid UTF-8 or control characters."""
    if raw is _ABSENT:
        return None
    try:
        return json.loads(bytes(raw).decode("utf-8", "surrogateescape"), strict=False)
    except (ValueError, RecursionError):
        return None
