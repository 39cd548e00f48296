"""Rules that name a lifter: they load, keep their thresholds, and the text engine leaves to the lifter what is its."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from decnet.attack import catalog
from decnet.errors import RuleError
from decnet.models.event import FINGERPRINT, HTTP_REQUEST, SESSION, FingerprintPayload, HttpPayload, SessionPayload
from decnet.models.rule import Case
from decnet.ttp.engine import RuleEngine
from decnet.ttp.naive import NaiveIndex
from decnet.ttp.session_engine import SessionEngine
from decnet.ttp.store.compile import compile_pack
from tests.events import a_command, an_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from decnet.ttp.pack import Pack

RULE = """\
rule_id: R0900
rule_version: 1
name: a_rule
maturity: stable
attack_release: enterprise-19.2
description: A rule for tests.
applies_to: [{kinds}]
match: {match}
emits:
  - {{tactic: TA0006, technique_id: T1110, confidence: 0.9}}
"""
BRUTE_FORCE = "{lifter: behavioral_brute_force, min_events: 8, max_mean_seconds: 5, services: [ssh, telnet]}"
NOTE = "{any: [{pattern: 'send [0-9.]+ btc'}, {lifter: email_ransom_note, words: 3}]}"


def pack_of(match: str, kinds: str = "session", text: str = RULE) -> Pack:
    return compile_pack([(Path("rules/ttp/R0900.yaml"), text.format(match=match, kinds=kinds))], catalog.load)


def test_a_lifter_rule_keeps_its_thresholds() -> None:
    (rule,) = pack_of(BRUTE_FORCE).rules
    (term,) = rule.lifters
    assert (term.path, term.predicate) == ("match.lifter", "behavioral_brute_force")
    assert term.parameters == {"min_events": 8, "max_mean_seconds": 5, "services": ["ssh", "telnet"]}


def test_the_text_engine_ignores_a_rule_that_only_a_lifter_decides() -> None:
    pack = pack_of(BRUTE_FORCE)
    engine = RuleEngine(pack)
    assert not engine.handles(SESSION)
    assert engine.tag(an_event(SESSION, SessionPayload("ended"))) == []
    assert SessionEngine(pack).hits([]) == []


@pytest.mark.parametrize("kind", ["email", "canary", "identity_rollup", "auth_attempt", "intel_verdict"])
def test_a_lifter_rule_may_apply_to_kinds_that_no_text_rule_can_look_at(kind: str) -> None:
    assert pack_of(BRUTE_FORCE, kind).rules[0].conditions == {}


def test_a_text_term_beside_a_lifter_fires_by_itself() -> None:
    pack = pack_of(NOTE, "command, email")
    assert set(pack.rules[0].conditions) == {"command"}
    assert len(RuleEngine(pack).tag(a_command("echo send 0.5 btc"))) == 1
    assert len(NaiveIndex(pack).match("command", {"command_text": "echo send 0.5 btc"})) == 1


def test_what_hangs_on_a_lifter_does_not_fire_without_it() -> None:
    for match in (
        "{all: [{contains: sh}, {lifter: email_ransom_note}]}",
        "{all: [{contains: sh}, {not: {lifter: email_ransom_note}}]}",
    ):
        assert RuleEngine(pack_of(match, "command")).tag(a_command("sh")) == []


def test_a_term_is_asked_of_the_kinds_that_have_its_field() -> None:
    match = "{any: [{exec: {program: curl}}, {field: user_agent, contains: curl}, {field: value, equals: abc}]}"
    engine = RuleEngine(pack_of(match, "command, http_request, fingerprint"))
    events = (
        a_command("curl x"),
        an_event(HTTP_REQUEST, HttpPayload("GET", "/", user_agent="curl/8")),
        an_event(FINGERPRINT, FingerprintPayload("hassh", "abc")),
    )
    assert [len(engine.tag(event)) for event in events] == [1, 1, 1]


def test_a_negation_says_nothing_about_a_kind_that_lacks_the_field() -> None:
    match = "{any: [{contains: x}, {all: [{not: {exec: {program: curl}}}]}]}"
    engine = RuleEngine(pack_of(match, "command, http_request"))
    assert engine.tag(an_event(HTTP_REQUEST, HttpPayload("GET", "/y"))) == []
    assert len(engine.tag(a_command("ls"))) == 1


def test_a_rule_that_waits_for_a_lifter_may_emit_nothing() -> None:
    text = RULE.partition("emits:")[0] + "emits: []\n"
    assert pack_of("{lifter: intel_aggregate}", "intel_verdict", text).rules[0].emits == ()
    with pytest.raises(RuleError, match="name at least one technique"):
        pack_of("{contains: x}", "command", text)


def test_a_case_may_wait_for_its_lifter() -> None:
    event = {"source_kind": "email", "payload": {"recipients": 25, "domains": ["a.test"], "score": 0.5}}
    case = {"name": "many", "description": "x", "origin": "x", "event": event, "expect": [], "waits_for": "lifter"}
    assert Case.model_validate(case).waits_for == "lifter"


FAULTS = {
    "lifter_of_nobody": (RULE, "{lifter: nobody_knows}", "session"),
    "lifter_beside_pattern": (RULE, "{lifter: email_bec, pattern: abc}", "email"),
    "lifter_in_a_session_rule": (RULE + "phase: session_end\n", "{lifter: behavioral_beacon}", "session"),
    "lifter_with_a_date": (RULE, "{lifter: email_bec, since: 2026-01-01}", "email"),
    "text_of_an_email": (RULE, "{contains: abc}", "email"),
    "field_not_named": (RULE, "{contains: abc}", "fingerprint"),
    "kind_that_no_term_sees": (RULE, "{field: user_agent, contains: abc}", "command, http_request"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_rule_is_explained(name: str, golden: Callable[[str, str], None]) -> None:
    text, match, kinds = FAULTS[name]
    with pytest.raises(RuleError) as caught:
        pack_of(match, kinds, text)
    golden(f"rule_faults/{name}.txt", str(caught.value) + "\n")
