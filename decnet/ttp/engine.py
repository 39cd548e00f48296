"""The rule engine: events through the index of a pack, shell text as what it would run."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from decnet.models.event import COMMAND, SESSION, STARTED, CommandPayload, SessionPayload
from decnet.models.rule import DEFAULT_FIELDS
from decnet.shell import EMPTY, unroll
from decnet.telemetry import span
from decnet.ttp.emit import Evidence, evidence_of, tags_of
from decnet.ttp.index import Hit, RuleIndex
from decnet.ttp.memory import Memory, MemoryFigures
from decnet.ttp.scan_cache import ScanCache
from decnet.ttp.sessions import ShellSessions, nothing_earlier

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from decnet.models.event import Event, Payload, SourceKind
    from decnet.models.tag import TTPTag
    from decnet.shell import ShellState, SimpleCommand
    from decnet.ttp.pack import Pack
    from decnet.ttp.scan import Engine
    from decnet.ttp.sessions import EarlierCommands

COMMAND_TEXT = DEFAULT_FIELDS[COMMAND]
REMEMBERED_TEXTS = 16_384
MAX_REMEMBERED_CHARS = 4_096

Findings = list[tuple[Hit, Evidence]]
"""The rules that fire, each with the evidence that its tags carry."""


class Reading(NamedTuple):
    """What one line of a shell session shows: the rules that fire, the state after it, and the limits that it met."""

    findings: Findings
    state: ShellState
    limits: tuple[str, ...]


class RuleEngine:
    """Tags events by the rules of one pack.

    Attackers repeat themselves: two of three commands of a real log were seen before. The reading of a line depends on
    nothing but the line, the shell state that it meets and the pack, so ``remembered`` readings are kept by those; the
    memory changes no result (:attr:`memory` tells how often it helped).
    """

    def __init__(
        self,
        pack: Pack,
        *,
        earlier_commands: EarlierCommands = nothing_earlier,
        remembered: int = REMEMBERED_TEXTS,
        engine: Engine | None = None,
    ) -> None:
        cache = ScanCache()
        self.index = RuleIndex(pack, engine, cache)
        self.is_provisional = not cache.is_complete
        """Whether a faster engine than the one that was ``ready`` can be compiled."""
        self._sessions = ShellSessions(earlier_commands)
        self._readings: Memory[Reading] = Memory(remembered)
        self._shown: Memory[Findings] = Memory(remembered)
        self._asked = AskedFields(self.index)

    @property
    def memory(self) -> MemoryFigures:
        """How often a reading was known, and how often not."""
        return self._readings.figures

    def handles(self, kind: SourceKind) -> bool:
        """Whether any rule of the pack looks at events of this kind."""
        return self.index.handles(kind)

    def tag(self, event: Event) -> list[TTPTag]:
        """The tags of every rule that fires on ``event``."""
        kind, payload = event.source_kind, event.payload
        if kind == SESSION and isinstance(payload, SessionPayload) and payload.action == STARTED:
            self._sessions.begin(event)
        if not self.index.handles(kind):
            return []
        if kind == COMMAND and isinstance(payload, CommandPayload) and is_shell_line(payload):
            reading = self.read(payload.command_text, self._sessions.before(event))
            self._sessions.after(event, reading.state)
            findings = reading.findings
        else:
            findings = self.show(kind, payload)
        return tags_of(event, findings) if findings else []

    def read(self, text: str, state: ShellState = EMPTY) -> Reading:
        """What ``text``, typed in a shell with ``state``, shows."""
        key = (text, state.digest)
        reading = self._readings.get(key)
        if reading is None:
            reading = self._read(text, state)
            if len(text) <= MAX_REMEMBERED_CHARS:
                self._readings.put(key, reading)
        return reading

    def show(self, kind: SourceKind, payload: Payload) -> Findings:
        """The rules that fire on ``payload``, which is not for a shell."""
        key = self._asked.key(kind, payload)
        findings = self._shown.get(key) if key is not None else None
        if findings is None:
            findings = self.findings(kind, text_fields(payload))
            if key is not None:
                self._shown.put(key, findings)
        return findings

    def findings(self, kind: str, fields: Mapping[str, str], commands: Sequence[SimpleCommand] = ()) -> Findings:
        """The rules that fire on ``fields``, canonical text per field, and on what they would run."""
        with span("ttp.match"):
            return [(hit, evidence_of(kind, hit.proof, fields)) for hit in self.index.match(kind, fields, commands)]

    def _read(self, text: str, state: ShellState) -> Reading:
        with span("ttp.unroll"):
            unrolled = unroll(text, state)
        return Reading(self.findings(COMMAND, {COMMAND_TEXT: text}, unrolled.commands), unrolled.state, unrolled.limits)


class AskedFields:
    """What an index looks at of a payload, as something to remember its answer by."""

    def __init__(self, index: RuleIndex) -> None:
        self._index = index
        self._values: dict[tuple[SourceKind, type], Callable[[Payload], Sequence[object]]] = {}

    def key(self, kind: SourceKind, payload: Payload) -> tuple[object, ...] | None:
        """Equal for payloads in which every rule for ``kind`` sees the same; None where that is long."""
        shape = (kind, type(payload))
        values_in = self._values.get(shape)
        if values_in is None:
            asked = self._index.fields_of(kind)
            values_in = self._values[shape] = _values_of([name for name in asked if name in payload.__struct_fields__])
        values = values_in(payload)
        if sum([len(value) for value in values if isinstance(value, str)]) > MAX_REMEMBERED_CHARS:
            return None
        return (shape, *values)


def _values_of(names: Sequence[str]) -> Callable[[Payload], Sequence[object]]:
    """What reads the attributes ``names``."""
    if not names:
        return lambda _: ()
    read = attrgetter(*names)
    return read if len(names) > 1 else lambda payload: (read(payload),)


def text_fields(payload: Payload) -> dict[str, str]:
    """The fields of ``payload`` that a term can look at: numbers and claims in their JSON spelling."""
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in msgspec.structs.asdict(payload).items()
    }


def is_shell_line(payload: CommandPayload) -> bool:
    """Whether a shell read the line, and not a program that was running in it."""
    return not payload.stdin and not payload.account
