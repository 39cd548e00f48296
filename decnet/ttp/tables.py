"""The tables that rules name: ``data/brands.yaml`` of the operator's own folder, else of the pack that ships."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from decnet.errors import RuleError
from decnet.ttp.store.folder import read_rule_file
from decnet.ttp.store.yaml_file import read_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class _Read(NamedTuple):
    """A table as it was read, and when the file had last been written (ns)."""

    path: Path
    written_at: int
    value: object


class PackTables:
    """Tables of packs that lie over each other, the uppermost first; see :data:`decnet.ttp.lifters.base.Tables`.

    A file is parsed once, and again after it was written: a rule that is loaded anew finds its tables as they are.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._read: dict[str, _Read] = {}

    def __call__(self, name: str) -> object:
        """The value of the table ``name``.

        :raises RuleError: no pack has it, or it cannot be read; with file and line.
        """
        for folder in self._folders:
            path = folder / name
            if not path.resolve().is_relative_to(folder.resolve()):
                raise RuleError([f"{name}: lies outside of {folder}; copy it there"])
            if (value := self._value(name, path)) is not None:
                return value
        raise RuleError([f"{name}: no such table in {' or '.join(map(str, self._folders))}; write it"])

    def _value(self, name: str, path: Path) -> object:
        """What stands in ``path``; None where there is no such file."""
        found = read_rule_file(path)
        if found is None:
            return None
        if found.text is None:
            raise RuleError([str(found.fault)])
        known = self._read.get(name)
        if known is None or (known.path, known.written_at) != (path, found.written_at):
            source = read_yaml(found.text)
            if source.faults:
                raise RuleError([f"{path}:{fault.line}: {fault.message}" for fault in source.faults])
            known = self._read[name] = _Read(path, found.written_at, source.value)
        return known.value
