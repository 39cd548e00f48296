"""Shell text without a database: what a session shows, line by line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.models.text import canonical_text

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
    for line in logical_lines(text):
        for hit, _ in engine.hits("command", {"command_text": canonical_text(line)}):
            found.update(
                compiled.emit.sub_technique_id or compiled.emit.technique_id
                for compiled in hit.emits
                if compiled.emit.confidence >= floor
            )
    return sorted(found)
