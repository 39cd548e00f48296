"""The ``rules`` worker: what changes in the rule store is announced, expiries too. One per installation is enough."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from decnet.bus.durable import pauses
from decnet.bus.journal import wake_readers
from decnet.bus.topics import RULE_RELOADED, RULE_STATE
from decnet.db.outbox import add_messages
from decnet.errors import StorageUnavailable
from decnet.models.announcement import RuleReloaded, RuleStateChanged, packed_announcement
from decnet.models.message import Message, partition_of
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from decnet.db.engine import Database
    from decnet.ttp.store.base import Changes, RuleChange, RuleStore

_log = logger(__name__)


class RulesWorker:
    """Announces the changes of ``store`` through the outbox of ``database``; ``clock`` gives µs UTC."""

    def __init__(self, database: Database, store: RuleStore, *, clock: Callable[[], int]) -> None:
        self._database = database
        self._store = store
        self._clock = clock
        self.announced = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Announce until ``stop`` is set; what changed before this was called is not announced.

        :raises RuleError: the store has no rules that can be used.
        """
        with self._store.subscribe_changes() as changes:
            await self._store.load_compiled()
            following = asyncio.create_task(self._follow(changes))
            told = asyncio.create_task(stop.wait())
            try:
                await asyncio.wait({following, told}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                told.cancel()
                changes.close()  # what has come by now is still announced
                await following

    async def _follow(self, changes: Changes) -> None:
        async for change in changes:
            for fault in change.faults:
                _log.warning("%s", fault)
            if (message := change_message(change)) is not None:
                await self._announce(message)

    async def _announce(self, message: Message) -> None:
        for pause in pauses():
            try:
                await asyncio.to_thread(
                    self._database.write, partial(add_messages, messages=[message], now=self._clock())
                )
                break
            except StorageUnavailable as error:
                _log.warning("waiting for the database: %s", error)
                await asyncio.sleep(pause)
        if self._database.is_embedded:
            wake_readers(self._database)
        self.announced += 1


def change_message(change: RuleChange) -> Message | None:
    """What is announced of ``change``; nothing of a text that cannot be used."""
    partition = partition_of(change.rule_id.encode())
    if change.what == "rule":
        version = change.rule.rule.rule_version if change.rule is not None else None
        reloaded = packed_announcement(RuleReloaded(change.rule_id, version))
        return Message(RULE_RELOADED.name(rule=change.rule_id), partition, (reloaded,))
    if change.what == "state":
        state = change.state
        given = (state.mode, state.confidence_max, state.expires_at, state.reason, state.set_by, state.set_at)
        changed = packed_announcement(RuleStateChanged(change.rule_id, *given))
        return Message(RULE_STATE.name(rule=change.rule_id), partition, (changed,))
    return None
