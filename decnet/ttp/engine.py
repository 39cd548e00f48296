"""The rule engine: events through the index of a pack."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from decnet.models.event import COMMAND, CommandPayload
from decnet.shell import unroll
from decnet.telemetry import span
from decnet.ttp.emit import Evidence, evidence_of, tags_of
from decnet.ttp.index import Hit, RuleIndex
from decnet.ttp.scan_cache import ScanCache

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from decnet.models.event import Event, Payload, SourceKind
    from decnet.models.tag import TTPTag
    from decnet.ttp.exec_term import SimpleCommandView
    from decnet.ttp.pack import Pack

COMMAND_TEXT = "command_text"
REMEMBERED_TEXTS = 32_768
MAX_REMEMBERED_CHARS = 4_096


class RuleEngine:
    """Tags events by the rules of one pack.

    Attackers repeat themselves: two of three commands of a real log were seen before. What a command text fires is
    remembered for ``remembered`` distinct texts; this is sound because it depends on nothing but the text and the pack.
    """

    def __init__(self, pack: Pack, *, remembered: int = REMEMBERED_TEXTS) -> None:
        self.index = RuleIndex(pack, cache=ScanCache())
        self._command_hits = lru_cache(remembered)(self._match_command)

    def handles(self, kind: SourceKind) -> bool:
        """Whether any rule of the pack looks at events of this kind."""
        return self.index.handles(kind)

    def tag(self, event: Event) -> list[TTPTag]:
        """The tags of every rule that fires on ``event``."""
        kind = event.source_kind
        if not self.handles(kind):
            return []
        payload = event.payload
        if kind != COMMAND or not isinstance(payload, CommandPayload):
            hits = self.hits(kind, text_fields(payload))
        elif _is_plain(payload):
            hits = self._command_hits(payload.command_text)
        else:  # what a program reads is no shell text
            hits = self.hits(kind, text_fields(payload), () if payload.stdin else None)
        return tags_of(event, hits) if hits else []

    def _match_command(self, text: str) -> list[tuple[Hit, Evidence]]:
        return self.hits(COMMAND, {COMMAND_TEXT: text})

    def hits(
        self, kind: str, fields: Mapping[str, str], commands: Sequence[SimpleCommandView] | None = None
    ) -> list[tuple[Hit, Evidence]]:
        """The rules that fire, each with the evidence that its tags carry.

        ``fields`` is canonical text per field, ``commands`` what the command text would run; without it, the text is
        taken as the first line of a session.
        """
        with span("ttp.match"):
            if commands is None:
                commands = unroll(fields[COMMAND_TEXT]).commands if self.index.asks_commands(kind) else ()
            return [(hit, evidence_of(kind, hit.proof, fields)) for hit in self.index.match(kind, fields, commands)]


def text_fields(payload: Payload) -> dict[str, str]:
    """The fields of ``payload`` that a term can look at: numbers and claims in their JSON spelling."""
    return {
        name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
        for name, value in msgspec.structs.asdict(payload).items()
    }


def _is_plain(payload: CommandPayload) -> bool:
    """Whether the text is all that a rule could see, and short enough to be remembered."""
    return not payload.stdin and not payload.account and len(payload.command_text) <= MAX_REMEMBERED_CHARS
