"""A second evaluation of what is stored, by the rules that are in force now: the same code, the same ids.

Sessions come one after the other, each in its order; then findings, at their newest revision. Per step one transaction
holds the new tags, the mark on those that they replace, and how far this came; between two steps is a pause as long as
the database was held, so that live writers keep half of it. A second run finds nothing to do; an interrupted one goes
on where it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from decnet.db.actors import Actors
from decnet.db.epochs import TAGS, begin_epoch
from decnet.db.replay import (
    FIRST_FINDING,
    FindingPlace,
    Place,
    count_stored,
    end_backfill,
    events_after,
    findings_after,
    read_backfill,
    write_backfill,
)
from decnet.db.tags import TagWriter, raise_rule_floor
from decnet.models.ids import uuid_text
from decnet.models.rule_state import ENABLED
from decnet.ttp.tagger import CompositeTagger
from decnet.workers.tagging import ended, ended_session_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.db.tags import Replaced
    from decnet.models.tag import TTPTag
    from decnet.ttp.live import LiveRules
    from decnet.ttp.store.base import LoadedRules

STEP = 200
"""Events, or findings, per transaction."""


@dataclass(slots=True)
class BackfillReport:
    """``events`` and ``findings`` were looked at, ``total`` are stored.

    ``resumed_at`` of them had been seen by an interrupted run.
    """

    total: int
    resumed_at: int = 0
    events: int = 0
    findings: int = 0
    new_tags: int = 0
    superseded: int = 0

    @property
    def seen(self) -> int:
        """How many of ``total`` are done."""
        return self.resumed_at + self.events + self.findings


class _Step(NamedTuple):
    """What a transaction holds: the (observed_at, source_id) that were evaluated, their tags, and where to go on."""

    sources: list[tuple[int, str]]
    tags: list[TTPTag]
    end: Place | FindingPlace | None


class Backfill:
    """Evaluates what ``database`` holds by ``rules``, which were made of ``loaded``; ``clock`` gives µs UTC.

    A rule that is disabled takes no part: none of its tags is added or superseded.
    """

    def __init__(
        self,
        database: Database,
        loaded: LoadedRules,
        rules: LiveRules,
        *,
        clock: Callable[[], int],
        shard: int = 0,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database = database
        self._rules = rules
        self._tagger = CompositeTagger([rules])
        self._writer = TagWriter(Actors(), shard=shard)
        self._clock = clock
        self._pause = pause
        self._versions = versions_in_force(loaded, rules.lifted_rules)
        self._digest = digest_of(loaded)

    def run(self, on_step: Callable[[BackfillReport], None] | None = None) -> BackfillReport:
        """Evaluate everything; from now on no writer stores tags of older versions of these rules.

        :raises OutdatedRule: newer versions are in force elsewhere.
        :raises StorageError: the database does not take a step; what was done before stays.
        """
        self._database.write(partial(raise_rule_floor, versions=self._versions))
        report = BackfillReport(self._database.read(count_stored))
        place: Place | FindingPlace | None
        place, report.resumed_at = self._database.read(partial(read_backfill, rules=self._digest))
        while place is not None:
            step = self._events(place, report) if isinstance(place, Place) else self._findings(place, report)
            held_s = self._store(step, report)
            if on_step is not None:
                on_step(report)
            place = step.end
            if place is not None:
                self._pause(held_s)
        return report

    def _events(self, place: Place, report: BackfillReport) -> _Step:
        page = self._database.read(partial(events_after, place=place, limit=STEP))
        tags = [tag for event in page.events for tag in self._tagger.tag(event)]
        over = [session for session in page.finished if session.ended_at is not None]
        due = {session.number: ended(session) for session in over}
        tags += self._database.read(partial(ended_session_tags, due=due, rules=self._rules))
        sources = [(event.observed_at, event.id.hex()) for event in page.events]
        sources += [(session.started_at, f"session:{uuid_text(session.uuid)}") for session in over]
        report.events += len(page.events)
        return _Step(sources, tags, page.end or FIRST_FINDING)

    def _findings(self, place: FindingPlace, report: BackfillReport) -> _Step:
        findings = self._database.read(partial(findings_after, place=place, limit=STEP))
        report.findings += len(findings)
        sources = [(finding.observed_at, finding.source_id) for finding in findings]
        end = FindingPlace(findings[-1].observed_at, findings[-1].source_id) if findings else None
        return _Step(sources, self._rules.tags_of_findings(findings), end)

    def _store(self, step: _Step, report: BackfillReport) -> float:
        """Store what ``step`` gives; returns how long the database was held, in seconds."""
        started = time.monotonic()
        done = self._database.write(partial(self._write, step=step, seen=report.seen), self._writer.forget)
        report.new_tags += len(done.added)
        report.superseded += done.superseded
        return time.monotonic() - started

    def _write(self, connection: Connection, step: _Step, seen: int) -> Replaced:
        now = self._clock()
        done = self._writer.replace_tags(connection, step.sources, self._versions, step.tags, now=now)
        if step.end is None:
            end_backfill(connection)
            begin_epoch(connection, TAGS)
        else:
            write_backfill(connection, self._digest, step.end, seen, now=now)
        return done


def versions_in_force(loaded: LoadedRules, lifted: Container[str]) -> Mapping[str, int]:
    """The version of each rule that evaluates events, findings or sessions and is not disabled.

    ``lifted`` are those of which a lifter decides something: without its joins such a rule takes no part.
    """
    return {
        rule.rule_id: rule.rule.rule_version
        for rule in loaded.pack.rules
        if (rule.conditions or rule.session or rule.rule_id in lifted)
        and loaded.states.get(rule.rule_id, ENABLED).mode != "disabled"
    }


def digest_of(loaded: LoadedRules) -> str:
    """Another text whenever an evaluation by ``loaded`` may give something else."""
    states = sorted((rule_id, state.mode, state.confidence_max) for rule_id, state in loaded.states.items())
    return sha256(f"{loaded.pack.digest} {states}".encode()).hexdigest()
