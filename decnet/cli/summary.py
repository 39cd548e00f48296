"""The picture after a run: techniques by tactic, who, on what evidence, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.text import Text

from decnet.cli.terminal import shown
from decnet.ttp.mask import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import Console

    from decnet.attack.catalog import Catalog
    from decnet.db.views import AttackerCount, TellingTag, Totals
    from decnet.models.rollup import TechniqueCount
    from decnet.workers.logs import FileReport

BAR_CELLS = 14
TOP_ATTACKERS = 5
TELLING_TAGS = 6
REFUSALS_SHOWN = 5
_ID_CELLS, _COUNT_CELLS = 11, 7
_POINTERS = frozenset({"finding", "message_sha256", "pointer"})
"""What of evidence leads elsewhere, and says nothing to whoever reads it here."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SURE, _LIKELY = 0.8, 0.6


@dataclass(frozen=True, slots=True)
class Summary:
    """What the database shows after a run."""

    totals: Totals
    techniques: list[TechniqueCount]
    attackers: list[AttackerCount]
    telling: list[TellingTag]


def print_summary(console: Console, files: Sequence[FileReport], summary: Summary, catalog: Catalog) -> None:
    """The whole picture, for people."""
    for report in files:
        _print_file(console, report)
    if summary.techniques:
        console.print()
        _print_techniques(console, summary.techniques, catalog)
        console.print()
        _print_attackers(console, summary.attackers)
        console.print()
        _print_telling(console, summary.telling, catalog)
    else:
        console.print("No techniques observed yet.", style="dim")
    console.print()
    totals = summary.totals
    console.print(
        f"In the database: {totals.events:,} events, {totals.sessions:,} sessions, {totals.attackers:,} attackers, "
        f"{totals.tags:,} tags.",
        style="dim",
    )


def _print_file(console: Console, report: FileReport) -> None:
    line = Text.assemble((shown(report.name), "bold"), "  ")
    if report.resumed_at:
        line.append(f"was read up to line {report.resumed_at:,}; {report.lines or 'no'} more since" + ", ")
    else:
        line.append(f"{report.lines:,} lines, ")
    line.append(f"{report.new_events:,} new events, ")
    line.append(f"{report.new_tags:,} new tags", style="bold green" if report.new_tags else "bold")
    if report.lines_per_second >= 1:
        line.append(f"  ({report.lines_per_second:,.0f} lines/s)", style="dim")
    console.print(line, soft_wrap=True)
    if report.refused:
        console.print(f"  {report.refused_total:,} refused:", style="yellow")
    for reason, count in report.refused.most_common(REFUSALS_SHOWN):
        first = report.first_refused[reason]
        console.print(f"    {count:,} × {shown(reason)}, first: {shown(first)}", style="yellow", soft_wrap=True)


def _print_techniques(console: Console, rows: Sequence[TechniqueCount], catalog: Catalog) -> None:
    """A heading per tactic, a bar per technique; the bar is the share of the most seen one."""
    most = max(row.count for row in rows)
    name_cells = max(20, console.width - _ID_CELLS - _COUNT_CELLS - BAR_CELLS - 12)
    console.print(Text(f"  {'Techniques':<{_ID_CELLS + name_cells}}{'tags':>{_COUNT_CELLS}}{'sure':>7}", style="dim"))
    for tactic in catalog.tactics:
        inside = [row for row in rows if row.tactic == tactic.id]
        if inside:
            console.print(Text(tactic.name, style="bold"))
        for row in inside:
            line = Text(f"  {row.sub_technique_id or row.technique_id:<{_ID_CELLS}}", style="cyan")
            line.append(_cut(_technique_name(catalog, row), name_cells - 1).ljust(name_cells), style="default")
            line.append(f"{row.count:>{_COUNT_CELLS},}  {row.max_confidence:>5.2f}  ", style="default")
            line.append(_bar(row.count / most), style=_colour(row.max_confidence))
            console.print(line, no_wrap=True)


def _print_attackers(console: Console, rows: Iterable[AttackerCount]) -> None:
    heading = f"  {'Top attackers':<40}{'techniques':>10}{'tags':>8}{'events':>9}"
    console.print(Text(heading, style="dim"))
    for row in rows:
        counts = f"{row.techniques:>10,}{row.tags:>8,}{row.events:>9,}"
        seen = f"last {utc(row.last_seen)}"
        console.print(
            Text.assemble(f"  {row.address:<40}{counts}", (f"  {seen}", "dim")), no_wrap=True, overflow="ellipsis"
        )


def _print_telling(console: Console, rows: Iterable[TellingTag], catalog: Catalog) -> None:
    """Two lines each: what it shows and who did it, then the line itself with the matched part lit."""
    console.print(Text("  Most telling", style="dim"))
    for row in rows:
        identifier = row.sub_technique_id or row.technique_id
        head = Text.assemble(
            (f"  {identifier} ", "cyan"),
            catalog.technique(identifier).name,
            (f"  {row.address}, {utc(row.observed_at)}, rule {row.rule_id}", "dim"),
        )
        console.print(head, no_wrap=True, overflow="ellipsis")
        console.print(_quotation(row, console.width - 6), no_wrap=True, overflow="ellipsis")


def _quotation(row: TellingTag, cells: int) -> Text:
    """The attacker's line around what matched, secrets starred out; of what is no line, what the evidence says."""
    if row.command is None:
        matched = row.evidence.get("matched") or _said(row.evidence)
        return Text(f"    {shown(matched if isinstance(matched, str) else '; '.join(matched), cells)}", style="italic")
    data = mask_secrets(row.command.encode())
    start, end = int(row.evidence["start"]), int(row.evidence["end"])
    before = shown(data[:start].decode("utf-8", "replace"))
    room = max(0, (cells - (end - start)) // 2)
    if len(before) > room:
        before = "…" + before[len(before) - room + 1 :] if room else "…"
    line = Text(f"    {before}", style="italic")
    line.append(shown(data[start:end].decode("utf-8", "replace")), style="bold yellow")
    line.append(shown(data[end:].decode("utf-8", "replace")))
    return line


def _said(evidence: Mapping[str, Any]) -> str:
    """What evidence says of what is no text: ``failures gte 5, window seconds 300``."""
    parts = []
    for name, value in evidence.items():
        if isinstance(value, dict):
            parts.append(_said(value))
        elif name not in _POINTERS:
            told = ", ".join(map(str, value)) if isinstance(value, list) else value
            parts.append(f"{name.replace('_', ' ')} {told}")
    return ", ".join(filter(None, parts))


def _technique_name(catalog: Catalog, row: TechniqueCount) -> str:
    name = catalog.technique(row.sub_technique_id or row.technique_id).name
    return f"{name}, {catalog.technique(row.technique_id).name}" if row.sub_technique_id else name


def _cut(text: str, cells: int) -> str:
    return text if len(text) <= cells else text[: cells - 1] + "…"


def _bar(share: float) -> str:
    eighths = max(1, round(share * BAR_CELLS * 8))
    return "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")


def _colour(confidence: float) -> str:
    return "green" if confidence >= _SURE else "yellow" if confidence >= _LIKELY else "dim"


def utc(at_us: int) -> str:
    """``2026-11-22 14:03`` of a time in µs."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M")
