from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from decnet.attack.ukc import Phase
from decnet.attribution.campaigns import CampaignChange, CampaignEdge, Campaigns, visit_of
from decnet.attribution.handoffs import MOST_VISITS
from decnet.models.actor import AttackerUuid, attacker_uuid, session_uuid
from decnet.models.attack_ids import TacticId
from decnet.models.ids import uuid_text
from tests.events import NOON, SECOND

if TYPE_CHECKING:
    from decnet.attribution.handoffs import Visit

HOUR = 3_600
C2, PERSISTENCE, DISCOVERY = TacticId("TA0011"), TacticId("TA0003"), TacticId("TA0007")
DELIVERY, EVASION, EXECUTION, LATERAL = TacticId("TA0001"), TacticId("TA0005"), TacticId("TA0002"), TacticId("TA0008")
A, B, C, D = (attacker_uuid(f"198.51.100.{n}") for n in range(1, 5))


class Known:
    """Who belongs to which identity; who is not named is an identity of its own."""

    def __init__(self, *identities: set[AttackerUuid]) -> None:
        self.heads = {attacker: min(members) for members in identities for attacker in members}

    def head_of(self, attacker: AttackerUuid) -> AttackerUuid:
        return self.heads.get(attacker, attacker)

    def members_of(self, head: AttackerUuid) -> frozenset[AttackerUuid]:
        return frozenset(attacker for attacker, found in self.heads.items() if found == head)

    def first_seen(self, _attacker: AttackerUuid) -> int | None:
        return None


def visit(  # what one visit is made of
    attacker: AttackerUuid,
    *tactics: TacticId,
    hour: float = 0,
    decoy: str = "d1",
    payload: str = "",
    session: str = "1",
) -> Visit:
    """A visit with a tag a second, from ``hour`` hours after noon on."""
    at = NOON + round(hour * HOUR) * SECOND
    tags = [(at + n * SECOND, tactic) for n, tactic in enumerate(tactics)]
    found = visit_of(session_uuid(decoy, attacker.hex() + session), attacker, decoy, tags, [payload] if payload else [])
    assert found is not None
    return found


def settled(visits: list[Visit], known: Known | None = None) -> Campaigns:
    campaigns = Campaigns()
    for one in visits:
        campaigns.observe(one)
    campaigns.settle(known or Known())
    return campaigns


def test_a_hand_off_makes_a_campaign_of_two_identities() -> None:
    campaigns = Campaigns()
    campaigns.observe(visit(A, DELIVERY, DISCOVERY, C2))
    campaigns.observe(visit(B, DELIVERY, DISCOVERY, hour=20))
    assert campaigns.settle(Known()).changes == sorted([CampaignChange(A, None, A), CampaignChange(B, None, A)])
    assert campaigns.identities_of(A) == {A, B}


@pytest.mark.parametrize("left", [C2, PERSISTENCE])
@pytest.mark.parametrize("taken", [DISCOVERY, LATERAL])
def test_what_is_left_behind_and_what_is_taken_up(left: TacticId, taken: TacticId) -> None:
    assert settled([visit(A, left), visit(B, taken, hour=1)]).campaign_of(B) == A


@pytest.mark.parametrize(
    "later",
    [
        visit(B, DISCOVERY, hour=25),
        visit(B, DISCOVERY, hour=-1),
        visit(B, DISCOVERY, hour=1, decoy="other"),
        visit(B, C2, DISCOVERY, hour=1),
    ],
    ids=["a day later", "before", "another decoy", "begins otherwise"],
)
def test_what_is_no_hand_off(later: Visit) -> None:
    assert settled([visit(A, C2), later]).campaign_of(B) == B


def test_getting_in_is_no_beginning_and_covering_tracks_no_end() -> None:
    assert (
        settled([visit(A, DISCOVERY, C2, EXECUTION, EVASION), visit(B, DELIVERY, DISCOVERY, C2, hour=1)]).campaign_of(B)
        == A
    )
    found = visit_of(session_uuid("d", "s"), A, "d", [(3, EVASION), (1, DELIVERY), (2, DISCOVERY)])
    assert found is not None
    assert found.begins == {Phase.DISCOVERY} == found.ends


def test_tags_without_a_phase_make_no_visit() -> None:
    assert visit_of(session_uuid("d", "s"), A, "d", []) is None


def test_an_identity_hands_nothing_to_itself() -> None:
    known = Known({A, B})
    campaigns = settled([visit(A, C2), visit(B, DISCOVERY, hour=1)], known)
    assert campaigns.identities_of(min(A, B)) == {min(A, B)}


def test_a_decoy_where_everybody_comes_by_hands_over_nothing() -> None:
    """Ten could have taken over: that one of them did would be chance."""
    others = [attacker_uuid(f"203.0.113.{n}") for n in range(10)]
    campaigns = settled([visit(A, C2), *(visit(one, DISCOVERY, hour=1 + n) for n, one in enumerate(others))])
    assert campaigns.identities_of(A) == {A}


def test_a_decoy_where_everybody_leaves_something_hands_over_nothing() -> None:
    """Ten could have left what one finds: that it was theirs would be chance."""
    givers = [visit(attacker_uuid(f"203.0.113.{n}"), C2, hour=n) for n in range(10)]
    campaigns = settled([*givers, visit(B, DISCOVERY, hour=12)])
    assert campaigns.identities_of(B) == {B}


