"""Who: attackers, the identities behind them, and campaigns of identities, with why they are taken for one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from decnet.attack.ukc import phase_of
from decnet.attribution.sessions import SessionTraits
from decnet.db import actor_pages, lanes, sums
from decnet.db.actor_pages import ActorFilter
from decnet.db.clusters import campaigns_numbered, identities_numbered
from decnet.models.attack_ids import TacticId
from decnet.models.ids import uuid_text
from decnet.models.stored_tag import TagFilter
from decnet.web.access.principal import Viewer
from decnet.web.filters import NO_NUL, Since, Technique, Until, Uuid
from decnet.web.fresh import UNCHANGED, answer
from decnet.web.pages import At, Cursor, Id, Item, Limit, Page, TimePlace, cursor_of, place_in
from decnet.web.place import Place, WebPlace
from decnet.web.problems import COMMON, Refused, responses
from decnet.web.routes.ttp import owner_in
from decnet.web.shapes import Seen, capped, maybe_uuid, seen

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.actor_pages import AttackerRow, Credentials, Member, TacticDay
    from decnet.db.clusters import CampaignRow, IdentityRow
    from decnet.models.intel import Verdict
    from decnet.models.rollup import TechniqueCount

router = APIRouter(tags=["actors"], responses=COMMON)

Sort = Annotated[
    Literal["last_seen", "techniques"],
    Query(description="The last seen first; or, of the 500 last seen, those with the most techniques."),
]
Address = Annotated[
    str | None, Query(pattern=NO_NUL, min_length=1, max_length=45, description="How the address begins.")
]
_MOST_TRAITS = 50
_read_traits = msgspec.msgpack.Decoder(SessionTraits).decode


class _Rank(NamedTuple):
    """Where a ranking ended."""

    techniques: At
    last_seen: At
    uuid: Id


class Attacker(BaseModel):
    """One source address. Times are µs UTC."""

    uuid: str
    address: str
    identity_uuid: str
    campaign_uuid: str
    first_seen: int
    last_seen: int
    events: int
    tags: int
    techniques: int = Field(description="Different ones; a sub-technique is one of its own.")
    intel_bump: float = Field(description="How much providers of intelligence add to confidences that views show.")


class ProviderVerdict(BaseModel):
    """What one provider said last of an address."""

    provider: str
    standing: str
    score: int | None
    classification: str
    categories: list[int]
    tags: list[str]
    listed: bool | None
    malware: str
    threats: list[dict[str, Any]]
    pointer: str = Field(description="The provider's page.")


class Traits(BaseModel):
    """What the newest sessions show of who is behind them; attackers' text."""

    sessions: int = Field(description="How many were looked at.")
    fingerprints: list[tuple[str, str]] = Field(description="Kind and value.")
    payloads: list[str] = Field(description="SHA-256 of files.")
    endpoints: list[str]


class MemberVerdict(ProviderVerdict):
    """What one provider said last of one of an identity's addresses."""

    address: str


class AttackerDetail(Attacker):
    """One attacker with what is known of it."""

    sessions: int
    seen: list[Seen]
    verdicts: list[ProviderVerdict]
    traits: Traits


class Reason(BaseModel):
    """What somebody is joined by, with whoever shares it."""

    weight: float = Field(description="From 1.0 on they are taken for one.")
    kinds: list[str]
    reason: str


