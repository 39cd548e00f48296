"""Rules in folders: loaded once by a command, or watched by a program that goes on while they are edited."""

from __future__ import annotations

import asyncio
import logging
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import decnet
from decnet.attack import catalog
from decnet.errors import RuleError
from decnet.ttp.collection import no_collections
from decnet.ttp.store.compile import Fault, compile_pack
from decnet.ttp.store.folder import candidates, is_rule_name, rule_stems
from decnet.ttp.store.parsed import Parsed
from decnet.ttp.store.state_file import STATE_NAME, StateFile
from decnet.ttp.store.watch import watcher_of
from decnet.ttp.store.watched import NOTHING, Slot, WatchedStore

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence

    from decnet.models.rule_state import RuleState
    from decnet.ttp.pack import CompiledRule, Pack
    from decnet.ttp.store.base import Clock, StateRecord
    from decnet.ttp.store.compile import CatalogLoader
    from decnet.ttp.store.folder import Found
    from decnet.ttp.store.watch import Watcher

log = logging.getLogger(__name__)

SETTLE_SECONDS = 0.15
"""A file that is gone or broken may be one that is being written; it is believed once it stayed so for that long."""
MAX_LOOKS = 20


def default_rules_folder() -> Path:
    """The folder of the pack that ships with the package: inside the wheel, or beside the package in a checkout."""
    package = Path(decnet.__file__).parent
    inside = package / "pack"
    return inside if inside.is_dir() else package.parent / "rules"


@cache
@no_collections()
def load_pack(folder: Path | None = None, overlay: Path | None = None) -> Pack:
    """The compiled rules of ``folder`` (default: the shipped pack) with those of ``overlay`` in place of their like.

    Each choice of folders is read once per process.

    :raises RuleError: there are no rules, or with every fault of every rule.
    """
    rules = (folder or default_rules_folder()) / "ttp"
    found = list(rule_files([*([overlay / "ttp"] if overlay else []), rules]))
    if not found:
        raise RuleError([f"{rules}: no rule files here; a pack has files like ttp/R0012.yaml"])
    faults = [str(file.fault) for file in found if file.fault is not None]
    if faults:
        raise RuleError(faults)
    parsed = Parsed([str(rules), str(overlay or "")])
    pack = compile_pack([(file.path, file.text) for file in found if file.text is not None], catalog.load, parsed)
    parsed.save()
    return pack


def rule_files(folders: Sequence[Path]) -> Iterator[Found]:
    """Every rule file that counts, by name: of the files of one name those in the first folder that has any."""
    for stem in sorted({stem for folder in folders for stem in rule_stems(folder)}):
        if layers := candidates(folders, stem):
            yield from layers[0]


