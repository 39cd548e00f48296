"""Pairs of account and password, and what an identity did with them in a day.

A secret is an HMAC under the installation's key; after a change of key old and new ones do not compare. All figures are
over sets, so they depend neither on order nor on batches, and what comes late only adds.

The facts come from the states of the days of an identity's attackers; a worker announces what :func:`raised` returns.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from decnet.models.finding import (
    DAY_US,
    IDENTITY_ROLLUP,
    Finding,
    IdentityBodies,
    IdentityNetworks,
    IdentityReuse,
    IdentitySpraying,
    rollup_source_id,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from decnet.attribution.states import Credential
    from decnet.models.actor import AttackerUuid, IdentityUuid
    from decnet.models.finding import Figures, RollupKind

MOST_TOLD = 64
"""Findings of a kind that an identity has in a day: those with the greatest figures. A list of passwords that is tried
everywhere would make one of each, and more of them say no more."""


class DayFacts(NamedTuple):
    """What counts of one attacker's day: credentials, and the number of the network that it came from."""

    credentials: frozenset[Credential]
    network: int | None = None


def identity_findings(
    identity: IdentityUuid, founder: AttackerUuid, day: int, members: Iterable[DayFacts]
) -> list[Finding]:
    """What an identity's day shows: spraying, reuse of pairs, networks; as first revisions, sorted by id.

    ``members`` are the facts of all attackers that belong to it now.
    """
    facts = list(members)
    accounts: dict[str, set[str]] = defaultdict(set)
    places: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for secret, account, decoy, service in frozenset().union(*(one.credentials for one in facts)):
        accounts[secret].add(account)
        places[secret, account].add((decoy, service))
    reached: dict[str, int] = defaultdict(int)
    for (secret, _), where in places.items():
        reached[secret] = max(reached[secret], len(where))
    found: list[tuple[RollupKind, str, Figures]] = []
    found += [("spraying", secret, IdentitySpraying(many)) for secret, many in _greatest(_sizes(accounts))]
    found += [("reuse", secret, IdentityReuse(many)) for secret, many in _greatest(reached)]
    networks = {one.network for one in facts if one.network is not None}
    if len(networks) > 1:
        found.append(("asn_hopping", "", IdentityNetworks(len(networks))))
    return sorted(
        (_first(identity, founder, day, kind, digest, figures) for kind, digest, figures in found),
        key=lambda finding: finding.source_id,
    )


def body_findings(day: int, bodies: Mapping[str, Iterable[tuple[AttackerUuid, IdentityUuid]]]) -> list[Finding]:
    """What message bodies show, each that several identities sent, as (founder, identity), in a day; first revisions.

    There is one finding per identity, since each of them is to carry the tag.
    """
    found: list[Finding] = []
    for body, senders in sorted(bodies.items()):
        identities = sorted(set(senders))
        for founder, identity in identities if len(identities) > 1 else ():
            found.append(_first(identity, founder, day, "shared_body", body, IdentityBodies(len(identities))))
    return sorted(found, key=lambda finding: finding.source_id)


def raised(found: Iterable[Finding], known: Mapping[str, tuple[Figures, int]]) -> list[Finding]:
    """Those of ``found`` that are new, or more than was ``known``, at their next revision.

    ``known`` holds the last figures and revision by source id. An identity that loses members keeps its findings: what
    was said is only added to.
    """
    grown = []
    for finding in found:
        figures, revision = known.get(finding.source_id, (None, 0))
        if figures is None or _size(figures) < _size(finding.figures):
            grown.append(msgspec.structs.replace(finding, revision=revision + 1))
    return grown


def _first(
    identity: IdentityUuid, founder: AttackerUuid, day: int, kind: RollupKind, digest: str, figures: Figures
) -> Finding:
    source_id = rollup_source_id(kind, founder, digest, day)
    return Finding(source_id, IDENTITY_ROLLUP, day * DAY_US, 1, figures, identity_uuid=identity)


def _sizes(sets: Mapping[str, set[str]]) -> dict[str, int]:
    return {name: len(found) for name, found in sets.items()}


def _greatest(numbers: Mapping[str, int]) -> list[tuple[str, int]]:
    """Those above one, the greatest of them."""
    several = [(name, many) for name, many in numbers.items() if many > 1]
    return sorted(several, key=lambda one: (-one[1], one[0]))[:MOST_TOLD]


def _size(figures: Figures) -> int:
    """The one figure of a finding about an identity."""
    (size,) = msgspec.structs.astuple(figures)
    return int(size)
