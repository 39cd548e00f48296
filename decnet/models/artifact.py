"""What attackers left behind as a whole, mails and uploads: kept under the SHA-256 of its bytes, for a while."""

from __future__ import annotations

from hashlib import sha256
from typing import NewType, Protocol

Digest = NewType("Digest", bytes)
"""A SHA-256, 32 bytes."""

MAX_ARTIFACT_BYTES = 32 << 20
"""What is longer is not kept."""


def digest_of(content: bytes) -> Digest:
    """Under which name ``content`` is kept."""
    return Digest(sha256(content).digest())


class ArtifactStore(Protocol):
    """Keeps artifacts. The same bytes are kept once; putting them again makes them young again.

    Guarantees: once :meth:`put` returns, :meth:`get` gives the very bytes until retention takes them, also after a
    crash and from every process that shares the store. Not guaranteed: that an artifact is there at once for a reader
    that learnt its digest elsewhere (a shared mount may lag), so a reader that misses one tries again before it counts
    a miss. Nothing in here is ever executed, unpacked or named by an attacker.
    """

    def put(self, content: bytes, *, now: int) -> Digest:
        """Keep ``content``; ``now`` in µs UTC counts for retention.

        :raises ArtifactTooLarge: it is longer than :data:`MAX_ARTIFACT_BYTES`; nothing is kept.
        :raises StorageError: it cannot be kept.
        """

    def get(self, digest: Digest) -> bytes | None:
        """The bytes under ``digest``, or None when they are not (or no longer) there.

        :raises StorageError: they cannot be read, or are not what was put.
        """

    def drop_before(self, time: int) -> int:
        """Delete artifacts that were last put before ``time`` (µs UTC); returns their number."""
