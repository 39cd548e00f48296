from __future__ import annotations

from random import Random

from decnet.attribution.credentials import MOST_TOLD, DayFacts, body_findings, identity_findings, raised
from decnet.attribution.engine import Attribution
from decnet.models.actor import attacker_uuid, identity_uuid
from decnet.models.finding import (
    DAY_US,
    Figures,
    IdentityBodies,
    IdentityNetworks,
    IdentityReuse,
    IdentitySpraying,
    rollup_source_id,
)
from tests.attribution.streams import tried
from tests.events import NOON

FOUNDER = attacker_uuid("198.51.100.1")
IDENTITY = identity_uuid(FOUNDER)
DAY = NOON // DAY_US


def test_spraying_over_rotated_addresses_is_one_finding_of_the_identity() -> None:
    """Each address tries one account; only together do they spray."""
    attribution = Attribution()
    sources = [f"198.51.100.{n}" for n in range(1, 6)]
    attribution.apply([tried("hunter2", user=f"u{n}", src=src, session=src) for n, src in enumerate(sources)])
    days = [attribution.days[attacker_uuid(src), DAY] for src in sources]
    facts = [DayFacts(frozenset(day.credentials)) for day in days]
    (finding,) = identity_findings(IDENTITY, FOUNDER, DAY, facts)
    assert finding.source_id == rollup_source_id("spraying", FOUNDER, "hunter2", DAY)
    assert finding.figures == IdentitySpraying(5)
    assert (finding.identity_uuid, finding.attacker_uuid) == (IDENTITY, None)
    assert finding.observed_at == DAY * DAY_US


def test_reuse_counts_the_places_of_one_pair() -> None:
    facts = DayFacts(frozenset([("s", "root", f"d{n}", "ssh") for n in range(3)] + [("s", "admin", "d9", "ssh")]))
    found = identity_findings(IDENTITY, FOUNDER, DAY, [facts])
    assert {one.figures for one in found} == {IdentitySpraying(2), IdentityReuse(3)}


def test_networks_are_counted_where_they_are_known() -> None:
    facts = [DayFacts(frozenset(), network) for network in (64_500, 64_501, 64_501, None)]
    (finding,) = identity_findings(IDENTITY, FOUNDER, DAY, facts)
    assert finding.figures == IdentityNetworks(2)
    assert finding.source_id.endswith(f":-:{DAY}")


def test_only_growth_makes_a_new_revision() -> None:
    known: dict[str, tuple[Figures, int]] = {}
    facts = [DayFacts(frozenset([("s", f"u{n}", "d", "ssh")])) for n in range(4)]
    told = []
    for members in (facts[:3], facts[:3], facts[:2], facts):
        grown = raised(identity_findings(IDENTITY, FOUNDER, DAY, members), known)
        known |= {one.source_id: (one.figures, one.revision) for one in grown}
        told += [(one.figures, one.revision) for one in grown]
    assert told == [(IdentitySpraying(3), 1), (IdentitySpraying(4), 2)]


def test_a_long_list_of_passwords_tells_the_greatest_only() -> None:
    tried_on = {f"s{n:03}": 2 + n for n in range(MOST_TOLD + 20)}
    facts = DayFacts(
        frozenset((secret, f"u{n}", "d", "ssh") for secret, accounts in tried_on.items() for n in range(accounts))
    )
    found = identity_findings(IDENTITY, FOUNDER, DAY, [facts])
    assert len(found) == MOST_TOLD
    assert {one.figures for one in found} == {IdentitySpraying(n) for n in sorted(tried_on.values())[20:]}


def test_the_order_of_members_makes_no_difference() -> None:
    facts = [DayFacts(frozenset([(f"s{n % 3}", f"u{n}", f"d{n % 4}", "ssh")]), n % 2) for n in range(20)]
    whole = identity_findings(IDENTITY, FOUNDER, DAY, facts)
    Random(3).shuffle(facts)  # noqa: S311 - the same every time
    assert identity_findings(IDENTITY, FOUNDER, DAY, facts) == whole


def test_a_body_that_two_identities_sent_is_a_finding_of_each() -> None:
    other = attacker_uuid("198.51.100.2")
    senders = {"b1": [(FOUNDER, IDENTITY), (other, identity_uuid(other))], "b2": [(FOUNDER, IDENTITY)]}
    found = body_findings(DAY, senders)
    assert {one.identity_uuid for one in found} == {IDENTITY, identity_uuid(other)}
    assert {one.figures for one in found} == {IdentityBodies(2)}
