"""What every source adapter promises, and how it says no.

An adapter is made once per run and reads lines of one kind of honeypot. It does no I/O. It never raises on input:
a line that gives nothing is a :class:`Refusal`, a value, because a hostile file may hold a million of them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from decnet.models.event import Event

_MAX_DETAIL_CHARS = 80


SNIFFED_LINES = 50
"""First lines that are looked at to tell one format from another."""


class Reason(StrEnum):
    """Every reason for which a line is refused; reports count by these, so the set is small and fixed."""

    NOT_JSON = "not JSON"
    TRUNCATED = "cut off before its end"
    NOT_OBJECT = "JSON, but not an object"
    NO_EVENT_ID = "no event id"
    UNKNOWN_EVENT_ID = "unknown event id"
    UNKNOWN_VERSION = "unknown version of the event format"
    UNKNOWN_KIND = "unknown source kind"
    BAD_PAYLOAD = "payload does not fit its source kind"
    NO_TIME = "no usable timestamp"
    NO_SESSION = "no session id"
    NAME_TOO_LONG = "session, sensor or address is longer than a name can be"
    NO_ADDRESS = "no source address in the record or its session"
    BAD_ADDRESS = "source address is not an IP address"
    TOO_LONG = "longer than one line may be"
    NO_NEWLINE = "last line has no newline yet"


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """A line that gave no event: where it stands, why, and a short quotation that is safe to print."""

    file: str
    line: int
    reason: Reason
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}{f': {self.detail}' if self.detail else ''}"


class Note(msgspec.Struct, gc=False):
    """Something odd that stopped nothing: how often it was seen, and the line where it was seen first."""

    count: int
    first_line: int


class Notes(dict[str, Note]):
    """Oddities by name. Names come from our own tables, never from the input, so there are few."""

    def add(self, name: str, line: int) -> None:
        """Count ``name`` once more; ``line`` is kept when it is the first."""
        note = self.get(name)
        if note is None:
            self[name] = Note(1, line)
        else:
            note.count += 1


def share_of(first_lines: Sequence[bytes], is_ours: Callable[[bytes], bool]) -> float:
    """Of the first lines that are not blank, the share that is ours; each counts alone: the first may be cut off."""
    lines = [line for line in first_lines[:SNIFFED_LINES] if line.strip()]
    return sum(map(is_ours, lines)) / len(lines) if lines else 0.0


class Source(Protocol):
    """An adapter for one kind of record.

    ``file`` is what refusals name; the caller sets it when it goes on to the next file. What an adapter remembers of
    sessions outlives files, so rotated logs are read oldest first with one adapter.
    """

    name: str
    file: str
    notes: Notes

    @staticmethod
    def sniff(first_lines: Sequence[bytes]) -> float:
        """How much of these lines this adapter would understand: 0 (nothing) to 1 (every line)."""
        ...

    def read(self, line: bytes, line_number: int) -> Sequence[Event] | Refusal:
        """The events of ``line`` (without its newline); an empty sequence for a blank or deliberately ignored line.

        The same line under the same sensor name gives the same event ids, wherever it stands. Raises nothing.
        """
        ...


def quoted(text: str) -> str:
    """``text`` as a short ASCII literal: what an attacker wrote cannot move a cursor or start a line in a report."""
    return ascii(text if len(text) <= _MAX_DETAIL_CHARS else text[:_MAX_DETAIL_CHARS] + "…")
