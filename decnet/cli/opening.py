"""What most commands begin with: settings, the database, the key of digests, and the rules in force."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from decnet.cli.terminal import shown
from decnet.config import Settings, installation_key, load_settings, unknown_settings
from decnet.db.artifacts import FileArtifacts, RowArtifacts
from decnet.db.engine import open_database
from decnet.db.events import commands_before
from decnet.intel.kept import KeptDigests, KeptExits, KeptNetworks
from decnet.models.secret import secret_digest
from decnet.ttp.lifters.base import Joins
from decnet.ttp.live import LiveRules
from decnet.ttp.store.database import DatabaseRuleStore
from decnet.ttp.store.filesystem import FilesystemRuleStore, default_rules_folder
from decnet.ttp.tables import PackTables
from decnet.workers.mails import StoredBodies, StoredMails

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from decnet.db.engine import Database
    from decnet.models.artifact import ArtifactStore
    from decnet.models.event import Event
    from decnet.models.secret import SecretDigest
    from decnet.ttp.lifters.base import Tables
    from decnet.ttp.store.base import LoadedRules, RuleStore

_COMPILING = "decnet-rules"
"""The thread that compiles."""
_COLLECT_AFTER = (200_000, 20, 20)
"""Collections are for cycles, of which a run makes few: at Python's own figures they are a twentieth of its time."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One data folder and its database, open."""

    settings: Settings
    database: Database
    digest: SecretDigest
    bodies: StoredBodies
    """Texts of mails, for rules; the direct mode tells it of those that it is about to store."""

    def rule_store(self) -> RuleStore:
        """The rules of this installation and their states, from where the settings say."""
        return _rule_store(self.settings, self.database)

    def artifacts(self) -> ArtifactStore:
        """Where mails, uploads and fingerprints are kept whole: beside an embedded database, else in the server's."""
        if self.database.is_embedded:
            return FileArtifacts(self.settings.folder / "artifacts")
        return RowArtifacts(self.database)

    def tables(self) -> Tables:
        """The tables that rules name: the operator's own, else those of the pack."""
        return PackTables([self.settings.folder / "rules", self.settings.rules_dir or default_rules_folder()])

    def joins(self) -> Joins:
        """What lifters may ask here."""
        folder = self.settings.intel_folder
        return Joins(
            secrets=self.digest,
            networks=KeptNetworks(folder),
            exits=KeptExits(folder),
            known_bad=KeptDigests(folder),
            mails=StoredMails(self.artifacts()),
            bodies=self.bodies,
        )

    def live_rules(self, loaded: LoadedRules) -> LiveRules:
        """``loaded`` as a tagger that knows what this installation knows."""
        tables, joins = self.tables(), self.joins()
        return LiveRules(loaded, earlier_commands=self.earlier_commands, tables=tables, joins=joins)

    def earlier_commands(self, event: Event) -> list[str]:
        """The stored commands of the event's session before it."""
        return self.database.read(partial(commands_before, event=event))


@contextmanager
def open_installation(data_dir: Path | None = None) -> Iterator[Installation]:
    """The installation of this process's settings, or the one in a data folder.

    :raises DecnetError: the settings or the database cannot be used.
    """
    settings = load_settings() if data_dir is None else Settings(data_dir=data_dir)
    complain([f"{fault}" for fault in unknown_settings(os.environ)])
    if settings.keeps_secrets:
        complain(
            ["passwords are stored as they are typed, because DECNET_STORE_SECRETS is clear; unset it to stop that"]
        )
    digest = secret_digest(installation_key(settings))
    database = open_database(settings.database_url)
    try:
        yield Installation(settings, database, digest, StoredBodies(database))
    finally:
        database.close()


@contextmanager
def open_rule_store() -> Iterator[RuleStore]:
    """The rules and states that the settings of this process choose; the database is opened only where they are there.

    :raises DecnetError: the settings or the database cannot be used.
    """
    settings = load_settings()
    if settings.ttp_rule_store_type == "filesystem":
        yield _files(settings)
        return
    database = open_database(settings.database_url)
    try:
        yield _rule_store(settings, database)
    finally:
        database.close()


def _rule_store(settings: Settings, database: Database) -> RuleStore:
    if settings.ttp_rule_store_type == "filesystem":
        return _files(settings)
    return DatabaseRuleStore(database, mirror=_files(settings) if settings.mode == "master" else None)


def _files(settings: Settings) -> FilesystemRuleStore:
    """The shipped pack or the chosen one, the operator's own over it."""
    return FilesystemRuleStore(settings.rules_dir or default_rules_folder(), settings.folder / "rules", settings.folder)


def rules_now(installation: Installation) -> LiveRules:
    """The rules as they are in force now; faulty files are reported and left out.

    :raises RuleError: there are no rules that can be used.
    """
    loaded = asyncio.run(installation.rule_store().load_compiled())
    complain(loaded.faults)
    rules = installation.live_rules(loaded)
    if rules.is_provisional:
        threading.Thread(target=rules.rebuild, name=_COMPILING).start()
    gc.freeze()  # what a run keeps to its end: collections pass over it
    gc.set_threshold(*_COLLECT_AFTER)
    return rules


def is_compiling() -> bool:
    """Whether rules are still compiled in the background, for which the program waits at its end."""
    return any(thread.name == _COMPILING for thread in threading.enumerate())


def complain(faults: list[str] | tuple[str, ...]) -> None:
    """One line on standard error per fault."""
    sys.stderr.writelines(f"decnet: {shown(fault)}\n" for fault in faults)
