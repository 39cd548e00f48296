"""One connection of the decoy: what is accepted, in whose words, and what is recorded of it."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from decnet.decoys.smtp.dialogue import Dialogue
from decnet.decoys.smtp.visit import Visit
from decnet.errors import StorageError
from decnet.models.actor import canonical_address
from decnet.sources.mail.extract import Envelope, mail_payload
from decnet.sources.mail.headers import host_text
from decnet.telemetry import logger

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Iterable

    from aiosmtpd.smtp import Envelope as Transaction
    from aiosmtpd.smtp import Session

    from decnet.decoys.smtp.decoy import Relay
    from decnet.decoys.smtp.flavours import Flavour
    from decnet.decoys.smtp.quotas import Limits, Quotas
    from decnet.models.artifact import ArtifactStore
    from decnet.models.event import Event
    from decnet.models.secret import SecretDigest

ACCOUNTS = frozenset(
    {"postmaster", "abuse", "admin", "info", "contact", "office", "sales", "support", "webmaster", "hr"}
)
"""Accounts that the decoy has in its own domains; with ``open`` every name is one."""
_LINE_BYTES = 16_384
_COMMAND_BYTES = 2_048
_UNKNOWN = '500 Error: command "'
_US_PER_MS = 1_000
_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Premises:
    """What all connections share. ``domains`` are the server's own; ``record`` takes events and never blocks."""

    host: str
    domains: frozenset[str]
    flavour: Flavour
    relay: Relay
    sensor: str
    limits: Limits
    quotas: Quotas
    digest: SecretDigest
    artifacts: ArtifactStore
    record: Callable[[Iterable[Event]], None]
    clock: Callable[[], int]
    tls: ssl.SSLContext | None = None


