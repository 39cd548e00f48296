"""What only several events show: a finding, an event made of events, with a stable id and a revision.

A finding holds figures and no verdict: the thresholds are the rules'. It is announced again, one revision higher,
whenever a figure changes, and rules look at every revision. What it is about never changes, and neither does its time.

=====================  ==================================================  ===============
figures                source_id                                           observed_at
=====================  ==================================================  ===============
:class:`Guessing`      ``auth:<attacker>:<decoy>:<service>:<bucket>``      bucket start
:class:`ValidAccount`  ``login:<session>``                                 session start
:class:`Behaviour`     ``behaviour:<attacker>:<class>:<day>``              day start
:class:`Beacon`        ``beacon:<attacker>:<decoy>:<service>:<day>``       day start
:class:`ToolGuess`     ``tool:<attacker>:<tool>:<day>``                    day start
:class:`Scan`          ``scan:<attacker>:<signature>:<1 or 3>:<day>``      day start
:class:`Volume`        ``session:<session>:<measure>``                     session start
:class:`SessionSum`    ``session:<session>``                               session start
the ``Identity…``      ``roll:<kind>:<founder>:<digest or ->:<day>``       day start
:class:`Verdict`       ``intel:<provider>:<attacker>:<address>:<digest>``  first receipt
:class:`Agreement`     ``intel:agreement:<attacker>:<address>:<digest>``   first receipt
=====================  ==================================================  ===============

Attackers, sessions and founders stand in an id as uuid text; a bucket is the number of its five minutes since 1970, a
day the number of days since 1970, both UTC.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Literal

import msgspec

from decnet.models.actor import AttackerUuid, IdentityUuid, SessionUuid
from decnet.models.event import SourceKind
from decnet.models.ids import uuid_text
from decnet.models.intel import AGREEMENT, Agreement, Verdict

IDENTITY_ROLLUP = SourceKind("identity_rollup")

SECOND_US = 1_000_000
BUCKET_US = 300 * SECOND_US
"""Length of a sliding window of log-in attempts, and of the bucket that names it."""
DAY_US = 86_400 * SECOND_US

BehaviourClass = Literal["slow_scan", "scanning", "brute_force", "beaconing", "interactive", "mixed", "unknown"]
Measure = Literal["requests_out", "bytes_out", "requests", "bytes_read", "rows_read"]
RollupKind = Literal["spraying", "reuse", "asn_hopping", "shared_body"]

_MAX_PART_CHARS = 72
_REMEMBERED = 8_192
_ESCAPES = str.maketrans({"%": "%25", "|": "%7C", ":": "%3A"})
_NO_DIGEST = "-"


class Clock(msgspec.Struct, frozen=True, gc=False):
    """A sensor was silent, or its file is at its end: its event time has reached ``observed_at`` (µs UTC)."""

    sensor: str
    observed_at: int


class Guessing(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The most failures in any five minutes that end in the bucket, and the most passwords tried on one account."""

    failures: int
    passwords: int


