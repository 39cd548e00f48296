"""Predicates about canaries; what rules make of them stands in the cases of the rules."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.errors import RuleError
from decnet.models.canary import TOKEN_KINDS, CanaryFingerprintPayload, CanaryPayload
from decnet.models.event import CANARY, CANARY_FINGERPRINT
from decnet.models.tag import evidence_keys
from decnet.ttp.cases import CASE_JOINS
from decnet.ttp.lifters.base import Joins
from decnet.ttp.lifters.canary_fingerprint import PREDICATES
from decnet.ttp.store.filesystem import default_rules_folder
from decnet.ttp.tables import PackTables
from tests.events import an_event

if TYPE_CHECKING:
    from decnet.ttp.lifters.base import Sight
    from decnet.ttp.pack import LifterTerm, Pack

TABLES = PackTables([default_rules_folder()])
GERMAN, AMERICAN = "198.51.100.7", "203.0.113.7"
TEXT = st.text(max_size=40) | st.sampled_from(["Windows NT Firefox/140.0", "iPhone", "Direct3D", "UTC", "Win32"])
BROWSERS = st.builds(
    CanaryFingerprintPayload,
    user_agent=TEXT,
    platform=TEXT,
    languages=st.lists(TEXT, max_size=3).map(tuple),
    webdriver=st.none() | st.booleans(),
    screen_width=st.none() | st.integers(-(10**6), 10**6),
    screen_height=st.none() | st.integers(-(10**6), 10**6),
    touch_points=st.none() | st.integers(),
    time_zone=TEXT,
    zone_offset_minutes=st.none() | st.integers(-(10**6), 10**6),
    webgl_renderer=TEXT,
    webrtc_addresses=st.lists(st.ip_addresses().map(str), max_size=3).map(tuple),
    globals=st.lists(TEXT, max_size=3).map(tuple),
)


def terms(pack: Pack) -> list[LifterTerm]:
    """What shipped rules ask of canaries."""
    return [term for rule in pack.rules for term in rule.lifters if term.predicate in PREDICATES]


def seen(
    name: str, parameters: dict[str, Any], source: str = GERMAN, joins: Joins = CASE_JOINS, **browser: Any
) -> Sight | None:
    look = PREDICATES[name].bind(parameters, TABLES, joins)
    event = an_event(CANARY_FINGERPRINT, CanaryFingerprintPayload(**browser), src=source)
    return look(event) if look else None


@given(BROWSERS, st.ip_addresses().map(str))
def test_nothing_that_a_browser_says_breaks_a_predicate_or_gets_into_evidence(
    pack: Pack, browser: CanaryFingerprintPayload, source: str
) -> None:
    event = an_event(CANARY_FINGERPRINT, browser, src=source)
    for term in terms(pack):
        look = PREDICATES[term.predicate].bind(term.parameters, TABLES, CASE_JOINS)
        sight = look(event) if look else None
        if sight is not None:
            assert set(sight.evidence) <= evidence_keys(CANARY_FINGERPRINT)
            assert str(sight.evidence["signature"]).isascii()


def test_every_predicate_is_asked_by_a_rule(pack: Pack) -> None:
    assert {term.predicate for term in terms(pack)} == set(PREDICATES)


@pytest.mark.parametrize(
    "name", ["canary_known_exit", "canary_webrtc_known_exit", "canary_zone_mismatch", "canary_language_mismatch"]
)
def test_without_a_join_there_is_no_answer(pack: Pack, name: str) -> None:
    (term,) = (term for term in terms(pack) if term.predicate == name)
    assert PREDICATES[name].bind(term.parameters, TABLES, Joins()) is None


# --- tokens


def test_each_kind_of_bait_is_of_exactly_one_rule(pack: Pack) -> None:
    asked = {
        rule.rule_id: PREDICATES["canary_token"].bind(rule.lifters[0].parameters, TABLES, Joins())
        for rule in pack.rules
        if rule.rule_id in {"R0060", "R0061", "R0062"}
    }
    for kind in TOKEN_KINDS:
        event = an_event(CANARY, CanaryPayload("0" * 32, kind, "used"))
        assert sum(look is not None and look(event) is not None for look in asked.values()) == 1, kind


def test_the_rest_is_what_the_other_two_rules_do_not_name(pack: Pack) -> None:
    parameters = {
        rule.rule_id: rule.lifters[0].parameters for rule in pack.rules if rule.rule_id in {"R0060", "R0061", "R0062"}
    }
    named = [*parameters["R0060"]["kinds"], *parameters["R0061"]["kinds"]]  # type: ignore[misc]
    assert sorted(parameters["R0062"]["other_than"]) == sorted(named)  # type: ignore[call-overload]


@pytest.mark.parametrize("parameters", [{}, {"kinds": ["image"], "other_than": ["pdf"]}])
def test_a_token_is_asked_for_in_one_way(parameters: dict[str, Any]) -> None:
    with pytest.raises(RuleError, match="either 'kinds' or 'other_than'"):
        PREDICATES["canary_token"].bind(parameters, TABLES, Joins())


# --- places

COMPARE: dict[str, Any] = {"compare": ["address", "network", "country"], "ignore_private": True}


@pytest.mark.parametrize(
    ("joins", "source", "address", "level"),
    [
        (CASE_JOINS, AMERICAN, GERMAN, "other network"),
        (CASE_JOINS, AMERICAN, "203.0.113.200", None),
        (Joins(), AMERICAN, "203.0.113.200", "other address"),
        (CASE_JOINS, "8.8.8.8", AMERICAN, "other address"),
        (Joins(), "8.8.8.8", "2001:db8::1", None),
        (Joins(), "10.0.0.5", "8.8.8.8", None),
        (Joins(), "8.8.8.8", "100.64.3.3", None),
    ],
)
def test_the_narrowest_level_that_is_known_decides(joins: Joins, source: str, address: str, level: str | None) -> None:
    sight = seen("canary_webrtc_mismatch", COMPARE, source, joins, webrtc_addresses=(address,))
    assert (sight and sight.evidence["signature"]) == level


@pytest.mark.parametrize(
    ("hours", "fires"), [(-2, True), (-1.5, False), (1, False), (2, False), (4.5, False), (5, True)]
)
def test_hours_count_from_the_nearest_of_the_country(hours: float, fires: bool) -> None:  # noqa: FBT001 - parameter of a test
    parameters = {"zones_gte": 3, "table": "data/countries.yaml"}
    assert bool(seen("canary_zone_mismatch", parameters, zone_offset_minutes=int(hours * 60))) is fires


@pytest.mark.parametrize(("is_any_enough", "fires"), [(True, False), (False, True)])
def test_one_language_is_enough_or_the_first_counts(is_any_enough: bool, fires: bool) -> None:  # noqa: FBT001
    parameters = {"any_language": is_any_enough, "table": "data/countries.yaml"}
    assert bool(seen("canary_language_mismatch", parameters, languages=("ko-KR", "de-AT"))) is fires


# --- disguises

AGENTS = {
    "Windows NT 10.0; Win64; x64": "Win32",
    "Macintosh; Intel Mac OS X 10_15_7": "MacIntel",
    "X11; Linux x86_64": "Linux x86_64",
    "X11; CrOS x86_64 14541.0.0": "Linux x86_64",
    "iPhone; CPU iPhone OS 18_0 like Mac OS X": "iPhone",
    "iPad; CPU OS 18_0 like Mac OS X": "iPad",
    "Linux; Android 14": "Linux armv8l",
}


@pytest.mark.parametrize(("agent", "platform"), AGENTS.items())
def test_true_pairs_of_user_agent_and_platform_are_no_conflict(agent: str, platform: str) -> None:
    parameters = {"pairs": ["platform:user_agent"], "gte": 1}
    assert seen("canary_platform_conflict", parameters, user_agent=f"Mozilla/5.0 ({agent})", platform=platform) is None


@pytest.mark.parametrize(
    ("agent", "platform"),
    [
        (agent, platform)
        for agent, platform in product(AGENTS, ["Win32", "MacIntel", "iPhone", "Linux x86_64"])
        if platform.partition(" ")[0] not in AGENTS[agent] and not (agent.startswith("iPad") and platform == "MacIntel")
    ],
)
def test_false_pairs_are(agent: str, platform: str) -> None:
    parameters = {"pairs": ["platform:user_agent"], "gte": 1}
    assert seen("canary_platform_conflict", parameters, user_agent=f"Mozilla/5.0 ({agent})", platform=platform)


def test_so_many_pairs_must_conflict() -> None:
    browser: dict[str, Any] = {"user_agent": "Windows NT", "platform": "Linux x86_64"}
    pairs = ["platform:user_agent", "webgl:user_agent"]
    assert seen("canary_platform_conflict", {"pairs": pairs, "gte": 1}, **browser)
    assert seen("canary_platform_conflict", {"pairs": pairs, "gte": 2}, **browser) is None


@pytest.mark.parametrize(
    ("name", "parameters", "fault"),
    [
        ("canary_platform_conflict", {"pairs": ["screen:platform"], "gte": 1}, "pairs: 'screen:platform'"),
        ("canary_webrtc_mismatch", {"compare": ["planet"], "ignore_private": True}, "compare: 'planet'"),
        ("canary_tor_browser", {"signs": ["onion"], "signs_gte": 1}, "signs: 'onion'"),
        ("canary_zone_mismatch", {"zones_gte": 3, "table": "data/brands.yaml"}, "data/brands.yaml"),
    ],
)
def test_a_parameter_that_means_nothing_is_refused_when_the_rule_is_loaded(
    name: str, parameters: dict[str, Any], fault: str
) -> None:
    with pytest.raises(RuleError, match=fault):
        PREDICATES[name].bind(parameters, TABLES, CASE_JOINS)
