"""Roll-ups counted from the tags themselves, as nobody else counts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.models.tag import BAND_EDGES
from tests.databases import rows
from tests.events import SECOND

if TYPE_CHECKING:
    from decnet.db.engine import Database

HOUR = 3_600 * SECOND
DAY = 24 * HOUR

BAND = "CASE " + " ".join(
    f"WHEN t.confidence >= {edge} THEN {number}" for number, edge in reversed(list(enumerate(BAND_EDGES)))
) + " END"  # fmt: skip
OWNERS = (
    "tag t LEFT JOIN attacker a ON a.id = t.attacker_id LEFT JOIN identity o ON o.id = t.identity_id "
    "LEFT JOIN identity i ON i.id = a.identity_id LEFT JOIN identity h ON h.id = o.merged_into_id "
    "JOIN ttp u ON u.id = t.ttp_id"
)
KEYS = {
    "rollup_attacker": ("attacker_id, day", "t.attacker_id", DAY),
    "rollup_session": ("session_id, day", "t.session_id", DAY),
    "rollup_identity": ("identity_id, day", "coalesce(a.identity_id, h.id, t.identity_id)", DAY),
    "rollup_campaign": ("campaign_id, day", "coalesce(i.campaign_id, h.campaign_id, o.campaign_id)", DAY),
    "rollup_fleet_hour": ("hour", None, HOUR),
    "rollup_fleet_tactic": ("hour", None, HOUR),
    "rollup_fleet": ("", None, None),
    "rollup_fleet_day": ("decky_id, source_kind, day", "t.decky_id, t.source_kind", DAY),
}
"""How each roll-up would be counted from the tags: its keys, what they are of a tag, the length of its time or None."""


def assert_rollups_equal_a_recount(database: Database) -> None:
    for table, (keys, owner, length) in KEYS.items():
        parts = [*(owner.split(", ") if owner and "(" not in owner else [owner] if owner else [])]
        bucket = [f"(t.observed_at - t.observed_at % {length}) / {length}"] if length else []
        use = "tactic" if table == "rollup_fleet_tactic" else "ttp_id"
        labels = [*parts, *bucket, "u.tactic" if use == "tactic" else "t.ttp_id", BAND]
        of = f"{keys}, {use}, band" if keys else f"{use}, band"
        recount = rows(
            database,
            f"SELECT {', '.join(labels)}, count(*), max(t.confidence), min(t.observed_at), max(t.observed_at) "
            f"FROM {OWNERS} WHERE NOT t.superseded {f'AND {parts[0]} IS NOT NULL' if parts else ''} "
            f"GROUP BY {', '.join(labels)}",
        )
        stored = rows(
            database,
            f"SELECT {of}, sum(count), max(max_confidence), min(first_seen), max(last_seen) "
            f"FROM {table} GROUP BY {of} HAVING sum(count) > 0",
        )
        as_numbers = [
            [tuple(v if isinstance(v, str) else float(v) for v in row) for row in found] for found in (stored, recount)
        ]
        assert sorted(as_numbers[0]) == sorted(as_numbers[1]), table
