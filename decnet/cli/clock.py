"""What time it is, and how a time is shown."""

from __future__ import annotations

import time


def now_us() -> int:
    """µs UTC."""
    return time.time_ns() // 1_000


def minute_text(time_us: int | None) -> str:
    """``2026-11-18 12:00``, UTC; nothing for what has not come about."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(time_us / 1_000_000)) if time_us is not None else ""
