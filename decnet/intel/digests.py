"""Digests of known malware as one compact, sorted file: a million of them take 16 MB and a look-up two microseconds.

The file: 16 bytes of magic; where the digests begin whose first two bytes are 0000, 0001 … ffff, and where the last of
them end (65,537 little-endian 32-bit integers); then the first 16 bytes of each SHA-256 in order. Half a digest is
enough: the chance that another file has one of a million is 2^-108. A look-up reads the few digests that begin like its
own; they are pages of the file, shared by all processes that read it.
"""

from __future__ import annotations

import mmap
import struct
from array import array
from itertools import accumulate
from typing import TYPE_CHECKING

from decnet.attack.files import write_whole
from decnet.errors import InputRefused

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SHA256_BYTES = 32
KEPT_BYTES = 16
_MAGIC = b"decnet digests 1"
_PAIRS = 1 << 16
_OFFSETS = struct.Struct("<2I")
_HEADER_BYTES = len(_MAGIC) + 4 * (_PAIRS + 1)


def write_digests(path: Path, digests: Iterable[bytes]) -> int:
    """``path`` holds these digests (32 bytes each), each once, or is as it was; returns how many there are.

    :raises OSError: it cannot be written.
    """
    kept = sorted({digest[:KEPT_BYTES] for digest in digests})
    counts = [0] * _PAIRS
    for digest in kept:
        counts[digest[0] << 8 | digest[1]] += 1
    offsets = array("I", accumulate(counts, initial=0))
    if struct.pack("=H", 1) != struct.pack("<H", 1):
        offsets.byteswap()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_whole(path, b"".join((_MAGIC, offsets.tobytes(), *kept)))
    return len(kept)


class DigestFile:
    """See :class:`~decnet.models.intel.KnownDigests`; many threads may ask.

    :raises InputRefused: ``path`` holds something else.
    :raises OSError: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            try:
                self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except ValueError:  # an empty file cannot be mapped
                raise _refusal(path) from None
        self.count = (len(self._bytes) - _HEADER_BYTES) // KEPT_BYTES
        if self._bytes[: len(_MAGIC)] != _MAGIC or _HEADER_BYTES + self.count * KEPT_BYTES != len(self._bytes):
            raise _refusal(path)
        if struct.unpack_from("<I", self._bytes, _HEADER_BYTES - 4)[0] != self.count:
            raise _refusal(path)

    def __len__(self) -> int:
        return self.count

    def holds(self, sha256: bytes) -> bool:
        """Whether the file with this SHA-256 (32 bytes) is on the list; False for what is no SHA-256."""
        if len(sha256) != SHA256_BYTES:
            return False
        first, end = _OFFSETS.unpack_from(self._bytes, len(_MAGIC) + 4 * (sha256[0] << 8 | sha256[1]))
        some = self._bytes[_HEADER_BYTES + KEPT_BYTES * first : _HEADER_BYTES + KEPT_BYTES * end]
        wanted = sha256[:KEPT_BYTES]
        at = some.find(wanted)
        while at > 0 and at % KEPT_BYTES:  # the end of one digest and the beginning of the next
            at = some.find(wanted, at + 1)
        return at >= 0


def _refusal(path: Path) -> InputRefused:
    return InputRefused(f"{path}: is no list of digests of ours; run: decnet intel update-feeds")
