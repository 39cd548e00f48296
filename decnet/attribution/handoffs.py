"""Hand-offs: somebody leaves a way back on a decoy, and within a day somebody else begins there.

On a decoy where everybody comes by, somebody always follows somebody. So a hand-off counts in full only among few:
where more than three identities could have taken over, or could have left what was taken, it counts three divided by
their number, and nothing beyond six. A decoy with more than :data:`MOST_VISITS` in a day says nothing at all, which
also bounds the work: what a visit changes is its own decoy within a day, and there every visit is looked at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple, Protocol

from decnet.attack.ukc import Phase
from decnet.models.finding import DAY_US

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from decnet.models.actor import AttackerUuid, SessionUuid

WITHIN_US = DAY_US
"""A hand-off is taken up by then."""
IN_FULL, AT_MOST = 3, 6
"""So many identities may follow, or may have gone before, until a hand-off counts less, and until it counts nothing."""
MOST_VISITS = 128
"""Visits to a decoy within :data:`WITHIN_US`, of those that leave or of those that take up; beyond it is chance."""
LEFT_BEHIND = frozenset({Phase.COMMAND_AND_CONTROL, Phase.PERSISTENCE})
TAKEN_UP = frozenset({Phase.DISCOVERY, Phase.LATERAL_MOVEMENT})


class Visit(NamedTuple):
    """A session by its phases: what it began with once it was in, and what it ended in before tracks were covered."""

    session_id: SessionUuid
    attacker: AttackerUuid
    decky_id: str
    began_at: int
    ended_at: int
    begins: frozenset[Phase] = frozenset()
    ends: frozenset[Phase] = frozenset()
    payloads: frozenset[str] = frozenset()
    """Digests of payloads, and endpoints that they came from."""


class Membership(Protocol):
    """Who belongs to which identity: :class:`~decnet.attribution.identities.Identities`, or a table."""

    def head_of(self, attacker: AttackerUuid) -> AttackerUuid:
        """The founder of the attacker's identity; the attacker itself where nothing is known."""
        ...

    def members_of(self, head: AttackerUuid) -> frozenset[AttackerUuid]:
        """The attackers of an identity; empty where nothing is known."""
        ...

    def first_seen(self, attacker: AttackerUuid) -> int | None:
        """When an attacker was first seen, in µs UTC."""
        ...


class _Moment(NamedTuple):
    """When a visit left something behind or took something up."""

    at: int
    session: SessionUuid
    attacker: AttackerUuid


class _Taking(NamedTuple):
    """A visit that may have taken something up, and of how many identities."""

    at: int
    attacker: AttackerUuid
    head: AttackerUuid
    givers: int


class _Decoy:
    """What happened on one decoy, in order of time, and the times at which hand-offs may be others now."""

    __slots__ = ("left", "stale", "taken")

    def __init__(self) -> None:
        self.left: list[_Moment] = []
        self.taken: list[_Moment] = []
        self.stale: list[tuple[int, int]] = []


