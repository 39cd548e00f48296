"""Which adapter reads this log: asked of each adapter, answered by its lines and never by its file name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from decnet.errors import InputRefused
from decnet.sources.cowrie import CowrieSource
from decnet.sources.jsonl import JsonlSource
from decnet.sources.mail.source import MailSource
from decnet.sources.opencanary import OpenCanarySource

if TYPE_CHECKING:
    from collections.abc import Sequence

AdapterClass = type[CowrieSource | OpenCanarySource | JsonlSource | MailSource]

SOURCES: dict[str, AdapterClass] = {
    CowrieSource.name: CowrieSource,
    OpenCanarySource.name: OpenCanarySource,
    JsonlSource.name: JsonlSource,
    MailSource.name: MailSource,
}
"""Every adapter by its name."""


class Description(NamedTuple):
    """What an adapter reads and how its lines are told from others, in words, and where more is written."""

    reads: str
    recognised_by: str
    page: str


DESCRIPTIONS: dict[str, Description] = {
    CowrieSource.name: Description(
        "Cowrie's JSON log (cowrie.json), releases from 2017 on",
        "'eventid' with a value that starts with 'cowrie.'",
        "docs/reference/cowrie.md",
    ),
    OpenCanarySource.name: Description(
        "OpenCanary's log, one JSON object per line, as its FileHandler writes it",
        "'logtype' with a number, and one of 'logdata', 'node_id', 'src_host'",
        "docs/reference/opencanary.md",
    ),
    JsonlSource.name: Description(
        "our own event format, for honeypots that have no adapter",
        "'decnet' with the version of the format, and 'source_kind'",
        "docs/reference/event-format.md",
    ),
    MailSource.name: Description(
        "messages that a mail honeypot kept: .eml files, mbox, Maildir",
        "headers on top, two of them such as every message has (Received, From, Subject, …)",
        "docs/reference/mail.md",
    ),
}
"""The same names, for people."""

_MAX_KEYS_NAMED = 6
_LOOKED_AT_BYTES = 4096
_MAX_UNPRINTABLE_SHARE = 0.05
_CONTROL_BYTES = bytes(set(range(0x20)) - set(b"\t\r\n\x1b"))
_KEY_OF_FORMAT = {
    "event_type": "a Suricata EVE log",
    "id.orig_h": "a Zeek log",
    "attack_connection": "a honeytrap log",
    "connection": "a Dionaea log",
}


def scores(first_lines: Sequence[bytes]) -> dict[str, float]:
    """How much of ``first_lines`` each adapter would understand, from 0 to 1; the best first, else by name."""
    found = {name: source.sniff(first_lines) for name, source in SOURCES.items()}
    return dict(sorted(found.items(), key=lambda each: (-each[1], each[0])))


def detect(first_lines: Sequence[bytes], file: str) -> AdapterClass:
    """The adapter that understands most of ``first_lines`` (twenty are plenty; blank and damaged ones may be there).

    :raises InputRefused: none understands any; the message says what ``file`` looks like.
    """
    best, score = next(iter(scores(first_lines).items()))
    if score > 0:
        return SOURCES[best]
    known = ", ".join(sorted(SOURCES))
    raise InputRefused(f"{file}: {looks_like(first_lines)}; can be read: {known}")


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
