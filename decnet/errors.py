"""Every exception that this package raises on purpose.

::

    DecnetError
    ├── InputRefused          a file or line that cannot be read; the rest goes on
    ├── RuleError             a rule file that cannot be loaded; carries every fault found
    ├── CatalogueError        an ATT&CK id, pair or bundle that is not valid
    ├── StorageError          the database refused, is full, or is of another version
    └── SettingsError         a setting with an unusable value

A message names the thing, the value, the place and the way out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class DecnetError(Exception):
    """Anything that went wrong in a way that we foresaw."""


class InputRefused(DecnetError):
    """A log, or a line of it, that cannot be read."""


class RuleError(DecnetError):
    """Rule files that cannot be loaded; ``faults`` holds one ``file:line: what; way out`` each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class CatalogueError(DecnetError):
    """An ATT&CK id, a (tactic, technique) pair or a bundle that the catalogue does not accept."""


class StorageError(DecnetError):
    """The database cannot take or give what was asked."""


class SettingsError(DecnetError):
    """A setting whose value cannot be used."""
