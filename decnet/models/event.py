"""One thing that an attacker did, as a typed value: the input of every tagger.

The structs here are msgspec's: they are made a hundred thousand times a second, and are as frozen as a dataclass.
"""

from __future__ import annotations

from hashlib import blake2b
from operator import attrgetter
from typing import Annotated, Literal, NewType

import msgspec

from decnet.models.actor import SessionUuid
from decnet.models.canary import CanaryFingerprintPayload, CanaryPayload
from decnet.models.mail import MailPayload, SmtpFigures

EventId = NewType("EventId", bytes)
SourceKind = NewType("SourceKind", str)

COMMAND = SourceKind("command")
AUTH_ATTEMPT = SourceKind("auth_attempt")
FINGERPRINT = SourceKind("fingerprint")
PAYLOAD = SourceKind("payload")
SCAN = SourceKind("scan")
SESSION = SourceKind("session")
INTEL_VERDICT = SourceKind("intel_verdict")
HTTP_REQUEST = SourceKind("http_request")
EMAIL = SourceKind("email")
CANARY = SourceKind("canary")
CANARY_FINGERPRINT = SourceKind("canary_fingerprint")

_EVENT_ID_BYTES = 16
_TIME_BYTES = 6
_HASH_BYTES = _EVENT_ID_BYTES - _TIME_BYTES
_US_PER_MS = 1_000
_MOST_KEYS = 1_000_000_000


class CommandPayload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A line that the attacker gave a shell, or (``stdin``) another program, which ``realm`` names."""

    command_text: str
    realm: str = ""
    stdin: bool = False
    account: str = ""  # the account that ``chpasswd`` changed


class AuthPayload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One attempt to log in; ``secret`` is an HMAC of what was typed, never the text."""

    username: str
    success: bool
    method: Literal["password", "publickey"] = "password"
    secret: str = ""
    key_fingerprint: str = ""
    key_type: str = ""


class FingerprintPayload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the client's software shows of itself: ``metric`` names the kind, ``value`` is compared."""

    metric: str
    value: str
    detail: str = ""


class FilePayload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A file that reached the honeypot, or (``failed``) should have.

    ``file_type`` is what its first bytes are, where somebody looked: ``elf``, ``pe``, ``macho``, ``script``, ``jar``,
    ``apk`` or another word.
    """

    action: Literal["downloaded", "uploaded", "captured", "failed", "malformed", "sent"]
    url: str = ""
    filename: str = ""
    destination: str = ""
    sha256: str = ""
    size_bytes: int | None = None
    text: str = ""
    file_type: str = ""


class HttpPayload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One HTTP request; ``raw_url`` is path and query as sent, ``headers`` are lines joined by newline."""

    method: str
    raw_url: str
    host: str = ""
    user_agent: str = ""
    headers: str = ""
    body: str = ""


class ScanPayload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A probe: ``signature`` names it, ``detail`` is what it carried."""

    signature: str
    detail: str = ""


STARTED, ENDED = "started", "ended"
"""Actions of a :class:`SessionPayload` that open and close a session."""


class Keystrokes(msgspec.Struct, frozen=True, gc=False):
    """The rhythm of typing: intervals between keys, their median in milliseconds, and their deviation / mean."""

    keys: Annotated[int, msgspec.Meta(ge=0, le=_MOST_KEYS)]
    median_interval_ms: float
    interval_variation: float


class SessionPayload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What happens to a session as a whole, and the honeypot's own notes within it.

    ``rows`` and ``size_bytes`` of the action ``read`` are what a query gave out. ``smtp`` stands on the end of a
    session with a mail server.
    """

    action: str
    text: str = ""
    duration_ms: int | None = None
    dst_ip: str = ""
    dst_port: int | None = None
    size_bytes: int | None = None
    rows: int | None = None
    keystrokes: Keystrokes | None = None
    smtp: SmtpFigures | None = None


class IntelPayload(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a third party said about an indicator, as the honeypot logged it."""

    provider: str
    indicator: str
    verdict: str = ""
    positives: int | None = None
    total: int | None = None


Payload = (
    CommandPayload
    | AuthPayload
    | FingerprintPayload
    | FilePayload
    | HttpPayload
    | ScanPayload
    | SessionPayload
    | IntelPayload
    | MailPayload
    | CanaryPayload
    | CanaryFingerprintPayload
)

PAYLOAD_TYPES: dict[SourceKind, type[Payload]] = {
    COMMAND: CommandPayload,
    AUTH_ATTEMPT: AuthPayload,
    FINGERPRINT: FingerprintPayload,
    PAYLOAD: FilePayload,
    HTTP_REQUEST: HttpPayload,
    SCAN: ScanPayload,
    SESSION: SessionPayload,
    INTEL_VERDICT: IntelPayload,
    EMAIL: MailPayload,
    CANARY: CanaryPayload,
    CANARY_FINGERPRINT: CanaryFingerprintPayload,
}
"""How the stored payload of each kind is read back."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One record of a sensor. Text is canonical (:mod:`decnet.models.text`), times are µs UTC.

    ``seq`` is the arrival order within the source; it breaks ties of ``observed_at`` and is not part of the id.
    """

    id: EventId
    observed_at: int
    sensor: str
    decky_id: str
    protocol: str
    src_ip: str
    src_port: int | None
    session_id: SessionUuid
    native_session: str
    source_kind: SourceKind
    payload: Payload
    seq: int


def event_id(observed_at: int, sensor: str, native_session: str, source_kind: SourceKind, *meaning: str) -> EventId:
    """48 bits of milliseconds, then an 80-bit hash of the record: time-ordered, and the same for the same record.

    ``meaning`` are the fields that carry meaning, in the order that the adapter states; secrets go in as recorded.
    Every part is canonical text, which holds no NUL, so no two records share one spelling. Times before 1970 count
    as 1970.
    """
    record = "\0".join((str(observed_at), sensor, native_session, source_kind, *meaning))
    digest = blake2b(record.encode(), digest_size=_HASH_BYTES)
    milliseconds = max(observed_at, 0) // _US_PER_MS
    return EventId(milliseconds.to_bytes(_TIME_BYTES, "big") + digest.digest())


class _EventRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event as it travels: the payload is read once its kind is known."""

    id: bytes
    observed_at: int
    sensor: str
    decky_id: str
    protocol: str
    src_ip: str
    src_port: int | None
    session_id: bytes
    native_session: str
    source_kind: str
    payload: msgspec.Raw
    seq: int


_pack = msgspec.msgpack.Encoder().encode
_fields_of = attrgetter(*Event.__struct_fields__)
_unpack_record = msgspec.msgpack.Decoder(_EventRecord).decode
_unpack_payload = {kind: msgspec.msgpack.Decoder(payload).decode for kind, payload in PAYLOAD_TYPES.items()}


def packed_event(event: Event) -> bytes:
    """``event`` as bytes for a message."""
    return _pack(_fields_of(event))


def unpacked_event(data: bytes) -> Event:
    """The event that :func:`packed_event` was given.

    :raises msgspec.MsgspecError: ``data`` is no event of this version.
    """
    return _event_in(_unpack_record(data))


def _event_in(record: _EventRecord) -> Event:
    kind = SourceKind(record.source_kind)
    read = _unpack_payload.get(kind)
    if read is None:
        raise msgspec.ValidationError(f"unknown source kind {kind!r}")
    return Event(
        EventId(record.id),
        record.observed_at,
        record.sensor,
        record.decky_id,
        record.protocol,
        record.src_ip,
        record.src_port,
        SessionUuid(record.session_id),
        record.native_session,
        kind,
        read(record.payload),
        record.seq,
    )
