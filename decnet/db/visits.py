"""What the tags of a session say of its phases: when each tactic was first and last seen in it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import select

from decnet.db.dialect import dialect_of
from decnet.db.epochs import TAGS
from decnet.db.tables import epoch
from decnet.models.attack_ids import TacticId

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

# Tags of findings are left out: they stand at the start of a session, a window or a day, not at a deed. Their source
# ids have colons, those of events have none. A per cent sign is written twice for MariaDB's driver, and means the same.
_TACTICS = """
SELECT session.id, ttp.tactic, min(tag.observed_at), max(tag.observed_at) FROM session
JOIN tag ON tag.attacker_id = session.attacker_id AND tag.session_id = session.id
AND tag.observed_at BETWEEN session.started_at AND session.last_event_at
JOIN ttp ON ttp.id = tag.ttp_id
WHERE session.id IN ({places}) AND NOT tag.superseded AND tag.source_id NOT LIKE '%%:%%'
GROUP BY session.id, ttp.tactic"""


class SeenTactic(NamedTuple):
    """A tactic, at the first or the last time (µs UTC) that a session showed it."""

    observed_at: int
    tactic: TacticId


def tactics_of_sessions(connection: Connection, sessions: Sequence[int]) -> Mapping[int, list[SeenTactic]]:
    """The tactics of the events of these sessions (by their integers), each at its first and its last time."""
    found: dict[int, list[SeenTactic]] = defaultdict(list)
    for number, tactic, first, last in dialect_of(connection).rows_with(connection, _TACTICS, sessions):
        seen = TacticId(tactic)
        found[number] += [SeenTactic(first, seen), SeenTactic(last, seen)]
    return found


def tags_epoch(connection: Connection) -> int:
    """A number that rises when tags of events that were tagged before are others now."""
    found: int = connection.execute(select(epoch.c.value).where(epoch.c.name == TAGS)).scalar_one()
    return found
