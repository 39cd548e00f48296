"""``decnet serve`` as one process has it, with the rules that ship, on growing logs: raw lines in, stored tags out."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from decnet.bus.journal import JournalBus, JournalSettings
from decnet.db.artifacts import FileArtifacts
from decnet.db.engine import open_database
from decnet.db.outbox import add_messages
from decnet.models.actor import attacker_uuid
from decnet.models.ids import uuid_text
from decnet.models.secret import secret_digest
from decnet.ttp.lifters.base import Joins
from decnet.ttp.store.filesystem import FilesystemRuleStore, default_rules_folder
from decnet.workers.mails import StoredBodies, StoredMails
from decnet.workers.serve import Workplace, serve
from tests.databases import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from decnet.models.message import Message
    from decnet.models.network import Networks

PATIENCE_S = 60.0
DURABLES = ("attribute", "ttp", "cluster")
LOGS = ("cowrie.json", "opencanary.log", "events.jsonl")
KEY = b"the key of the installation that tests serve"
_TAGS = """
SELECT ttp.tactic, ttp.technique_id, ttp.sub_technique_id, tag.confidence, tag.evidence, tag.source_kind, tag.source_id,
tag.observed_at, attacker.uuid, identity.uuid FROM tag JOIN ttp ON ttp.id = tag.ttp_id
LEFT JOIN attacker ON attacker.id = tag.attacker_id LEFT JOIN identity ON identity.id = tag.identity_id
WHERE tag.rule_id = :rule AND NOT tag.superseded
ORDER BY tag.observed_at, tag.source_id, ttp.technique_id, ttp.sub_technique_id"""


class StoredTag(NamedTuple):
    """A tag as it is stored; ``technique`` is the sub-technique where there is one, owners are uuid texts."""

    tactic: str
    technique: str
    confidence: float
    evidence: dict[str, Any]
    source_kind: str
    source_id: str
    observed_at: int
    attacker: str
    identity: str

    @property
    def shown(self) -> tuple[str, str, float]:
        """Tactic, technique and confidence."""
        return self.tactic, self.technique, self.confidence


class Served:
    """Workers in a thread of their own, and the logs and the database that they work on."""

    def __init__(self, folder: Path, networks: Networks) -> None:
        self._folder = folder
        self.database = open_database(f"sqlite:///{folder / 'decnet.sqlite'}")
        digest = secret_digest(KEY)
        for name in LOGS:
            (folder / name).touch()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._bus = JournalBus(self.database, JournalSettings(poll_s=0.05))
        self.artifacts = FileArtifacts(folder / "artifacts")
        mails, bodies = StoredMails(self.artifacts), StoredBodies(self.database)
        self._place = Workplace(
            self.database,
            self._bus,
            FilesystemRuleStore(default_rules_folder(), None, folder),
            digest,
            lambda: time.time_ns() // 1_000,
            tuple(str(folder / name) for name in LOGS),
            joins=Joins(secrets=digest, networks=networks, mails=mails, bodies=bodies),
        )
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._run(),))
        self._thread.start()
        self._until(self._is_up, "the workers to begin")

    async def _run(self) -> None:
        try:
            await serve(("intake", "attribute", "ttp", "cluster"), self._place, self._stop)
        finally:
            await self._place.store.aclose()
            await self._bus.close()

    def close(self) -> None:
        """Stop politely."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)
        self._loop.close()
        self.database.close()

    def log(self, name: str, lines: Iterable[bytes]) -> None:
        """The honeypot writes ``lines``."""
        with (self._folder / name).open("ab") as file:
            file.writelines(line + b"\n" for line in lines)

    def publish(self, messages: Iterable[Message]) -> None:
        """Announce something, as a worker does."""
        now = self._place.clock()
        self.database.write(lambda connection: add_messages(connection, list(messages), now=now))

    def tags(self, rule: str, source: str, *, count: int = 1) -> list[StoredTag]:
        """The tags of ``rule`` on the attacker at ``source``, once there are so many."""
        wanted = uuid_text(attacker_uuid(source))
        found: list[StoredTag] = []

        def are_there() -> bool:
            found[:] = [tag for tag in self.tags_now(rule) if tag.attacker == wanted]
            return len(found) >= count

        self._until(are_there, f"{count} tags of {rule} on {source}")
        return found

    def identity_tags(self, rule: str, identity: str, *, count: int = 1) -> list[StoredTag]:
        """The tags of ``rule`` on an identity itself, once there are so many."""
        found: list[StoredTag] = []

        def are_there() -> bool:
            found[:] = [tag for tag in self.tags_now(rule) if tag.identity == identity]
            return len(found) >= count

        self._until(are_there, f"{count} tags of {rule} on identity {identity}")
        return found

    def identities_of(self, *sources: str) -> set[str]:
        """The identities that attackers at ``sources`` are in now."""
        found = rows(
            self.database,
            "SELECT attacker.uuid, identity.uuid FROM attacker JOIN identity ON identity.id = attacker.identity_id",
        )
        wanted = {attacker_uuid(source) for source in sources}
        return {uuid_text(identity) for attacker, identity in found if attacker in wanted}

    def tags_now(self, rule: str) -> list[StoredTag]:
        """All tags of ``rule`` that are stored."""
        return [_stored(*row) for row in rows(self.database, _TAGS, rule=rule)]

    def settle(self) -> None:
        """Wait until all lines were read and everybody has made of them what there is to make."""
        self._until(self._has_read, "the intake")
        quiet = 0

        def is_quiet() -> bool:
            nonlocal quiet
            lags = [asyncio.run_coroutine_threadsafe(self._bus.lag(name), self._loop).result() for name in DURABLES]
            quiet = quiet + 1 if not any(lag.messages for lag in lags) else 0
            return quiet >= 3

        self._until(is_quiet, "the workers")

    def _is_up(self) -> bool:
        known = {name for (name,) in rows(self.database, "SELECT DISTINCT consumer FROM bus_position")}
        return known >= set(DURABLES)

    def _has_read(self) -> bool:
        ends = dict(rows(self.database, "SELECT path, end_offset FROM log_position"))
        paths = [self._folder / name for name in LOGS]
        return all(ends.get(str(path), 0) == path.stat().st_size for path in paths)

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert self._thread.is_alive(), "the workers have ended"
            assert time.monotonic() < deadline, f"waited in vain for {what}"
            time.sleep(0.05)


def _stored(
    tactic: str,
    technique: str,
    sub_technique: str,
    confidence: float,
    evidence: str,
    source_kind: str,
    source_id: str,
    observed_at: int,
    attacker: bytes | None,
    identity: bytes | None,
) -> StoredTag:
    shown = (tactic, sub_technique or technique, round(confidence, 4), json.loads(evidence))
    owners = (uuid_text(owner) if owner else "" for owner in (attacker, identity))
    return StoredTag(*shown, source_kind, source_id, observed_at, *owners)