class Identity(BaseModel):
    """Attackers that are taken for one and the same. Times are µs UTC."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "uuid": "2d1f7a34-97b2-5a0a-8c0f-7f1f8d8f3f10",
                    "campaign_uuid": "0d9e9df1-0b6d-5f77-9ddc-6d6bb0a6a6b0",
                    "attackers": 2,
                    "addresses": ["198.51.100.7", "203.0.113.9"],
                    "first_seen": 1795003200000000,
                    "last_seen": 1795006800000000,
                    "events": 240,
                    "tags": 31,
                    "techniques": 9,
                    "joined_by": ["payload", "script"],
                }
            ]
        }
    )

    uuid: str
    campaign_uuid: str
    attackers: int
    addresses: list[str] = Field(description="The first five that were seen.")
    first_seen: int
    last_seen: int
    events: int
    tags: int
    techniques: int
    joined_by: list[str]


class IdentityMember(BaseModel):
    """An attacker of an identity."""

    uuid: str
    address: str
    first_seen: int
    last_seen: int
    events: int
    reasons: list[Reason]


class CredentialsTried(BaseModel):
    """What the newest sessions of the newest attackers tried; passwords and keys are counted, none is told."""

    attempts: int = Field(description="How many were looked at, 1,000 at most.")
    succeeded: int
    by_key: int
    secrets: int = Field(description="Different passwords.")
    accounts: list[tuple[str, int]] = Field(description="Those named most often, and how often; attackers' text.")


class IdentityDetail(Identity):
    """One identity with what is known of it."""

    members: list[IdentityMember] = Field(description="The 200 last seen.")
    merged: list[str] = Field(description="Identities that went into this one.")
    credentials: CredentialsTried
    traits: Traits
    verdicts: list[MemberVerdict] = Field(description="Of the 20 attackers last seen.")
    seen: list[Seen]


class Campaign(BaseModel):
    """Identities that work hand in hand. Times are µs UTC."""

    uuid: str
    identities: int
    attackers: int
    addresses: list[str] = Field(description="The first five that were seen.")
    first_seen: int
    last_seen: int
    events: int
    tags: int
    techniques: int
    joined_by: list[str]


class CampaignMember(BaseModel):
    """An identity of a campaign."""

    uuid: str
    addresses: list[str] = Field(description="The first five that were seen.")
    first_seen: int
    last_seen: int
    events: int
    reasons: list[Reason]


class PhaseDay(BaseModel):
    """Tags of one tactic within a day (UTC), and the phase of the Unified Kill Chain that it is seen as."""

    started_at: int
    tactic: str
    phase: str | None
    count: int


class PhaseSpan(BaseModel):
    """What one identity did of one tactic within a day (UTC): from its first tag to its last (µs UTC)."""

    identity_uuid: str
    tactic: str
    phase: str | None
    first_seen: int
    last_seen: int
    count: int


class HandOff(BaseModel):
    """One identity left something on a decoy, and another took it up there within a day."""

    giver_uuid: str
    taker_uuid: str
    decoy: str
    session_uuid: str = Field(description="The visit that left it.")
    left_at: int = Field(description="The last tag of persistence or command and control in it, µs UTC.")
    taker_session_uuid: str | None = Field(description="The visit that took it up; null when it is stored no more.")
    taken_at: int | None = Field(description="Its first tag of discovery or lateral movement, µs UTC.")
    weight: float


class CampaignDetail(Campaign):
    """One campaign with what is known of it."""

    members: list[CampaignMember] = Field(description="The 200 identities last seen.")
    merged: list[str] = Field(description="Campaigns that went into this one.")
    phases: list[PhaseDay] = Field(description="The newest 400, the oldest of them first.")
    spans: list[PhaseSpan] = Field(description="The newest 4,000, the oldest of them first.")
    hand_offs: list[HandOff] = Field(description="Of the 100 newest visits that others took over from.")
    seen: list[Seen]


def actor_filter(
    *, since: Since = None, until: Until = None, technique: Technique = None, address: Address = None
) -> ActorFilter:
    """Which actors are wanted; times are those when they were last seen."""
    return ActorFilter(since=since, until=until, technique=technique, address=address)


@router.get("/attackers")
def attackers(
    *,
    _who: Viewer,
    place: Place,
    since: Since = None,
    until: Until = None,
    technique: Technique = None,
    address: Address = None,
    sort: Sort = "last_seen",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Attacker]:
    """Attackers, by when they were last seen. A page may be short; the list is at its end when `next` is null."""
    wanted = actor_filter(since=since, until=until, technique=technique, address=address)
    return _page(place, partial(actor_pages.attacker_page, wanted=wanted), _attacker, sort, limit, cursor)


@router.get("/attackers/{uuid}", responses=responses(404) | UNCHANGED, response_model=AttackerDetail)
def attacker(uuid: Uuid, _who: Viewer, request: Request, place: Place) -> Response:
    """One attacker: its techniques, what others say of its address, what it shows of itself."""

    def work(connection: Connection) -> AttackerDetail:
        owner = owner_in(connection, "attacker", uuid.bytes)
        row = actor_pages.attackers_numbered(connection, [owner.number])[owner.number]
        return AttackerDetail(
            **_attacker(row).model_dump(),
            sessions=actor_pages.count_sessions(connection, owner.number),
            seen=seen(place, _lifted(sums.owner_techniques(connection, owner, TagFilter()), row.intel_bump)),
            verdicts=[_verdict(one) for one in actor_pages.verdicts_of(connection, owner.number)],
            traits=_traits(actor_pages.newest_traits(connection, [owner.number])),
        )

    return answer(request, place.database.read(work))


@router.get("/identities")
def identities(
    *,
    _who: Viewer,
    place: Place,
    since: Since = None,
    until: Until = None,
    technique: Technique = None,
    sort: Sort = "last_seen",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Identity]:
    """Identities, by when their attackers were last seen. A page may be short; at the end `next` is null."""
    wanted = actor_filter(since=since, until=until, technique=technique)
    return _page(place, partial(actor_pages.identity_page, wanted=wanted), _identity, sort, limit, cursor)


@router.get("/identities/{uuid}", responses=responses(404) | UNCHANGED, response_model=IdentityDetail)
def identity(uuid: Uuid, _who: Viewer, request: Request, place: Place) -> Response:
    """One identity: its attackers and why they are one. One that went into another is answered with that one."""

    def work(connection: Connection) -> IdentityDetail:
        owner = owner_in(connection, "identity", uuid.bytes)
        row = identities_numbered(connection, [owner.number]).get(owner.number)
        if row is None:
            raise Refused(404, "there is no such identity")
        newest = actor_pages.newest_members(connection, owner.number)
        return IdentityDetail(
            **_identity(row).model_dump(),
            members=[
                IdentityMember(**_member(one), address=one.address or "")
                for one in actor_pages.members_of_identity(connection, owner.number)
            ],
            merged=[uuid_text(one) for one in actor_pages.merged_into(connection, owner)],
            credentials=_credentials(actor_pages.credentials_of(connection, owner.number)),
            traits=_traits(actor_pages.newest_traits(connection, [number for number, _ in newest])),
            verdicts=[
                MemberVerdict(**_verdict(one).model_dump(), address=address)
                for number, address in newest
                for one in actor_pages.verdicts_of(connection, number)
            ],
            seen=seen(place, sums.owner_techniques(connection, owner, TagFilter())),
        )

    return answer(request, place.database.read(work))


@router.get("/campaigns")
def campaigns(
    *,
    _who: Viewer,
    place: Place,
    since: Since = None,
    until: Until = None,
    technique: Technique = None,
    sort: Sort = "last_seen",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Page[Campaign]:
    """Campaigns, by when their attackers were last seen. A page may be short; at the end `next` is null."""
    wanted = actor_filter(since=since, until=until, technique=technique)
    return _page(place, partial(actor_pages.campaign_page, wanted=wanted), _campaign, sort, limit, cursor)


@router.get("/campaigns/{uuid}", responses=responses(404) | UNCHANGED, response_model=CampaignDetail)
def campaign(uuid: Uuid, _who: Viewer, request: Request, place: Place) -> Response:
    """One campaign: its identities, why they belong together, and its phases over time."""

    def work(connection: Connection) -> CampaignDetail:
        owner = owner_in(connection, "campaign", uuid.bytes)
        row = campaigns_numbered(connection, [owner.number]).get(owner.number)
        if row is None:
            raise Refused(404, "there is no such campaign")
        return CampaignDetail(
            **_campaign(row).model_dump(),
            members=[
                CampaignMember(**_member(one), addresses=list(one.addresses))
                for one in actor_pages.members_of_campaign(connection, owner.number)
            ],
            merged=[uuid_text(one) for one in actor_pages.merged_into(connection, owner)],
            phases=[_phase(one) for one in actor_pages.tactics_by_day(connection, owner.number)],
            spans=[_span(one) for one in lanes.spans_of_campaign(connection, owner.number)],
            hand_offs=[_hand_off(one) for one in lanes.hand_offs_of_campaign(connection, owner.number)],
            seen=seen(place, sums.owner_techniques(connection, owner, TagFilter())),
        )

    return answer(request, place.database.read(work))


def _page(
    place: WebPlace,
    read: Callable[..., tuple[Sequence[Any], tuple[int, int] | None]],
    shown: Callable[[Any], Item],
    sort: Literal["last_seen", "techniques"],
    limit: int,
    cursor: str | None,
) -> Page[Item]:
    """A page of actors: read in order, or out of a ranking that is made anew each time."""
    if sort == "last_seen":
        rows, end = place.database.read(partial(read, after=place_in(cursor, TimePlace), limit=limit))
        return Page(items=[shown(row) for row in rows], next=cursor_of(end) if end is not None else None)
    rows, _ = place.database.read(partial(read, after=None, limit=actor_pages.MOST_RANKED))
    beyond = place_in(cursor, _Rank)
    ranked = sorted((_Rank(-row.techniques, -row.last_seen, row.uuid), row) for row in rows)
    left = [(rank, row) for rank, row in ranked if beyond is None or rank > beyond]
    shown_now = left[:limit]
    following = cursor_of(shown_now[-1][0]) if len(left) > limit else None
    return Page(items=[shown(row) for _, row in shown_now], next=following)


def _attacker(row: AttackerRow) -> Attacker:
    return Attacker(
        uuid=uuid_text(row.uuid),
        address=row.address,
        identity_uuid=uuid_text(row.identity_uuid),
        campaign_uuid=uuid_text(row.campaign_uuid),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        events=row.events,
        tags=row.tags,
        techniques=row.techniques,
        intel_bump=row.intel_bump,
    )


def _identity(row: IdentityRow) -> Identity:
    return Identity(
        uuid=uuid_text(row.uuid),
        campaign_uuid=uuid_text(row.campaign_uuid),
        attackers=row.attackers,
        addresses=list(row.addresses),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        events=row.events,
        tags=row.tags,
        techniques=row.techniques,
        joined_by=list(row.joined_by),
    )


def _campaign(row: CampaignRow) -> Campaign:
    return Campaign(
        uuid=uuid_text(row.uuid),
        identities=row.identities,
        attackers=row.attackers,
        addresses=list(row.addresses),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        events=row.events,
        tags=row.tags,
        techniques=row.techniques,
        joined_by=list(row.joined_by),
    )


def _member(row: Member) -> dict[str, Any]:
    return {
        "uuid": uuid_text(row.uuid),
        "first_seen": row.first_seen,
        "last_seen": row.last_seen,
        "events": row.events,
        "reasons": [Reason(weight=one.weight, kinds=list(one.kinds), reason=one.reason) for one in row.reasons],
    }


def _lifted(counts: list[TechniqueCount], bump: float) -> list[TechniqueCount]:
    return [msgspec.structs.replace(count, intel_bump=bump) for count in counts] if bump else counts


def _verdict(verdict: Verdict) -> ProviderVerdict:
    return ProviderVerdict(
        provider=verdict.provider,
        standing=verdict.standing,
        score=verdict.score,
        classification=verdict.classification,
        categories=list(verdict.categories),
        tags=list(verdict.tags),
        listed=verdict.listed,
        malware=verdict.malware,
        threats=[msgspec.structs.asdict(threat) for threat in verdict.threats],
        pointer=verdict.pointer,
    )


def _traits(bodies: list[bytes]) -> Traits:
    traits = [_read_traits(body) for body in bodies]
    return Traits(
        sessions=len(traits),
        fingerprints=capped(sorted({one for each in traits for one in each.fingerprints})[:_MOST_TRAITS]),
        payloads=capped(sorted({one for each in traits for one in each.payloads})[:_MOST_TRAITS]),
        endpoints=capped(sorted({one for each in traits for one in each.endpoints})[:_MOST_TRAITS]),
    )


def _credentials(tried: Credentials) -> CredentialsTried:
    return CredentialsTried(
        attempts=tried.attempts,
        succeeded=tried.succeeded,
        by_key=tried.by_key,
        secrets=tried.secrets,
        accounts=[(capped(name), times) for name, times in tried.accounts],
    )


def _phase(row: TacticDay) -> PhaseDay:
    phase = phase_of(TacticId(row.tactic))
    return PhaseDay(started_at=row.started_at, tactic=row.tactic, phase=phase, count=row.count)


def _span(row: lanes.PhaseSpan) -> PhaseSpan:
    return PhaseSpan(
        identity_uuid=uuid_text(row.identity_uuid),
        tactic=row.tactic,
        phase=phase_of(TacticId(row.tactic)),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        count=row.count,
    )


def _hand_off(row: lanes.HandOff) -> HandOff:
    return HandOff(
        giver_uuid=uuid_text(row.giver_uuid),
        taker_uuid=uuid_text(row.taker_uuid),
        decoy=row.decoy,
        session_uuid=uuid_text(row.session_uuid),
        left_at=row.left_at,
        taker_session_uuid=maybe_uuid(row.taker_session_uuid),
        taken_at=row.taken_at,
        weight=row.weight,
    )
