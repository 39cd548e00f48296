"""Rule files for tests of stores, and a clock that stands until it is set."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NOON = 1_795_003_200_000_000


def rule_text(rule_id: str = "R0900", *, version: int = 1, word: str = "whoami", confidence: float = 0.7) -> str:
    """A rule that fires on ``word``."""
    return f"""\
rule_id: {rule_id}
rule_version: {version}
name: rule_{rule_id.lower()}
maturity: stable
attack_release: enterprise-19.2
description: A rule for tests.
applies_to: [command]
match: {{contains: '{word}'}}
emits:
  - {{tactic: TA0007, technique_id: T1033, confidence: {confidence}}}
"""


def save(folder: Path, text: str, name: str = "") -> Path:
    """Write ``text`` as a rule of the pack in ``folder``, under its own id or ``name``."""
    path = folder / "ttp" / (name or f"{text[9:14]}.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


class SetClock:
    """Tells the time that it was set to; who waits for a moment goes on once it is set there."""

    def __init__(self, now: int = NOON) -> None:
        self._now = now
        self._moved = asyncio.Event()

    def now(self) -> int:
        return self._now

    async def until(self, moment: int) -> None:
        while self._now < moment:
            self._moved.clear()
            await self._moved.wait()

    def set(self, now: int) -> None:
        """From now on it is ``now``."""
        self._now = now
        self._moved.set()
