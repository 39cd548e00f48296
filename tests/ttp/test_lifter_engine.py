"""Rules that ask lifters: whole match trees, isolation, states, and the tags that come of them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from decnet.attack import catalog
from decnet.errors import RuleError, StorageUnavailable
from decnet.models.actor import attacker_uuid, identity_uuid
from decnet.models.event import AUTH_ATTEMPT, FINGERPRINT, SESSION, AuthPayload, FingerprintPayload, SessionPayload
from decnet.models.finding import IDENTITY_ROLLUP, Beacon, Finding, IdentitySpraying, Volume
from decnet.models.rule_state import ENABLED, RuleState
from decnet.ttp.lifter_engine import LifterEngine, bind_rule, lifted_tags
from decnet.ttp.lifters.base import Joins, Predicate, Sight, table_of
from decnet.ttp.live import LiveRules
from decnet.ttp.pack import Pack
from decnet.ttp.store.base import LoadedRules, RuleChange
from decnet.ttp.store.compile import compile_rule
from decnet.ttp.tables import PackTables
from tests.events import NOON, a_login, an_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from decnet.models.tag import TTPTag
    from decnet.ttp.lifters.base import Seen
    from decnet.ttp.pack import CompiledRule

RULE = """\
rule_id: {rule_id}
rule_version: {version}
name: rule_{rule_id}
maturity: stable
attack_release: enterprise-19.2
description: A rule for tests.
applies_to: [{kinds}]
match: {match}
emits:
  - {{tactic: TA0006, technique_id: T1110, confidence: 0.9}}
