"""One connection → its events: the beginning, what the client calls itself, log-ins, messages, the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from decnet.models.actor import session_uuid
from decnet.models.event import (
    AUTH_ATTEMPT,
    EMAIL,
    ENDED,
    FINGERPRINT,
    SESSION,
    STARTED,
    AuthPayload,
    Event,
    FingerprintPayload,
    SessionPayload,
    SourceKind,
    event_id,
)
from decnet.models.text import canonical_text

if TYPE_CHECKING:
    from decnet.models.event import Payload
    from decnet.models.mail import MailPayload, SmtpFigures
    from decnet.models.secret import SecretDigest

PROTOCOL = "smtp"
EHLO_METRIC = "smtp_ehlo"
MAX_ATTEMPTS = 500
"""Log-ins of one connection that are recorded one by one; its end counts all."""
_MAX_TEXT_CHARS = 256
_US_PER_MS = 1_000


class Visit:
    """The events of one connection, made in their order. Times are µs UTC."""

    def __init__(self, sensor: str, source: tuple[str, int | None], target: tuple[str, int | None], at: int) -> None:
        self.started_at: Final = at
        self._sensor = sensor
        self.source, self._port = source
        self._target = target
        self._native = f"{self.source}-{self._port or 0}-{at}"
        self._session = session_uuid(sensor, self._native)
        self._seq = 0
        self._attempts = 0
        self._greeted = False

    def begun(self) -> Event:
        """The connection is made."""
        host, port = self._target
        return self._event(SESSION, SessionPayload(STARTED, dst_ip=host, dst_port=port), self.started_at, STARTED)

    def greeted(self, name: str, at: int) -> list[Event]:
        """The client says who it is, the first time; ``name`` is that of a host or empty."""
        if self._greeted or not name:
            return []
        self._greeted = True
        return [self._event(FINGERPRINT, FingerprintPayload(EHLO_METRIC, name), at, EHLO_METRIC, name)]

    def tried(self, login: bytes, password: bytes, digest: SecretDigest, at: int, *, success: bool) -> list[Event]:
        """A log-in was tried; of the password only its digest is kept."""
        self._attempts += 1
        if self._attempts > MAX_ATTEMPTS:
            return []
        user, secret = canonical_text(login)[:_MAX_TEXT_CHARS], canonical_text(password)
        payload = AuthPayload(user, success, secret=digest(secret))
        return [self._event(AUTH_ATTEMPT, payload, at, user, secret, str(success), str(self._attempts))]

    def received(self, mail: MailPayload, at: int) -> Event:
        """A message was accepted and is kept."""
        return self._event(EMAIL, mail, at, mail.message_sha256, str(self._seq))

    def ended(self, figures: SmtpFigures, at: int) -> Event:
        """The connection is over."""
        duration_ms = max(at - self.started_at, 0) // _US_PER_MS
        return self._event(SESSION, SessionPayload(ENDED, duration_ms=duration_ms, smtp=figures), at, ENDED)

    def _event(self, kind: SourceKind, payload: Payload, at: int, *meaning: str) -> Event:
        self._seq += 1
        return Event(
            event_id(at, self._sensor, self._native, kind, *meaning),
            at,
            self._sensor,
            self._sensor,
            PROTOCOL,
            self.source,
            self._port,
            self._session,
            self._native,
            kind,
            payload,
            self._seq,
        )
