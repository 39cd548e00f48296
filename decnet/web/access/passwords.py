"""Passwords of people: hashed with Argon2id, checked in the same time whether the account exists or not."""

from __future__ import annotations

import secrets
import threading
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

SHORTEST = 12
LONGEST = 256
"""Characters: a password is no way to keep the server busy."""
_AT_ONCE = threading.BoundedSemaphore(2)
"""Each check takes 64 MiB and tens of milliseconds; more at once would take what the rest of the API needs."""
_hasher = PasswordHasher()


def hashed(password: str) -> str:
    """What is stored for a password."""
    with _AT_ONCE:
        return _hasher.hash(password)


def is_right(password: str, stored: str | None) -> bool:
    """Whether ``password`` is the one that ``stored`` was made from; without an account it takes as long to say no."""
    with _AT_ONCE:
        try:
            _hasher.verify(stored or _nobody(), password)
        except (Argon2Error, InvalidHashError):
            return False
        return stored is not None


def new_password() -> str:
    """A password that nobody can guess: 120 random bits."""
    return secrets.token_urlsafe(15)


@cache
def _nobody() -> str:
    return _hasher.hash(secrets.token_urlsafe(15))
