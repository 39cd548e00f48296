"""What attribution remembers between two events: one small state per session, attacker's day, and attempted service.

A state is a pure function of the events in its scope and of the order in which they came, so it can be stored beside
them and taken up again by another process; :class:`Stored` is how a worker hands it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from decnet.attribution.arrivals import Arrivals
from decnet.attribution.guessing import Attempts, Failure
from decnet.models.actor import AttackerUuid, SessionUuid
from decnet.models.finding import Behaviour, BehaviourClass, Measure

if TYPE_CHECKING:
    from collections.abc import Iterable

DayKey = tuple[AttackerUuid, int]
"""An attacker, and a day as its number since 1970 (UTC)."""
ServiceKey = tuple[AttackerUuid, str, str]
"""An attacker, a decoy and a service of it."""
Credential = tuple[str, str, str, str]
"""Secret (as HMAC), account, decoy, service."""

MAX_DISTINCT = 4_096
"""Distinct values of a kind that are kept for a day; MAX_OF_SESSION of a session. More of them add nothing."""
MAX_OF_SESSION = 64


class Amount(msgspec.Struct, omit_defaults=True):
    """A sum that grows, and how often it did."""

    value: int = 0
    revision: int = 0


class LoginSeen(msgspec.Struct):
    """A success: when (time, event), and how many failures stood before it."""

    at: int
    id: bytes
    failures: int


class SessionState(msgspec.Struct, omit_defaults=True):
    """One session. ``started_at`` is frozen; ``ended_at`` is None while it is open; times are µs UTC.

    ``revision`` counts how often it ended: a late event reopens it, and it ends again. ``last_action`` is the latest
    event (time, id) that was not the end of something.
    """

    attacker: AttackerUuid
    sensor: str
    decky_id: str
    protocol: str
    started_at: int
    last_at: int
    ended_at: int | None = None
    by_silence: bool = False
    revision: int = 0
    events: int = 0
    commands: int = 0
    logins_failed: int = 0
    logins_succeeded: int = 0
    files: int = 0
    last_action: tuple[int, bytes] = (0, b"")
    logins: list[LoginSeen] = []
    login_failures: int = 0
    login_revision: int = 0
    volumes: dict[Measure, Amount] = {}
    fingerprints: set[tuple[str, str]] = set()
    payloads: set[str] = set()
    endpoints: set[str] = set()
    script: set[int] = set()
    credentials: set[tuple[str, str]] = set()


class Contacts(msgspec.Struct, omit_defaults=True):
    """Contacts with one service of a decoy in a day, and the revision of what was said of them."""

    arrivals: Arrivals
    revision: int = 0


class ToolState(msgspec.Struct, omit_defaults=True):
    """A guessed tool: what the guess rests on."""

    purpose: str
    basis: set[str] = set()
    revision: int = 0


class ScanState(msgspec.Struct, omit_defaults=True):
    """A probe: the decoys that saw it, the services known when that was last announced, and both ids' revisions."""

    decoys: set[str] = set()
    services: int = 0
    revision: int = 0
    wide_revision: int = 0


class DayState(msgspec.Struct, omit_defaults=True):
    """One UTC day of an attacker. ``services`` holds when each was first used.

    ``guessing`` is what was said when the rhythm of the day was first that of guessing, ``failures`` the failed log-ins
    of the day; together they are announced again as the latter grow. ``credentials`` are distinct, in the order in
    which they came. ``paged`` is how long the lists are that are stored apart, see :mod:`decnet.attribution.pages`.
    """

    arrivals: Arrivals
    services: dict[str, int] = {}
    decoys: set[str] = set()
    reached: set[BehaviourClass] = set()
    contacts: dict[tuple[str, str], Contacts] = {}
    tools: dict[str, ToolState] = {}
    scans: dict[str, ScanState] = {}
    failures: int = 0
    guessing: Behaviour | None = None
    guessing_revision: int = 0
    credentials: list[Credential] = []
    paged: list[int] = []


class Stored(Protocol):
    """Where states are kept, read in the transaction that applies a batch.

    States are those after the previous batch. What is read from stored *events* may hold the batch's own: figures are
    over sets, so an event that is seen twice counts once.
    """

    def session(self, uuid: SessionUuid) -> SessionState | None:
        """The state of a session, if it has one."""
        ...

    def day(self, key: DayKey) -> DayState | None:
        """The state of an attacker's day, if it has one."""
        ...

    def attempts(self, key: ServiceKey) -> Attempts | None:
        """The latest attempts at a service, if there were any."""
        ...

    def earlier_failures(self, key: ServiceKey, since: int, until: int) -> Iterable[Failure]:
        """Failed attempts in ``[since, until)`` from the stored events, for an event that is hours late.

        They are made by :func:`~decnet.attribution.guessing.failure_of`.
        """
        ...

    def logins_between(self, key: ServiceKey, since: int, until: int) -> Iterable[SessionUuid]:
        """Sessions with a success in ``[since, until)``, from the stored events."""
        ...

    def revision(self, source_id: str, at: int) -> tuple[int, int, int]:
        """What was last announced of an old bucket, which began ``at``: failures, passwords, revision, or zeros."""
        ...


class NothingStored:
    """For callers that show everything from the first event on."""

    def session(self, _uuid: SessionUuid) -> SessionState | None:
        """See :class:`Stored`."""
        return None

    def day(self, _key: DayKey) -> DayState | None:
        """See :class:`Stored`."""
        return None

    def attempts(self, _key: ServiceKey) -> Attempts | None:
        """See :class:`Stored`."""
        return None

    def earlier_failures(self, _key: ServiceKey, _since: int, _until: int) -> Iterable[Failure]:
        """See :class:`Stored`."""
        return ()

    def logins_between(self, _key: ServiceKey, _since: int, _until: int) -> Iterable[SessionUuid]:
        """See :class:`Stored`."""
        return ()

    def revision(self, _source_id: str, _at: int) -> tuple[int, int, int]:
        """See :class:`Stored`."""
        return 0, 0, 0


packed = msgspec.msgpack.Encoder().encode
"""A state as bytes."""
unpacked_session = msgspec.msgpack.Decoder(SessionState).decode
unpacked_day = msgspec.msgpack.Decoder(DayState).decode
unpacked_attempts = msgspec.msgpack.Decoder(Attempts).decode
