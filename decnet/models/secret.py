"""Passwords are kept as a digest under the installation's key: equal ones stay equal, none can be read.

Where the operator says so, what digests stand for is kept as well, apart from everything else.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import lru_cache

SecretDigest = Callable[[str], str]

MAX_KEPT_CHARS = 1_024
_REMEMBERED = 8_192
_DIGEST_BYTES = 16


def secret_digest(key: bytes) -> SecretDigest:
    """A function from a secret to 32 hex digits of HMAC-SHA256 under ``key``; the empty secret stays empty."""

    @lru_cache(_REMEMBERED)
    def digest(secret: str) -> str:
        return hmac.digest(key, secret.encode(), "sha256")[:_DIGEST_BYTES].hex() if secret else ""

    return digest


class KeptSecrets:
    """Digests secrets as ``digest`` does, and remembers what each stands for until it is stored.

    Not safe to share between threads.
    """

    def __init__(self, digest: SecretDigest) -> None:
        self._digest = digest
        self._stored: dict[str, None] = {}
        self.waiting: dict[str, str] = {}
        """Secret by digest, those that are not stored yet. Longer ones than :data:`MAX_KEPT_CHARS` are not kept."""

    def __call__(self, secret: str) -> str:
        """The digest of ``secret``, which is remembered."""
        digest = self._digest(secret)
        if digest and digest not in self._stored and len(secret) <= MAX_KEPT_CHARS:
            self.waiting[digest] = secret
        return digest

    def note_stored(self) -> None:
        """Those that waited are stored."""
        self._stored.update(dict.fromkeys(self.waiting))
        self.waiting = {}
        while len(self._stored) > _REMEMBERED:
            del self._stored[next(iter(self._stored))]
