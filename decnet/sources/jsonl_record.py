"""Our own event format: the structs that docs/reference/event-format.md and the JSON Schema describe.

::

    {"decnet": 1, "observed_at": "2026-11-23T01:36:18.612765Z", "source_kind": "auth_attempt",
     "src_ip": "198.51.100.14", "src_port": 40222, "sensor": "dmz-1", "protocol": "pop3",
     "payload": {"username": "root", "password": "x", "success": false}}

(one line in the file). Names are those of the product's own events; only a secret comes as it was typed, in
``password``, and is replaced by its keyed digest when it is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

import msgspec
from msgspec import Meta

from decnet.models.event import (
    AUTH_ATTEMPT,
    COMMAND,
    FINGERPRINT,
    HTTP_REQUEST,
    INTEL_VERDICT,
    PAYLOAD,
    SCAN,
    SESSION,
    CommandPayload,
    FilePayload,
    FingerprintPayload,
    HttpPayload,
    IntelPayload,
    ScanPayload,
    SessionPayload,
    SourceKind,
)
from decnet.sources.base import Reason, quoted
from decnet.sources.records import Refused, as_text, object_in

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION: Final = 1
"""The version of the format, the value of ``decnet``."""

MAX_NAME_CHARS: Final = 128
MAX_PROTOCOL_CHARS: Final = 32
LARGEST_PORT: Final = 65_535

_S = TypeVar("_S", bound=msgspec.Struct)
_Port = Annotated[int, Meta(ge=0, le=LARGEST_PORT)]
_NAME_LENGTH: Final = {"maxLength": MAX_NAME_CHARS}  # told, not checked here: a name that is cut would be another one


class EventRecord(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """One line: who did it, where, when, and in ``payload`` what; the kind decides what a payload holds."""

    decnet: Annotated[int, Meta(ge=VERSION, le=VERSION, description="version of this format")]
    observed_at: Annotated[
        str | int | float,
        Meta(description="when: ISO 8601, without an offset UTC, or an epoch in s, ms, µs or ns"),
    ]
    source_kind: str
    src_ip: Annotated[str, Meta(description="the attacker's address, as the honeypot saw it")]
    payload: msgspec.Raw
    src_port: Annotated[_Port | None, Meta(description="the attacker's port")] = None
    sensor: Annotated[
        str, Meta(description="the honeypot's name; an operator's --sensor wins", extra_json_schema=_NAME_LENGTH)
    ] = ""
    decky_id: Annotated[
        str, Meta(description="the decoy within the honeypot; default: the sensor", extra_json_schema=_NAME_LENGTH)
    ] = ""
    protocol: Annotated[
        str,
        Meta(description="the service, like ssh or pop3", extra_json_schema={"maxLength": MAX_PROTOCOL_CHARS}),
    ] = ""
    native_session: Annotated[
        str | int,
        Meta(description="the honeypot's own id of the session, never used twice by one sensor"),
    ] = ""
    id: Annotated[str | int, Meta(description="what tells this record from one that is otherwise the same")] = ""


class CommandFields(CommandPayload, frozen=True, forbid_unknown_fields=True):
    """The payload of a ``command``."""


class AuthFields(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The payload of an ``auth_attempt``: as it is stored, with the password itself in place of its digest."""

    username: str
    success: bool
    method: Literal["password", "publickey"] = "password"
    password: Annotated[str | None, Meta(description="as it was typed; only its keyed digest is kept")] = (
        None  # none was offered
    )
    key_fingerprint: str = ""
    key_type: str = ""


class FingerprintFields(FingerprintPayload, frozen=True, forbid_unknown_fields=True):
    """The payload of a ``fingerprint``."""


class FileFields(FilePayload, frozen=True, forbid_unknown_fields=True):
    """The payload of a ``payload``: a file, or other bytes."""


class HttpFields(HttpPayload, frozen=True, forbid_unknown_fields=True):
    """The payload of an ``http_request``."""


class ScanFields(ScanPayload, frozen=True, forbid_unknown_fields=True):
    """The payload of a ``scan``."""


class SessionFields(SessionPayload, frozen=True, forbid_unknown_fields=True):
    """The payload of a ``session``; the actions ``started`` and ``ended`` open and close it."""


class IntelFields(IntelPayload, frozen=True, forbid_unknown_fields=True):
    """The payload of an ``intel_verdict``."""


