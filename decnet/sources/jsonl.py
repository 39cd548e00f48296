"""Our own event format, JSON lines that any honeypot's owner can write: one line in, its event out.

What a line holds is stated in docs/reference/event-format.md and in the JSON Schema ``data/event.schema.json``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from decnet.models.actor import canonical_address, session_uuid
from decnet.models.event import (
    PAYLOAD_TYPES,
    AuthPayload,
    CommandPayload,
    Event,
    HttpPayload,
    Payload,
    SourceKind,
    event_id,
)
from decnet.models.text import canonical_text
from decnet.sources.base import Notes, Reason, Refusal, quoted, share_of
from decnet.sources.connections import Connections, connection
from decnet.sources.jsonl_record import (
    MAX_NAME_CHARS,
    MAX_PROTOCOL_CHARS,
    EventRecord,
    Fields,
    decode_tolerantly,
    decode_usual,
    usual_fields,
)
from decnet.sources.records import (
    UNUSUAL,
    Refused,
    any_object_in,
    bounded,
    from_epoch,
    parsed_time,
    without_credentials,
    without_password,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.models.secret import SecretDigest

_MAX_TIME_CHARS = 40


class _Place(NamedTuple):
    """Who did it and where; ``link`` is what tells the session apart, without the hour in which it began."""

    sensor: str
    decky_id: str
    src_ip: str
    link: str
    native_session: str


class JsonlSource:
    """Reads lines of the event format.

    ``sensor`` is the operator's name for the honeypot and wins over the record's. A record without ``native_session``
    belongs to the session of its connection, see :mod:`decnet.sources.connections`.
    """

    name: str = "jsonl"

    def __init__(self, secret_digest: SecretDigest, *, sensor: str | None = None, file: str = "") -> None:
        self.file = file
        self.notes = Notes()
        self._digest: Final = secret_digest
        self._sensor: Final = sensor or ""
        self._connections: Final = Connections()

    @staticmethod
    def sniff(first_lines: Sequence[bytes]) -> float:
        """The share of lines that are objects with our mark and a source kind, whatever their values hold."""
        return share_of(first_lines, _is_record)

    def read(self, line: bytes, line_number: int) -> Sequence[Event] | Refusal:
        """See :class:`~decnet.sources.base.Source`."""
        try:
            record = decode_usual(line)
            fields = usual_fields(record)
        except UNUSUAL:
            fields = None
        if fields is None:
            if not line.strip():
                return ()
            tolerated = decode_tolerantly(line, lambda fault: self.notes.add(fault, line_number))
            if isinstance(tolerated, Refused):
                return self._refusal(line_number, tolerated)
            record, fields = tolerated
        event = self._event(record, fields, line_number)
        return self._refusal(line_number, event) if isinstance(event, Refused) else (event,)

    def _event(self, record: EventRecord, fields: Fields, seq: int) -> Event | Refused:
        at = _observed_at(record.observed_at)
        if at is None:
            return Refused(Reason.NO_TIME, quoted(str(record.observed_at)))
        place = self._place(record, at)
        if isinstance(place, Refused):
            return place
        kind, protocol = SourceKind(record.source_kind), canonical_text(record.protocol)
        what = _canonical(fields)
        meaning = (place.src_ip, place.decky_id, canonical_text(str(record.id)), *_meaning(what))
        key = event_id(at, place.sensor, place.link, kind, *meaning)
        return Event(
            key,
            at,
            place.sensor,
            place.decky_id,
            protocol,
            place.src_ip,
            record.src_port,
            session_uuid(place.sensor, place.native_session),
            place.native_session,
            kind,
            self._payload(kind, what),
            seq,
        )

    def _place(self, record: EventRecord, at: int) -> _Place | Refused:
        sensor = canonical_text(self._sensor or record.sensor) or "unknown"
        decky = canonical_text(record.decky_id) or sensor
        protocol, own = canonical_text(record.protocol), canonical_text(str(record.native_session))
        too_long = max(sensor, decky, own, record.src_ip, key=len)
        if len(too_long) > MAX_NAME_CHARS or len(protocol) > MAX_PROTOCOL_CHARS:
            return Refused(Reason.NAME_TOO_LONG, quoted(max(too_long, protocol, key=len)))
        if not record.src_ip:
            return Refused(Reason.NO_ADDRESS, "'src_ip' is missing or empty")
        try:
            src_ip = canonical_address(record.src_ip)
        except ValueError:
            return Refused(Reason.BAD_ADDRESS, quoted(record.src_ip))
        if own:
            return _Place(sensor, decky, src_ip, own, own)
        link = connection(src_ip, record.src_port, decky, None, protocol)
        native = self._connections.session_of(sensor, link, at, is_stream=record.src_port is not None)
        return _Place(sensor, decky, src_ip, link, native)

    def _payload(self, kind: SourceKind, what: dict[str, Any]) -> Payload:
        """The payload as it is stored: every secret replaced by its keyed digest."""
        if "password" in what:
            password = what.pop("password")
            return AuthPayload(**what, secret=self._digest(password or ""))
        payload = PAYLOAD_TYPES[kind](**what)
        if isinstance(payload, CommandPayload):
            text = without_password(payload.realm, payload.command_text, self._digest)
            return msgspec.structs.replace(payload, command_text=text)
        if isinstance(payload, HttpPayload) and payload.headers:
            return msgspec.structs.replace(payload, headers=without_credentials(payload.headers, self._digest))
        return payload

    def _refusal(self, line_number: int, refused: Refused) -> Refusal:
        return Refusal(self.file, line_number, refused.reason, refused.detail)


def _observed_at(stamp: str | float) -> int | None:
    if isinstance(stamp, str):
        return parsed_time(stamp) if 0 < len(stamp) <= _MAX_TIME_CHARS else None
    return from_epoch(stamp)


def _canonical(fields: Fields) -> dict[str, Any]:
    """The fields as they can be stored anywhere: canonical text, and no number beyond 63 bits."""
    return {name: _kept(value) for name, value in msgspec.structs.asdict(fields).items()}


def _kept(value: object) -> object:
    if isinstance(value, str):
        return canonical_text(value)
    return bounded(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _meaning(what: dict[str, Any]) -> list[str]:
    """The fields that say something, by name: a field that a later version adds changes no id of today."""
    return [
        f"{name}={_spelled(value)}"
        for name, value in what.items()
        if value is not None and value is not False and value != ""
    ]


def _spelled(value: object) -> object:
    """Figures within a payload as their JSON; everything else as it is."""
    return msgspec.json.encode(value).decode() if isinstance(value, msgspec.Struct) else value


def _is_record(line: bytes) -> bool:
    found = any_object_in(line)
    return type(found.get("decnet")) is int and isinstance(found.get("source_kind"), str)
