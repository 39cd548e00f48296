"""How exports spell times, and ids that are the same at every run."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID, uuid5

_NAMESPACE = UUID("3f0e1a52-6b1d-5a6e-9a53-0d2b7c1e4f90")


def moment(time_us: int) -> datetime:
    """A time in µs UTC as others take it."""
    seconds, micros = divmod(time_us, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=micros)


def moment_text(time_us: int) -> str:
    """``2026-11-23T07:55:01.000123Z``."""
    return moment(time_us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def stable_uuid(*parts: str) -> UUID:
    """The same for the same ``parts``, in every installation and at every run."""
    return uuid5(_NAMESPACE, "\0".join(parts))