"""
SPRAY = "{lifter: identity_password_spray, accounts_gte: 3, within: '1d'}"
ATTACKER = attacker_uuid("198.51.100.7")
NO_TABLES = PackTables([])


def rule_of(
    match: str, kinds: str = "fingerprint", *, rule_id: str = "R0900", version: int = 1, emits: str = ""
) -> CompiledRule:
    text = RULE.format(rule_id=rule_id, version=version, kinds=kinds, match=match) + emits
    rule, faults = compile_rule(Path(f"rules/ttp/{rule_id}.yaml"), text.replace("rule_R", "rule_r"), catalog.load)
    assert rule is not None, faults
    return rule


def says(answer: Callable[[Seen], Sight | None], *, is_joined: bool = True) -> Predicate:
    """A predicate about fingerprints that answers like that, or has no answer here."""
    return Predicate(
        frozenset({FINGERPRINT}),
        (FingerprintPayload,),
        lambda _parameters, _tables, _joins: answer if is_joined else None,
    )


def breaks(_seen: Seen) -> Sight | None:
    raise TypeError("a lifter with a mistake")


SEEN = Sight({"table": "t", "entry": "e"})
PREDICATES = {
    "behavioral_yes": says(lambda _: SEEN),
    "behavioral_no": says(lambda _: None),
    "behavioral_breaks": says(breaks),
    "credential_yes": says(lambda _: Sight({"table": "other", "metric": "m"}, factor=0.5)),
    "intel_absent": says(lambda _: SEEN, is_joined=False),
    "intel_chooses": says(lambda _: Sight({"table": "t", "entry": "e"}, 0.5, {("T1110", None): 0.8})),
    "intel_undeclared": says(lambda _: Sight({"password": "x"})),
}


def engine_of(*rules: CompiledRule) -> LifterEngine:
    return LifterEngine(bind_rule(rule, NO_TABLES, Joins(), PREDICATES) for rule in rules)


def tags_on(engine: LifterEngine, seen: Seen) -> list[TTPTag]:
    return lifted_tags(seen, engine.hits(seen))


BANNER = an_event(FINGERPRINT, FingerprintPayload("ssh_client_version", "SSH-2.0-Go"))
YES, NO, ABSENT, BREAKS = (
    f"{{lifter: {name}}}" for name in ("behavioral_yes", "behavioral_no", "intel_absent", "behavioral_breaks")
)
TEXT, OTHER_TEXT = "{field: value, contains: Go}", "{field: value, contains: nmap}"


@pytest.mark.parametrize(
    ("match", "fires"),
    [
        (YES, True),
        (NO, False),
        (f"{{any: [{NO}, {YES}]}}", True),
        (f"{{all: [{YES}, {NO}]}}", False),
        (f"{{all: [{TEXT}, {YES}]}}", True),
        (f"{{all: [{OTHER_TEXT}, {YES}]}}", False),
        (f"{{any: [{OTHER_TEXT}, {YES}]}}", True),
        (f"{{all: [{TEXT}, {{not: {NO}}}]}}", True),
        (f"{{all: [{TEXT}, {{not: {YES}}}]}}", False),
        (f"{{all: [{YES}, {{not: {OTHER_TEXT}}}]}}", True),
        (f"{{n_of: {{n: 2, terms: [{TEXT}, {NO}, {YES}]}}}}", True),
        (ABSENT, False),
        (f"{{any: [{ABSENT}, {YES}]}}", True),
        (f"{{all: [{YES}, {{not: {ABSENT}}}]}}", False),
        (f"{{all: [{YES}, {{not: {BREAKS}}}]}}", False),
        (f"{{any: [{BREAKS}, {YES}]}}", True),
    ],
)
def test_a_rule_fires_when_its_whole_tree_holds(match: str, *, fires: bool) -> None:
    assert bool(tags_on(engine_of(rule_of(match)), BANNER)) is fires


def test_a_lifter_that_raises_costs_only_its_own_tags_of_that_event(caplog: pytest.LogCaptureFixture) -> None:
    engine = engine_of(
        rule_of(BREAKS), rule_of(YES, rule_id="R0901"), rule_of("{lifter: credential_yes}", rule_id="R0902")
    )
    with caplog.at_level(logging.WARNING):
        found = [[tag.rule_id for tag in tags_on(engine, BANNER)] for _ in range(150)]
    assert found == [["R0901", "R0902"]] * 150
    assert engine.failures == {"behavioral": 150}
    assert [record.message[:30] for record in caplog.records] == ["lifter behavioral failed on fi"] * 2


def test_a_database_that_is_away_is_no_fault_of_the_lifter() -> None:
    def away(_seen: Seen) -> Sight | None:
        raise StorageUnavailable("the database is away")

    engine = LifterEngine([bind_rule(rule_of(YES), NO_TABLES, Joins(), {"behavioral_yes": says(away)})])
    with pytest.raises(StorageUnavailable):
        engine.hits(BANNER)


def test_evidence_that_the_kind_does_not_declare_costs_the_tag() -> None:
    engine = engine_of(rule_of("{lifter: intel_undeclared}"), rule_of(YES, rule_id="R0901"))
    assert [tag.rule_id for tag in tags_on(engine, BANNER)] == ["R0901"]
    assert engine.failures == {"intel": 1}


def test_what_several_terms_saw_is_one_evidence_and_lowers_the_confidence() -> None:
    (tag,) = tags_on(engine_of(rule_of(f"{{all: [{TEXT}, {YES}, {{lifter: credential_yes}}]}}")), BANNER)
    assert tag.confidence == pytest.approx(0.45)
    assert {key: tag.evidence[key] for key in ("table", "entry", "metric", "matched")} == {
        "table": "t",
        "entry": "e",
        "metric": "m",
        "matched": "Go",
    }


def test_a_predicate_chooses_among_the_emits_and_caps_them() -> None:
    emits = "  - {tactic: TA0011, technique_id: T1071, confidence: 0.9}\n"
    (tag,) = tags_on(engine_of(rule_of("{lifter: intel_chooses}", emits=emits)), BANNER)
    assert (tag.technique_id, tag.confidence) == ("T1110", 0.4)


def test_an_emit_may_hang_on_a_lifter_of_its_own() -> None:
    emits = "".join(
        f"  - {{tactic: TA0011, technique_id: {technique}, confidence: 0.9, when: {{lifter: {name}}}}}\n"
        for technique, name in (("T1071", "behavioral_yes"), ("T1105", "behavioral_no"))
    )
    tags = tags_on(engine_of(rule_of(f"{{any: [{TEXT}, {YES}]}}", emits=emits)), BANNER)
    assert [tag.technique_id for tag in tags] == ["T1110", "T1071"]


def test_what_no_lifter_looks_at_is_asked_nothing() -> None:
    engine = engine_of(rule_of(BREAKS))
    assert engine.hits(a_login(success=False)) == ()
    assert engine.failures == {}
    assert (engine.handles(FINGERPRINT), engine.handles(AUTH_ATTEMPT)) == (True, False)


def test_a_rule_is_asked_about_the_kinds_that_it_applies_to() -> None:
    assert tags_on(engine_of(rule_of(YES, "session")), BANNER) == []


def a_spraying(accounts: int, *, revision: int = 1) -> Finding:
    identity = identity_uuid(ATTACKER)
    figures = IdentitySpraying(accounts)
    return Finding("roll:spraying:x:y:20000", IDENTITY_ROLLUP, NOON, revision, figures, identity_uuid=identity)


def live_of(*rules: CompiledRule, joins: Joins | None = None) -> LiveRules:
    return LiveRules(LoadedRules(Pack(rules, ""), {}), joins=joins)


def test_a_tag_on_a_finding_has_its_anchors_and_time() -> None:
    (tag,) = live_of(rule_of(SPRAY, "identity_rollup")).tags_of_findings([a_spraying(3)])
    assert (tag.attacker_uuid, tag.identity_uuid, tag.session_id) == (None, identity_uuid(ATTACKER), None)
    assert (tag.source_id, tag.observed_at, tag.source_kind) == ("roll:spraying:x:y:20000", NOON, "identity_rollup")
    assert tag.evidence == {
        "finding": "roll:spraying:x:y:20000",
        "window_seconds": 86_400,
        "threshold": {"accounts_gte": 3},
    }


def test_every_revision_is_evaluated_and_all_of_them_are_one_tag() -> None:
    live = live_of(rule_of(SPRAY, "identity_rollup"))
    tags = live.tags_of_findings([a_spraying(number, revision=number) for number in range(1, 6)])
    assert len(tags) == 3
    assert len(set(tags_key(tags))) == 1


def tags_key(tags: list[TTPTag]) -> list[tuple[bytes, float, str]]:
    return [(tag.uuid, tag.confidence, str(tag.evidence)) for tag in tags]


def test_states_reach_lifter_rules() -> None:
    rule = rule_of(SPRAY, "identity_rollup")
    live = live_of(rule)
    seen = []
    for state in (RuleState("disabled"), RuleState("clipped", 0.5), RuleState("clipped", 0.2), ENABLED):
        live.apply(RuleChange(rule.rule_id, rule, state, "state"))
        seen.append([tag.confidence for tag in live.tags_of_findings([a_spraying(3)])])
    assert seen == [[], [0.5], [], [0.9]]


def test_a_changed_threshold_is_in_force_at_the_next_finding() -> None:
    live = live_of(rule_of(SPRAY, "identity_rollup"))
    assert live.tags_of_findings([a_spraying(2)]) == []
    newer = rule_of(SPRAY.replace("3", "2"), "identity_rollup", version=2)
    live.apply(RuleChange("R0900", newer, ENABLED, "rule"))
    assert [tag.rule_version for tag in live.tags_of_findings([a_spraying(2)])] == [2]
    live.apply(RuleChange("R0900", None, ENABLED, "rule"))
    assert live.tags_of_findings([a_spraying(2)]) == []
    assert live.lifted_rules == frozenset()


def test_a_text_that_fires_beside_a_lifter_gives_one_tag() -> None:
    table = "{lifter: behavioral_tool, table: data/client_tools.yaml, purposes: [scanner]}"
    live = live_of(rule_of(f"{{any: [{{field: value, contains: ZGrab}}, {table}]}}"))
    event = an_event(FINGERPRINT, FingerprintPayload("ssh_client_version", "SSH-2.0-ZGrab ZGrab SSH Survey"))
    (tag,) = live.tag(event)
    assert tag.evidence["matched"] == "ZGrab"


def test_a_broken_table_is_reported_and_the_rest_of_the_rule_goes_on(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "tools.yaml").write_text("rows:\n  - {tool: zgrab, purpose: scanner}\n")
    table = "{lifter: behavioral_tool, table: data/tools.yaml, purposes: [scanner]}"
    rule = rule_of(f"{{any: [{{field: value, contains: ZGrab}}, {table}]}}")
    live = LiveRules(LoadedRules(Pack((rule,), ""), {}), tables=PackTables([tmp_path]))
    (fault,) = live.faults
    assert fault == (
        "rules/ttp/R0900.yaml: match.any[1].lifter: data/tools.yaml: Object missing required field `metric` - at "
        "`$.rows[0]`; write it as the other entries are"
    )
    assert len(live.tag(an_event(FINGERPRINT, FingerprintPayload("ssh_client_version", "SSH-2.0-ZGrab")))) == 1


def test_a_version_that_no_lifter_can_take_leaves_the_last_good_one_in_force(caplog: pytest.LogCaptureFixture) -> None:
    rule = rule_of(SPRAY, "identity_rollup")
    live = live_of(rule)
    broken = rule_of(SPRAY.replace("3", "many"), "identity_rollup", version=2)
    with caplog.at_level(logging.WARNING):
        live.apply(RuleChange("R0900", broken, ENABLED, "rule"))
    assert "accounts_gte: Expected `int`, got `str`" in caplog.text
    assert [tag.rule_version for tag in live.tags_of_findings([a_spraying(3)])] == [1]


def test_figures_of_another_shape_say_nothing() -> None:
    live = live_of(rule_of("{lifter: behavioral_volume, measure: bytes_out, gte: 10}", "session"))
    beacon = Finding("beacon:x", SESSION, NOON, 1, Beacon(9, 60.0, 0.0), ATTACKER)
    moved = Finding("session:x:bytes_out", SESSION, NOON, 1, Volume("bytes_out", 10), ATTACKER)
    assert [len(live.tags_of_findings([finding])) for finding in (beacon, moved)] == [0, 1]


def test_a_rule_without_emits_is_known_to_have_fired() -> None:
    text = (
        RULE.format(rule_id="R0900", version=1, kinds="fingerprint", match=YES).partition("emits:")[0] + "emits: []\n"
    )
    rule, _ = compile_rule(Path("R0900.yaml"), text.replace("rule_R", "rule_r"), catalog.load)
    assert rule is not None
    (hit,) = engine_of(rule).hits(BANNER)
    assert (hit.emits, lifted_tags(BANNER, [hit])) == ((), [])


def test_without_the_key_of_the_installation_nobody_asks_for_default_pairs() -> None:
    rule = rule_of("{lifter: credential_default_pair, table: data/default_credentials.yaml}", "auth_attempt")
    event = an_event(AUTH_ATTEMPT, AuthPayload("root", success=False, secret="xc3511"))
    assert live_of(rule).tag(event) == []
    assert live_of(rule).lifted_rules == frozenset()
    assert len(live_of(rule, joins=Joins(secrets=str)).tag(event)) == 1


def test_an_empty_password_is_no_default_pair() -> None:
    rule = rule_of("{lifter: credential_default_pair, table: data/default_credentials.yaml}", "auth_attempt")
    event = an_event(AUTH_ATTEMPT, AuthPayload("root", success=False))
    assert live_of(rule, joins=Joins(secrets=str)).tag(event) == []


def test_a_window_that_attribution_does_not_keep_is_refused_with_the_one_to_write() -> None:
    live = live_of(rule_of(SPRAY.replace("1d", "2h"), "identity_rollup"))
    (fault,) = live.faults
    assert fault.endswith("within: '2h' cannot be answered, figures about identities are kept per UTC day; write '1d'")


def test_tables_of_the_operator_come_before_those_of_the_pack(tmp_path: Path) -> None:
    for name, text in (("own", "rows: [1]"), ("pack", "rows: [2]")):
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "data" / "t.yaml").write_text(text)
    tables = PackTables([tmp_path / "own", tmp_path / "pack"])
    assert table_of(tables, "data/t.yaml", dict[str, list[int]]) == {"rows": [1]}
    (tmp_path / "own" / "data" / "t.yaml").unlink()
    assert table_of(tables, "data/t.yaml", dict[str, list[int]]) == {"rows": [2]}


@pytest.mark.parametrize("name", ["data/none.yaml", "../secret.yaml", "/etc/hostname"])
def test_a_table_that_is_not_in_the_pack_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("a: 1")
    (tmp_path / "pack").mkdir()
    with pytest.raises(RuleError, match=r"no such table|outside"):
        PackTables([tmp_path / "pack"])(name)


def test_notes_of_sessions_without_figures_say_nothing() -> None:
    match = "{lifter: behavioral_keystrokes, keys_gte: 20, interval_variation_lte: 0.1, median_interval_ms_lte: 20}"
    assert live_of(rule_of(match, "session")).tag(an_event(SESSION, SessionPayload("ended"))) == []
