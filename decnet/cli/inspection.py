"""What is in a log: the adapter that reads it, and what it makes of its lines. Nothing is stored."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from decnet.errors import InputRefused
from decnet.sources.base import Notes, Refusal
from decnet.sources.detect import DESCRIPTIONS, SOURCES, detect, scores
from decnet.sources.lines import LogReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from decnet.sources.base import Source
    from decnet.sources.split import LineBatch

SNIFFED_LINES = 50
"""How many lines say which adapter it is."""


@dataclass(slots=True)
class Inspection:
    """What was found in one log. ``adapter`` is None when none reads it; ``fault`` says why, or what stopped it."""

    file: str
    adapter: str | None = None
    reason: str = ""
    scores: dict[str, float] = field(default_factory=dict)
    lines: int = 0
    is_whole: bool = True
    kinds: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    first_refused: dict[str, str] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    fault: str = ""

    def refuse(self, refusal: Refusal) -> None:
        """Count a refused line; the first of each reason is kept."""
        self.refused[refusal.reason] += 1
        self.first_refused.setdefault(refusal.reason, str(refusal))

    def as_plain(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "file": self.file,
            "adapter": self.adapter,
            "reason": self.reason,
            "scores": self.scores,
            "lines": self.lines,
            "whole_file": self.is_whole,
            "events": dict(self.kinds.most_common()),
            "refused": [
                {"reason": reason, "count": count, "first": self.first_refused[reason]}
                for reason, count in self.refused.most_common()
            ],
            "notes": [
                {"note": name, "count": note.count, "first_line": note.first_line} for name, note in self.notes.items()
            ],
            "fault": self.fault,
        }


def inspect(file: str, max_lines: int) -> Inspection:
    """What the first ``max_lines`` lines of the log at ``file`` hold; ``-`` is standard input. Raises nothing."""
    found = Inspection(file)
    source: Source | None = None
    try:
        for batch in _first(LogReader(file).batches(), max_lines, found):
            for refusal in batch.refusals:
                found.refuse(refusal)
            if source is None and batch.lines:
                source = _source_for(batch.lines, found)
            if source is not None:
                _read(batch, source, found)
        if source is None:
            detect([], file)
    except InputRefused as error:
        found.fault = str(error)
    return found


def _first(batches: Iterator[LineBatch], max_lines: int, found: Inspection) -> Iterator[LineBatch]:
    """``batches`` up to ``max_lines`` lines; what is beyond them is not read."""
    for batch in batches:
        kept = batch.lines[: max(max_lines - found.lines, 0)]
        found.is_whole = len(kept) == len(batch.lines)
        found.lines += len(kept) + len(batch.refusals)
        yield msgspec.structs.replace(batch, lines=kept)
        if not found.is_whole:
            return


def _source_for(lines: Sequence[bytes], found: Inspection) -> Source:
    """The adapter for a log that starts with ``lines``. Digests are not needed: nothing is kept.

    :raises InputRefused: none reads it.
    """
    found.scores = scores(lines)
    name = detect(lines, found.file).name
    found.adapter = name
    looked_at = sum(bool(line.strip()) for line in lines[:SNIFFED_LINES])
    understood = round(found.scores[name] * looked_at)
    found.reason = f"{understood} of the first {looked_at} lines have {DESCRIPTIONS[name].recognised_by}"
    others = ", ".join(f"{other} {score:.0%}" for other, score in found.scores.items() if score and other != name)
    if others:
        found.reason += f"; also {others}: a mixed log, of which only this kind is read"
    source: Source = SOURCES[name](lambda _secret: "", file=found.file)
    found.notes = source.notes
    return source


def _read(batch: LineBatch, source: Source, found: Inspection) -> None:
    for number, line in enumerate(batch.lines, batch.first_line):
        events = source.read(line, number)
        if isinstance(events, Refusal):
            found.refuse(events)
        else:
            found.kinds.update(event.source_kind for event in events)
