"""Shell text without a database: what a session shows, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.models.text import canonical_text
from decnet.shell import EMPTY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.ttp.engine import RuleEngine


def logical_lines(text: str) -> Iterator[str]:
    r"""The lines that a honeypot would log for ``text``: a line that ends in ``\`` goes on in the next."""
    held = ""
    for raw in text.split("\n"):
        line = held + raw.lstrip() if held else raw
        if line.endswith("\\"):
            held = line[:-1] + " "
            continue
        held = ""
        if stripped := line.strip():
            yield stripped
    if held.strip():
        yield held.strip()


def session_confidences(engine: RuleEngine, text: str) -> dict[str, float]:
    """The techniques that the shell session ``text`` shows, each with the highest confidence that a rule gave it."""
    found: dict[str, float] = {}
    state = EMPTY
    for line in logical_lines(text):
        findings, state, _ = engine.read(canonical_text(line), state)
        for hit, _ in findings:
            for compiled in hit.emits:
                identifier = compiled.emit.sub_technique_id or compiled.emit.technique_id
                found[identifier] = max(found.get(identifier, 0.0), compiled.emit.confidence)
    return found


def session_techniques(engine: RuleEngine, text: str, floor: float) -> list[str]:
    """Ids of the techniques that ``text`` shows with confidence of at least ``floor``, sorted."""
    return sorted(name for name, confidence in session_confidences(engine, text).items() if confidence >= floor)
