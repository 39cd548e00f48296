"""Decodes one line of a ``cowrie.json`` into the fields that we use, whatever release wrote it (2017 to 2026).

::

    {"session":"9b6afa222b4d","protocol":"ssh","src_ip":"198.51.100.12","src_port":44163,"duration_ms":1,
     "eventid":"cowrie.session.closed","sensor":"decoy-ssh-01","timestamp":"2026-11-23T01:36:18.612765Z", ...}

(one line in the file). The usual line goes straight into a struct. One that does not fit, because a field has another
type than it has today or holds what is no text, is read again, slowly and field by field.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from decnet.sources.base import Reason, quoted

if TYPE_CHECKING:
    from collections.abc import Callable

_US_PER_SECOND = 1_000_000
_MS_PER_SECOND = 1_000
_US_PER_MS = 1_000
_UTC_LENGTH = len("2026-11-23T01:36:18.612765Z")
_SECOND_LENGTH = len("2026-11-23T01:36:18")
_LARGEST_INTEGER = 2**63 - 1  # what every database holds
_LARGEST_EPOCH_SECONDS = 2**36  # in the year 4147; greater numbers are in a smaller unit
_REMEMBERED_SECONDS = 4096
_UTF8_BOM = b"\xef\xbb\xbf"
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


class Refused(NamedTuple):
    """Why a line has no record; becomes a :class:`~decnet.sources.base.Refusal` where file and line are known."""

    reason: Reason
    detail: str = ""


decode_usual: Final = msgspec.json.Decoder(CowrieRecord).decode
"""The record in a line as Cowrie writes it today; raises one of :data:`UNUSUAL` on any other."""
UNUSUAL: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def decode_tolerantly(line: bytes, on_wrong_field: Callable[[str], None]) -> CowrieRecord | Refused:
    """The record in ``line``, for lone surrogates, invalid UTF-8, control characters and unexpected types.

    ``on_wrong_field`` gets the name of each field whose value was of no use.

    An invalid byte E9 becomes U+DCE9 (PEP 383), which is how Cowrie itself writes such a byte.
    """
    text = line.removeprefix(_UTF8_BOM).decode("utf-8", "surrogateescape")
    try:
        found = json.loads(text, strict=False)
    except json.JSONDecodeError as error:
        is_cut_off = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        reason = Reason.TRUNCATED if is_cut_off and text.lstrip()[:1] == "{" else Reason.NOT_JSON
        return Refused(reason, quoted(text))
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits; arrays in arrays in arrays
        return Refused(Reason.NOT_JSON, quoted(str(error)))
    if not isinstance(found, dict):
        return Refused(Reason.NOT_OBJECT, quoted(text))
    return _record_of(found, on_wrong_field)


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


def _as_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float) else None


def _as_integer(value: object) -> int | None:
    try:
        number = int(value) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):  # no digits; too many digits; NaN and Infinity, which Python's JSON allows
        return None
    return number if number is not None and abs(number) <= _LARGEST_INTEGER else None


def _as_scalar(value: object) -> str | int | float | None:
    return value if isinstance(value, str | int | float) else None


def _as_raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(json.dumps(value).encode())


_READERS: dict[Any, Callable[[object], Any]] = {
    str: _as_text,
    int | None: _as_integer,
    str | None: _as_text,
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
            second = _epoch_second(stamp[:_SECOND_LENGTH])
            fraction = stamp[_SECOND_LENGTH + 1 : -1]
            if second is not None and fraction.isdecimal():
                return second * _US_PER_SECOND + int(fraction)
        if stamp:
            return _parsed_time(stamp)
    elif stamp:
        return _from_epoch(stamp)
    return _from_epoch(record.epoch / _MS_PER_SECOND) if record.epoch else None


@lru_cache(_REMEMBERED_SECONDS)
def _epoch_second(text: str) -> int | None:
    """Seconds since 1970 of ``2026-11-23T01:36:18``; cached, as neighbouring lines share their second."""
    microseconds = _parsed_time(text)
    return None if microseconds is None else microseconds // _US_PER_SECOND


def _parsed_time(text: str) -> int | None:
    """Reads every ISO 8601 spelling that Cowrie has used, ``+0200`` and ``+02:00`` alike, and epochs as text."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return _from_epoch(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    passed = moment - _EPOCH
    return (passed.days * 86_400 + passed.seconds) * _US_PER_SECOND + passed.microseconds


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _from_epoch(value: str | float) -> int | None:
    """Seconds, or a smaller unit when the number is too great for seconds: milli, micro or nano."""
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    if not 0 < seconds < float("inf"):
        return None
    while seconds > _LARGEST_EPOCH_SECONDS:
        seconds /= 1_000
    return round(seconds * _US_PER_SECOND)


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


def bounded(number: int | None, largest: int = _LARGEST_INTEGER) -> int | None:
    """``number`` if it is one that can be: not negative, not above ``largest``."""
    return number if number is not None and 0 <= number <= largest else None
