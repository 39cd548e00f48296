"""``decnet ttp explain``: what matched in a command, where, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from decnet.cli.terminal import shown

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from decnet.attack.catalog import Catalog
    from decnet.ttp.index import Hit

Finding = tuple["Hit", "Mapping[str, Any]"]


def explanation(text: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """What fired on ``text``, as plain values for ``--json``."""
    return {
        "command": text,
        "rules": [
            {
                "rule_id": hit.rule.rule_id,
                "rule_version": hit.rule.rule.rule_version,
                "name": hit.rule.rule.name,
                "description": hit.rule.rule.description,
                "evidence": dict(evidence),
                "terms": {path: _leaf_text(hit, path) for path in hit.proof},
                "emits": [
                    {
                        "tactic": compiled.emit.tactic,
                        "technique_id": compiled.emit.technique_id,
                        "sub_technique_id": compiled.emit.sub_technique_id,
                        "confidence": compiled.emit.confidence,
                    }
                    for compiled in hit.emits
                ],
            }
            for hit, evidence in findings
        ],
    }


def print_explanation(console: Console, text: str, findings: Sequence[Finding], catalog: Catalog) -> None:
    """The same for people: the line, and under it what each rule saw in it."""
    console.print(Text(shown(text), style="bold"))
    if not findings:
        console.print("No rule fires on this line.", style="dim")
        return
    for hit, evidence in findings:
        rule = hit.rule.rule
        console.print()
        console.print(Text.assemble((rule.rule_id, "bold cyan"), f" {rule.name}  ", (rule.description, "dim")))
        console.print(_underlined(text, int(evidence["start"]), int(evidence["end"])))
        for path in hit.proof:
            console.print(Text.assemble("  why   ", (f"{path} ", "dim"), shown(_leaf_text(hit, path), 160)))
        for compiled in hit.emits:
            emit = compiled.emit
            identifier = emit.sub_technique_id or emit.technique_id
            name = f"{catalog.technique(identifier).name} ({catalog.tactic(emit.tactic).name})"
            console.print(
                Text.assemble(
                    "  shows ",
                    (identifier, "bold"),
                    f" {name}  {emit.confidence:.2f}",
                )
            )


def _leaf_text(hit: Hit, path: str) -> str:
    leaf, _ = hit.proof[path]
    values = ", ".join(repr(value) for value in leaf.values)
    return f"{leaf.field} {leaf.operator} {values}"


def _underlined(text: str, start: int, end: int) -> Text:
    data = text.encode("utf-8", "surrogatepass")
    before, inside, after = (part.decode("utf-8", "replace") for part in (data[:start], data[start:end], data[end:]))
    line = Text("  where ")
    line.append(shown(before))
    line.append(shown(inside), style="underline yellow")
    line.append(shown(after))
    line.append(f"  bytes {start}–{end}", style="dim")
    return line