Fields = (
    CommandFields | AuthFields | FingerprintFields | FileFields | HttpFields | ScanFields | SessionFields | IntelFields
)

FIELDS_OF: Final[dict[SourceKind, type[Fields]]] = {
    COMMAND: CommandFields,
    AUTH_ATTEMPT: AuthFields,
    FINGERPRINT: FingerprintFields,
    PAYLOAD: FileFields,
    HTTP_REQUEST: HttpFields,
    SCAN: ScanFields,
    SESSION: SessionFields,
    INTEL_VERDICT: IntelFields,
}
"""What a payload of each kind holds."""

decode_usual: Final = msgspec.json.Decoder(EventRecord).decode
"""The record in a line that keeps to the format; raises one of ``records.UNUSUAL`` on any other."""
_DECODERS: Final = {kind: msgspec.json.Decoder(fields).decode for kind, fields in FIELDS_OF.items()}


def usual_fields(record: EventRecord) -> Fields | None:
    """The payload of a record that keeps to the format; None for an unknown kind.

    Raises one of ``records.UNUSUAL`` when the payload does not fit its kind.
    """
    decode = _DECODERS.get(SourceKind(record.source_kind))
    return None if decode is None else decode(record.payload)


def decode_tolerantly(line: bytes, on_wrong_field: Callable[[str], None]) -> tuple[EventRecord, Fields] | Refused:
    """The record in ``line`` and its payload, field by field: what is of no use is left out, unless it is needed.

    ``on_wrong_field`` gets a description of each fault that stopped nothing.
    """
    found = object_in(line)
    if isinstance(found, Refused):
        return found
    fields = _fields_of(found)
    if isinstance(fields, Refused):
        return fields
    header = {"observed_at": "", "src_ip": "", **found, "payload": msgspec.Raw(b"{}")}
    record = _read(EventRecord, header, "", on_wrong_field)
    if isinstance(record, str):
        return Refused(Reason.NO_TIME if record == "observed_at" else Reason.BAD_ADDRESS, f"'{record}' is no text")
    payload = _read(fields, found["payload"], "payload.", on_wrong_field)
    if isinstance(payload, str):
        return Refused(Reason.BAD_PAYLOAD, f"{found['source_kind']}: '{payload}' is missing or of no use")
    return record, payload


def _fields_of(found: dict[str, Any]) -> type[Fields] | Refused:
    """What the payload of a record must hold, once version and kind are ones that we know."""
    version, kind = found.get("decnet"), found.get("source_kind")
    if version != VERSION or isinstance(version, bool):
        return Refused(Reason.UNKNOWN_VERSION, "'decnet' is missing" if version is None else quoted(str(version)))
    fields = FIELDS_OF.get(SourceKind(kind)) if isinstance(kind, str) else None
    if fields is None:
        return Refused(Reason.UNKNOWN_KIND, "'source_kind' is missing" if kind is None else quoted(str(kind)))
    if not isinstance(found.get("payload"), dict):
        return Refused(Reason.BAD_PAYLOAD, f"{kind}: 'payload' is no object")
    return fields


def _read(kind: type[_S], found: dict[str, Any], place: str, on_wrong_field: Callable[[str], None]) -> _S | str:
    """The struct, or the name of the first field that it cannot do without."""
    values: dict[str, Any] = {}
    fields = msgspec.structs.fields(kind)
    for field in fields:
        value = found.get(field.name)
        if value is None:
            if field.required:
                return field.name
            continue
        try:
            values[field.name] = _converted(value, field.type)
        except msgspec.ValidationError:
            if field.required:
                return field.name
            on_wrong_field(f"unusable value in '{place}{field.name}'")
    if found.keys() - {field.name for field in fields}:
        on_wrong_field(_unknown_field(place, found))
    return kind(**values)


def _unknown_field(place: str, found: dict[str, Any]) -> str:
    if not place:
        return "unknown field"
    return "field 'payload.secret' is not read" if "secret" in found else "unknown field in 'payload'"


def _converted(value: object, kind: Any) -> Any:
    """``value`` as ``kind``; numbers may be texts and texts numbers."""
    if isinstance(value, msgspec.Raw):
        return value
    try:
        return msgspec.convert(value, kind, strict=False)
    except msgspec.ValidationError:
        text = as_text(value)
        if text is None or isinstance(value, str):
            raise
        return msgspec.convert(text, kind, strict=False)
