"""The rules as the API tells them: loaded once, and again after the store has said that something changed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from yaml import YAMLError

from decnet.errors import RuleError, StorageUnavailable
from decnet.telemetry import logger
from decnet.ttp.cases import cases_of, try_cases
from decnet.ttp.rule_page import read_measurement

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from decnet.models.rule_state import RuleState
    from decnet.ttp.cases import CaseResult
    from decnet.ttp.pack import CompiledRule
    from decnet.ttp.rule_page import Measurement
    from decnet.ttp.store.base import Changes, RuleStore

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the store held at one moment: rules by id, states other than *enabled*, and what is wrong with texts.

    ``measurement`` is of the pack that ships; one of somebody's own may have nothing of the kind.
    """

    rules: Mapping[str, CompiledRule] = field(default_factory=dict)
    states: Mapping[str, RuleState] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    measurement: Measurement | None = None


class RuleBook:
    """What ``store`` holds, at hand. ``folders`` are the packs of this host, with cases and measurements.

    For one event loop. The store is watched from the first question on, until it is closed.
    """

    def __init__(self, store: RuleStore, folders: Sequence[Path] = ()) -> None:
        self._store = store
        self._folders = tuple(folders)
        self._turn = asyncio.Lock()
        self._known = Rules()
        self._is_fresh = False
        self._watching: asyncio.Task[None] | None = None
        self._tried: dict[str, tuple[CompiledRule, tuple[CaseResult, ...]]] = {}

    async def now(self) -> Rules:
        """The rules and their states; a pack that cannot be used leaves the last good one, with its faults."""
        async with self._turn:
            if self._watching is None or self._watching.done():
                self._is_fresh = False
                self._watching = asyncio.create_task(self._watch(self._store.subscribe_changes()))
            if not self._is_fresh:
                self._is_fresh = True  # what changes while it is being read is read again
                self._known = await self._read()
            return self._known

    def forget(self) -> None:
        """Something was changed here: look again."""
        self._is_fresh = False

    async def tried_cases(self, rule: CompiledRule) -> tuple[CaseResult, ...]:
        """The cases of ``rule``, tried; the same rule is not tried twice."""
        known = self._tried.get(rule.rule_id)
        if known is None or known[0] is not rule:
            known = rule, await asyncio.to_thread(_try, rule, self._folders)
            self._tried[rule.rule_id] = known
        return known[1]

    async def _read(self) -> Rules:
        try:
            loaded = await self._store.load_compiled()
        except RuleError as error:
            return replace(self._known, faults=error.faults)
        except BaseException:
            self._is_fresh = False
            raise
        by_id = {rule.rule_id: rule for rule in loaded.pack.rules}
        measurement = await asyncio.to_thread(_measurement, self._folders)
        return Rules(by_id, loaded.states, loaded.faults, measurement)

    async def _watch(self, changes: Changes) -> None:
        with changes:
            try:
                async for _ in changes:
                    self._is_fresh = False
            except (RuleError, StorageUnavailable, OSError) as error:
                _log.warning("rules are read anew at the next question: %s", error)
        self._is_fresh = False


def _measurement(folders: Sequence[Path]) -> Measurement | None:
    try:
        return read_measurement(folders[-1] / "data") if folders else None
    except (OSError, ValueError, YAMLError):
        return None


def _try(rule: CompiledRule, folders: Sequence[Path]) -> tuple[CaseResult, ...]:
    file = cases_of(rule, folders)
    return tuple(try_cases(rule, file))
