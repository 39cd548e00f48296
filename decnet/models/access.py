"""Who may use the API: accounts of people, keys of programs and sensors, and the record of what administrators did.

Times are µs UTC.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Role = Literal["viewer", "admin"]
"""What an account may do: read everything, or change rules and access as well."""
Scope = Literal["viewer", "admin", "metrics", "sensor"]
"""What a key may do: the same as such an account, read the metrics alone, or hand in records alone."""

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
"""Names of accounts: what can be typed, logged and put into a file name without a thought."""
LABEL_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._:@/-]{0,254}$"
"""Names of keys."""
SENSOR_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9 ._:@/-]{0,127}$"
"""Names of sensors: no longer than records may name them, whatever they are read from."""


class Account(NamedTuple):
    """A person's account; ``disabled_at`` is None while it can log in."""

    id: int
    name: str
    role: Role
    created_at: int
    disabled_at: int | None


class AccessKey(NamedTuple):
    """A key as its list shows it; the secret is shown once, when it is made. A sensor's ``name`` is the sensor's."""

    id: int
    name: str
    scope: Scope
    created_by: str
    created_at: int
    revoked_at: int | None


class Login(NamedTuple):
    """One log-in of an account, from its password to its end; every refresh replaces ``refresh_digest``."""

    id: int
    account: Account
    refresh_digest: bytes
    expires_at: int
    revoked_at: int | None


class AuditEntry(NamedTuple):
    """What somebody did: ``actor`` names an account or a key, ``action`` what, ``target`` to what."""

    id: int
    done_at: int
    actor: str
    action: str
    target: str
    detail: str
