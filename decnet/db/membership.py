"""Who belongs to whom: attackers to identities, these to campaigns, and what was merged to that which it is part of.

An attacker belongs to the identity that its head founded, an identity to the campaign that its head founded. What a
member has founded itself points there as well, and nowhere where the member is its own head: one step, never a chain.
An identity that is part of another goes with it, into the same campaign. No tag is touched: tags hang on attackers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import bindparam, select, update

from decnet.db.dialect import dialect_of
from decnet.db.epochs import MEMBERSHIP, begin_epoch
from decnet.db.rollups import recount_campaigns, recount_identities
from decnet.db.tables import attacker, campaign, epoch, identity
from decnet.models.actor import AttackerUuid, CampaignUuid, IdentityUuid, campaign_uuid, identity_uuid
from decnet.models.membership import (
    CampaignAssigned,
    CampaignFormed,
    CampaignMerged,
    CampaignUnmerged,
    IdentityFormed,
    IdentityLinked,
    IdentityMerged,
    IdentityUnmerged,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sqlalchemy import Table
    from sqlalchemy.engine import Connection

    from decnet.models.membership import MembershipMessage

_CAMPAIGNS_OF = "SELECT campaign_id FROM identity WHERE id IN ({places})"
_MERGED = "SELECT id FROM identity WHERE merged_into_id IS NOT NULL AND id IN ({places})"
_TWO = 2
"""Members that make an identity or a campaign worth telling."""


class _Level(NamedTuple):
    """A table of members and one of owners; ``of`` is the column that leads from one to the other.

    ``counted`` is which members count as such.
    """

    members: Table
    owners: Table
    of: str
    counted: str

    def rows(self, connection: Connection, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        names = {"members": self.members.name, "owners": self.owners.name, "of": self.of, "counted": self.counted}
        return dialect_of(connection).rows_with(connection, sql.format(places="{places}", **names), values)


_IDENTITIES = _Level(attacker, identity, "identity_id", "1 = 1")
_CAMPAIGNS = _Level(identity, campaign, "campaign_id", "merged_into_id IS NULL")

_MEMBERS = "SELECT uuid, id, {of} FROM {members} WHERE uuid IN ({places})"
_OWNERS = "SELECT uuid, id, merged_into_id FROM {owners} WHERE uuid IN ({places})"
_BY_NUMBER = "SELECT id, uuid FROM {owners} WHERE id IN ({places})"
_SIZES = "SELECT {of}, count(*) FROM {members} WHERE {counted} AND {of} IN ({places}) GROUP BY {of}"
_HELD = "SELECT DISTINCT {of} FROM {members} WHERE {of} IN ({places})"
_UNPOINTED = "SELECT id FROM {owners} WHERE merged_into_id IS NULL AND id IN ({places})"


class _Place(NamedTuple):
    """Where a member belongs; ``own`` is what it has founded."""

    member: bytes
    own: bytes
    owner: bytes


class _Move(NamedTuple):
    """A member goes from one owner to another; ``is_own`` when to the one that it has founded."""

    uuid: bytes
    member_id: int
    before: int
    after: int
    is_own: bool


class _Turn(NamedTuple):
    """What a member has founded (None: the member is gone) points elsewhere, or nowhere."""

    owner_id: int
    before: int | None
    after: int | None
    founder_id: int | None = None


@dataclass(slots=True)
class _Changes:
    """What became of one level, with the sizes of what was touched."""

    moves: list[_Move] = field(default_factory=list)
    turns: list[_Turn] = field(default_factory=list)
    formed: dict[int, int] = field(default_factory=dict)
    names: dict[int, bytes] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.moves or self.turns)

    def touched(self) -> set[int]:
        """Every owner that lost or got somebody, or is part of something else now."""
        moved = {number for move in self.moves for number in (move.before, move.after)}
        return moved | {number for turn in self.turns for number in turn[:3] if number is not None}


def membership_epoch(connection: Connection) -> int:
    """The number of the present epoch; it may change at once, as nothing is held."""
    found: int = connection.execute(select(epoch.c.value).where(epoch.c.name == MEMBERSHIP)).scalar_one()
    return found


def joined_attackers(connection: Connection) -> list[AttackerUuid]:
    """Every attacker of an identity into which others were merged, or of a campaign of that sort."""
    identities = select(identity.c.merged_into_id).where(identity.c.merged_into_id.is_not(None))
    campaigns = select(campaign.c.merged_into_id).where(campaign.c.merged_into_id.is_not(None))
    in_one = select(attacker.c.uuid).where(attacker.c.identity_id.in_(identities))
    side_by_side = (
        select(attacker.c.uuid)
        .select_from(attacker.join(identity, identity.c.id == attacker.c.identity_id))
        .where(identity.c.campaign_id.in_(campaigns))
    )
    return [*dict.fromkeys([*connection.execute(in_one).scalars(), *connection.execute(side_by_side).scalars()])]


def moving_attackers(connection: Connection, heads: Mapping[AttackerUuid, AttackerUuid]) -> list[AttackerUuid]:
    """Those of ``heads`` that are stored in another identity than their head's."""
    found = _differences(connection, _IDENTITIES, _identity_places(heads))
    return [AttackerUuid(move.uuid) for move in found.moves]


