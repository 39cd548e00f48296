"""Campaigns: identities that work hand in hand. One gets in and leaves a way back, another takes it.

=====================  ======  ================================================================================
what joins             weight  counted
=====================  ======  ================================================================================
hand-off               1.0     one visit to a decoy ends in command-and-control or persistence, a visit of
                               another identity to the same decoy begins, within 24 hours, with discovery or
                               lateral movement; less where many could have (:mod:`decnet.attribution.handoffs`)
payload or C2          1.0     shared by three identities at most, or by no more than one in a hundred attackers
overlap in time        0.4     at least half of the hours in which the less active was seen, of three or more
cohort                 0.1     both were first seen on the same day
=====================  ======  ================================================================================

Identities are joined at 1.0. Overlap and cohort are looked at only where there is a hand-off.

Visits belong to attackers, and an attacker's identity is asked for when campaigns are settled, so a merge of identities
moves nothing here. All times are observed ones. What comes out depends on the set of visits and on the identities.

What a worker does: it makes a :class:`~decnet.attribution.handoffs.Visit` of every ended session that has tags, from
the tactics of its tags, hands it in (again, when the session ended again or got more tags), tells with
:meth:`Campaigns.moved` which attackers changed identity, and writes what :meth:`Campaigns.settle` returns. After a
restart it hands in the visits of all stored sessions.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from decnet.attack.ukc import Phase, phase_of
from decnet.attribution.handoffs import HandOffs, Visit
from decnet.attribution.signals import JOIN_AT, RARE_CLIENTS, Kind, level_of, rises_at, value_of
from decnet.models.finding import DAY_US, SECOND_US
from decnet.models.ids import uuid_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from decnet.attribution.handoffs import Membership
    from decnet.models.actor import AttackerUuid, SessionUuid
    from decnet.models.attack_ids import TacticId

OVERLAP_WEIGHT, COHORT_WEIGHT = 0.4, 0.1
OVERLAP_SHARE, OVERLAP_HOURS = 0.5, 3
HOUR_US = 3_600 * SECOND_US
_ROUNDING = 1e-9
_NOTHING: frozenset[str] = frozenset()

_GETTING_IN = frozenset(
    {Phase.RECONNAISSANCE, Phase.RESOURCE_DEVELOPMENT, Phase.DELIVERY, Phase.CREDENTIAL_ACCESS, Phase.EXECUTION}
)
_COVERING = frozenset({Phase.DEFENSE_EVASION, Phase.EXECUTION})


class CampaignChange(NamedTuple):
    """An identity is in another campaign now. Both are named by the attacker who founded them.

    ``before`` is None for an identity that had not been seen here.
    """

    identity: AttackerUuid
    before: AttackerUuid | None
    after: AttackerUuid


class CampaignEdge(NamedTuple):
    """An identity is joined with whoever shares ``reason``; ``kinds`` are what the weight is made of.

    A reason is ``session:<uuid>``, the visit that left behind what was taken up, or ``payload:<digest or endpoint>``,
    of which the latter is attacker text.
    """

    weight: float
    kinds: tuple[str, ...]
    reason: str


@dataclass(slots=True)
class SettledCampaigns:
    """What a run of changes led to. ``rewired`` are the identities whose edges are others now."""

    changes: list[CampaignChange] = field(default_factory=list)
    rewired: set[AttackerUuid] = field(default_factory=set)


def visit_of(
    session: SessionUuid,
    attacker: AttackerUuid,
    decky_id: str,
    tactics: Iterable[tuple[int, TacticId]],
    payloads: Iterable[str] = (),
) -> Visit | None:
    """The visit that a session's tags show, as (observed_at, tactic) each; None where they show no phase.

    How one gets in is not what one begins with, and covering one's tracks is not what one ends in. The first and the
    last tag of each tactic are enough.
    """
    seen = sorted((at, phase) for at, tactic in tactics if (phase := phase_of(tactic)) is not None)
    if not seen:
        return None
    first = next((at for at, phase in seen if phase not in _GETTING_IN), None)
    last = next((at for at, phase in reversed(seen) if phase not in _COVERING), None)
    return Visit(
        session,
        attacker,
        decky_id,
        seen[0][0] if first is None else first,
        seen[-1][0] if last is None else last,
        frozenset(phase for at, phase in seen if at == first),
        frozenset(phase for at, phase in seen if at == last),
        frozenset(payloads) or _NOTHING,
    )


class Campaigns:
    """All identities that were seen to do something, clustered. Not safe for threads; one at a time."""

    def __init__(self) -> None:
        self._visits: dict[SessionUuid, Visit] = {}
        self._of_attacker: dict[AttackerUuid, list[SessionUuid]] = {}
        self._hand_offs = HandOffs()
        self._having: dict[str, dict[AttackerUuid, int]] = defaultdict(dict)
        self._joining: set[str] = set()
        self._rising: list[tuple[int, str]] = []
        self._weighed_at = 0
        self._dirty_payloads: set[str] = set()
        self._seeds: set[AttackerUuid] = set()
        self._edges: dict[AttackerUuid, dict[str, CampaignEdge]] = {}
        self._campaign: dict[AttackerUuid, AttackerUuid] = {}
        self._identities: dict[AttackerUuid, set[AttackerUuid]] = {}

    # --- what a worker calls

    def observe(self, visit: Visit) -> None:
        """Take in a visit, or the next revision of one."""
        known = self._visits.get(visit.session_id)
        if known == visit:
            return
        self.forget(visit.session_id)
        self._visits[visit.session_id] = visit
        self._of_attacker.setdefault(visit.attacker, []).append(visit.session_id)
        for payload in visit.payloads:
            having = self._having[payload]
            having[visit.attacker] = having.get(visit.attacker, 0) + 1
        self._hand_offs.add(visit)
        self._touch(visit)

    def forget(self, session: SessionUuid) -> None:
        """Take a visit out: it was purged, lost its tags, or comes again."""
        visit = self._visits.pop(session, None)
        if visit is None:
            return
        self._touch(visit)
        self._hand_offs.remove(visit)
        self._of_attacker[visit.attacker].remove(session)
        if not self._of_attacker[visit.attacker]:
            del self._of_attacker[visit.attacker]
        for payload in visit.payloads:
            having = self._having[payload]
            having[visit.attacker] -= 1
            if not having[visit.attacker]:
                del having[visit.attacker]

    def moved(self, attackers: Iterable[AttackerUuid]) -> None:
        """Tell whose identity is another one now: what depends on it is looked at again."""
        for attacker in attackers:
            self._seeds.add(attacker)
            for session in self._of_attacker.get(attacker, ()):
                self._hand_offs.touch(self._visits[session])
                self._touch(self._visits[session])

    def settle(self, membership: Membership) -> SettledCampaigns:
        """Bring campaigns up to date; its changes are sorted."""
        settled = SettledCampaigns()
        self._seeds |= self._hand_offs.settle(membership)
        self._weigh_payloads(membership)
        self._retire(membership, settled)
        seen: set[AttackerUuid] = set()
        for attacker in sorted(self._seeds):
            head = membership.head_of(attacker)
            if head not in seen and self._members(head, membership):
                region = self._region(head, membership, settled)
                seen |= set(region)
                settled.changes += self._regroup(region, membership)
        self._seeds.clear()
        settled.changes.sort()
        return settled

    def visits_of(self, attacker: AttackerUuid) -> list[SessionUuid]:
        """The sessions of an attacker that were handed in as visits."""
        return list(self._of_attacker.get(attacker, ()))

    def campaign_of(self, identity: AttackerUuid) -> AttackerUuid:
        """The founder of the campaign of an identity, both named by attackers; itself where nothing is known."""
        return self._campaign.get(identity, identity)

    def identities_of(self, campaign: AttackerUuid) -> frozenset[AttackerUuid]:
        """The identities of a campaign."""
        return frozenset(self._identities.get(campaign, ()))

    def edges_of(self, identity: AttackerUuid) -> list[CampaignEdge]:
        """Why an identity is in a campaign with others: to be stored, and to be shown to whoever doubts it."""
        return sorted(self._edges.get(identity, {}).values())

    def wired(self) -> list[AttackerUuid]:
        """Every identity that has an edge."""
        return list(self._edges)

    # --- payloads

    def _touch(self, visit: Visit) -> None:
        self._seeds.add(visit.attacker)
        self._dirty_payloads |= visit.payloads

    def _weigh_payloads(self, membership: Membership) -> None:
        """Find which payloads join: those that were touched, and those that the corpus made rarer or more common."""
        corpus = len(self._of_attacker)
        if corpus < self._weighed_at:
            self._dirty_payloads.update(name for name, having in self._having.items() if len(having) > RARE_CLIENTS)
        self._weighed_at = corpus
        while self._rising and self._rising[0][0] <= corpus:
            self._dirty_payloads.add(heappop(self._rising)[1])
        for payload in self._dirty_payloads:
            self._weigh_payload(payload, corpus, membership)
        self._dirty_payloads.clear()

    def _weigh_payload(self, payload: str, corpus: int, membership: Membership) -> None:
        having = self._having.get(payload, {})
        identities = {membership.head_of(attacker) for attacker in having}
        value, joined = value_of(Kind.ENDPOINT, payload), payload in self._joining
        joins = len(identities) > 1 and level_of(value, len(identities), corpus) >= JOIN_AT
        if joins or joined:
            self._seeds |= identities
        (self._joining.add if joins else self._joining.discard)(payload)
        if len(identities) > 1 and not joins:
            heappush(self._rising, (rises_at(value, len(identities), corpus), payload))
        if not having:
            self._having.pop(payload, None)

    # --- groups

    def _members(self, head: AttackerUuid, membership: Membership) -> list[AttackerUuid]:
        """The attackers of an identity that have visits here."""
        members = membership.members_of(head) or (head,)
        return [attacker for attacker in members if attacker in self._of_attacker]

    def _region(
        self, head: AttackerUuid, membership: Membership, settled: SettledCampaigns
    ) -> dict[AttackerUuid, set[AttackerUuid]]:
        """Every identity that can be reached from ``head``, and those that each is joined with."""
        region: dict[AttackerUuid, set[AttackerUuid]] = {}
        left = [head]
        while left:
            identity = left.pop()
            if identity in region or not self._members(identity, membership):
                continue
            region[identity] = self._join(identity, membership, settled)
            left += region[identity]
            left += self._identities.get(self._campaign.get(identity, identity), ())
        return region

    def _join(self, identity: AttackerUuid, membership: Membership, settled: SettledCampaigns) -> set[AttackerUuid]:
        """Find the edges of an identity anew; returns the identities that it is joined with."""
        joined: set[AttackerUuid] = set()
        edges: dict[str, CampaignEdge] = {}
        for other, found in self._edges_with(identity, membership):
            joined.add(other)
            for edge in found:
                edges[edge.reason] = max(edge, edges.get(edge.reason, edge))
        if edges != self._edges.get(identity, {}):
            settled.rewired.add(identity)
            self._edges[identity] = edges
            if not edges:
                del self._edges[identity]
        return joined

    def _edges_with(
        self, identity: AttackerUuid, membership: Membership
    ) -> Iterator[tuple[AttackerUuid, list[CampaignEdge]]]:
        """The identities that one is joined with, each with the edges to it."""
        handed: dict[AttackerUuid, dict[SessionUuid, float]] = defaultdict(dict)
        payloads: set[str] = set()
        for attacker in self._members(identity, membership):
            for other, sessions in self._hand_offs.of(attacker).items():
                handed[membership.head_of(other)].update(sessions)
            for session in self._of_attacker[attacker]:
                payloads |= self._visits[session].payloads & self._joining
        for payload in payloads:
            edge = CampaignEdge(JOIN_AT, ("payload",), f"payload:{payload}")
            for head in {membership.head_of(attacker) for attacker in self._having[payload]} - {identity}:
                yield head, [edge]
        for head, weights in handed.items():
            if head != identity and (edges := self._hand_off_edges(identity, head, weights, membership)):
                yield head, edges

    def _hand_off_edges(
        self, one: AttackerUuid, other: AttackerUuid, weights: dict[SessionUuid, float], membership: Membership
    ) -> list[CampaignEdge]:
        kinds: tuple[str, ...] = ("hand_off",)
        more = 0.0
        if max(weights.values()) < JOIN_AT:
            if self._overlap(one, other, membership):
                kinds, more = (*kinds, "overlap"), more + OVERLAP_WEIGHT
            if self._age(one, membership)[0] // DAY_US == self._age(other, membership)[0] // DAY_US:
                kinds, more = (*kinds, "cohort"), more + COHORT_WEIGHT
        return [
            CampaignEdge(round(weight + more, 3), kinds, f"session:{uuid_text(session)}")
            for session, weight in weights.items()
            if weight + more + _ROUNDING >= JOIN_AT
        ]

    def _overlap(self, one: AttackerUuid, other: AttackerUuid, membership: Membership) -> bool:
        hours, others = self._hours(one, membership), self._hours(other, membership)
        fewer = min(len(hours), len(others))
        return fewer >= OVERLAP_HOURS and len(hours & others) >= OVERLAP_SHARE * fewer

    def _hours(self, identity: AttackerUuid, membership: Membership) -> set[int]:
        members = self._members(identity, membership)
        visits = [self._visits[session] for attacker in members for session in self._of_attacker[attacker]]
        return {hour for visit in visits for hour in (visit.began_at // HOUR_US, visit.ended_at // HOUR_US)}

    def _age(self, identity: AttackerUuid, membership: Membership) -> tuple[int, AttackerUuid]:
        seen = membership.first_seen(identity)
        if seen is None:
            members = self._members(identity, membership)
            seen = min(self._visits[session].began_at for one in members for session in self._of_attacker[one])
        return seen, identity

    def _regroup(
        self, region: dict[AttackerUuid, set[AttackerUuid]], membership: Membership
    ) -> Iterator[CampaignChange]:
        left = set(region)
        while left:
            group = [left.pop()]
            for identity in group:
                new = [other for other in region[identity] if other in left]
                left.difference_update(new)
                group += new
            founder = min(group, key=lambda identity: self._age(identity, membership))
            for identity in group:
                before = self._campaign.get(identity)
                if before != founder:
                    self._assign(identity, founder)
                    yield CampaignChange(identity, before, founder)

    def _assign(self, identity: AttackerUuid, founder: AttackerUuid) -> None:
        self._leave(identity)
        self._campaign[identity] = founder
        self._identities.setdefault(founder, set()).add(identity)

    def _leave(self, identity: AttackerUuid) -> None:
        before = self._campaign.pop(identity, None)
        if before is not None:
            self._identities[before].discard(identity)
            if not self._identities[before]:
                del self._identities[before]

    def _retire(self, membership: Membership, settled: SettledCampaigns) -> None:
        """An identity that was merged into another, or of which nothing is left, is in no campaign of its own."""
        for attacker in list(self._seeds & self._campaign.keys()):
            if membership.head_of(attacker) != attacker or not self._members(attacker, membership):
                self._seeds |= self._identities[self._campaign[attacker]]
                self._leave(attacker)
                if self._edges.pop(attacker, None):
                    settled.rewired.add(attacker)
