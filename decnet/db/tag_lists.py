"""The newest tags of one technique, owner or decoy, however rare they are among all tags.

No index leads from a technique to its tags: it would cost every insert. Roll-ups tell between which times of which
days there are some, and only those stretches of the tags are read, from their newest end in steps that grow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from decnet.db.rollups import US_PER_DAY, US_PER_HOUR
from decnet.db.sums import days_seen
from decnet.db.tag_pages import tag_page

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.db.sums import Owner
    from decnet.models.stored_tag import StoredTag, TagFilter
    from decnet.models.tag import TagKey

_DAYS = 32
_FIRST_STEP_US = US_PER_HOUR // 4
_GROWTH = 4
_END = 1 << 53


def newest_tags(
    connection: Connection, owner: Owner | None, wanted: TagFilter, *, after: TagKey | None, limit: int
) -> list[StoredTag]:
    """Up to ``limit`` wanted tags beyond the one at ``after``, the newest first; ``owner`` is the one that is wanted.

    Fewer than ``limit`` are all that there are.
    """
    if owner is None and not _is_narrow(wanted):
        return tag_page(connection, wanted, after=after, limit=limit)
    until = _END if wanted.until is None else wanted.until
    until = until if after is None else min(until, after[0] + 1)
    found: list[StoredTag] = []
    while len(found) < limit:
        days = days_seen(connection, owner, wanted, until=until, limit=_DAYS)
        if not days:
            break
        for day in days:
            missing = limit - len(found)
            step = _FIRST_STEP_US if day.tags > missing else US_PER_DAY  # all of a day that has no more than that
            end = min(day.last + 1, until)
            found += _within(connection, wanted, day.first, end, after=after, limit=missing, step=step)
            if len(found) >= limit:
                break
        until = days[-1].first // US_PER_DAY * US_PER_DAY
    return found


def _is_narrow(wanted: TagFilter) -> bool:
    named = (wanted.technique, wanted.tactic, wanted.source_kind, wanted.decoy)
    return any(name is not None for name in named)


def _within(
    connection: Connection,
    wanted: TagFilter,
    first: int,
    until: int,
    *,
    after: TagKey | None,
    limit: int,
    step: int,
) -> list[StoredTag]:
    """The newest in ``[first, until)``, in steps: most often the newest quarter of an hour holds enough of them."""
    found: list[StoredTag] = []
    first = max(first, wanted.since or 0)
    while until > first and len(found) < limit:
        since = max(first, until - step)
        part = msgspec.structs.replace(wanted, since=since, until=until)
        found += tag_page(connection, part, after=after, limit=limit - len(found))
        until, step = since, step * _GROWTH
    return found