def test_a_decoy_with_visits_without_end_hands_over_nothing() -> None:
    many = [visit(C, DISCOVERY, hour=1 + n / 60, session=f"{n}") for n in range(MOST_VISITS + 1)]
    assert settled([visit(A, C2), *many[:MOST_VISITS]]).campaign_of(C) == A
    assert settled([visit(A, C2), *many]).campaign_of(C) == C


def test_edges_tell_why() -> None:
    left, taken = visit(A, C2, payload="ff"), visit(B, DISCOVERY, hour=1)
    campaigns = settled([left, taken, visit(C, EVASION, payload="ff", decoy="d9")])
    handed = CampaignEdge(1.0, ("hand_off",), f"session:{uuid_text(left.session_id)}")
    shared = CampaignEdge(1.0, ("payload",), "payload:ff")
    assert campaigns.edges_of(A) == [handed, shared]
    assert (campaigns.edges_of(B), campaigns.edges_of(C)) == ([handed], [shared])
    campaigns.forget(left.session_id)
    assert campaigns.settle(Known()).rewired == {A, B, C}
    assert campaigns.wired() == []


def test_overlap_in_time_tips_the_balance_where_several_could_have_taken_over() -> None:
    others = [attacker_uuid(f"203.0.113.{n}") for n in range(4)]
    takers = [visit(one, DISCOVERY, hour=2) for one in [B, *others]]
    assert settled([visit(A, C2), *takers]).campaign_of(B) == B
    side_by_side = [visit(one, EVASION, hour=30 + n, decoy="far", session=str(n)) for one in (A, B) for n in range(6)]
    campaigns = settled([visit(A, C2), *takers, *side_by_side])
    assert campaigns.identities_of(A) == {A, B}


def test_a_shared_payload_joins_and_a_common_one_does_not() -> None:
    assert settled([visit(A, C2, payload="ff"), visit(B, C2, payload="ff", decoy="d2")]).campaign_of(B) in {A, B}
    campaigns = settled([visit(A, C2, payload="ff"), visit(B, C2, payload="ff", decoy="d2")])
    assert campaigns.campaign_of(A) == campaigns.campaign_of(B)
    crowd = [visit(attacker_uuid(f"203.0.113.{n}"), C2, payload="ff", decoy=f"x{n}") for n in range(20)]
    campaigns = settled([visit(A, C2, payload="ff"), visit(B, C2, payload="ff", decoy="d2"), *crowd])
    assert campaigns.campaign_of(A) != campaigns.campaign_of(B)


def test_a_campaign_parts_when_its_evidence_goes() -> None:
    link = visit(B, DISCOVERY, hour=1)
    campaigns = settled([visit(A, C2), link, visit(B, EVASION, hour=3, decoy="d9", session="2")])
    assert campaigns.campaign_of(B) == A
    campaigns.forget(link.session_id)
    assert campaigns.settle(Known()).changes == [CampaignChange(B, A, B)]


def test_a_later_revision_of_a_visit_replaces_it() -> None:
    campaigns = settled([visit(A, C2), visit(B, DISCOVERY, hour=1)])
    campaigns.observe(visit(B, C2, DISCOVERY, hour=1))
    assert campaigns.settle(Known()).changes == [CampaignChange(B, A, B)]


def test_a_merge_of_identities_carries_their_campaign() -> None:
    campaigns = settled([visit(A, C2), visit(B, DISCOVERY, hour=1), visit(C, EVASION, decoy="d7")])
    known = Known({B, C})
    campaigns.moved([B, C])
    campaigns.settle(known)
    assert campaigns.identities_of(campaigns.campaign_of(A)) == {A, min(B, C)}
    campaigns.moved([B, C])
    campaigns.settle(Known())
    assert campaigns.identities_of(A) == {A, B}
    assert campaigns.campaign_of(C) == C


@pytest.mark.parametrize("seed", range(8))
def test_order_and_settling_make_no_difference(seed: int) -> None:
    chance = Random(seed)  # noqa: S311 - the same every time
    people = [attacker_uuid(f"203.0.113.{n}") for n in range(24)]
    tactics = [C2, DISCOVERY, EVASION, LATERAL, PERSISTENCE, DELIVERY]
    visits = [
        visit(
            chance.choice(people),
            *chance.choices(tactics, k=3),
            hour=chance.randrange(72),
            decoy=f"d{chance.randrange(6)}",
            payload=chance.choice(["", "", "", "aa", "bb"]),
            session=str(n),
        )
        for n in range(60)
    ]
    known = Known(*(set(people[n : n + 2]) for n in range(0, 12, 2)))
    whole = settled(visits, known)
    pieces = Campaigns()
    for one in chance.sample(visits, len(visits)):
        if chance.random() < 0.2:
            pieces.observe(one._replace(begins=frozenset(), ends=frozenset(), payloads=frozenset({"zz"})))
            pieces.settle(Known())
        pieces.observe(one)
        if chance.random() < 0.3:
            pieces.settle(known)
    pieces.moved(people)
    pieces.settle(known)
    heads = {known.head_of(one.attacker) for one in visits}
    assert {head: pieces.campaign_of(head) for head in heads} == {head: whole.campaign_of(head) for head in heads}
    assert {head: pieces.identities_of(head) for head in heads} == {head: whole.identities_of(head) for head in heads}
