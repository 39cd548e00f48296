"""``decnet ttp watch``: growing logs, tagged as they are written, by rules that may change meanwhile."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from decnet.attack import catalog
from decnet.cli.opening import open_installation
from decnet.cli.summary import utc
from decnet.cli.terminal import console, print_json_line, shown
from decnet.models.ids import uuid_text
from decnet.ttp.live import watch_store
from decnet.workers.clocks import SILENCE_S
from decnet.workers.direct import DirectRun
from decnet.workers.direct_attribution import DirectAttribution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.cli.opening import Installation
    from decnet.models.tag import TTPTag
    from decnet.ttp.live import LiveRules
    from decnet.ttp.store.base import RuleChange
    from decnet.workers.logs import FileReport

_SILENT_LOOK_S, _CLUSTER_S = 30.0, 600.0
"""How often it is looked for silent sensors; how often all that is stored is clustered, which reads all of it."""
_SPARE_THREADS = 5
"""Each log keeps a thread busy to the end; compiling rules and asking for changes need some too."""


def watch(files: Sequence[str], *, sensor: str | None, as_json: bool) -> int:
    """Tag ``files`` as they grow until told to stop; returns the exit code, 1 when anything was refused.

    :raises DecnetError: the rules, the settings or the database cannot be used.
    """
    with open_installation() as installation:
        reports = asyncio.run(_watch(installation, files, sensor, _JsonTold() if as_json else _Told()))
    return 1 if any(report.refused for report in reports) else 0


async def _watch(installation: Installation, files: Sequence[str], sensor: str | None, told: _Told) -> list[FileReport]:
    stop = threading.Event()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(len(files) + _SPARE_THREADS))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    store = installation.rule_store()
    try:
        async with watch_store(
            store,
            earlier_commands=installation.earlier_commands,
            tables=installation.tables(),
            joins=installation.joins(),
            on_change=told.rule_changed,
        ) as rules:
            told.started(rules, files)
            attribution = DirectAttribution(installation.database)
            runs = [_run(installation, rules, sensor, told, attribution) for _ in files]
            settling = asyncio.create_task(asyncio.to_thread(_settle, runs[0], stop))
            reading = [asyncio.to_thread(run.follow, path, stop.wait) for run, path in zip(runs, files, strict=True)]
            try:
                reports = [report for found in await asyncio.gather(*reading) for report in found]
            finally:
                stop.set()
                await settling
    finally:
        await store.aclose()
    told.stopped(reports)
    return reports


def _run(
    installation: Installation, rules: LiveRules, sensor: str | None, told: _Told, attribution: DirectAttribution
) -> DirectRun:
    """What follows one log; all of them count attackers together."""
    return DirectRun(
        installation.database,
        rules,
        rules,
        installation.digest,
        sensor=sensor,
        keep_secrets=installation.settings.keeps_secrets,
        on_tags=told.tagged,
        attribution=attribution,
        artifacts=installation.artifacts(),
        bodies=installation.bodies,
    )


def _settle(run: DirectRun, stop: threading.Event) -> None:
    """Now and then end the sessions of silent sensors; join identities and campaigns seldom, and at the end."""
    settled_s = time.monotonic()
    while not stop.wait(_SILENT_LOOK_S):
        run.end_silent(SILENCE_S)
        if time.monotonic() - settled_s > _CLUSTER_S:
            run.cluster()
            settled_s = time.monotonic()
    run.cluster()


class _Told:
    """What a person sees: one line per tag and per change of a rule."""

    def __init__(self) -> None:
        self._screen = console()
        self._names = catalog.load()
        self._turn = threading.Lock()

    def started(self, rules: LiveRules, files: Sequence[str]) -> None:
        """The rules are loaded."""
        names = ", ".join(map(shown, files))
        self._print(f"{len(rules.pack.rules)} rules; watching {names}; stop with Ctrl-C", style="dim")

    def tagged(self, tags: list[TTPTag]) -> None:
        """These tags are new."""
        for tag in tags:
            identifier = tag.sub_technique_id or tag.technique_id
            line = f"{utc(tag.observed_at)}  {identifier} {self._names.technique(identifier).name}"
            matched = shown(str(tag.evidence.get("matched", "")), 160)
            self._print(f"{line}  {tag.confidence:.2f}  {tag.rule_id}  {matched}")

    def rule_changed(self, change: RuleChange) -> None:
        """A rule is another one from now on, or is in another state, or its file is faulty."""
        for fault in change.faults:
            self._print(shown(fault), style="red")
        if change.what != "fault":
            self._print(f"{change.rule_id} {_present(change)}", style="bold")

    def stopped(self, reports: Sequence[FileReport]) -> None:
        """The end: what became of each log."""
        for report in reports:
            self._print(
                f"{shown(report.name)}: {report.lines:,} lines, {report.new_events:,} new events, "
                f"{report.new_tags:,} new tags, {report.refused_total:,} refused"
            )
            for first in report.first_refused.values():
                self._print(shown(first), style="red")

    def _print(self, line: str, style: str = "") -> None:
        with self._turn:
            self._screen.print(line, style=style, markup=False, highlight=False, soft_wrap=True)


class _JsonTold(_Told):
    """What a program reads: one JSON object per line."""

    def started(self, rules: LiveRules, files: Sequence[str]) -> None:
        """The rules are loaded."""
        self._write({"watching": list(files), "rules": len(rules.pack.rules)})

    def tagged(self, tags: list[TTPTag]) -> None:
        """These tags are new."""
        for tag in tags:
            self._write(
                {
                    "tag": uuid_text(tag.uuid),
                    "observed_at": tag.observed_at,
                    "tactic": tag.tactic,
                    "technique_id": tag.technique_id,
                    "sub_technique_id": tag.sub_technique_id,
                    "confidence": tag.confidence,
                    "rule_id": tag.rule_id,
                    "rule_version": tag.rule_version,
                    "source_kind": tag.source_kind,
                    "source_id": tag.source_id,
                    "session_id": uuid_text(tag.session_id) if tag.session_id else None,
                    "evidence": tag.evidence,
                }
            )

    def rule_changed(self, change: RuleChange) -> None:
        """A rule is another one from now on, or is in another state, or its file is faulty."""
        version = change.rule.rule.rule_version if change.rule else None
        state = change.state.mode
        self._write({"rule_id": change.rule_id, "rule_version": version, "state": state, "faults": change.faults})

    def stopped(self, reports: Sequence[FileReport]) -> None:
        """The end: what became of each log."""
        for report in reports:
            self._write(
                {
                    "file": report.name,
                    "lines": report.lines,
                    "new_events": report.new_events,
                    "new_tags": report.new_tags,
                    "refused": dict(report.refused),
                }
            )

    def _write(self, value: object) -> None:
        with self._turn:
            print_json_line(value)


def _present(change: RuleChange) -> str:
    """What holds for the rule now, in words."""
    if change.rule is None:
        return "is gone"
    version = f"v{change.rule.rule.rule_version}"
    if change.state.mode == "enabled":
        return f"{version} is in force"
    until = f" until {utc(change.state.expires_at)}" if change.state.expires_at else ""
    return f"{version} is {change.state.mode}{until}"
