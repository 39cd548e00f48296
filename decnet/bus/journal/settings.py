"""Limits and times of the journal."""

from __future__ import annotations

from dataclasses import dataclass

from decnet.bus.ephemeral import BUFFER_BYTES, BUFFER_MESSAGES


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """Limits and times. What every durable has passed is kept for ``keep_s``; publishers wait at ``max_unread``."""

    keep_s: float = 3_600.0
    max_unread: int = 1_000_000
    patience_s: float = 10.0
    """How long a publisher waits for room."""
    lease_s: float = 10.0
    poll_s: float = 1.0
    """How often the journal is looked at when nothing was heard of it."""
    trim_s: float = 60.0
    buffer_messages: int = BUFFER_MESSAGES
    buffer_bytes: int = BUFFER_BYTES
