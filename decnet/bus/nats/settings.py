"""How the bus lies on the server: what is there is called, how large it may be, how long it is waited for."""

from __future__ import annotations

from dataclasses import dataclass

from decnet.bus.ephemeral import BUFFER_BYTES, BUFFER_MESSAGES

_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class NatsSettings:
    """How the bus lies on the server. Another ``prefix`` and ``stream`` is another bus on the same server."""

    prefix: str = "decnet."
    stream: str = "DECNET"
    max_age_s: float = 7 * _DAY_S
    max_bytes: int = 4 * 1024**3
    dead_max_bytes: int = 256 * 1024**2
    replicas: int = 1
    lease_s: float = 10.0
    ack_wait_s: float = 30.0
    """When the server takes a handler for dead that says nothing; it is told thrice in that time."""
    patience_s: float = 10.0
    """How long a publisher waits for room or for the server."""
    reconnect_s: float = 1.0
    buffer_messages: int = BUFFER_MESSAGES
    buffer_bytes: int = BUFFER_BYTES

    @property
    def dead_stream(self) -> str:
        """The stream of dead letters."""
        return f"{self.stream}_DEAD"

    @property
    def bucket(self) -> str:
        """The key-value bucket of leases."""
        return f"{self.stream}_LEASES"

    @property
    def lease_stream(self) -> str:
        """The stream that the server keeps :attr:`bucket` in."""
        return f"KV_{self.bucket}"

    def subject(self, topic: str, partition: int) -> str:
        """Where messages of ``topic``, or of all that a topic filter takes, are published."""
        return f"{self.prefix}{topic}.p{partition:02}"

    def dead_subject(self, durable: str) -> str:
        """Where the dead letters of ``durable`` are published; of all for ``*``."""
        return f"{self.prefix}dead.{durable}"
