"""What a dialogue comes to while it goes on: the counts that stand on the end of its session."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from decnet.models.mail import MAX_DELIVERIES, SmtpFigures, SmtpVerb

if TYPE_CHECKING:
    from decnet.models.mail import StarttlsSign

_VERBS: frozenset[str] = frozenset(get_args(SmtpVerb))
_REFUSALS, _GO_ON = frozenset("45"), "3"
_STRUCK = frozenset("XA")


class Dialogue:
    """Counts commands and what became of them. Times are milliseconds since the connection was made."""

    def __init__(self) -> None:
        self._asked: dict[SmtpVerb, int] = {}
        self._refused: dict[SmtpVerb, int] = {}
        self._verb: SmtpVerb | None = None
        self._deliveries: list[tuple[int, int]] = []
        self._messages = 0
        self._recipients = 0
        self._logins_failed = 0
        self._login_ms: int | None = None
        self._tls = ""
        self._struck = False
        self._plain_login = False
        self.foreign_sender = False
        self.foreign_recipient = False
        self.starttls_offered = False

    def ask(self, command: str) -> None:
        """The client gave ``command``, its first word in upper case."""
        verb: SmtpVerb = command if command in _VERBS else "other"  # type: ignore[assignment] # just looked up
        self._asked[verb] = self._asked.get(verb, 0) + 1
        self._verb = verb
        if command and len(command) >= len("STARTTLS") and _STRUCK.issuperset(command):
            self._struck = True  # a firewall wrote over a command that it does not know
        if verb == "AUTH" and self.starttls_offered and self._tls != "used":
            self._plain_login = True

    def answer(self, reply: str) -> None:
        """The server answered, for good unless it asks for more (3xx); a command is refused once at most."""
        if self._verb is not None and reply[:1] in _REFUSALS:
            self._refused[self._verb] = self._refused.get(self._verb, 0) + 1
        if reply[:1] != _GO_ON:
            self._verb = None

    def login(self, at_ms: int, *, success: bool) -> None:
        """A log-in was tried."""
        if not success:
            self._logins_failed += 1
        elif self._login_ms is None:
            self._login_ms = at_ms

    def deliver(self, at_ms: int, recipients: int) -> None:
        """A message was accepted."""
        self._messages += 1
        self._recipients += recipients
        if len(self._deliveries) < MAX_DELIVERIES:
            self._deliveries.append((at_ms, recipients))

    def begin_handshake(self) -> None:
        """The client asked for encryption and was told to go ahead."""
        self._tls = "begun"

    def end_handshake(self) -> None:
        """Encryption came about."""
        self._tls = "used"

    def figures(self) -> SmtpFigures:
        """What it has come to."""
        return SmtpFigures(
            dict(self._asked),
            dict(self._refused),
            self._messages,
            self._recipients,
            foreign_sender=self.foreign_sender,
            foreign_recipient=self.foreign_recipient,
            starttls_offered=self.starttls_offered,
            starttls_used=self._tls == "used",
            starttls_sign=self._sign(),
            logins_failed=self._logins_failed,
            login_ms=self._login_ms,
            deliveries=tuple(self._deliveries),
        )

    def _sign(self) -> StarttlsSign:
        if self._tls == "used":
            return ""
        if self._tls == "begun":
            return "aborted"
        if self._struck and self.starttls_offered:
            return "stripped"
        return "plain_auth_after_offer" if self._plain_login else ""
