"""``decnet sources``: which logs can be read, and what would be read from one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from decnet.cli.terminal import console, print_json, shown

if TYPE_CHECKING:
    from decnet.cli.inspection import Inspection

EXIT_REFUSED = 1

app = typer.Typer(help="Which logs can be read, and what is in one.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_sources(*, json: Json = False) -> None:
    """What can be read, how it is recognised, and what becomes of it."""
    from decnet.sources.detect import DESCRIPTIONS
    from decnet.sources.jsonl import JsonlSource
    from decnet.sources.jsonl_schema import shipped_schema

    rows: list[dict[str, Any]] = [{"name": name, **about._asdict()} for name, about in DESCRIPTIONS.items()]
    for row in rows:
        row["schema"] = str(shipped_schema()) if row["name"] == JsonlSource.name else None
    if json:
        print_json(rows)
        return
    screen = console()
    for row in rows:
        screen.print(shown(row["name"]), style="bold", soft_wrap=True)
        screen.print(f"  {row['reads']}", soft_wrap=True)
        screen.print(f"  recognised by {row['recognised_by']}", soft_wrap=True)
        screen.print(f"  {row['page']}", style="dim", soft_wrap=True)
        if row["schema"]:
            screen.print(f"  {shown(row['schema'])}", style="dim", soft_wrap=True)
    screen.print("Plain, gzip or Zstandard; one JSON object per line, or messages.", style="dim")


@app.command()
def detect(
    files: Annotated[list[str], typer.Argument(metavar="FILE…", help="Logs; - is standard input.", show_default=False)],
    *,
    lines: Annotated[int, typer.Option(min=1, help="Look at this many lines of each.")] = 10_000,
    json: Json = False,
) -> None:
    """Which adapter reads each FILE and why, what is in it, and what would be refused. Stores nothing.

    Exit code 1 when a file cannot be read or a line would be refused.
    """
    from decnet.cli.inspection import inspect

    found = [inspect(file, lines) for file in files]
    if json:
        print_json([each.as_plain() for each in found])
    else:
        for each in found:
            _print_inspection(each)
    if any(each.fault or each.refused for each in found):
        raise typer.Exit(EXIT_REFUSED)


def _print_inspection(found: Inspection) -> None:
    from rich.text import Text

    screen = console()
    if found.adapter is None:
        screen.print(Text.assemble((shown(found.file), "bold"), ("  cannot be read", "red")), soft_wrap=True)
        screen.print(f"  {shown(found.fault)}", soft_wrap=True)
        return
    screen.print(Text.assemble((shown(found.file), "bold"), f"  {found.adapter}"), soft_wrap=True)
    screen.print(f"  {found.reason}", soft_wrap=True)
    counts = ", ".join(f"{count} {kind}" for kind, count in found.kinds.most_common()) or "none"
    screen.print(f"  {found.lines} lines{'' if found.is_whole else ' looked at'}, events: {counts}", soft_wrap=True)
    for name, note in found.notes.items():
        screen.print(f"  {note.count} × {name}, first in line {note.first_line}", style="dim", soft_wrap=True)
    for reason, count in found.refused.most_common():
        screen.print(f"  {count} refused: {reason}", style="yellow", soft_wrap=True)
        screen.print(f"    {shown(found.first_refused[reason])}", soft_wrap=True)
    if found.fault:
        screen.print(f"  {shown(found.fault)}", style="red", soft_wrap=True)