class ValidAccount(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A log-in worked and the session went on; ``failures`` of the attacker at that service in the 30 min before."""

    failures: int


class Behaviour(msgspec.Struct, frozen=True, tag=True, gc=False):
    """How the attacker's day looked when it first belonged to the class: events, mean interval, its variation.

    ``failures`` goes with ``brute_force`` and grows for the rest of the day: failed log-ins. Without any, connections
    that follow each other evenly have the rhythm of guessing and are none.
    """

    behaviour: BehaviourClass
    events: int
    interval_seconds: float
    variation: float
    services: int
    failures: int = 0


class Beacon(msgspec.Struct, frozen=True, tag=True, gc=False):
    """The day's contacts with one service of a decoy, the mean interval, and its variation (deviation / mean)."""

    contacts: int
    interval_seconds: float
    variation: float


class ToolGuess(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Software that the client names, or whose rhythm it keeps. ``basis``: ``banner``, ``user_agent``, ``cadence``."""

    tool: str
    purpose: str
    basis: tuple[str, ...]


class Scan(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A probe of the day, and how many decoys saw it.

    ``services`` is 0 but for the signature ``services``: how many services the attacker used.
    """

    signature: str
    decoys: int
    services: int


class Volume(msgspec.Struct, frozen=True, tag=True, gc=False):
    """How much a session moved: requests, bytes or rows, as ``measure`` says."""

    measure: Measure
    value: int


class SessionSum(msgspec.Struct, frozen=True, tag=True, gc=False):
    """A session that is over; ``by_silence`` where no end was recorded. Times are µs UTC."""

    ended_at: int
    by_silence: bool
    events: int
    commands: int
    logins_failed: int
    logins_succeeded: int
    files: int


class IdentitySpraying(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Accounts on which an identity tried one password in a day."""

    accounts: int


class IdentityReuse(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Distinct (decoy, service) on which an identity used one pair of account and password in a day: the most."""

    places: int


class IdentityNetworks(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Autonomous systems from which an identity came in a day."""

    networks: int


class IdentityBodies(msgspec.Struct, frozen=True, tag=True, gc=False):
    """Identities that sent one and the same body in a day."""

    identities: int


Figures = (
    Guessing
    | ValidAccount
    | Behaviour
    | Beacon
    | ToolGuess
    | Scan
    | Volume
    | SessionSum
    | IdentitySpraying
    | IdentityReuse
    | IdentityNetworks
    | IdentityBodies
    | Verdict
    | Agreement
)


class Finding(msgspec.Struct, frozen=True, gc=False):
    """One revision of a finding. Of the anchors, ``attacker_uuid`` or ``identity_uuid`` is always there.

    Figures that can only grow are announced once per batch, with the last value and its revision; of figures that can
    also fall (:class:`Beacon`) every revision is there, so that no rule depends on where a batch was cut.
    """

    source_id: str
    source_kind: SourceKind
    observed_at: int
    revision: int
    figures: Figures
    attacker_uuid: AttackerUuid | None = None
    identity_uuid: IdentityUuid | None = None
    session_id: SessionUuid | None = None
    decky_id: str | None = None

    def __post_init__(self) -> None:
        if self.attacker_uuid is None and self.identity_uuid is None:
            raise ValueError(f"finding {self.source_id} has neither attacker_uuid nor identity_uuid; give at least one")


packed_finding = msgspec.msgpack.Encoder().encode
"""A finding as bytes, for a message or a row."""
unpacked_finding = msgspec.msgpack.Decoder(Finding).decode
"""The finding that :data:`packed_finding` was given; raises ``msgspec.MsgspecError`` for what is none."""


def auth_source_id(attacker: AttackerUuid, decoy: str, service: str, bucket: int) -> str:
    """The id of :class:`Guessing`."""
    return f"auth:{_uuid(attacker)}:{_part(decoy)}:{_part(service)}:{bucket}"


def login_source_id(session: SessionUuid) -> str:
    """The id of :class:`ValidAccount`."""
    return f"login:{_uuid(session)}"


def behaviour_source_id(attacker: AttackerUuid, behaviour: BehaviourClass, day: int) -> str:
    """The id of :class:`Behaviour`."""
    return f"behaviour:{_uuid(attacker)}:{behaviour}:{day}"


def beacon_source_id(attacker: AttackerUuid, decoy: str, service: str, day: int) -> str:
    """The id of :class:`Beacon`."""
    return f"beacon:{_uuid(attacker)}:{_part(decoy)}:{_part(service)}:{day}"


def tool_source_id(attacker: AttackerUuid, tool: str, day: int) -> str:
    """The id of :class:`ToolGuess`."""
    return f"tool:{_uuid(attacker)}:{_part(tool)}:{day}"


def scan_source_id(attacker: AttackerUuid, signature: str, decoys: Literal[1, 3], day: int) -> str:
    """The id of :class:`Scan`; there is a second one once three decoys saw the probe."""
    return f"scan:{_uuid(attacker)}:{_part(signature)}:{decoys}:{day}"


def session_source_id(session: SessionUuid, measure: Measure | None = None) -> str:
    """The id of :class:`Volume`, or of :class:`SessionSum` where no measure is given."""
    return f"session:{_uuid(session)}:{measure}" if measure else f"session:{_uuid(session)}"


def rollup_source_id(kind: RollupKind, founder: AttackerUuid, digest: str, day: int) -> str:
    """The id of a finding about an identity: ``digest`` is a secret's HMAC, a body's digest, or empty for none."""
    return f"roll:{kind}:{_uuid(founder)}:{_part(digest) if digest else _NO_DIGEST}:{day}"


def intel_source_id(attacker: AttackerUuid, figures: Verdict | Agreement) -> str:
    """The id of a :class:`Verdict` or an :class:`Agreement`: the same as long as the used fields say the same."""
    provider = figures.provider if isinstance(figures, Verdict) else AGREEMENT
    return f"intel:{_part(provider)}:{_uuid(attacker)}:{_part(figures.indicator)}:{figures.digest}"


@lru_cache(_REMEMBERED)
def _uuid(uuid: bytes) -> str:
    return uuid_text(uuid)


@lru_cache(_REMEMBERED)
def _part(name: str) -> str:
    """``name`` as one part of an id: no separator in it, and short enough for every database to hold the id."""
    part = name.translate(_ESCAPES)
    if len(part) <= _MAX_PART_CHARS:
        return part
    return f"{part[: _MAX_PART_CHARS - 33]}~{blake2b(name.encode(), digest_size=16).hexdigest()}"