class FilesystemRuleStore(WatchedStore):
    """A :class:`~decnet.ttp.store.base.RuleStore` in folders: ``rules``, ``overlay`` over it, and one for the states.

    ``rules`` and ``overlay`` have their files in ``ttp/``, one rule each. A file in ``overlay`` stands for the one of
    the same name below it; when it goes, that one is back.
    """

    def __init__(
        self,
        rules: Path,
        overlay: Path | None,
        state_folder: Path,
        *,
        clock: Clock | None = None,
        polling: bool | None = None,
        catalog_of: CatalogLoader = catalog.load,
    ) -> None:
        super().__init__(clock, catalog_of)
        self.folders = tuple(folder / "ttp" for folder in (overlay, rules) if folder is not None)
        self._states_file = StateFile(state_folder)
        self._polling = polling
        self._knows_states = False

    def has_rule(self, rule_id: str) -> bool:
        """Whether there is a file for ``rule_id``, good or not."""
        return is_rule_name(f"{rule_id}.yaml") and bool(candidates(self.folders, rule_id))

    async def known(self, *, again: bool = False) -> Mapping[str, Slot]:
        """What is known of each rule, none in the middle of a change; ``again`` looks at every file once more."""
        if again or not self._is_loaded:
            await self._look_at(None)
        async with self._turn:
            return dict(self._slots)

    async def _look(self) -> None:
        await self._look_at(None)
        await self._look_at_states()

    def _watches(self) -> Iterator[Coroutine[None, None, None]]:
        for folder in (*self.folders[:-1], self._states_file.folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        watched = (*self.folders, self._states_file.folder)
        watcher = watcher_of(watched, lambda name: name == STATE_NAME or is_rule_name(name), polling=self._polling)
        yield self._watch(watcher)

    def _place(self) -> str:
        return " or ".join(map(str, self.folders))

    def _emptiness(self) -> str:
        return f"{self._place()}: no rule files here; a pack has files"

    def _stored_states(self) -> Mapping[str, RuleState]:
        return self._states_file.read()

    def _store_state(self, rule_id: str, state: RuleState) -> Mapping[str, RuleState]:
        self._states_file.write(rule_id, state)
        return self._states_file.read()

    def _stored_history(self, rule_id: str | None) -> Sequence[StateRecord]:
        return self._states_file.history(rule_id)

    async def _end_states(self) -> None:
        await asyncio.to_thread(self._states_file.settle, self._clock.now())
        await self._look_at_states()

    async def _watch(self, watcher: Watcher) -> None:
        try:
            await self._look()
            while True:
                paths = await watcher.changed()
                await self._look_at(None if paths is None else {path.stem for path in paths if is_rule_name(path.name)})
                if paths is None or any(path.name == STATE_NAME for path in paths):
                    await self._look_at_states()
        finally:
            watcher.close()

    async def _look_at(self, stems: Iterable[str] | None) -> None:
        """Take in what the files of these names (None: all) have become, and tell of what that changes."""
        async with self._turn:
            changed = await self._take_in(stems)
            for stem in changed:
                self._tell(stem)
            self._is_loaded = True

    async def _take_in(self, stems: Iterable[str] | None) -> list[str]:
        names = sorted(await asyncio.to_thread(self._all_stems) if stems is None else stems)
        before = dict(self._slots)
        if self._is_loaded:
            changed = await self._settled(await asyncio.to_thread(self._compile, names), before)
        else:
            changed = await asyncio.to_thread(self._compile_first, names)
        held = [stem for stem, slot in self._slots.items() if slot.has_clash and stem not in changed]
        if changed and held:
            changed += await asyncio.to_thread(self._compile, held)
        self._slots = {stem: slot for stem, slot in self._slots.items() if slot.digest}
        return changed

    async def _settled(self, changed: list[str], before: Mapping[str, Slot]) -> list[str]:
        """The names in ``changed`` that are not as ``before`` once files that are gone or broken have stayed so."""
        doubtful = [stem for stem in changed if self._slots[stem].is_doubtful]
        for _ in range(MAX_LOOKS):
            if not doubtful:
                break
            await asyncio.sleep(SETTLE_SECONDS)
            seen = {stem: self._slots[stem] for stem in doubtful}
            self._slots |= {stem: before.get(stem, NOTHING) for stem in doubtful}
            await asyncio.to_thread(self._compile, doubtful)
            doubtful = [stem for stem, slot in seen.items() if not self._slots[stem].is_settled_since(slot)]
        return [stem for stem in changed if self._slots[stem] is not before.get(stem, NOTHING)]

    def _all_stems(self) -> set[str]:
        return {stem for folder in self.folders for stem in rule_stems(folder)} | self._slots.keys()

    @no_collections()
    def _compile_first(self, stems: Iterable[str]) -> list[str]:
        """As :meth:`_compile`, with what an earlier start has parsed."""
        self._parsed = Parsed(map(str, self.folders))
        try:
            return self._compile(stems)
        finally:
            self._parsed.save()
            self._parsed = None

    def _compile(self, stems: Iterable[str]) -> list[str]:
        """Make slots of what the files hold now; returns the names of those that are not as they were."""
        changed = []
        for stem in stems:
            before = self._slots.get(stem, NOTHING)
            after = self._slot(stem, before)
            if after is not before:
                self._slots[stem] = after
                changed.append(stem)
        return changed

    def _slot(self, stem: str, before: Slot) -> Slot:
        layers = candidates(self.folders, stem)
        if not layers:
            return before if before is NOTHING else before._replace(digest=b"", faults=(), written_at=())
        digest = _digest(layers[0])
        if digest == before.digest and not before.has_clash:
            return before
        written_at = tuple(found.written_at for found in layers[0])
        after = self._version(layers, before)._replace(digest=digest, written_at=written_at)
        return before if after == before else after

    def _version(self, layers: Sequence[Sequence[Found]], before: Slot) -> Slot:
        """The newest good version: of the uppermost file, else the one in force, else one from further below."""
        (first, *second), *lower = layers
        rule, faults, has_clash = self._rule(first)
        faults += [Fault(found.path, 1, f"{first.path.name} is there too; keep one file") for found in second]
        text = first.text
        if rule is None:
            rule, text = before.rule, before.text
        for layer in lower if rule is None else ():
            rule, text = self._rule(layer[0])[0], layer[0].text
        return Slot(b"", rule, text or "", tuple(faults), has_clash)

    def _rule(self, found: Found) -> tuple[CompiledRule | None, list[Fault], bool]:
        if found.text is None:
            return None, [found.fault] if found.fault else [], False
        return self._compiled(found.path, found.text)

    async def _look_at_states(self) -> None:
        async with self._states_turn:
            try:
                stored = await asyncio.to_thread(self._states_file.read)
            except RuleError as error:
                if not self._knows_states:
                    raise
                log.warning("%s; the states known so far stay in force", error)
                return
            self._knows_states = True
            self._take_states(stored)


def _digest(layer: Sequence[Found]) -> bytes:
    """Tells one state of the files of a rule from another; never empty."""
    return sha256(
        repr([(str(found.path), found.text, found.fault) for found in layer]).encode("utf-8", "replace")
    ).digest()