def write_memberships(
    connection: Connection,
    heads: Mapping[AttackerUuid, AttackerUuid],
    founders: Mapping[AttackerUuid, AttackerUuid],
) -> list[MembershipMessage] | None:
    """Let each attacker belong to the identity of its head, and the identity it founded to the campaign of its founder.

    ``founders`` names the head of the campaign of each attacker's identity. Returns what is to be announced, or None
    where all is so already. Else a new epoch of memberships begins, and the roll-ups of all identities and campaigns
    that lost or got somebody are counted anew. Who is not stored, or whose head is not, is passed over.
    """
    identities, campaigns = _identity_places(heads), _campaign_places(founders)
    if not _differences(connection, _IDENTITIES, identities) and not _differences(connection, _CAMPAIGNS, campaigns):
        return None
    begin_epoch(connection, MEMBERSHIP)  # what is found now holds: the epoch before may have ended with a change
    joined, assigned = (
        _differences(connection, _IDENTITIES, identities),
        _differences(connection, _CAMPAIGNS, campaigns),
    )
    before = _sizes(connection, _IDENTITIES, joined), _sizes(connection, _CAMPAIGNS, assigned)
    _align(connection, _IDENTITIES, joined, before[0])
    _align(connection, _CAMPAIGNS, assigned, before[1])
    touched = sorted(joined.touched())
    recount_identities(connection, touched)
    of = {number for (number,) in dialect_of(connection).rows_with(connection, _CAMPAIGNS_OF, touched)}
    recount_campaigns(connection, sorted(of | assigned.touched()))
    return [*_identities_told(joined), *_campaigns_told(connection, assigned, joined)]


def _identity_places(heads: Mapping[AttackerUuid, AttackerUuid]) -> list[_Place]:
    wanted = dict(heads) | {head: head for head in heads.values()}
    return [_Place(uuid, identity_uuid(uuid), identity_uuid(head)) for uuid, head in wanted.items()]


def _campaign_places(founders: Mapping[AttackerUuid, AttackerUuid]) -> list[_Place]:
    wanted = dict(founders) | {founder: founder for founder in founders.values()}
    of = {uuid: identity_uuid(uuid) for uuid in wanted}
    return [_Place(of[uuid], campaign_uuid(of[uuid]), campaign_uuid(of[founder])) for uuid, founder in wanted.items()]


def _align(connection: Connection, level: _Level, found: _Changes, before: Mapping[int, int]) -> None:
    """Write what differs; owners that nobody is left in point to where a member went. Completes ``found``."""
    if not found:
        return
    _move(connection, level, found.moves)
    _turn(connection, level, found.turns)
    left = _left_behind(connection, level, found.moves)
    _turn(connection, level, left)
    found.turns += left
    after = _sizes(connection, level, found)
    found.formed = {number: size for number, size in sorted(after.items()) if before.get(number, 0) < _TWO <= size}
    found.names = dict(level.rows(connection, _BY_NUMBER, sorted(found.touched())))


def _sizes(connection: Connection, level: _Level, found: _Changes) -> dict[int, int]:
    """How many members each owner has that loses or gets one."""
    moved = {number for move in found.moves for number in (move.before, move.after)}
    return dict(level.rows(connection, _SIZES, sorted(moved)))