class HandOffs:
    """Who may have taken over from whom. Not safe for threads."""

    def __init__(self) -> None:
        self._decoys: dict[str, _Decoy] = defaultdict(_Decoy)
        self._handed: dict[SessionUuid, tuple[AttackerUuid, dict[AttackerUuid, float]]] = {}
        self._between: dict[AttackerUuid, dict[AttackerUuid, dict[SessionUuid, float]]] = {}
        self._stale: dict[str, None] = {}
        self._seeds: set[AttackerUuid] = set()

    def add(self, visit: Visit) -> None:
        """Take in a visit."""
        for moments, moment in self._moments(visit):
            insort(moments, moment)
        self.touch(visit)

    def remove(self, visit: Visit) -> None:
        """Take a visit out again."""
        for moments, moment in self._moments(visit):
            del moments[bisect_left(moments, moment)]
        self._hand(visit.session_id, visit.attacker, {})
        self.touch(visit)

    def touch(self, visit: Visit) -> None:
        """The visit came, went, or is somebody else's now: find anew what it may have changed."""
        decoy = self._decoys[visit.decky_id]
        if visit.ends & LEFT_BEHIND:
            decoy.stale.append((visit.ended_at - WITHIN_US, visit.ended_at + WITHIN_US))
        if visit.begins & TAKEN_UP:
            decoy.stale.append((visit.began_at - WITHIN_US, visit.began_at))
        self._stale[visit.decky_id] = None

    def settle(self, membership: Membership) -> set[AttackerUuid]:
        """Bring hand-offs up to date; returns the attackers at either end of one that is another one now."""
        for name in self._stale:
            decoy = self._decoys[name]
            spans, decoy.stale = decoy.stale, []
            for since, until in _joined(spans):
                self._sweep(decoy, since, until, membership)
        self._stale.clear()
        seeds, self._seeds = self._seeds, set()
        return seeds

    def of(self, attacker: AttackerUuid) -> Mapping[AttackerUuid, Mapping[SessionUuid, float]]:
        """With whom ``attacker`` has hand-offs, in either direction: visits that left something, and their weights."""
        return self._between.get(attacker, {})

    def _moments(self, visit: Visit) -> Iterator[tuple[list[_Moment], _Moment]]:
        decoy = self._decoys[visit.decky_id]
        if visit.ends & LEFT_BEHIND:
            yield decoy.left, _Moment(visit.ended_at, visit.session_id, visit.attacker)
        if visit.begins & TAKEN_UP:
            yield decoy.taken, _Moment(visit.began_at, visit.session_id, visit.attacker)

    def _sweep(self, decoy: _Decoy, since: int, until: int, membership: Membership) -> None:
        """Find anew who took over what was left between ``since`` and ``until``."""
        takings = list(_takings(decoy, since, until + WITHIN_US, membership))
        for moment in _between(decoy.left, since, until):
            takers = _takers(decoy, moment, takings, membership)
            self._hand(moment.session, moment.attacker, takers)

    def _hand(self, session: SessionUuid, giver: AttackerUuid, takers: dict[AttackerUuid, float]) -> None:
        """The visit ``session`` of ``giver`` was followed by these; write it at both ends where that is new."""
        before = self._handed.get(session, (giver, {}))[1]
        if before == takers:
            return
        for taker in before.keys() - takers.keys():
            self._unlink(giver, taker, session)
        for taker, weight in takers.items():
            for one, other in ((giver, taker), (taker, giver)):
                self._between.setdefault(one, {}).setdefault(other, {})[session] = weight
        self._seeds.update(before, takers, (giver,))
        if takers:
            self._handed[session] = giver, takers
        else:
            del self._handed[session]

    def _unlink(self, giver: AttackerUuid, taker: AttackerUuid, session: SessionUuid) -> None:
        for one, other in ((giver, taker), (taker, giver)):
            others = self._between[one]
            del others[other][session]
            if not others[other]:
                del others[other]
            if not others:
                del self._between[one]


def _takings(decoy: _Decoy, since: int, until: int, membership: Membership) -> Iterator[_Taking]:
    """The visits in a span that began where few had left something."""
    for moment in _between(decoy.taken, since, until):
        own = membership.head_of(moment.attacker)
        heads = _heads(decoy.left, moment.at - WITHIN_US, moment.at, own, membership)
        if heads:
            yield _Taking(moment.at, moment.attacker, own, len(heads))


def _takers(decoy: _Decoy, left: _Moment, takings: list[_Taking], membership: Membership) -> dict[AttackerUuid, float]:
    """One attacker of each identity that may have taken over, with what the hand-off to it counts."""
    end = left.at + WITHIN_US
    first = bisect_left(takings, (left.at,))
    if first == len(takings) or takings[first].at > end:
        return {}
    own = membership.head_of(left.attacker)
    followers = len(_heads(decoy.taken, left.at, end, own, membership))
    takers: dict[AttackerUuid, tuple[AttackerUuid, int]] = {}
    for taking in takings[first:] if followers else ():
        if taking.at > end:
            break
        if taking.head != own:
            known, givers = takers.get(taking.head, (taking.attacker, taking.givers))
            takers[taking.head] = min(known, taking.attacker), min(givers, taking.givers)
    return {taker: min(1.0, IN_FULL / max(followers, givers)) for taker, givers in takers.values()}


def _heads(
    moments: list[_Moment], since: int, until: int, own: AttackerUuid, membership: Membership
) -> set[AttackerUuid]:
    """The identities but ``own`` in a span; none where they are too many to mean anything."""
    first, last = bisect_left(moments, (since,)), bisect_right(moments, until, key=_time)
    if last - first > MOST_VISITS:
        return set()
    heads = {membership.head_of(moment.attacker) for moment in moments[first:last]} - {own}
    return heads if len(heads) <= AT_MOST else set()


def _between(moments: list[_Moment], since: int, until: int) -> list[_Moment]:
    return moments[bisect_left(moments, (since,)) : bisect_right(moments, until, key=_time)]


def _joined(spans: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans of time, those that touch as one."""
    since = until = None
    for start, end in sorted(spans):
        if until is None or start > until:
            if since is not None and until is not None:
                yield since, until
            since, until = start, end
        else:
            until = max(until, end)
    if since is not None and until is not None:
        yield since, until


def _time(moment: _Moment) -> int:
    return moment.at
