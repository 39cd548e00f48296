"""``decnet ttp explain``: what a command would run, what matched where, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text

from decnet.cli.terminal import shown
from decnet.ttp.exec_term import ExecTerm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from decnet.attack.catalog import Catalog
    from decnet.shell import SimpleCommand, Unrolled
    from decnet.ttp.condition import AnyLeaf, Condition
    from decnet.ttp.engine import Reading
    from decnet.ttp.index import Hit

MAX_TERM_CHARS = 160
MAX_COMMANDS_SHOWN = 24


def explanation(text: str, unrolled: Unrolled, reading: Reading) -> dict[str, Any]:
    """What ``text`` would run and which rules fire on it, as plain values for ``--json``."""
    return {
        "command": text,
        "would_run": [
            {
                "program": command.program,
                "args": command.args,
                "wrappers": list(command.wrappers),
                "decoded": [{"kind": step.kind, "text": step.text} for step in command.decoded],
                "start": command.start,
                "end": command.end,
            }
            for command in unrolled.commands
        ],
        "limits": list(unrolled.limits),
        "rules": [
            {
                "rule_id": hit.rule.rule_id,
                "rule_version": hit.rule.rule.rule_version,
                "name": hit.rule.rule.name,
                "description": hit.rule.rule.description,
                "evidence": dict(evidence),
                "terms": dict(_terms(hit)),
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
            for hit, evidence in reading.findings
        ],
    }


def print_explanation(console: Console, text: str, unrolled: Unrolled, reading: Reading, catalog: Catalog) -> None:
    """The same for people: the line, what it would run, and what each rule saw in it."""
    console.print(Text(shown(text), style="bold"), soft_wrap=True)
    _print_commands(console, text, unrolled)
    for limit in unrolled.limits:
        console.print(f"  limit reached: {limit}; what lies beyond it was not looked at", style="yellow")
    if not reading.findings:
        console.print("No rule fires on this line.", style="dim")
    for hit, evidence in reading.findings:
        _print_hit(console, text, hit, evidence, catalog)


def _print_commands(console: Console, text: str, unrolled: Unrolled) -> None:
    """The shell view, where it says more than the line itself."""
    commands = unrolled.commands
    if len(commands) == 1 and _spelled(commands[0]) == text.strip():
        return
    console.print("  would run" if commands else "  would run nothing", style="dim")
    for command in commands[:MAX_COMMANDS_SHOWN]:
        line = Text.assemble("    ", (shown(_spelled(command), MAX_TERM_CHARS), "green"))
        for redirect in command.redirects:
            line.append(f" {redirect.op} {shown(redirect.target, MAX_TERM_CHARS)}", style="green")
        notes = [f"in {wrapper}" for wrapper in command.wrappers]
        notes += [f"decoded {step.kind}" for step in command.decoded]
        line.append(f"   {', '.join(notes)}" if notes else "", style="dim")
        console.print(line, soft_wrap=True)
    if len(commands) > MAX_COMMANDS_SHOWN:
        console.print(f"    and {len(commands) - MAX_COMMANDS_SHOWN} more", style="dim")


def _print_hit(console: Console, text: str, hit: Hit, evidence: Any, catalog: Catalog) -> None:
    rule = hit.rule.rule
    console.print()
    console.print(Text.assemble((rule.rule_id, "bold cyan"), f" {rule.name}  ", (rule.description, "dim")))
    console.print(_underlined(text, int(evidence["start"]), int(evidence["end"])), soft_wrap=True)
    if "command" in evidence:
        console.print(Text.assemble("  sees  ", (shown(str(evidence["command"])), "green")), soft_wrap=True)
    for step in evidence.get("decoded", ()):
        console.print(Text.assemble("  after ", shown(str(step))), soft_wrap=True)
    for path, term in _terms(hit):
        console.print(Text.assemble("  why   ", (f"{path} ", "dim"), shown(term, MAX_TERM_CHARS)), soft_wrap=True)
    for compiled in hit.emits:
        emit = compiled.emit
        identifier = emit.sub_technique_id or emit.technique_id
        name = f" {catalog.technique(identifier).name} ({catalog.tactic(emit.tactic).name})"
        console.print(Text.assemble("  shows ", (identifier, "bold"), name, f"  {emit.confidence:.2f}"))


def _terms(hit: Hit) -> Iterator[tuple[str, str]]:
    """Path and wording of each term that was true."""
    leaves = {
        condition.path: condition.leaf
        for root in (*hit.rule.conditions.values(), *_whens(hit))
        for condition in _nodes(root)
        if condition.leaf is not None
    }
    return ((path, _worded(leaves[path])) for path in hit.proof)


def _whens(hit: Hit) -> Iterator[Condition]:
    return (condition for emit in hit.rule.emits for condition in (emit.when or {}).values())


def _nodes(condition: Condition) -> Iterator[Condition]:
    yield condition
    for part in condition.parts:
        yield from _nodes(part)


def _worded(leaf: AnyLeaf) -> str:
    if not isinstance(leaf, ExecTerm):
        return f"{leaf.field} {leaf.operator} {', '.join(map(repr, leaf.values))}"
    parts = [f"program {' or '.join(sorted(leaf.programs))}"] if leaf.programs else []
    parts += [f"{name} {pattern!r}" for name, pattern in leaf.patterns]
    parts += [f"{name} {' or '.join(sorted(names))}" for name, names in leaf.names]
    parts += [name if wanted else f"not {name}" for name, wanted in leaf.flags]
    parts += [f"{name} without {pattern!r}" for name, pattern in leaf.forbidden]
    return ", ".join(parts)


def _spelled(command: SimpleCommand) -> str:
    return f"{command.path} {command.args}".strip()


def _underlined(text: str, start: int, end: int) -> Text:
    data = text.encode()
    before, inside, after = (part.decode("utf-8", "replace") for part in (data[:start], data[start:end], data[end:]))
    line = Text("  where ")
    line.append(shown(before))
    line.append(shown(inside), style="underline yellow")
    line.append(shown(after))
    line.append(f"  bytes {start}–{end}", style="dim")
    return line
