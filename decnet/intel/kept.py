"""Files that are replaced while they are read: what was made of them is made anew when they change."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

from decnet.errors import InputRefused
from decnet.intel.digests import DigestFile
from decnet.intel.exits import ExitFiles
from decnet.intel.networks import NetworkFiles, network_files
from decnet.telemetry import logger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from decnet.models.network import Network

LOOKED_AT_S = 10.0
"""How often files are looked at."""
DIGESTS_NAME = "malwarebazaar.digests"
EXIT_KINDS = ("tor", "vpn")

T = TypeVar("T")
_Stamp = tuple[tuple[str, int, int], ...]
_log = logger(__name__)


class Kept(Generic[T]):
    """What ``make`` makes of the files that ``find`` finds; None as long as there are none.

    A file that turns out damaged is reported once, and what was before goes on being used. ``clock`` gives seconds.
    """

    def __init__(
        self,
        find: Callable[[], Sequence[Path]],
        make: Callable[[Sequence[Path]], T],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._make = make
        self._clock = clock
        self._look_at = float("-inf")
        self._stamp: _Stamp = ()
        self._made: T | None = None

    def newest(self) -> T | None:
        """It, as the files were :data:`LOOKED_AT_S` ago or later."""
        if (now := self._clock()) >= self._look_at:
            self._look_at = now + LOOKED_AT_S
            self._look()
        return self._made

    def _look(self) -> None:
        try:
            paths = self._find()
            stamp = tuple((str(path), path.stat().st_ino, path.stat().st_mtime_ns) for path in paths)
            if stamp != self._stamp:
                self._stamp = stamp
                self._made = self._make(paths) if paths else None
        except (OSError, InputRefused) as error:
            _log.warning("%s", error)


class KeptDigests:
    """See :class:`~decnet.models.intel.KnownDigests`; without a list nothing is known."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        path = folder / DIGESTS_NAME
        self._kept = Kept(lambda: [path] if path.exists() else [], lambda paths: DigestFile(paths[0]), clock)

    def holds(self, sha256: bytes) -> bool:
        """Whether the file with this SHA-256 (32 bytes) is on the list."""
        known = self._kept.newest()
        return known is not None and known.holds(sha256)


class KeptNetworks:
    """See :class:`~decnet.models.network.Networks`; without a file no network is known."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = Kept(lambda: network_files(folder), NetworkFiles, clock)

    def network_of(self, address: str) -> Network | None:
        """The network of ``address`` (IPv4 or IPv6), None where it is not known."""
        known = self._kept.newest()
        return known.network_of(address) if known is not None else None


class KeptExits:
    """See :class:`~decnet.models.network.Exits`; without a list there are none."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        paths = {kind: exits_path(folder, kind) for kind in EXIT_KINDS}
        self._kept = Kept(
            lambda: [path for path in paths.values() if path.exists()],
            lambda found: ExitFiles({kind: path for kind, path in paths.items() if path in found}),
            clock,
        )

    def kinds_of(self, address: str) -> frozenset[str]:
        """What ``address`` is an exit of: ``tor``, ``vpn``."""
        known = self._kept.newest()
        return known.kinds_of(address) if known is not None else frozenset()


def exits_path(folder: Path, kind: str) -> Path:
    """Where the exits of that kind are kept."""
    return folder / f"exits-{kind}.ranges"
