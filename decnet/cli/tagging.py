"""``decnet ttp tag``: one run over logs, with progress, and the picture afterwards."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from decnet.attack import catalog
from decnet.cli.opening import is_compiling, open_installation, rules_now
from decnet.cli.summary import TELLING_TAGS, TOP_ATTACKERS, Summary, print_summary
from decnet.cli.terminal import console, print_json, shown
from decnet.db.views import technique_counts, telling_tags, top_attackers, totals
from decnet.export.navigator import navigator_layers, write_layer
from decnet.models.tag import MIN_STORED_CONFIDENCE
from decnet.sources.lines import oldest_first
from decnet.ttp.tagger import CompositeTagger
from decnet.workers.direct import DirectRun

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.sources.split import Position
    from decnet.workers.logs import FileReport


def run(files: Sequence[str], *, sensor: str | None, navigator: Path | None, again: bool, as_json: bool) -> int:
    """Tag ``files`` and show the result; returns the exit code, 1 when anything was refused.

    :raises DecnetError: the rules, the settings or the database cannot be used.
    """
    with (
        _progress(files, shown_to_people=not as_json) as on_progress,
        open_direct(sensor=sensor, on_progress=on_progress) as direct,
    ):
        reports = [direct.read(path, again=again) for path in oldest_first(files)]
        direct.finish()
        summary = read_summary(direct.database)
        if navigator is not None:
            _write_layers(navigator, direct.database)
    if as_json:
        print_json(as_plain(reports, summary))
    else:
        print_summary(console(), reports, summary, catalog.load())
        if navigator is not None:
            console().print(f"Navigator layer: {navigator}", style="dim")
        if is_compiling() and (screen := console(stderr=True)).is_terminal:
            screen.print(
                "The rules are being compiled, once, so that later runs are faster: a few seconds", style="dim"
            )
    return 1 if any(report.refused for report in reports) else 0


@contextmanager
def open_direct(
    *,
    data_dir: Path | None = None,
    sensor: str | None = None,
    on_progress: Callable[[FileReport, Position], None] | None = None,
) -> Iterator[DirectRun]:
    """The direct mode with the settings, rules and database of this process, or with a data folder of its own.

    :raises DecnetError: the rules, the settings or the database cannot be used.
    """
    with open_installation(data_dir) as installation:
        rules = rules_now(installation)
        tagger = CompositeTagger([rules])
        direct = DirectRun(
            installation.database,
            tagger,
            rules,
            installation.digest,
            sensor=sensor,
            keep_secrets=installation.settings.keeps_secrets,
            on_progress=on_progress,
            ahead=lambda: not (rules.is_provisional or is_compiling()),  # a lock held by a thread would stay held
            artifacts=installation.artifacts(),
            bodies=installation.bodies,
        )
        with closing(direct):
            yield direct


def read_summary(database: Database) -> Summary:
    """What the database shows now."""

    def look(connection: Connection) -> Summary:
        return Summary(
            totals(connection),
            technique_counts(connection, MIN_STORED_CONFIDENCE),
            top_attackers(connection, TOP_ATTACKERS),
            telling_tags(connection, TELLING_TAGS),
        )

    return database.read(look)


def as_plain(reports: Sequence[FileReport], summary: Summary) -> dict[str, Any]:
    """The run and the picture as plain values, times in µs UTC."""
    return {
        "files": [
            {
                "name": report.name,
                "resumed_after_line": report.resumed_at,
                "lines": report.lines,
                "new_events": report.new_events,
                "known_events": report.known_events,
                "new_tags": report.new_tags,
                "refused": [
                    {"reason": reason, "count": count, "first": report.first_refused[reason]}
                    for reason, count in report.refused.most_common()
                ],
            }
            for report in reports
        ],
        "totals": asdict(summary.totals),
        "techniques": [msgspec.to_builtins(row) for row in summary.techniques],
        "attackers": [asdict(row) for row in summary.attackers],
        "telling": [asdict(row) for row in summary.telling],
    }


@contextmanager
def _progress(
    files: Sequence[str], *, shown_to_people: bool
) -> Iterator[Callable[[FileReport, Position], None] | None]:
    """A bar over the bytes of all plain files; nothing where nobody looks."""
    screen = console(stderr=True)
    if not shown_to_people or not screen.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as progress:
        tasks = {name: progress.add_task(shown(name), total=_size_of(name), rate="") for name in files}

        def advance(report: FileReport, position: Position) -> None:
            rate = f"{report.lines:,} lines, {report.new_tags:,} tags"
            progress.update(tasks[report.name], completed=position.offset, rate=rate)

        yield advance


def _size_of(name: str) -> int | None:
    """Bytes of a plain file; unknown (a bar without an end) for a packed one, a pipe or a missing file."""
    path = Path(name)
    try:
        return path.stat().st_size if path.is_file() and path.suffix not in {".gz", ".zst"} else None
    except OSError:
        return None


def _write_layers(path: Path, database: Database) -> None:
    """One layer per domain and release; a pack of one domain makes one file."""
    rows = database.read(partial(technique_counts, floor=MIN_STORED_CONFIDENCE))
    layers = navigator_layers(rows, name="Honeypot fleet")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_layer(path, layers[0] if len(layers) == 1 else layers)
