"""OpenCanary's JSON log (https://opencanary.readthedocs.io, "Understanding logs"): one line in, its events out.

Which fields become what, and what makes a session, is stated in docs/reference/opencanary.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from decnet.models.actor import canonical_address, session_uuid
from decnet.models.event import SESSION, STARTED, Event, Payload, ScanPayload, SessionPayload, event_id
from decnet.models.text import canonical_text
from decnet.sources.base import Notes, Reason, Refusal, quoted, share_of
from decnet.sources.connections import Connections, connection
from decnet.sources.opencanary_events import FIREWALL_PROBES, MAPPINGS, Found, Mapping
from decnet.sources.opencanary_record import OpenCanaryRecord, decode_tolerantly, decode_usual, observed_at
from decnet.sources.records import UNUSUAL, Refused, any_object_in, as_integer, bounded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.models.secret import SecretDigest

_MAX_NAME_CHARS = 128
_LARGEST_PORT = 65_535
_EVENTS_PER_LINE = 4
_OTHER_KEYS = frozenset({"logdata", "node_id", "src_host"})


class _Ends(NamedTuple):
    """Who visited whom: both addresses, the source's in its one spelling, and the ports where they are known."""

    sensor: str
    source: str
    source_port: int | None
    decoy: str
    decoy_port: int | None


class OpenCanarySource:
    """Reads lines of an OpenCanary log (a ``FileHandler`` with the message alone, which is its default).

    ``sensor`` is the operator's name for the honeypot and wins over the record's ``node_id``. OpenCanary numbers no
    sessions, see :mod:`decnet.sources.connections`; event ids are taken over the connection and not over the session,
    so they do not depend on where reading began.
    """

    name: str = "opencanary"

    def __init__(self, secret_digest: SecretDigest, *, sensor: str | None = None, file: str = "") -> None:
        self.file = file
        self.notes = Notes()
        self._digest: Final = secret_digest
        self._sensor: Final = sensor or ""
        self._connections: Final = Connections()

    @staticmethod
    def sniff(first_lines: Sequence[bytes]) -> float:
        """The share of lines that are objects with OpenCanary's own keys, whatever their values hold."""
        return share_of(first_lines, _is_record)

    def read(self, line: bytes, line_number: int) -> Sequence[Event] | Refusal:
        """See :class:`~decnet.sources.base.Source`."""
        try:
            record = decode_usual(line)
        except UNUSUAL:
            if not line.strip():
                return ()
            tolerated = decode_tolerantly(line, lambda field: self._note(f"unusable value in '{field}'", line_number))
            if isinstance(tolerated, Refused):
                return self._refusal(line_number, tolerated)
            record = tolerated
        if record.logtype is None:
            return self._untyped(record, line_number)
        mapping = MAPPINGS.get(record.logtype)
        if mapping is None:
            return self._refusal(line_number, Refused(Reason.UNKNOWN_EVENT_ID, f"logtype {record.logtype}"))
        if not mapping.kinds:
            self._note(f"ignored {mapping.name}", line_number)
            return ()
        events = self._events(record, mapping, line_number * _EVENTS_PER_LINE)
        return self._refusal(line_number, events) if isinstance(events, Refused) else events

    def _untyped(self, record: OpenCanaryRecord, line_number: int) -> Sequence[Event] | Refusal:
        """A record without a log type: OpenCanary writes such ones about faults of its own."""
        if not record.node_id or record.src_host:
            return self._refusal(line_number, Refused(Reason.NO_EVENT_ID))
        self._note("ignored record without a log type", line_number)
        return ()

    def _events(self, record: OpenCanaryRecord, mapping: Mapping, seq: int) -> list[Event] | Refused:
        at = observed_at(record)
        if at is None:
            return Refused(Reason.NO_TIME, quoted(record.utc_time or record.local_time))
        ends = self._ends(record)
        if isinstance(ends, Refused):
            return ends
        sensor, source, source_port, decoy, decoy_port = ends
        whole = connection(source, source_port, decoy, decoy_port, mapping.service)
        visit = whole if mapping.has_ports else connection(source, None, decoy, None, mapping.service)
        native = self._connections.session_of(sensor, visit, at, is_stream=mapping.is_stream)
        session = session_uuid(sensor, native)
        events = []
        for kind, found, meaning in self._found(record, mapping):
            key = event_id(at, sensor, whole, kind, *meaning)
            payload = _with_target(found, decoy, decoy_port)
            service = mapping.service
            events.append(
                Event(key, at, sensor, sensor, service, source, source_port, session, native, kind, payload, seq)
            )
            seq += 1
        return events

    def _found(self, record: OpenCanaryRecord, mapping: Mapping) -> tuple[Found, ...]:
        """What the record means; using a planted login (a ``honeycred`` of the configuration) is news of its own."""
        found = mapping.find(record.logdata, self._digest)
        if not record.honeycred:
            return found
        account = canonical_text(record.logdata.username or "")
        return *found, (SESSION, SessionPayload("honeycred", text=account), ("honeycred", account))

    def _ends(self, record: OpenCanaryRecord) -> _Ends | Refused:
        sensor = canonical_text(self._sensor or record.node_id) or "unknown"
        decoy = canonical_text(record.dst_host)
        too_long = max(sensor, decoy, record.src_host, key=len)
        if len(too_long) > _MAX_NAME_CHARS:
            return Refused(Reason.NAME_TOO_LONG, quoted(too_long))
        if not record.src_host:
            return Refused(Reason.NO_ADDRESS)
        try:
            source = canonical_address(record.src_host)
        except ValueError:
            return Refused(Reason.BAD_ADDRESS, quoted(record.src_host))
        return _Ends(sensor, source, _port(record.src_port), _plain_address(decoy), _port(record.dst_port))

    def _refusal(self, line_number: int, refused: Refused) -> Refusal:
        return Refusal(self.file, line_number, refused.reason, refused.detail)

    def _note(self, name: str, line_number: int) -> None:
        self.notes.add(name, line_number)


def _with_target(payload: Payload, decoy: str, decoy_port: int | None) -> Payload:
    """The beginning of a session, and a probe that the firewall saw, with where they led to."""
    if isinstance(payload, SessionPayload) and payload.action == STARTED:
        return SessionPayload(STARTED, dst_ip=decoy, dst_port=decoy_port)
    if isinstance(payload, ScanPayload) and payload.signature in FIREWALL_PROBES and decoy_port is not None:
        return ScanPayload(payload.signature, f"{decoy_port}/{payload.detail.lower()}")
    return payload


def _port(value: int | str | None) -> int | None:
    """OpenCanary writes -1, as a number or as text, for a port that it does not know."""
    return bounded(as_integer(value), _LARGEST_PORT)


def _plain_address(host: str) -> str:
    """``host`` in its one spelling when it is an address; a name stays as it is."""
    try:
        return canonical_address(host)
    except ValueError:
        return host


def _is_record(line: bytes) -> bool:
    """Whether ``line`` is an object with a log type, and with one more of OpenCanary's keys, at its top."""
    found = any_object_in(line)
    return type(found.get("logtype")) is int and not _OTHER_KEYS.isdisjoint(found)
