"""The SMTP decoy: listens, talks like a mail server, keeps what it is given, and delivers nothing to anybody."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from decnet.decoys.recorder import Recorder
from decnet.decoys.smtp.flavours import FlavourName, flavour
from decnet.decoys.smtp.quotas import Limits, Quotas
from decnet.errors import SettingsError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from decnet.db.engine import Database
    from decnet.decoys.smtp.server import Connection
    from decnet.models.artifact import ArtifactStore
    from decnet.models.secret import SecretDigest

Relay = Literal["open", "auth", "closed"]
"""For whom a message to others is accepted: anybody, whoever logs in (any pair will do), nobody (no pair will)."""
RELAYS: tuple[Relay, ...] = get_args(Relay)


def _now() -> int:
    """µs UTC."""
    return time.time_ns() // 1_000


@dataclass(frozen=True, slots=True)
class Manner:
    """How the decoy behaves. ``domains`` are the server's own; by default the host's without its first label."""

    host: str = "mail.example.org"
    flavour: FlavourName = "postfix"
    relay: Relay = "open"
    domains: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)

    @property
    def own_domains(self) -> frozenset[str]:
        """The domains whose mail the server takes for its own."""
        return frozenset(self.domains or (self.host, self.host.partition(".")[2] or self.host))


class SmtpDecoy:
    """Listens at ``host`` and ``port`` (0 for any that is free); ``clock`` gives µs UTC.

    A message is kept among ``artifacts`` before it is acknowledged; events are stored through the intake. Without
    ``tls`` no encryption is offered.
    """

    def __init__(
        self,
        database: Database,
        artifacts: ArtifactStore,
        digest: SecretDigest,
        host: str,
        port: int,
        *,
        manner: Manner | None = None,
        tls: ssl.SSLContext | None = None,
        sensor: str = "smtp",
        clock: Callable[[], int] = _now,
    ) -> None:
        self._artifacts = artifacts
        self._digest = digest
        self._host, self._port = host, port
        self._manner = manner or Manner()
        self._tls = tls
        self._sensor = sensor
        self._clock = clock
        self._recorder = Recorder(database, clock)
        self._connections: set[Connection] = set()
        self._server: asyncio.Server | None = None

    async def listen(self) -> tuple[str, int]:
        """Open the socket, once; returns the address and port that it has.

        :raises SettingsError: it cannot be opened.
        """
        if self._server is None:
            self._server = await self._opened()
        name = self._server.sockets[0].getsockname()
        return name[0], name[1]

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until ``stop`` is set; then let every client go, and store what is left.

        :raises DecnetError: the socket or the database cannot be used.
        """
        await self.listen()
        await self._recorder.run_beside(stop, self._close)

    async def _opened(self) -> asyncio.Server:
        from decnet.decoys.smtp.server import Connection, Premises

        logging.getLogger("mail.log").disabled = True  # aiosmtpd logs what clients write, passwords too
        manner = self._manner
        premises = Premises(
            manner.host,
            manner.own_domains,
            flavour(manner.flavour),
            manner.relay,
            self._sensor,
            manner.limits,
            Quotas(manner.limits),
            self._digest,
            self._artifacts,
            self._recorder.record,
            self._clock,
            self._tls,
        )
        loop = asyncio.get_running_loop()
        try:
            return await loop.create_server(lambda: Connection(premises, self._connections), self._host, self._port)
        except OSError as error:
            raise SettingsError(
                f"the SMTP decoy cannot listen at {self._host}:{self._port}: {error.strerror or error}; choose another "
                "address or port"
            ) from None

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.end()
