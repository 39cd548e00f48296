"""``decnet ttp tag``: one run over logs, with progress, and the picture afterwards."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from rich.text import Text

from decnet.attack import catalog
from decnet.cli.summary import TELLING_TAGS, TOP_ATTACKERS, Summary, print_summary, utc
from decnet.cli.terminal import console, print_json, shown
from decnet.config import Settings, installation_key, load_settings, unknown_settings
from decnet.db.engine import open_database, reading
from decnet.db.events import commands_before
from decnet.db.views import technique_counts, telling_tags, top_attackers, totals
from decnet.export.navigator import navigator_layers, write_layer
from decnet.models.secret import secret_digest
from decnet.models.tag import MIN_STORED_CONFIDENCE
from decnet.sources.lines import oldest_first
from decnet.ttp.engine import RuleEngine
from decnet.ttp.session_engine import SessionEngine
from decnet.ttp.store.filesystem import load_pack
from decnet.ttp.tagger import CompositeTagger
from decnet.workers.direct import DirectRun, FileReport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from sqlalchemy.engine import Engine

    from decnet.models.event import Event
    from decnet.models.tag import TTPTag
    from decnet.sources.split import Position


def run(
    files: Sequence[str], *, sensor: str | None, navigator: Path | None, follow: bool, again: bool, as_json: bool
) -> int:
    """Tag ``files`` and show the result; returns the exit code, 1 when anything was refused.

    :raises DecnetError: the rules, the settings or the database cannot be used.
    """
    with (
        _progress(files, shown_to_people=not (as_json or follow)) as on_progress,
        open_direct(
            sensor=sensor, on_progress=on_progress, on_tags=_print_live if follow and not as_json else None
        ) as direct,
    ):
        reports = _read_all(direct, files, again=again, follow=follow)
        summary = read_summary(direct.database)
        if navigator is not None:
            _write_layers(navigator, direct.database)
    if as_json:
        print_json(as_plain(reports, summary))
    else:
        print_summary(console(), reports, summary, catalog.load())
        if navigator is not None:
            console().print(f"Navigator layer: {navigator}", style="dim")
    return 1 if any(report.refused for report in reports) else 0


@contextmanager
def open_direct(
    *,
    data_dir: Path | None = None,
    sensor: str | None = None,
    on_progress: Callable[[FileReport, Position], None] | None = None,
    on_tags: Callable[[list[TTPTag]], None] | None = None,
) -> Iterator[DirectRun]:
    """The direct mode with the settings, rules and database of this process, or with a data folder of its own.

    :raises DecnetError: the rules, the settings or the database cannot be used.
    """
    settings = load_settings() if data_dir is None else Settings(data_dir=data_dir)
    for fault in unknown_settings(os.environ):
        sys.stderr.write(f"decnet: {shown(fault)}\n")
    pack = load_pack()
    digest = secret_digest(installation_key(settings))
    database = open_database(settings.database_url)
    tagger = CompositeTagger([RuleEngine(pack, earlier_commands=partial(_earlier_commands, database))])
    try:
        yield DirectRun(
            database, tagger, SessionEngine(pack), digest, sensor=sensor, on_progress=on_progress, on_tags=on_tags
        )
    finally:
        database.dispose()


def _earlier_commands(database: Engine, event: Event) -> list[str]:
    with reading(database) as connection:
        return commands_before(connection, event)


def read_summary(database: Engine) -> Summary:
    """What the database shows now."""
    with reading(database) as connection:
        return Summary(
            totals(connection),
            technique_counts(connection, MIN_STORED_CONFIDENCE),
            top_attackers(connection, TOP_ATTACKERS),
            telling_tags(connection, TELLING_TAGS),
        )


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


def _read_all(direct: DirectRun, files: Sequence[str], *, again: bool, follow: bool) -> list[FileReport]:
    ordered = oldest_first(files)
    if not follow:
        return [direct.read(path, again=again) for path in ordered]
    stop = threading.Event()
    with _stopped_by_interrupt(stop):
        *finished, growing = ordered
        reports = [direct.read(path, again=again) for path in finished]
        return [*reports, direct.read(growing, again=again, wait_for_stop=stop.wait)]


@contextmanager
def _stopped_by_interrupt(stop: threading.Event) -> Iterator[None]:
    """Ctrl-C and a polite kill set ``stop``: the batch at hand is stored, then the run ends."""
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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


def _print_live(tags: list[TTPTag]) -> None:
    """New tags as they come, one line each."""
    screen = console()
    names = catalog.load()
    for tag in tags:
        identifier = tag.sub_technique_id or tag.technique_id
        line = Text(utc(tag.observed_at), style="dim")
        line.append(f"  {identifier} {names.technique(identifier).name}", style="bold not dim")
        line.append(f"  {tag.confidence:.2f}  ")
        line.append(shown(str(tag.evidence.get("matched", "")), 160), style="italic not dim")
        screen.print(line)


def _write_layers(path: Path, database: Engine) -> None:
    """One layer per domain and release; a pack of one domain makes one file."""
    with reading(database) as connection:
        rows = technique_counts(connection, MIN_STORED_CONFIDENCE)
    layers = navigator_layers(rows, name="Honeypot fleet")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_layer(path, layers[0] if len(layers) == 1 else layers)
