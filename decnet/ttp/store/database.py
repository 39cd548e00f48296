"""Rules in a database that many hosts share: the one that has the files writes them there, all others follow.

Followers ask for the number of the newest change a few times a second and take in what is above the last one that they
saw; numbers commit in order, so nothing is missed, whatever the clocks of the hosts say.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from decnet.attack import catalog
from decnet.db.rules import (
    holds_rule,
    newest_number,
    rules_after,
    settle_states,
    state_history,
    states_after,
    write_rules,
    write_state,
)
from decnet.errors import StorageUnavailable
from decnet.ttp.collection import no_collections
from decnet.ttp.store.base import StateRecord
from decnet.ttp.store.filesystem import SETTLE_SECONDS
from decnet.ttp.store.folder import is_rule_name
from decnet.ttp.store.parsed import Parsed
from decnet.ttp.store.watched import NOTHING, Slot, WatchedStore

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.db.rules import StoredRule
    from decnet.models.rule_state import RuleState
    from decnet.ttp.pack import CompiledRule
    from decnet.ttp.store.base import Clock
    from decnet.ttp.store.compile import CatalogLoader, Fault
    from decnet.ttp.store.filesystem import FilesystemRuleStore

log = logging.getLogger(__name__)

POLL_SECONDS = 0.2
EXPIRY_PATIENCE_SECONDS = 0.5
"""A state ends when it falls due, also where the database does not take that down for so long."""
_BEFORE_ALL = -1
STORED = Path("database")
"""Where texts are said to be that came from a database and from no file."""


class DatabaseRuleStore(WatchedStore):
    """A :class:`~decnet.ttp.store.base.RuleStore` in ``database``.

    ``mirror`` is for the one host that has the rule files: whatever it comes to know is written to the database, texts
    of deleted files are removed there. A file that cannot be used is reported here and leaves what is stored alone. Its
    states do not count. Two hosts with a mirror each and different files would undo each other's work.
    """

    def __init__(
        self,
        database: Database,
        *,
        mirror: FilesystemRuleStore | None = None,
        clock: Clock | None = None,
        poll_s: float = POLL_SECONDS,
        catalog_of: CatalogLoader = catalog.load,
    ) -> None:
        super().__init__(clock, catalog_of)
        self._database = database
        self._mirror = mirror
        self._poll_s = poll_s
        self._seen = _BEFORE_ALL
        self._texts: dict[str, str] = {}
        self._files: Mapping[str, Slot] = {}
        self._has_mirrored = False
        self._told: dict[str, tuple[Fault, ...]] = {}
        self._mirror_turn = asyncio.Lock()

    async def aclose(self) -> None:
        """Stop watching; open subscriptions end."""
        await super().aclose()
        if self._mirror is not None:
            await self._mirror.aclose()

    def has_rule(self, rule_id: str) -> bool:
        """Whether there is a text for ``rule_id`` in the database, or a file whose text will be there."""
        if not is_rule_name(f"{rule_id}.yaml"):
            return False
        is_stored = rule_id in self._texts or self._database.read(partial(holds_rule, rule_id=rule_id))
        return is_stored or (self._mirror is not None and self._mirror.has_rule(rule_id))

    async def _look(self) -> None:
        if self._mirror is not None:
            await self._mirror.load_compiled()
            await self._take_files(self._mirror)
        await self._take_news()

    async def _look_at_states(self) -> None:
        async with self._states_turn:
            self._take_states(await asyncio.to_thread(self._stored_states))

    def _watches(self) -> Iterator[Coroutine[None, None, None]]:
        yield self._watch_database()
        if self._mirror is not None:
            yield self._watch_files(self._mirror)

    async def _watch_database(self) -> None:
        if self._mirror is not None:
            self._files = await self._mirror.known()  # what is compiled already is not compiled again
        while True:
            try:
                await self._take_news()
            except StorageUnavailable as error:
                log.warning("%s; the rules known so far stay in force", error)
            await asyncio.sleep(self._poll_s)

    async def _watch_files(self, mirror: FilesystemRuleStore) -> None:
        with mirror.subscribe_changes() as changes:
            await self._take_files_at_last(mirror)
            async for change in changes:
                if change.what != "state":
                    await self._take_files_at_last(mirror)

    async def _take_files_at_last(self, mirror: FilesystemRuleStore) -> None:
        """As :meth:`_take_files`, however long the database is away."""
        while True:
            try:
                await self._take_files(mirror)
            except StorageUnavailable as error:
                log.warning("%s; rule files that changed are written there once it is back", error)
                await asyncio.sleep(self._poll_s)
            else:
                return

    async def _take_files(self, mirror: FilesystemRuleStore) -> None:
        """Bring the database to what the files say, take that in, and tell of what is wrong with files."""
        async with self._mirror_turn:
            self._files = await mirror.known()
            if not self._has_mirrored:
                await self._take_news()
                if self._texts.keys() - self._files.keys():
                    await asyncio.sleep(SETTLE_SECONDS)  # a file that is gone may be one that is being written
                    self._files = await mirror.known(again=True)
            if texts := self._differing(self._files):
                await asyncio.to_thread(self._database.write, partial(write_rules, texts=texts))
                await self._take_news()
            for rule_id in sorted(self._told.keys() | self._files.keys()):
                if self._faults_of(rule_id) != self._told.get(rule_id, ()):
                    self._tell(rule_id)
            self._has_mirrored = self._is_loaded = True

    def _differing(self, files: Mapping[str, Slot]) -> dict[str, str | None]:
        """What the database has otherwise than ``files`` do; a folder without any rule is none of ours, not empty."""
        texts: dict[str, str | None] = {}
        for rule_id, slot in files.items():
            stored = self._texts.get(rule_id)
            if slot.rule is not None and slot.text != stored and not (slot.faults and stored is not None):
                texts[rule_id] = slot.text
        if files:
            texts |= dict.fromkeys(self._texts.keys() - files.keys())
        return texts

    async def _take_news(self) -> None:
        """Take in what changed in the database since the last look, and tell of it."""
        async with self._turn:
            news = await asyncio.to_thread(self._database.read, partial(_news_after, number=self._seen))
            if news is None:
                return
            number, rules = news
            await self._look_at_states()
            for rule_id in await asyncio.to_thread(self._compile if self._is_loaded else self._compile_first, rules):
                self._tell(rule_id)
            self._seen = number
            self._is_loaded = self._has_mirrored or self._mirror is None

    @no_collections()
    def _compile_first(self, rules: Iterable[StoredRule]) -> list[str]:
        """As :meth:`_compile`, with what an earlier start has parsed; where there are files, those have done that."""
        if self._mirror is not None:
            return self._compile(rules)
        self._parsed = Parsed([self._place()])
        try:
            return self._compile(rules)
        finally:
            self._parsed.save()
            self._parsed = None

    def _compile(self, rules: Iterable[StoredRule]) -> list[str]:
        """Make slots of ``rules``; returns the ids of those that are not as they were."""
        changed: dict[str, None] = {}
        for rule_id, text, _ in rules:
            if text is None:
                self._texts.pop(rule_id, None)
            else:
                self._texts[rule_id] = text
            if self._take_in(rule_id):
                changed[rule_id] = None
        clashing = [rule_id for rule_id, slot in self._slots.items() if slot.has_clash]
        changed |= dict.fromkeys(rule_id for rule_id in clashing if changed and self._take_in(rule_id))
        return list(changed)

    def _take_in(self, rule_id: str) -> bool:
        """Make a slot of the newest text of ``rule_id``; whether that is another one."""
        before = self._slots.get(rule_id, NOTHING)
        if (text := self._texts.get(rule_id)) is None:
            return self._slots.pop(rule_id, None) is not None
        after = self._slot(rule_id, text, before)
        self._slots[rule_id] = after
        return after is not before

    def _slot(self, rule_id: str, text: str, before: Slot) -> Slot:
        digest = sha256(text.encode()).digest()
        if digest == before.digest and not before.has_clash:
            return before
        rule, faults, has_clash = self._version(rule_id, text)
        good, good_text = (before.rule, before.text) if rule is None else (rule, text)
        after = Slot(digest, good, good_text, tuple(faults), has_clash)
        return before if after == before else after

    def _version(self, rule_id: str, text: str) -> tuple[CompiledRule | None, list[Fault], bool]:
        file = self._files.get(rule_id, NOTHING)
        if file.rule is not None and file.text == text:
            return self._beside_others(file.rule)
        return self._compiled(STORED / f"{rule_id}.yaml", text)

    def _known_names(self) -> set[str]:
        return self._slots.keys() | self._files.keys()

    def _faults_of(self, rule_id: str) -> tuple[Fault, ...]:
        return (*self._files.get(rule_id, NOTHING).faults, *super()._faults_of(rule_id))

    def _tell(self, rule_id: str, *, is_state: bool = False) -> None:
        super()._tell(rule_id, is_state=is_state)
        if not is_state:
            self._told[rule_id] = self._faults_of(rule_id)

    async def _end_states(self) -> None:
        settle = partial(settle_states, now=self._clock.now())
        settled = asyncio.create_task(asyncio.to_thread(self._database.write, settle))
        await asyncio.wait({settled}, timeout=EXPIRY_PATIENCE_SECONDS)
        self._take_states(self._states)
        try:
            await settled
        except StorageUnavailable as error:
            log.warning("%s; states that have ended are over all the same", error)

    def _stored_states(self) -> Mapping[str, RuleState]:
        return self._database.read(_states)

    def _store_state(self, rule_id: str, state: RuleState) -> Mapping[str, RuleState]:
        return self._database.write(partial(_states_with, rule_id=rule_id, state=state))

    def _stored_history(self, rule_id: str | None) -> Sequence[StateRecord]:
        return [StateRecord(*row) for row in self._database.read(partial(state_history, rule_id=rule_id))]

    def _place(self) -> str:
        return f"database {self._database.place}"

    def _emptiness(self) -> str:
        return f"{self._place()}: no rules here yet; start a program on the host that has the rule files"


def _states(connection: Connection) -> dict[str, RuleState]:
    return {rule_id: state for rule_id, state, _ in states_after(connection, _BEFORE_ALL)}


def _states_with(connection: Connection, rule_id: str, state: RuleState) -> dict[str, RuleState]:
    """All states once ``rule_id`` was given that one."""
    write_state(connection, rule_id, state)
    return _states(connection)


def _news_after(connection: Connection, number: int) -> tuple[int, list[StoredRule]] | None:
    """The newest number and the rules that changed after ``number``; None where nothing did.

    A server may show rules that were committed after the number was read; they come with the next news once more.
    """
    newest = newest_number(connection)
    return None if newest <= number else (newest, rules_after(connection, number))
