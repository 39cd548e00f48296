"""What may be asked of lists: the same names, bounds and meanings on every route that has them.

The functions are asynchronous although they wait for nothing: others run in a thread, which costs more than they do.
"""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Depends, Path, Query

from decnet.models.stored_tag import TagFilter
from decnet.models.tag import DEFAULT_CONFIDENCE_FLOOR

TECHNIQUE_PATTERN = r"^T[0-9]{4}(\.[0-9]{3})?$"
TACTIC_PATTERN = r"^TA[0-9]{4}$"
_KIND_PATTERN = r"^[a-z][a-z_]{0,39}$"
NO_NUL = r"^[^\x00]+$"
"""What PostgreSQL would refuse is refused here."""
_MOMENTS = {"ge": 0, "lt": 2**53}

Technique = Annotated[
    str | None,
    Query(pattern=TECHNIQUE_PATTERN, description="A technique, with its sub-techniques, or a sub-technique."),
]
Tactic = Annotated[str | None, Query(pattern=TACTIC_PATTERN, description="The id of a tactic.")]
MinConfidence = Annotated[
    float,
    Query(ge=0, le=1, allow_inf_nan=False, description="The least confidence, as stored."),
]
SourceKind = Annotated[
    str | None, Query(pattern=_KIND_PATTERN, description="The kind of event: `command`, `auth_attempt`, `scan`, …")
]
Decoy = Annotated[str | None, Query(pattern=NO_NUL, max_length=255, description="The name of a decoy.")]
Since = Annotated[int | None, Query(**_MOMENTS, description="µs UTC; what was at this time or later.")]
Until = Annotated[int | None, Query(**_MOMENTS, description="µs UTC; what was before this time.")]
Text = Annotated[str | None, Query(pattern=NO_NUL, min_length=1, max_length=200)]

Uuid = Annotated[UUID, Path(description="The uuid.")]
ObservedAt = Annotated[int, Path(**_MOMENTS, description="µs UTC.")]
TechniqueInPath = Annotated[str, Path(pattern=TECHNIQUE_PATTERN, examples=["T1059.004"])]


async def sums_filter(
    *,
    tactic: Tactic = None,
    min_confidence: MinConfidence = DEFAULT_CONFIDENCE_FLOOR,
    since: Since = None,
    until: Until = None,
) -> TagFilter:
    """What sums over one owner's tags can tell apart."""
    return TagFilter(tactic=tactic, min_confidence=min_confidence, since=since, until=until)


async def fleet_filter(
    *,
    tactic: Tactic = None,
    min_confidence: MinConfidence = DEFAULT_CONFIDENCE_FLOOR,
    source_kind: SourceKind = None,
    decoy: Decoy = None,
    since: Since = None,
    until: Until = None,
) -> TagFilter:
    """What sums over the fleet's tags can tell apart."""
    return TagFilter(
        tactic=tactic,
        min_confidence=min_confidence,
        source_kind=source_kind,
        decoy=decoy,
        since=since,
        until=until,
    )


async def tag_filter(
    *,
    technique: Technique = None,
    tactic: Tactic = None,
    min_confidence: MinConfidence = DEFAULT_CONFIDENCE_FLOOR,
    source_kind: SourceKind = None,
    decoy: Decoy = None,
    since: Since = None,
    until: Until = None,
) -> TagFilter:
    """What lists of tags can tell apart."""
    return TagFilter(
        technique=technique,
        tactic=tactic,
        min_confidence=min_confidence,
        source_kind=source_kind,
        decoy=decoy,
        since=since,
        until=until,
    )


async def owned_tag_filter(
    *,
    min_confidence: MinConfidence = DEFAULT_CONFIDENCE_FLOOR,
    source_kind: SourceKind = None,
    decoy: Decoy = None,
    since: Since = None,
    until: Until = None,
) -> TagFilter:
    """The same where the path names the technique."""
    return TagFilter(min_confidence=min_confidence, source_kind=source_kind, decoy=decoy, since=since, until=until)


OfSums = Annotated[TagFilter, Depends(sums_filter)]
OfFleet = Annotated[TagFilter, Depends(fleet_filter)]
OfTags = Annotated[TagFilter, Depends(tag_filter)]
OfOwnedTags = Annotated[TagFilter, Depends(owned_tag_filter)]
