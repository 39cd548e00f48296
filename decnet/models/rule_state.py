"""Whether a rule may speak, and how loudly: what an operator sets while the rule's text stays as it is.

Text and state are separate: the text is kept under version control, the state is operational and survives a restart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from decnet.errors import RuleError

Mode = Literal["enabled", "disabled", "clipped"]
MODES: tuple[Mode, ...] = ("enabled", "disabled", "clipped")
MAX_REASON_CHARS = 500
EXPIRY = "expiry"
"""Who set a state that follows from another one's end."""


@dataclass(frozen=True, slots=True)
class RuleState:
    """What holds for one rule. Times are µs UTC.

    ``confidence_max`` belongs to ``clipped``: the rule's tags are at most that sure. ``expires_at`` belongs to
    ``disabled`` and ``clipped``: from that moment on the rule is enabled.

    :raises RuleError: the parts do not fit each other.
    """

    mode: Mode = "enabled"
    confidence_max: float | None = None
    expires_at: int | None = None
    reason: str = ""
    set_by: str = ""
    set_at: int = 0

    def __post_init__(self) -> None:
        if (fault := self._fault()) is not None:
            raise RuleError([f"state {self.mode!r}: {fault}"])

    def in_force(self, now: int) -> RuleState:
        """The state that holds at ``now``: this one, or enabled once it has expired."""
        if self.expires_at is None or now < self.expires_at:
            return self
        return RuleState(reason=f"end of: {self.reason}"[:MAX_REASON_CHARS], set_by=EXPIRY, set_at=self.expires_at)

    def allowed(self, confidence: float) -> float | None:
        """What becomes of a tag of that confidence, this state being in force; None where there is to be no tag."""
        if self.mode == "disabled":
            return None
        return confidence if self.confidence_max is None else min(confidence, self.confidence_max)

    def _fault(self) -> str | None:
        if self.mode not in MODES:
            return f"no such state; use one of {', '.join(MODES)}"
        if len(self.reason) > MAX_REASON_CHARS:
            return f"reason has {len(self.reason)} characters; {MAX_REASON_CHARS} are the most"
        return self._confidence_fault() or self._expiry_fault()

    def _confidence_fault(self) -> str | None:
        if (self.mode == "clipped") is (self.confidence_max is None):
            return "'confidence_max' belongs to a clipped rule, and only to it"
        if self.confidence_max is not None and not 0 < self.confidence_max <= 1:
            return f"confidence_max {self.confidence_max} is not above 0 and at most 1"
        return None

    def _expiry_fault(self) -> str | None:
        if self.expires_at is not None and self.mode == "enabled":
            return "what is enabled stays so; leave 'expires_at' out"
        if self.expires_at is not None and self.expires_at <= self.set_at:
            return f"expires_at {self.expires_at} is not after set_at {self.set_at}"
        return None


ENABLED = RuleState()
"""The state of a rule that nobody has touched."""
