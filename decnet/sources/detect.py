"""Which adapter reads this log: asked of each adapter, answered by its lines and never by its file name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from decnet.errors import InputRefused
from decnet.sources.cowrie import CowrieSource

if TYPE_CHECKING:
    from collections.abc import Sequence

SOURCES: dict[str, type[CowrieSource]] = {CowrieSource.name: CowrieSource}
"""Every adapter by its name."""

_MAX_KEYS_NAMED = 6
_LOOKED_AT_BYTES = 4096
_MAX_UNPRINTABLE_SHARE = 0.05
_CONTROL_BYTES = bytes(set(range(0x20)) - set(b"\t\r\n\x1b"))
_KEY_OF_FORMAT = {
    "logtype": "an OpenCanary log",
    "event_type": "a Suricata EVE log",
    "id.orig_h": "a Zeek log",
    "attack_connection": "a honeytrap log",
    "connection": "a Dionaea log",
}


def detect(first_lines: Sequence[bytes], file: str) -> type[CowrieSource]:
    """The adapter that understands most of ``first_lines`` (twenty are plenty; blank and damaged ones may be there).

    :raises InputRefused: none understands any; the message says what ``file`` looks like.
    """
    scores = {name: source.sniff(first_lines) for name, source in SOURCES.items()}
    best = max(scores, key=scores.__getitem__)
    if scores[best] > 0:
        return SOURCES[best]
    known = ", ".join(sorted(SOURCES))
    raise InputRefused(f"{file}: {looks_like(first_lines)}; can be read: {known} (JSON, one object per line)")


def looks_like(first_lines: Sequence[bytes]) -> str:
    """What lines that no adapter understands seem to be, as the middle of a sentence."""
    text = b"\n".join(line for line in first_lines if line.strip())[:_LOOKED_AT_BYTES]
    first = text.lstrip().split(b"\n", 1)[0]
    for is_so, description in (
        (not text, "is empty"),
        (_is_utf16(text), "looks like UTF-16 text; convert it to UTF-8 first"),
        (_is_binary(text), "looks like binary data"),
        (first.startswith(b"["), "looks like one JSON array; write one object per line instead (jq -c '.[]')"),
        (first.strip() == b"{", "looks like indented JSON; write one object per line instead (jq -c .)"),
        (not first.startswith(b"{"), "looks like plain text or CSV, not JSON"),
    ):
        if is_so:
            return description
    return _kind_of_object(first)


def _is_utf16(text: bytes) -> bool:
    return text.startswith((b"\xff\xfe", b"\xfe\xff", b"{\0", b"\0{"))


def _is_binary(text: bytes) -> bool:
    unprintable = len(text) - len(text.translate(None, _CONTROL_BYTES))
    return unprintable > _MAX_UNPRINTABLE_SHARE * len(text)


def _kind_of_object(line: bytes) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return "looks like damaged JSON"
    for key, description in _KEY_OF_FORMAT.items():
        if key in record:
            return f"looks like {description}, for which there is no adapter"
    keys = ", ".join(ascii(key[:40]) for key in list(record)[:_MAX_KEYS_NAMED])
    return f"is JSON of an unknown kind (first keys: {keys})" if keys else "is JSON of an unknown kind"
