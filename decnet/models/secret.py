"""Passwords are kept as a digest under the installation's key: equal ones stay equal, none can be read."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from functools import lru_cache

SecretDigest = Callable[[str], str]

_REMEMBERED = 8_192
_DIGEST_BYTES = 16


def secret_digest(key: bytes) -> SecretDigest:
    """A function from a secret to 32 hex digits of HMAC-SHA256 under ``key``; the empty secret stays empty."""

    @lru_cache(_REMEMBERED)
    def digest(secret: str) -> str:
        return hmac.digest(key, secret.encode(), "sha256")[:_DIGEST_BYTES].hex() if secret else ""

    return digest
