"""How long somebody has to wait after wrong passwords, by account and by address; both live in the database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.db import access

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

FREE = 5
"""Wrong passwords in a row that cost nothing."""
_FIRST_S, _LONGEST_S = 2, 15 * 60
_FORGOTTEN_US = 24 * 3600 * 1_000_000
_MAX_NAME = 64


def subjects(name: str, address: str) -> tuple[str, str]:
    """Whose failures count when ``address`` tries the account ``name``."""
    return f"account {name[:_MAX_NAME]}", f"address {address}"


def wait_s(connection: Connection, who: Sequence[str], *, now: int) -> int:
    """Seconds until the next try is looked at; 0 when it is at once."""
    waits = [_until(failures, at) - now for failures, at in access.failures_of(connection, who)]
    longest = max(waits, default=0)
    return -(-longest // 1_000_000) if longest > 0 else 0


def note_failure(connection: Connection, who: Sequence[str], *, now: int) -> None:
    """One more wrong password."""
    for subject in who:
        access.add_failure(connection, subject, now=now, forget_before=now - _FORGOTTEN_US)


def _until(failures: int, failed_at: int) -> int:
    if failures < FREE:
        return 0
    seconds = min(_LONGEST_S, _FIRST_S << min(failures - FREE, 10))
    return failed_at + seconds * 1_000_000