def _differences(connection: Connection, level: _Level, places: Sequence[_Place]) -> _Changes:
    owners = sorted({uuid for place in places for uuid in (place.own, place.owner)})
    stored = {uuid: (number, into) for uuid, number, into in level.rows(connection, _OWNERS, owners)}
    wanted = {place.member: place for place in places}
    found = _Changes()
    for uuid, number, now in level.rows(connection, _MEMBERS, sorted(wanted)):
        place = wanted[uuid]
        head, own = stored.get(place.owner), stored.get(place.own)
        if head is None:
            continue
        is_own = place.own == place.owner
        if now != head[0]:
            found.moves.append(_Move(place.member, number, now, head[0], is_own))
        into = None if is_own else head[0]
        if own is not None and own[1] != into:
            found.turns.append(_Turn(own[0], own[1], into, number))
    found.moves.sort()
    found.turns.sort(key=lambda turn: turn.owner_id)
    return found


def _move(connection: Connection, level: _Level, moves: Iterable[_Move]) -> None:
    table = level.members
    rows = [{"member": move.member_id, "to": move.after} for move in moves]
    if rows:
        here = update(table).where(table.c.id == bindparam("member"))
        connection.execute(here.values({level.of: bindparam("to")}), rows)


def _turn(connection: Connection, level: _Level, turns: Sequence[_Turn]) -> None:
    """Point owners elsewhere; those that pointed to one that is part of another now follow it there."""
    table, into = level.owners, level.owners.c.merged_into_id
    rows = [{"owner": turn.owner_id, "to": turn.after} for turn in turns]
    followed = [row for row, turn in zip(rows, turns, strict=True) if turn.before is None]
    for where, changed in ((into == bindparam("owner"), followed), (table.c.id == bindparam("owner"), rows)):
        if changed:
            connection.execute(update(table).where(where).values(merged_into_id=bindparam("to")), changed)


def _left_behind(connection: Connection, level: _Level, moves: Iterable[_Move]) -> list[_Turn]:
    """Owners without members that point nowhere: their founder is gone, so they go where a member went."""
    gone = {move.before: move.after for move in moves}
    held = {number for (number,) in level.rows(connection, _HELD, sorted(gone))}
    empty = sorted(gone.keys() - held)
    unpointed = {number for (number,) in level.rows(connection, _UNPOINTED, empty)}
    return [_Turn(number, None, gone[number]) for number in sorted(unpointed)]


def _identities_told(done: _Changes) -> Iterator[MembershipMessage]:
    names = {number: IdentityUuid(uuid) for number, uuid in done.names.items()}
    yield from (IdentityFormed(names[number], size) for number, size in done.formed.items())
    for one in done.turns:
        if one.before is not None and one.after is None:
            yield IdentityUnmerged(names[one.owner_id], names[one.before])
    for one in done.turns:
        if one.before is None and one.after is not None:
            yield IdentityMerged(names[one.after], names[one.owner_id])
    for move in done.moves:
        if not move.is_own:
            yield IdentityLinked(names[move.after], AttackerUuid(move.uuid))


def _campaigns_told(connection: Connection, done: _Changes, joined: _Changes) -> Iterator[MembershipMessage]:
    """What is to be told of campaigns, but for what only follows an identity into another one or out of it."""
    names = {number: CampaignUuid(uuid) for number, uuid in done.names.items()}
    yield from (CampaignFormed(names[number], size) for number, size in done.formed.items())
    followers = _merged_members(connection, done) | {turn.owner_id for turn in joined.turns}
    for one in done.turns:
        if one.before is not None and one.after is None and one.founder_id not in followers:
            yield CampaignUnmerged(names[one.owner_id], names[one.before])
    for one in done.turns:
        if one.before is None and one.after is not None and one.founder_id not in followers:
            yield CampaignMerged(names[one.after], names[one.owner_id])
    for move in done.moves:
        if not move.is_own and move.member_id not in followers:
            yield CampaignAssigned(names[move.after], IdentityUuid(move.uuid))


def _merged_members(connection: Connection, done: _Changes) -> set[int]:
    """The identities that are part of others, of those that ``done`` is about."""
    numbers = {move.member_id for move in done.moves} | {turn.founder_id for turn in done.turns if turn.founder_id}
    return {number for (number,) in dialect_of(connection).rows_with(connection, _MERGED, sorted(numbers))}
