"""What the clusterer knows, and how the database follows it: traits and tactics of sessions in, memberships out.

The indexes (:class:`~decnet.attribution.identities.Identities`, :class:`~decnet.attribution.campaigns.Campaigns`) are
memory and follow what is stored of sessions; memberships follow the indexes. What is written is never a change but a
state: the attackers that may be in another identity, or whose identity may be in another campaign, are compared with
what is stored, in the transaction that writes. So a transaction that failed, or whose end nobody knows, is made up for
by the next one, and a start after a kill writes what the dead process left out. Findings about identities are written
before the memberships that they follow from, for the same reason.
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from decnet.attribution.campaigns import Campaigns, visit_of
from decnet.attribution.identities import Identities
from decnet.attribution.sessions import SessionTraits
from decnet.bus import topics
from decnet.db.edges import StoredEdge, reason_of_values, wired_identities, write_campaign_edges, write_identity_edges
from decnet.db.findings import days_of_attackers
from decnet.db.leases import renew_lease
from decnet.db.membership import joined_attackers, membership_epoch, moving_attackers, write_memberships
from decnet.db.outbox import add_messages
from decnet.db.traits import (
    addresses_of,
    all_owners,
    all_traits,
    traits_of_attackers,
    traits_of_sessions,
    traits_with,
)
from decnet.db.visits import tactics_of_sessions, tags_epoch
from decnet.models.actor import identity_uuid
from decnet.models.finding import DAY_US
from decnet.models.membership import (
    CampaignAssigned,
    CampaignFormed,
    CampaignMerged,
    CampaignUnmerged,
    IdentityFormed,
    IdentityLinked,
    IdentityMerged,
    IdentityUnmerged,
    packed_membership,
)
from decnet.models.message import bulk_messages
from decnet.workers.identity_findings import (
    IdentityDay,
    finding_messages,
    findings_of_bodies,
    findings_of_days,
    write_grown,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.db.traits import StoredTraits
    from decnet.models.actor import AttackerUuid, SessionUuid
    from decnet.models.finding import Finding
    from decnet.models.membership import MembershipMessage
    from decnet.models.message import Message
    from decnet.models.network import Networks

T = TypeVar("T")

LEASE = "cluster"
PARTITION = 0
"""Of everything that the one clusterer announces."""
STEP = 60
"""Attackers, or days of identities, that are written in one transaction."""
_READ_STEP = 2_000
_LONGEST_DAYS = 31
"""Days of one session that are looked at: one that lasts longer is looked at in its latest."""
_TOPICS: dict[type[MembershipMessage], str] = {
    IdentityFormed: topics.IDENTITY_FORMED.pattern,
    IdentityUnmerged: topics.IDENTITY_UNMERGED.pattern,
    IdentityMerged: topics.IDENTITY_MERGED.pattern,
    IdentityLinked: topics.IDENTITY_LINKED.pattern,
    CampaignFormed: topics.CAMPAIGN_FORMED.pattern,
    CampaignUnmerged: topics.CAMPAIGN_UNMERGED.pattern,
    CampaignMerged: topics.CAMPAIGN_MERGED.pattern,
    CampaignAssigned: topics.CAMPAIGN_ASSIGNED.pattern,
}
_decode = msgspec.msgpack.Decoder(SessionTraits).decode


class Clustering:
    """All attackers with an ended session, clustered, for as long as ``holder`` has the lease :data:`LEASE`.

    Every transaction first lengthens the lease by ``lease_us``; where it is lost nothing is written any more, and this
    object is of no further use. Not safe for threads; one at a time. ``clock`` gives µs UTC. ``holder`` is another one
    for each object, so that one that was given up and is still running cannot write. With ``announces`` off nothing is
    put into the outbox, for a run that nobody listens to.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], int],
        *,
        holder: str,
        lease_us: int,
        networks: Networks | None = None,
        announces: bool = True,
        on_grown: Callable[[Connection, Sequence[Finding]], object] | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._holder = holder
        self._lease_us = lease_us
        self._networks = networks
        self._announces = announces
        self._on_grown = on_grown
        self._identities = Identities()
        self._campaigns = Campaigns()
        self._taken: dict[AttackerUuid, dict[int, int]] = defaultdict(dict)
        self._asns: dict[AttackerUuid, int | None] = {}
        self._unwritten: dict[AttackerUuid, None] = {}
        self._uncharted: set[AttackerUuid] = set()
        self._days: dict[AttackerUuid, set[int]] = defaultdict(set)
        self._epoch = self._tags_epoch = -1
        self._is_foreign = False
        self.is_over = False
        """Set it to end a long run between two steps."""

    def fill(self, days: Iterable[tuple[AttackerUuid, int]] = ()) -> bool:
        """Take in what is stored of all sessions and write what differs; False when the lease is lost.

        What the identities of these attackers show on these ``days`` is looked at, too.
        """
        self._note_epochs()
        for page in all_traits(self._database):
            if self.is_over:
                return False
            self._observe(_seen(page))
        self._settle()
        self._unwritten.update(dict.fromkeys(self._database.read(joined_attackers)))
        self._unwritten.update(dict.fromkeys(self._taken))
        for attacker, day in days:
            self._days[attacker].add(day)
        return self._unwire() and self._write(_nothing)

    def take_in(self, sessions: Sequence[SessionUuid], within: Callable[[Connection], None] | None = None) -> bool:
        """Take in what is stored of ``sessions`` now and write what follows; False when the lease is lost.

        ``within`` is called in the last transaction, just before its commit. What comes again changes nothing.

        :raises Exception: what ``within`` raises, what the database does: call it again.
        """
        found = _seen(self._database.read(partial(traits_of_sessions, sessions=sorted(set(sessions)))))
        self._take_anew(self._observe(found))
        self._note_days(found)
        if self._is_foreign:
            self._review()
        self._settle()
        return self._write(within or _nothing)

    def look(self) -> bool:
        """Whether somebody else has changed memberships or tags, as a purge does; then call :meth:`take_in`."""
        epochs = self._database.read(membership_epoch), self._database.read(tags_epoch)
        if epochs != (self._epoch, self._tags_epoch):
            self._is_foreign = True
        return self._is_foreign

    def heads(self) -> dict[AttackerUuid, AttackerUuid]:
        """The founder of the identity of every attacker that was taken in."""
        return {attacker: self._identities.head_of(attacker) for attacker in self._taken}

    # --- the indexes follow what is stored

    def _note_epochs(self) -> bool:
        """Know the present epochs; returns whether tags were replaced since."""
        self._epoch, before = self._database.read(membership_epoch), self._tags_epoch
        self._tags_epoch = self._database.read(tags_epoch)
        return self._tags_epoch != before

    def _observe(self, found: Sequence[_Seen]) -> set[AttackerUuid]:
        """Take in sessions; returns the attackers with one that was taken in before, at a lower revision."""
        again: set[AttackerUuid] = set()
        self._learn_networks({one.traits.attacker for one in found})
        for number, traits, _ in found:
            taken = self._taken[traits.attacker]
            revision = taken.get(number)
            if revision is None:
                taken[number] = traits.revision
                self._identities.observe(traits, network=self._asns.get(traits.attacker))
            elif revision < traits.revision:
                again.add(traits.attacker)
        self._visit(found)
        return again

    def _note_days(self, found: Iterable[_Seen]) -> None:
        """What these sessions' days show of an identity is to be looked at."""
        for _, traits, last_at in found:
            last = last_at // DAY_US
            first = max(traits.started_at // DAY_US, last - _LONGEST_DAYS)
            self._days[traits.attacker].update(range(first, last + 1))

    def _visit(self, found: Sequence[_Seen]) -> None:
        """Take in what the present tags of these sessions say."""
        tactics = self._database.read(partial(tactics_of_sessions, sessions=[one.number for one in found]))
        for number, traits, _ in found:
            visit = None
            if number in tactics:
                shared = (*traits.payloads, *traits.endpoints)
                visit = visit_of(traits.session_id, traits.attacker, traits.decky_id, tactics[number], shared)
            if visit is None:
                self._campaigns.forget(traits.session_id)
            else:
                self._campaigns.observe(visit)

    def _take_anew(self, attackers: set[AttackerUuid]) -> None:
        """Forget attackers and take in what is stored of them: the traits that count no more are kept nowhere."""
        if not attackers:
            return
        found = _seen(self._database.read(partial(traits_of_attackers, attackers=sorted(attackers))))
        left = {one.traits.session_id for one in found}
        for attacker in attackers:
            self._identities.forget(attacker)
            del self._taken[attacker]
            self._unwritten[attacker] = None
            for session in self._campaigns.visits_of(attacker):
                if session not in left:
                    self._campaigns.forget(session)
        self._observe(found)

    def _review(self) -> None:
        """Forget the sessions that are stored no more, take in those that nobody told of, and replaced tags."""
        are_tags_replaced = self._note_epochs()
        stored: set[int] = set()
        unknown: list[int] = []
        for owners in all_owners(self._database):
            stored.update(number for number, _ in owners)
            unknown += [number for number, owner in owners if number not in self._taken.get(owner, ())]
        self._take_anew({attacker for attacker, taken in self._taken.items() if not taken.keys() <= stored})
        for part in _parts(unknown, _READ_STEP):
            new = _seen(self._database.read(partial(traits_with, numbers=part)))
            self._observe(new)
            self._note_days(new)
        for page in all_traits(self._database) if are_tags_replaced else ():
            self._visit(_seen(page))
        self._is_foreign = False

    def _settle(self) -> None:
        settled = self._identities.settle()
        self._unwritten.update(dict.fromkeys(change.attacker for change in settled.changes))
        self._unwritten.update(dict.fromkeys(sorted(settled.rewired)))
        self._campaigns.moved(change.attacker for change in settled.changes)
        charted = self._campaigns.settle(self._identities)
        self._uncharted |= charted.rewired
        for identity in sorted(charted.rewired | {change.identity for change in charted.changes}):
            self._unwritten[identity] = None
            self._unwritten.update(dict.fromkeys(sorted(self._identities.members_of(identity))))

    def _learn_networks(self, attackers: set[AttackerUuid]) -> None:
        if self._networks is None:
            return
        unknown = sorted(attackers - self._asns.keys())
        for attacker, address in self._database.read(partial(addresses_of, attackers=unknown)).items():
            network = self._networks.network_of(address)
            self._asns[attacker] = None if network is None else network.asn

    # --- the database follows the indexes

    def _unwire(self) -> bool:
        """Have the edges of campaigns written, and drop those of identities that have none; False without lease."""
        wired = self._campaigns.wired()
        self._uncharted.update(wired)
        bare = set(self._database.read(wired_identities)) - set(map(identity_uuid, wired))

        def work(connection: Connection) -> bool:
            is_ours = self._keep(connection)
            if is_ours:
                write_campaign_edges(connection, dict.fromkeys(bare, ()))
            return is_ours

        return not bare or self._database.write(work)

    def _write(self, within: Callable[[Connection], None]) -> bool:
        """Write what is unwritten, one identity after the other, ``within`` with the last of it."""
        self._note_moving()
        if not self._write_findings():
            return False
        order = sorted(self._unwritten, key=lambda attacker: (self._identities.head_of(attacker), attacker))
        parts = list(_parts(order, STEP)) or [()]
        for place, part in enumerate(parts, 1):
            last = within if place == len(parts) else _nothing
            if self.is_over:
                return False
            written = self._database.write(partial(self._write_part, attackers=part, within=last))
            if written is None:
                return False
            self._note(written)
            for attacker in part:
                del self._unwritten[attacker]
            self._uncharted.difference_update(part)
        return True

    def _note_moving(self) -> None:
        """The days of attackers that are about to change identity are days of another one now."""
        for part in _parts(list(self._unwritten), _READ_STEP):
            heads = {attacker: self._identities.head_of(attacker) for attacker in part}
            moving = self._database.read(partial(moving_attackers, heads=heads))
            for attacker, day in self._database.read(partial(days_of_attackers, attackers=moving)) if moving else ():
                self._days[attacker].add(day)

    def _write_findings(self) -> bool:
        """Write what identities' days show, which are to be looked at; False when the lease is lost."""
        days: dict[tuple[AttackerUuid, int], None] = {}
        for attacker, numbers in self._days.items():
            days.update(dict.fromkeys((self._identities.head_of(attacker), number) for number in numbers))
        for part in _parts(sorted(days), STEP):
            wanted = [IdentityDay(head, day, self._members(head)) for head, day in part]
            found = findings_of_days(self._database, wanted, self._asns.get)
            found += findings_of_bodies(self._database, wanted, self._identities.head_of)
            if self.is_over or (found and not self._database.write(partial(self._write_found, found=found))):
                return False
        self._days.clear()
        return True

    def _members(self, head: AttackerUuid) -> tuple[AttackerUuid, ...]:
        return tuple(sorted(self._identities.members_of(head))) or (head,)

    def _write_found(self, connection: Connection, found: Sequence[Finding]) -> bool:
        if not self._keep(connection):
            return False
        grown = write_grown(connection, found)
        self._announce(connection, finding_messages(grown, PARTITION))
        if self._on_grown is not None:
            self._on_grown(connection, grown)
        return True

    def _write_part(
        self, connection: Connection, attackers: Sequence[AttackerUuid], within: Callable[[Connection], None]
    ) -> _Epochs | None:
        """Write these attackers; None when the lease is lost. What it returns holds once it is committed."""
        if not self._keep(connection):
            return None
        found = membership_epoch(connection)
        heads = {attacker: self._identities.head_of(attacker) for attacker in attackers}
        founders = {attacker: self._campaigns.campaign_of(head) for attacker, head in heads.items()}
        told = write_memberships(connection, heads, founders)
        write_identity_edges(connection, {attacker: self._edges(attacker) for attacker in attackers})
        charted = self._uncharted.intersection(attackers)
        write_campaign_edges(connection, {identity_uuid(one): self._campaign_edges(one) for one in sorted(charted)})
        self._announce(connection, _messages(told or ()))
        within(connection)
        return _Epochs(found, found if told is None else membership_epoch(connection))

    def _keep(self, connection: Connection) -> bool:
        """Lengthen the lease; False when it is lost."""
        return renew_lease(connection, LEASE, self._holder, now=self._clock(), length_us=self._lease_us)

    def _announce(self, connection: Connection, messages: Iterable[Message]) -> None:
        if self._announces:
            add_messages(connection, messages, now=self._clock())

    def _note(self, epochs: _Epochs) -> None:
        """Whether the epochs are those that we began."""
        if epochs.before != self._epoch or epochs.after > epochs.before + 1:
            self._is_foreign = True
        self._epoch = epochs.after

    def _edges(self, attacker: AttackerUuid) -> list[StoredEdge]:
        if self._identities.first_seen(attacker) is None:
            return []
        found = self._identities.edges_of(attacker)
        return [StoredEdge(edge.weight, edge.kinds, reason_of_values(edge.reason)) for edge in found]

    def _campaign_edges(self, identity: AttackerUuid) -> list[StoredEdge]:
        return [StoredEdge(*edge) for edge in self._campaigns.edges_of(identity)]


class _Epochs(NamedTuple):
    """The epoch of memberships before and after a transaction."""

    before: int
    after: int


class _Seen(NamedTuple):
    """A session with its integer, its traits, and when its latest event was."""

    number: int
    traits: SessionTraits
    last_at: int


def _seen(stored: Iterable[StoredTraits]) -> list[_Seen]:
    return [_Seen(one.session_id, _decode(one.body), one.last_at) for one in stored]


def _messages(told: Iterable[MembershipMessage]) -> Iterator[Message]:
    items: dict[str, list[bytes]] = {topic: [] for topic in _TOPICS.values()}
    for one in told:
        items[_TOPICS[type(one)]].append(packed_membership(one))
    for topic, packed in items.items():
        yield from bulk_messages(topic, PARTITION, packed)


def _parts(values: Iterable[T], most: int) -> Iterator[tuple[T, ...]]:
    """``values``, some at a time."""
    left = iter(values)
    while part := tuple(islice(left, most)):
        yield part


def _nothing(connection: Connection) -> None:
    """Goes with a transaction that is not the last."""
