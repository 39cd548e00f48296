"""How much of the decoy one address may use: connections, messages and bytes, in memory that is bounded itself."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

_MOST_SOURCES = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a source may have at a time, per minute and per hour; and all sources together at a time."""

    open_connections: int = 10
    all_connections: int = 64
    connections_per_minute: int = 120
    messages_per_hour: int = 2_000
    bytes_per_hour: int = 200_000_000
    message_bytes: int = 10_240_000
    recipients: int = 1_000
    commands: int = 3_000
    idle_s: float = 60.0
    session_s: float = 900.0


@dataclass(slots=True)
class _Use:
    """What one source has used of the minute and of the hour that are running."""

    open: int = 0
    minute: int = 0
    connections: int = 0
    hour: int = 0
    messages: int = 0
    bytes: int = 0


class Quotas:
    """Counts per source address. What is refused is not counted; the clock is seconds that only go forward."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._uses: OrderedDict[str, _Use] = OrderedDict()
        self._open = 0

    def connect(self, source: str, now_s: float) -> bool:
        """Whether ``source`` may have another connection; :meth:`disconnect` gives it back."""
        use, limits = self._use(source, now_s), self._limits
        if self._open >= limits.all_connections or use.open >= limits.open_connections:
            return False
        if use.connections >= limits.connections_per_minute:
            return False
        use.open += 1
        use.connections += 1
        self._open += 1
        return True

    def disconnect(self, source: str, now_s: float) -> None:
        """A connection of ``source`` is over."""
        self._use(source, now_s).open -= 1
        self._open -= 1

    def take_message(self, source: str, size_bytes: int, now_s: float) -> bool:
        """Whether ``source`` may hand over a message of that size."""
        use, limits = self._use(source, now_s), self._limits
        if use.messages >= limits.messages_per_hour or use.bytes + size_bytes > limits.bytes_per_hour:
            return False
        use.messages += 1
        use.bytes += size_bytes
        return True

    def _use(self, source: str, now_s: float) -> _Use:
        use = self._uses.get(source)
        if use is None:
            use = self._uses[source] = _Use()
            self._forget()
        self._uses.move_to_end(source)
        if use.minute != (minute := int(now_s // 60)):
            use.minute, use.connections = minute, 0
        if use.hour != (hour := int(now_s // 3_600)):
            use.hour, use.messages, use.bytes = hour, 0, 0
        return use

    def _forget(self) -> None:
        """Of too many sources the one that was silent longest is forgotten, unless it is connected."""
        if len(self._uses) > _MOST_SOURCES:
            oldest = next((source for source, use in self._uses.items() if not use.open), None)
            if oldest is not None:
                del self._uses[oldest]
