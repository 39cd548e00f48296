"""Identities: attackers that are one and the same although their addresses differ. Incremental, and never all pairs.

Clients (:mod:`decnet.attribution.signals`) that share enough are joined. "Enough" is a small set of values, so there is
an index from each such set to the clients that have it, and an edge is a client's entry in it, with a weight and the
values as its reason. Identities are the connected parts of that graph; only those that a change touches are found anew.

An address can be several clients, some of them strangers behind one router. Clients of one address belong together
unless their fingerprints disagree; where these do, it takes two addresses to join the groups that they belong to, and
an address goes with the client that was seen most. So one shared address joins nobody.

What comes out depends on the set of sessions alone, never on their order: weights follow from how many clients have a
value at that moment, and every client whose weights have changed is looked at again.

What a worker does, under its lease: it feeds every ended session to :meth:`Identities.observe`, then calls
:meth:`Identities.settle` and writes, in one transaction, the changes of membership and the edges of the attackers in
:attr:`Settled.rewired`. The index is memory. After a restart it is filled from the stored traits of all sessions (the
latest revision of each) and settled once; memberships come out as they were stored.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import combinations as pairs_of
from typing import TYPE_CHECKING, NamedTuple

from decnet.attribution.signals import (
    JOIN_AT,
    RARE_CLIENTS,
    Kind,
    combinations,
    disagree,
    is_payload,
    kind_of,
    level_of,
    metrics_of,
    rises_at,
    signals_of,
    value_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from decnet.attribution.sessions import SessionTraits
    from decnet.attribution.signals import Level
    from decnet.models.actor import AttackerUuid

BRIDGES = 2
"""Addresses that must connect two groups whose fingerprints disagree before the groups are one."""


class MembershipChange(NamedTuple):
    """An attacker is in another identity now; an identity is named by its oldest member, who founded it.

    ``before`` is None for an attacker that is new. Where attacker and ``after`` are one, it founds an identity, or is
    on its own again; where attacker and ``before`` are one, the identity that it had founded was merged into another.
    """

    attacker: AttackerUuid
    before: AttackerUuid | None
    after: AttackerUuid


class Edge(NamedTuple):
    """An attacker is joined with whoever shares ``reason``: the kinds of the values, and the values."""

    weight: float
    kinds: tuple[str, ...]
    reason: tuple[int, ...]


@dataclass(slots=True)
class Settled:
    """What a run of changes led to. ``rewired`` are the attackers whose edges are others now."""

    changes: list[MembershipChange] = field(default_factory=list)
    rewired: set[AttackerUuid] = field(default_factory=set)


class _Client:
    """One address under one set of fingerprints: how many sessions showed each value, and its present edges."""

    __slots__ = ("attacker", "edges", "fingerprints", "sessions", "values")

    def __init__(self, attacker: AttackerUuid, fingerprints: tuple[int, ...]) -> None:
        self.attacker = attacker
        self.fingerprints = fingerprints
        self.sessions = 0
        self.values: dict[int, int] = {}
        self.edges: dict[tuple[int, ...], float] = {}


class _Attacker:
    """An address: when it was first seen, its clients, and the founder of its identity."""

    __slots__ = ("clients", "first_seen", "head")

    def __init__(self, first_seen: int) -> None:
        self.first_seen = first_seen
        self.clients: dict[tuple[int, ...], _Client] = {}
        self.head: AttackerUuid | None = None


class Identities:
    """All attackers, clustered. Not safe for threads; one at a time."""

    def __init__(self) -> None:
        self._attackers: dict[AttackerUuid, _Attacker] = {}
        self._identities: dict[AttackerUuid, set[AttackerUuid]] = {}
        self._having: dict[int, _Client | set[_Client]] = {}
        self._sharing: dict[tuple[int, ...], set[_Client]] = {}
        self._blocks: dict[int, dict[_Client, int]] = {}
        self._levels: dict[int, Level] = {}  # of values that do not count in full
        self._rising: list[tuple[int, int]] = []
        self._corpus = 0
        self._weighed_at = 0
        self._dirty: dict[_Client, None] = {}
        self._dirty_values: set[int] = set()
        self._seeds: dict[AttackerUuid, None] = {}

    # --- what a worker calls

    def observe(
        self, traits: SessionTraits, previous: SessionTraits | None = None, *, network: int | None = None
    ) -> None:
        """Take in an ended session; ``previous`` is the revision of it that was taken in before, if there was one.

        ``network`` is the attacker's autonomous system, where a table of networks is installed; for another table,
        fill another index.
        """
        if previous is not None:
            self._count(previous, network, -1)
        self._count(traits, network, 1)

    def forget(self, attacker: AttackerUuid) -> None:
        """Take an attacker out, for example because it was purged."""
        known = self._attackers.pop(attacker, None)
        if known is None:
            return
        for client in list(known.clients.values()):
            self._drop(client)
        head = known.head
        if head is not None:
            self._seeds.update(dict.fromkeys(self._identities[head] - {attacker}))
            self._identities[head].discard(attacker)
            if not self._identities[head]:
                del self._identities[head]
        self._seeds.pop(attacker, None)

    def settle(self) -> Settled:
        """Bring weights, edges and memberships up to date with what was observed since the last time."""
        settled = Settled()
        self._weigh()
        self._rewire(settled)
        for region in self._regions():
            settled.changes.extend(self._regroup(region))
        self._seeds.clear()
        settled.changes.sort()
        return settled

    def head_of(self, attacker: AttackerUuid) -> AttackerUuid:
        """The founder of the identity that an attacker belongs to, as of the last :meth:`settle`; itself if unknown."""
        known = self._attackers.get(attacker)
        return attacker if known is None or known.head is None else known.head

    def first_seen(self, attacker: AttackerUuid) -> int | None:
        """When the first session of an attacker began, in µs UTC; None if it is unknown."""
        known = self._attackers.get(attacker)
        return None if known is None else known.first_seen

    def members_of(self, head: AttackerUuid) -> frozenset[AttackerUuid]:
        """The attackers of the identity that ``head`` founded; empty when there is no such identity now."""
        return frozenset(self._identities.get(head, ()))

    def edges_of(self, attacker: AttackerUuid) -> list[Edge]:
        """Why an attacker is joined with others: to be stored, and to be shown to whoever doubts it."""
        edges: dict[tuple[int, ...], float] = {}
        for client in self._attackers[attacker].clients.values():
            edges |= client.edges
        return [_edge(reason, weight) for reason, weight in sorted(edges.items())]

    # --- values and clients

    def _count(self, traits: SessionTraits, network: int | None, step: int) -> None:
        signals = signals_of(traits)
        known = self._attackers.get(traits.attacker)
        if known is None:
            known = self._attackers[traits.attacker] = _Attacker(traits.started_at)
        known.first_seen = min(known.first_seen, traits.started_at)
        client = known.clients.get(signals.client)
        if client is None:
            client = known.clients[signals.client] = _Client(traits.attacker, signals.client)
            self._corpus += 1
        client.sessions += step
        values = signals.values if network is None else signals.values | {value_of(Kind.NETWORK, str(network))}
        for value in values:
            count = client.values.get(value, 0) + step
            if count <= 0:
                client.values.pop(value, None)
                self._lose(client, value)
                continue
            client.values[value] = count
            if count == 1 and step == 1:
                self._gain(client, value)
        self._dirty[client] = None
        self._seeds[traits.attacker] = None
        if client.sessions <= 0:
            self._drop(client)

    def _drop(self, client: _Client) -> None:
        """A client of which nothing is left."""
        for value in list(client.values):
            self._lose(client, value)
        client.values.clear()
        for reason in client.edges:
            self._part(client, reason)
        client.edges = {}
        self._dirty.pop(client, None)
        self._corpus -= 1
        owner = self._attackers.get(client.attacker)
        if owner is not None:
            del owner.clients[client.fingerprints]

    def _gain(self, client: _Client, value: int) -> None:
        having = self._having.get(value)
        if having is None:
            self._having[value] = client
            return
        if isinstance(having, _Client):
            having = self._having[value] = {having}
        having.add(client)
        if kind_of(value) is not Kind.NETWORK:
            self._dirty_values.add(value)
        if len(having) == 2:  # noqa: PLR2004 - from now on it is shared
            self._dirty.update(dict.fromkeys(having))

    def _lose(self, client: _Client, value: int) -> None:
        having = self._having.get(value)
        if isinstance(having, _Client):
            if having is client:
                del self._having[value]
            return
        if having is None or client not in having:
            return
        having.discard(client)
        self._dirty_values.add(value)
        self._dirty.update(dict.fromkeys(having))
        if len(having) == 1:
            self._having[value] = next(iter(having))

    def _clients_of(self, value: int) -> set[_Client]:
        having = self._having.get(value)
        if having is None:
            return set()
        return {having} if isinstance(having, _Client) else having

    def _is_shared(self, value: int) -> bool:
        return isinstance(self._having.get(value), set)

    def _level(self, value: int) -> Level:
        return self._levels.get(value, 1.0)

    # --- weights

    def _weigh(self) -> None:
        """Find the values whose weight has changed, since others have them now or the corpus has another size."""
        if self._corpus < self._weighed_at:
            self._dirty_values.update(value for value, having in self._having.items() if _size(having) > RARE_CLIENTS)
        self._weighed_at = self._corpus
        while self._rising and self._rising[0][0] <= self._corpus:
            self._dirty_values.add(heappop(self._rising)[1])
        for value in self._dirty_values:
            self._weigh_one(value)
        payloads = sorted(value for value in self._dirty_values if is_payload(value))
        self._dirty_values.clear()
        for value in payloads:
            self._divide(value)

    def _weigh_one(self, value: int) -> None:
        clients = self._clients_of(value)
        before, level = self._level(value), level_of(value, len(clients), self._corpus)
        if level < 1.0:
            self._levels[value] = level
            heappush(self._rising, (rises_at(value, len(clients), self._corpus), value))
        else:
            self._levels.pop(value, None)
        if level != before:
            self._dirty.update(dict.fromkeys(clients))

    def _divide(self, payload: int) -> None:
        """Tell the clients of a payload apart by their fingerprints: who does not disagree is of one block."""
        clients = self._clients_of(payload)
        before = self._blocks.pop(payload, {})
        if len(clients) < 2 or self._level(payload) < JOIN_AT:  # noqa: PLR2004 - nobody to share it with
            self._dirty.update(dict.fromkeys(client for client in before if client in clients))
            return
        now = self._blocks[payload] = _blocks(clients)
        self._dirty.update(dict.fromkeys(client for client, block in now.items() if before.get(client) != block))

    # --- edges

    def _rewire(self, settled: Settled) -> None:
        for client in self._dirty:
            edges = self._edges(client)
            if edges == client.edges:
                continue
            settled.rewired.add(client.attacker)
            self._seeds[client.attacker] = None
            for reason in client.edges.keys() - edges.keys():
                self._part(client, reason)
            for reason in edges.keys() - client.edges.keys():
                self._sharing.setdefault(reason, set()).add(client)
            client.edges = edges
        self._dirty.clear()

    def _edges(self, client: _Client) -> dict[tuple[int, ...], float]:
        edges = dict(combinations(client.values, self._level, is_shared=self._is_shared))
        for value in client.values:
            block = self._blocks[value].get(client) if value in self._blocks else None
            if block is not None:
                edges[value, block] = JOIN_AT
        return edges

    def _part(self, client: _Client, reason: tuple[int, ...]) -> None:
        """An edge goes: those at its other end have to be looked at, too."""
        sharing = self._sharing[reason]
        sharing.discard(client)
        self._seeds.update(dict.fromkeys(other.attacker for other in sharing))
        if not sharing:
            del self._sharing[reason]

    # --- groups

    def _regions(self) -> Iterator[list[AttackerUuid]]:
        """The attackers that can be reached from a change, region by region, over edges and shared addresses."""
        seen: set[AttackerUuid] = set()
        for seed in self._seeds:
            if seed in seen or seed not in self._attackers:
                continue
            region: list[AttackerUuid] = [seed]
            reasons: set[tuple[int, ...]] = set()
            seen.add(seed)
            for attacker in region:
                for client in self._attackers[attacker].clients.values():
                    for reason in client.edges.keys() - reasons:
                        reasons.add(reason)
                        new = {other.attacker for other in self._sharing[reason]} - seen
                        seen |= new
                        region.extend(new)
            yield region

    def _regroup(self, region: list[AttackerUuid]) -> Iterator[MembershipChange]:
        """Find the identities of a region anew; yields who is in another one than before."""
        groups = _Groups()
        for attacker in region:
            self._join_clients(attacker, groups)
        bridges: dict[tuple[_Client, _Client], set[AttackerUuid]] = defaultdict(set)
        for attacker in region:
            tops = {groups.top(client) for client in self._attackers[attacker].clients.values()}
            for pair in pairs_of(sorted(tops, key=id), 2):
                bridges[pair].add(attacker)
        for (one, other), over in bridges.items():
            if len(over) >= BRIDGES:
                groups.join(one, other)
        identities: dict[_Client, set[AttackerUuid]] = defaultdict(set)
        for attacker in region:
            identities[groups.top(_main(self._attackers[attacker].clients.values()))].add(attacker)
        yield from self._name(identities.values())

    def _join_clients(self, attacker: AttackerUuid, groups: _Groups) -> None:
        """Join the clients of an address with each other, unless they disagree, and with whom their edges lead to."""
        clients = self._attackers[attacker].clients.values()
        main = _main(clients)
        for client in clients:
            if not disagree(client.fingerprints, main.fingerprints):
                groups.join(client, main)
            for reason in client.edges:
                groups.join(client, next(iter(self._sharing[reason])))

    def _name(self, identities: Iterable[set[AttackerUuid]]) -> Iterator[MembershipChange]:
        """Give each identity its oldest member as its head."""
        changes = []
        for members in identities:
            head = min(members, key=self._age)
            changes += [
                MembershipChange(attacker, self._attackers[attacker].head, head)
                for attacker in members
                if self._attackers[attacker].head != head
            ]
        for change in changes:
            if change.before is not None:
                left = self._identities[change.before]
                left.discard(change.attacker)
                if not left:
                    del self._identities[change.before]
        for change in changes:
            self._attackers[change.attacker].head = change.after
            self._identities.setdefault(change.after, set()).add(change.attacker)
        yield from changes

    def _age(self, attacker: AttackerUuid) -> tuple[int, AttackerUuid]:
        return self._attackers[attacker].first_seen, attacker


class _Groups:
    """Disjoint sets of clients."""

    def __init__(self) -> None:
        self._above: dict[_Client, _Client] = {}

    def top(self, client: _Client) -> _Client:
        above = self._above
        path = []
        while (higher := above.get(client, client)) is not client:
            path.append(client)
            client = higher
        for lower in path:
            above[lower] = client
        return client

    def join(self, one: _Client, other: _Client) -> None:
        one, other = self.top(one), self.top(other)
        if one is not other:
            self._above[one] = other


def _main(clients: Iterable[_Client]) -> _Client:
    """The client that an address was seen as most often."""
    return min(clients, key=lambda client: (-client.sessions, client.fingerprints))


def _blocks(clients: Iterable[_Client]) -> dict[_Client, int]:
    """Clients of one payload in blocks that do not disagree, each named by its smallest fingerprint, or 0."""
    groups = _Groups()
    first: dict[int, _Client] = {}
    kinds: dict[int, _Client] = {}
    for client in clients:
        for value in client.fingerprints:
            groups.join(client, first.setdefault(value, client))
    for client in clients:
        kinds.setdefault(metrics_of(client.fingerprints), client)
    for one, other in pairs_of(kinds, 2):
        if not one & other:
            _join_all(groups, clients, one, other)
    if 0 in kinds:
        _join_all(groups, clients, 0, 0)
    names: dict[_Client, int] = {}
    for client in clients:
        top = groups.top(client)
        names[top] = min(names.get(top, _LARGEST), min(client.fingerprints, default=0))
    return {client: names[groups.top(client)] for client in clients}


_LARGEST = 2**64


def _join_all(groups: _Groups, clients: Iterable[_Client], one: int, other: int) -> None:
    """Clients that show no kind of fingerprint in common do not disagree."""
    found: _Client | None = None
    for client in clients:
        if metrics_of(client.fingerprints) in {one, other}:
            found = found or client
            groups.join(client, found)


def _size(having: _Client | set[_Client]) -> int:
    return 1 if isinstance(having, _Client) else len(having)


def _edge(reason: tuple[int, ...], weight: float) -> Edge:
    kinds = [kind_of(value).name.lower() for value in reason]
    if len(reason) > 1 and is_payload(reason[0]) and reason[1] == 0:
        kinds, reason = kinds[:1], reason[:1]  # a payload of clients without fingerprints
    return Edge(weight, tuple(kinds), reason)
