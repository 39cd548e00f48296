"""Every exception that this package raises on purpose.

::

    DecnetError
    ├── InputRefused          a file or line that cannot be read; the rest goes on
    ├── RuleError             a rule file that cannot be loaded; carries every fault found
    ├── CatalogueError        an ATT&CK id, pair or bundle that is not valid
    ├── StorageError          the database refused, is full, or is of another version
    │   ├── StorageUnavailable    full, locked or out of reach for now: the same call may succeed later
    │   ├── OutdatedRule          a tag of a rule version that was replaced; evaluate again
    │   └── ArtifactTooLarge      an artifact beyond the limit; it is not kept
    ├── BusError              the bus refused a message, a pattern or a name
    │   ├── BusUnavailable        out of reach or without room for now: the same call may succeed later
    │   └── PartitionLost         another process reads on from here: what was done must not be committed
    ├── ProviderFailed        a provider of threat intelligence gave no usable answer; it is asked again later
    ├── TargetRefused         a receiver of alerts where nothing may be sent
    ├── DeliveryFailed        a receiver did not take an alert; it is tried again later
    ├── WorkerEnded           a worker in a process of its own ended by itself
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


class StorageUnavailable(StorageError):
    """The database is full, locked by another program or out of reach; what was asked may be asked again later."""


class OutdatedRule(StorageError):
    """A tag comes from a version of a rule that a newer one has replaced everywhere."""


class ArtifactTooLarge(StorageError):
    """An artifact is longer than what is kept."""


class BusError(DecnetError):
    """The bus cannot take or give what was asked."""


class BusUnavailable(BusError):
    """The bus is out of reach or has no room; what was asked may be asked again later."""


class PartitionLost(BusError):
    """The lease on a partition has passed to another process, which handles the same message again."""


class ProviderFailed(DecnetError):
    """A provider did not answer, or not in the way that it documents.

    ``retry_after_s`` is how long it wants to be left alone, where it says so. ``is_about_address`` is set where the
    fault lies in what was asked: other addresses can still be asked about.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, is_about_address: bool = False) -> None:
        self.retry_after_s = retry_after_s
        self.is_about_address = is_about_address
        super().__init__(message)


class TargetRefused(DecnetError):
    """A receiver of alerts at an address that nothing may be sent to, or one that cannot be understood."""


class DeliveryFailed(DecnetError):
    """A receiver did not take an alert.

    ``retry_after_s`` is how long it wants to be left alone, where it says so. ``is_about_alert`` is set where the fault
    lies in this alert: it may take others.
    """

    def __init__(self, message: str, *, retry_after_s: float | None = None, is_about_alert: bool = False) -> None:
        self.retry_after_s = retry_after_s
        self.is_about_alert = is_about_alert
        super().__init__(message)


class WorkerEnded(DecnetError):
    """A worker in a process of its own ended by itself, for a reason that it has told."""


class SettingsError(DecnetError):
    """A setting whose value cannot be used."""
