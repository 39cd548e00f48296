"""What attribution announces of a batch: sessions, findings, and attackers that are new or behave in a new way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.attribution.states import packed
from decnet.bus.topics import ATTACKER_OBSERVED, ATTACKER_SCORED, FINDING, SESSION_ENDED, SESSION_STARTED
from decnet.models.actor import attacker_uuid
from decnet.models.event import Event
from decnet.models.finding import DAY_US
from decnet.models.message import bulk_messages
from decnet.models.sighting import AttackerObserved, AttackerScored, packed_sighting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from decnet.attribution.engine import Outcome
    from decnet.models.actor import AttackerUuid
    from decnet.models.message import Message
    from decnet.models.record import Record


def first_met(unmet: set[AttackerUuid], records: Iterable[Record]) -> Iterable[AttackerObserved]:
    """Those of ``unmet`` that ``records`` tell of, each at its first event here."""
    met: dict[AttackerUuid, AttackerObserved] = {}
    for event in records if unmet else ():
        if isinstance(event, Event) and (who := attacker_uuid(event.src_ip)) in unmet:
            known = met.get(who)
            if known is None or event.observed_at < known.observed_at:
                met[who] = AttackerObserved(who, event.src_ip, event.observed_at)
    return met.values()


def outcome_messages(outcome: Outcome, met: Iterable[AttackerObserved], partition: int) -> Iterator[Message]:
    """What a batch brought, for those who wait for it."""
    yield from bulk_messages(ATTACKER_OBSERVED.pattern, partition, map(packed_sighting, met))
    yield from bulk_messages(SESSION_STARTED.pattern, partition, map(packed, outcome.started))
    kinds: dict[str, list[bytes]] = {}
    for finding in outcome.findings:
        kinds.setdefault(finding.source_kind, []).append(packed(finding))
    for kind, items in sorted(kinds.items()):
        yield from bulk_messages(FINDING.name(source_kind=kind), partition, items)
    scored = [AttackerScored(attacker, behaviour, day * DAY_US) for (attacker, day), behaviour in outcome.reached]
    yield from bulk_messages(ATTACKER_SCORED.pattern, partition, map(packed_sighting, scored))
    ended = (packed(uuid) for uuid in outcome.closed)
    yield from bulk_messages(SESSION_ENDED.pattern, partition, ended)
