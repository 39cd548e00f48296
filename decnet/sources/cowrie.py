"""Cowrie's JSON log (https://docs.cowrie.org, OUTPUT.rst): one line in, its events out.

Which fields become what is stated in docs/reference/cowrie.md.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple

from decnet.models.actor import SessionUuid, canonical_address, session_uuid
from decnet.models.event import Event, event_id
from decnet.models.text import canonical_text
from decnet.sources.base import Notes, Reason, Refusal, quoted, share_of
from decnet.sources.cowrie_events import MAPPINGS, Mapping
from decnet.sources.cowrie_record import CowrieRecord, decode_tolerantly, decode_usual, observed_at
from decnet.sources.records import UNUSUAL, Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from decnet.models.secret import SecretDigest

_PROTOCOLS = frozenset({"ssh", "telnet"})
_MAX_NAME_CHARS = 128
_REMEMBERED_SESSIONS = 8_192
_LARGEST_PORT = 65_535
_EVENTS_PER_LINE = 2


class _Place(NamedTuple):
    """Who a record is about: everything in it that is the same for all records of a session."""

    sensor: str
    native_session: str
    session_id: SessionUuid
    src_ip: str
    protocol: str


class _KnownSession(NamedTuple):
    """What the records of a session said so far; ``recorded_ip`` is the address as they spell it."""

    recorded_ip: str
    place: _Place


class CowrieSource:
    """Reads lines of ``cowrie.json``, of any release from 2017 on.

    ``sensor`` is the operator's name for the honeypot and wins over the one in the record. What a record lacks
    (``src_ip`` and ``protocol`` in old releases) is taken from its session, of which the last 8,192 are remembered;
    the source address never comes from anything that an attacker wrote.
    """

    name: str = "cowrie"

    def __init__(self, secret_digest: SecretDigest, *, sensor: str | None = None, file: str = "") -> None:
        self.file = file
        self.notes = Notes()
        self._digest: Final = secret_digest
        self._sensor: Final = sensor or ""
        self._sessions: Final = OrderedDict[tuple[str, str], _KnownSession]()

    @staticmethod
    def sniff(first_lines: Sequence[bytes]) -> float:
        """The share of lines that name a Cowrie event id."""
        return share_of(first_lines, lambda line: b'"eventid"' in line and b'"cowrie.' in line)

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
        mapping = MAPPINGS.get(record.eventid)
        if mapping is None:
            return self._refusal(line_number, _unknown(record.eventid))
        if not mapping.kinds:
            self._note(f"ignored {record.eventid}", line_number)
            return ()
        events = self._events(record, mapping, line_number * _EVENTS_PER_LINE)
        return self._refusal(line_number, events) if isinstance(events, Refused) else events

    def _events(self, record: CowrieRecord, mapping: Mapping, seq: int) -> list[Event] | Refused:
        at = observed_at(record)
        if at is None:
            return Refused(Reason.NO_TIME, quoted(str(record.timestamp)))
        place = self._place(record, mapping)
        if isinstance(place, Refused):
            return place
        sensor, native, session, address, protocol = place
        port = record.src_port
        if port is not None and not 0 <= port <= _LARGEST_PORT:
            port = None
        events = []
        for kind, payload, meaning in mapping.find(record, self._digest):
            key = event_id(at, sensor, native, kind, *meaning)
            events.append(Event(key, at, sensor, sensor, protocol, address, port, session, native, kind, payload, seq))
            seq += 1
        return events

    def _place(self, record: CowrieRecord, mapping: Mapping) -> _Place | Refused:
        """Where the record belongs, from itself, or from its session where the record does not tell."""
        sensor = self._sensor or record.sensor
        session = record.session if type(record.session) is str else str(record.session)
        known = self._sessions.get((sensor, session))
        if known is not None and record.src_ip == known.recorded_ip and record.protocol == known.place.protocol:
            return known.place
        if not session and mapping.needs_session:
            return Refused(Reason.NO_SESSION)
        # AbuseIPDB's plug-in logs outside of any session and has its own name for the source address.
        recorded_ip = record.src_ip or ("" if mapping.needs_session else record.account_ip)
        too_long = max(session, sensor, recorded_ip, key=len)
        if len(too_long) > _MAX_NAME_CHARS:
            return Refused(Reason.NAME_TOO_LONG, quoted(too_long))
        if not recorded_ip and known is None:
            return Refused(Reason.NO_ADDRESS, f"session {quoted(session)}" if session else "")
        return self._place_anew(sensor, session, recorded_ip, _protocol_of(record), known)

    def _place_anew(
        self, sensor: str, session: str, recorded_ip: str, protocol: str, known: _KnownSession | None
    ) -> _Place | Refused:
        """The place of a session that is new, or of whose address or protocol the record says something else."""
        if known is not None:
            recorded_ip = recorded_ip or known.recorded_ip
            protocol = protocol or known.place.protocol
        try:
            src_ip = canonical_address(recorded_ip)
        except ValueError:
            return Refused(Reason.BAD_ADDRESS, quoted(recorded_ip))
        name = canonical_text(sensor) or "unknown"
        native = canonical_text(session) or f"address:{src_ip}"
        place = _Place(name, native, session_uuid(name, native), src_ip, protocol or "ssh")
        if session:
            self._remember((sensor, session), _KnownSession(recorded_ip, place))
        return place

    def _remember(self, key: tuple[str, str], session: _KnownSession) -> None:
        self._sessions[key] = session
        self._sessions.move_to_end(key)
        if len(self._sessions) > _REMEMBERED_SESSIONS:
            self._sessions.popitem(last=False)

    def _refusal(self, line_number: int, refused: Refused) -> Refusal:
        return Refusal(self.file, line_number, refused.reason, refused.detail)

    def _note(self, name: str, line_number: int) -> None:
        self.notes.add(name, line_number)


def _unknown(eventid: str) -> Refused:
    return Refused(Reason.UNKNOWN_EVENT_ID, quoted(eventid)) if eventid else Refused(Reason.NO_EVENT_ID)


def _protocol_of(record: CowrieRecord) -> str:
    """The record's protocol; old releases tell it in Twisted's name of the connection only, its class in front.

    ::

        HoneyPotSSHTransport,7,198.51.100.7
        CowrieTelnetTransport,3,198.51.100.7
    """
    if record.protocol in _PROTOCOLS:
        return record.protocol
    if "Telnet" in record.system:
        return "telnet"
    return "ssh" if "SSH" in record.system else ""