class Handler:
    """Answers the commands of one connection; aiosmtpd finds the methods by their names."""

    def __init__(self, premises: Premises, dialogue: Dialogue) -> None:
        self._premises = premises
        self._words = premises.flavour
        self._dialogue = dialogue
        self.visit: Visit | None = None

    async def handle_HELO(self, _server: SMTP, session: Session, _mail: Transaction, name: str) -> str:  # noqa: N802
        """Greet back."""
        self._greet(session, name)
        return f"250 {self._premises.host}"

    async def handle_EHLO(  # noqa: N802
        self, server: Connection, session: Session, _mail: Transaction, name: str, _said: list[str]
    ) -> list[str]:
        """Greet back with the extensions of the server that we pose as."""
        self._greet(session, name)
        is_plain = self._premises.tls is not None and not server.is_encrypted
        self._dialogue.starttls_offered |= is_plain
        shown = {
            "SIZE": f"SIZE {self._premises.limits.message_bytes}",
            "STARTTLS": "STARTTLS" if is_plain else "",
            "AUTH": "AUTH PLAIN LOGIN",
        }
        lines = [self._premises.host, *filter(None, (shown.get(name, name) for name in self._words.ehlo))]
        return [*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"]

    async def handle_MAIL(  # noqa: N802
        self, _server: SMTP, _session: Session, mail: Transaction, address: str, _options: list[str]
    ) -> str:
        """Every sender is welcome."""
        mail.mail_from = address
        if (domain := _domain_of(address)) and domain not in self._premises.domains:
            self._dialogue.foreign_sender = True
        return self._words.sender

    async def handle_RCPT(  # noqa: N802
        self, _server: SMTP, session: Session, mail: Transaction, address: str, _options: list[str]
    ) -> str:
        """Recipients of others are for those who may relay; of our own those with an account."""
        place = self._premises
        domain = _domain_of(address)
        is_foreign = bool(domain) and domain not in place.domains
        self._dialogue.foreign_recipient |= is_foreign
        user = _shown(address)
        if len(mail.rcpt_tos) >= place.limits.recipients:
            return self._words.too_many_recipients
        if is_foreign and not (place.relay == "open" or (place.relay == "auth" and session.authenticated)):
            return self._words.relay_denied.replace("{user}", user)
        if not is_foreign and place.relay != "open" and address.partition("@")[0].lower() not in ACCOUNTS:
            return self._words.unknown_user.replace("{user}", user)
        mail.rcpt_tos.append(address)
        return self._words.recipient

    async def handle_VRFY(self, _server: SMTP, _session: Session, _mail: Transaction, address: str) -> str:  # noqa: N802
        """Tell nothing, as real servers do."""
        return self._words.vrfy.replace("{user}", _shown(address))

    async def handle_DATA(self, _server: SMTP, _session: Session, mail: Transaction) -> str:  # noqa: N802
        """Keep the message and record it; it goes nowhere."""
        visit, place = self.visit, self._premises
        content, recipients = bytes(mail.original_content or b""), tuple(map(str, mail.rcpt_tos))
        if visit is None or not place.quotas.take_message(visit.source, len(content), time.monotonic()):
            return self._words.over_quota
        at = place.clock()
        envelope = Envelope(str(mail.mail_from or ""), recipients, at)
        try:
            payload = await asyncio.to_thread(mail_payload, content, envelope)
            await asyncio.to_thread(place.artifacts.put, content, now=at)
        except StorageError as error:
            _log.warning("a message was not kept: %s", error)
            return self._words.not_queued
        self._dialogue.deliver((at - visit.started_at) // _US_PER_MS, len(recipients))
        place.record([visit.received(payload, at)])
        number = blake2b(f"{at}{payload.message_sha256}".encode(), digest_size=5).hexdigest().upper()
        return self._words.queued.replace("{id}", number).replace("{host}", place.host)

    async def handle_exception(self, error: Exception) -> str:
        """A fault of ours or of the client: say what a busy server says; what the client sent is not logged."""
        _log.info("a connection failed: %s", type(error).__name__)
        return self._words.not_queued

    def log_in(
        self, _server: SMTP, _session: Session, _mail: Transaction, _mechanism: str, pair: LoginPassword
    ) -> AuthResult:
        """Record the pair; with ``closed`` none is right, else all are that have both parts."""
        visit, place = self.visit, self._premises
        success = place.relay != "closed" and bool(pair.login) and bool(pair.password)
        at = place.clock()
        if visit is not None:
            self._dialogue.login((at - visit.started_at) // _US_PER_MS, success=success)
            place.record(visit.tried(pair.login, pair.password, place.digest, at, success=success))
        return AuthResult(success=success, handled=False, auth_data=pair)

    def _greet(self, session: Session, name: str) -> None:
        session.host_name = name
        if self.visit is not None:
            self._premises.record(self.visit.greeted(host_text(name), self._premises.clock()))


class Connection(SMTP):
    """One connection, from the greeting to the end; aiosmtpd reads, we count, answer and record.

    A client is let go when it is idle, when the session takes too long, or after too many commands.
    """

    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"
    line_length_limit = _LINE_BYTES
    command_size_limit = _COMMAND_BYTES

    def __init__(self, premises: Premises, connections: set[Connection]) -> None:
        self._premises = premises
        self._connections = connections
        self._dialogue = Dialogue()
        self._handler = Handler(premises, self._dialogue)
        self._commands = 0
        self._is_admitted = False
        self._ending: asyncio.TimerHandle | None = None
        super().__init__(
            self._handler,
            data_size_limit=premises.limits.message_bytes,
            enable_SMTPUTF8=True,
            hostname=premises.host,
            ident=premises.flavour.ident,
            tls_context=premises.tls,
            timeout=premises.limits.idle_s,
            auth_require_tls=False,
            authenticator=self._handler.log_in,
            loop=asyncio.get_running_loop(),
        )
        self.command_size_limits = defaultdict(lambda: _COMMAND_BYTES)
        self._smtp_methods = {verb: self._counted(verb, method) for verb, method in self._smtp_methods.items()}

    @property
    def is_encrypted(self) -> bool:
        """Whether STARTTLS came about."""
        return self._tls_protocol is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the visit, unless this source has too many; the second time encryption has come about."""
        if self._original_transport is not None:
            self._dialogue.end_handshake()
            super().connection_made(transport)
            return
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - a socket's transport is one
        peer, here = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        place = self._premises
        source = canonical_address(peer[0]) if peer else ""
        if not source or not place.quotas.connect(source, time.monotonic()):
            transport.write(f"{place.flavour.busy.replace('{host}', place.host)}\r\n".encode())
            transport.close()
            return
        visit = Visit(place.sensor, (source, peer[1]), (canonical_address(here[0]), here[1]), place.clock())
        self._is_admitted = True
        self._handler.visit = visit
        self._connections.add(self)
        self._ending = self.loop.call_later(place.limits.session_s, transport.close)
        place.record([visit.begun()])
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """The client has left, or was let go."""
        if self._is_admitted and self.transport is not None:
            self._finish()
            super().connection_lost(error)

    def end(self) -> None:
        """End the visit and close the connection, now."""
        self._finish()
        self.let_go()

    def _finish(self) -> None:
        """End the visit, once."""
        visit, place = self._handler.visit, self._premises
        if visit is None:
            return
        self._handler.visit = None
        self._connections.discard(self)
        if self._ending is not None:
            self._ending.cancel()
        place.quotas.disconnect(visit.source, time.monotonic())
        place.record([visit.ended(self._dialogue.figures(), place.clock())])

    def eof_received(self) -> bool | None:
        """The client has nothing more to say."""
        return super().eof_received() if self._is_admitted else None

    async def push(self, status: str | bytes) -> None:
        """Answer in the words of the server that we pose as, and count refusals."""
        said = status.decode("ascii", "replace") if isinstance(status, bytes) else status
        if said.startswith(_UNKNOWN):
            self._dialogue.ask(said[len(_UNKNOWN) :].partition('"')[0])
        words = self._premises.flavour.reply(said, self._premises.host)
        self._dialogue.answer(words)
        await super().push(words.encode("ascii", "replace"))

    async def smtp_EXPN(self, _arg: str) -> None:  # noqa: N802 - aiosmtpd finds it by its name
        """Tell nothing, as real servers do."""
        await self.push(self._premises.flavour.expn)

    async def smtp_HELP(self, _arg: str) -> None:  # noqa: N802
        """There is no help; aiosmtpd's own would name it."""
        await self.push(self._premises.flavour.reply(f'{_UNKNOWN}HELP"', self._premises.host))

    def let_go(self) -> None:
        """Close the connection now."""
        if self.transport is not None:
            self.transport.close()

    def _counted(self, verb: str, method: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
        """``method``, after the command was counted."""

        async def asked(arg: Any) -> None:
            self._dialogue.ask(verb)
            self._commands += 1
            if self._commands > self._premises.limits.commands:
                await self.push("502 5.5.1 Too many commands")
                self.let_go()
                return
            if verb == "STARTTLS" and not arg and self._premises.tls is not None and not self.is_encrypted:
                self._dialogue.begin_handshake()
            await method(arg)

        return asked


def _domain_of(address: str) -> str:
    return host_text(address.rpartition("@")[2]) if "@" in address else ""


def _shown(text: str | None) -> str:
    """``text`` as a reply may repeat it."""
    return "".join(char for char in text or "" if char.isascii() and char.isprintable())[:200]
