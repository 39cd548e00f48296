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


def session_techniques(engine: RuleEngine, text: str, floor: float) -> list[str]:
    """Ids of the techniques that the shell session ``text`` shows with confidence of at least ``floor``, sorted."""
    found: set[str] = set()
    state = EMPTY
    for line in logical_lines(text):
        findings, state, _ = engine.read(canonical_text(line), state)
        for hit, _ in findings:
            found.update(
                compiled.emit.sub_technique_id or compiled.emit.technique_id
                for compiled in hit.emits
                if compiled.emit.confidence >= floor
            )
    return sorted(found)
