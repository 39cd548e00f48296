"""Rules about whole sessions: order, number, time, and what they leave as evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.attack import catalog
from decnet.errors import RuleError
from decnet.models.actor import session_uuid
from decnet.models.tag import SessionEvidence
from decnet.ttp.session_engine import EndedSession, SessionEngine, session_tags
from decnet.ttp.store.compile import compile_pack
from tests.events import NOON, SECOND, a_command, a_login

if TYPE_CHECKING:
    from decnet.models.event import Event

RULE = """\
rule_id: R0900
rule_version: 1
name: a_session_rule
maturity: stable
attack_release: enterprise-19.2
description: A rule for tests.
applies_to: [session]
phase: session_end
match: {match}
emits:
  - {{tactic: TA0011, technique_id: T1105, confidence: 0.8}}
"""
FETCH_THEN_RUN = "{sequence: [{exec: {program: wget}}, {exec: {program: chmod}}, {exec: {path: '^[.]/'}}], within: 10m}"


def engine_of(match: str) -> SessionEngine:
    return SessionEngine(compile_pack([(Path("R0900.yaml"), RULE.format(match=match))], catalog.load))


def typed(*lines: str, every: int = 1) -> list[Event]:
    """The lines of one session, so many seconds apart."""
    return [a_command(text, at=NOON + number * every * SECOND) for number, text in enumerate(lines)]


def fires(match: str, events: list[Event]) -> bool:
    return bool(engine_of(match).hits(events))


def test_a_sequence_asks_for_order() -> None:
    assert fires(FETCH_THEN_RUN, typed("wget x", "ls", "chmod +x x", "./x"))
    assert not fires(FETCH_THEN_RUN, typed("./x", "chmod +x x", "wget x"))
    assert not fires(FETCH_THEN_RUN, typed("wget x", "chmod +x x"))


def test_a_sequence_may_stand_in_one_line() -> None:
    assert fires(FETCH_THEN_RUN, typed("cd /tmp; wget x; chmod +x x; ./x"))
    assert not fires(FETCH_THEN_RUN, typed("./x; chmod +x x; wget x"))


def test_a_sequence_that_takes_too_long_is_none() -> None:
    lines = ("wget x", "chmod +x x", "./x")
    assert fires(FETCH_THEN_RUN, typed(*lines, every=300))
    assert not fires(FETCH_THEN_RUN, typed(*lines, every=301))


def test_a_later_start_can_be_quick_enough() -> None:
    late = [a_command(text, at=NOON + at * SECOND) for at, text in ((0, "wget x"), (900, "wget x"), (910, "chmod 7 x"))]
    assert fires(FETCH_THEN_RUN, [*late, a_command("./x", at=NOON + 920 * SECOND)])


COUNT = "{count: {term: {exec: {program: [cat, ls]}}, gte: 3, within: 10s}}"


def test_a_count_asks_for_a_number_within_a_time() -> None:
    assert fires(COUNT, typed("ls", "cat x", "ls", every=5))
    assert not fires(COUNT, typed("ls", "cat x", every=5))
    assert not fires(COUNT, typed("ls", "cat x", "ls", every=6))


def test_a_distinct_count_counts_values() -> None:
    distinct = "{count: {term: {exec: {program: nc}}, gte: 3, distinct: command_text}}"
    assert fires(distinct, typed("nc a 1", "nc a 2", "nc a 3"))
    assert not fires(distinct, typed("nc a 1", "nc a 1", "nc a 2", "nc a 1"))


def test_terms_may_look_at_events_of_other_kinds() -> None:
    match = "{sequence: [{kind: auth_attempt, field: success, equals: 'true'}, {exec: {program: wget}}]}"
    assert fires(match, [a_login(success=True), a_command("wget x", at=NOON + SECOND)])
    assert not fires(match, [a_login(success=False), a_command("wget x", at=NOON + SECOND)])


def test_not_is_about_the_whole_session() -> None:
    match = "{all: [{exec: {program: wget}}, {not: {exec: {program: ls}}}]}"
    assert fires(match, typed("wget x", "cat y"))
    assert not fires(match, typed("wget x", "ls"))


def test_all_may_hold_for_different_events() -> None:
    assert fires("{all: [{exec: {program: wget}}, {exec: {program: ls}}]}", typed("wget x", "ls"))


def test_variables_of_earlier_lines_are_known() -> None:
    assert fires(FETCH_THEN_RUN, typed("a=wge; b=t", "$a$b x", "chmod +x x", "./x"))


@given(st.lists(st.sampled_from(["wget x", "chmod +x x", "./x", "ls", "wget x; ./x"]), max_size=8))
def test_a_sequence_is_found_exactly_where_its_steps_are_in_order(lines: list[str]) -> None:
    parts = [part for line in lines for part in line.split("; ")]
    wanted = iter(["wget x", "chmod +x x", "./x"])
    step = next(wanted)
    found = False
    for part in parts:
        if part == step:
            step = next(wanted, "")
            found = not step
            if found:
                break
    assert fires(FETCH_THEN_RUN, typed(*lines)) == found


def test_the_tag_stands_on_the_session_and_quotes_what_proves_it() -> None:
    events = typed("wget x", "chmod +x x", "./x")
    session = EndedSession(session_uuid("svr04", "s1"), NOON, "198.51.100.7", "svr04")
    (tag,) = session_tags(session, engine_of(FETCH_THEN_RUN).hits(events))
    assert (tag.source_kind, tag.observed_at, tag.session_id) == ("session", NOON, session.uuid)
    assert tag.source_id.startswith("session:")
    assert set(tag.evidence) == set(SessionEvidence.__annotations__)
    assert tag.evidence["matched"] == ["wget x", "chmod +x x", "./x"]


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("{sequence: [{contains: a}]}", "at least 2 items"),
        ("{sequence: [{contains: a}, {contains: b}], within: soon}", "within"),
        ("{count: {term: {contains: a}, gte: 1}}", "greater than or equal to 2"),
        ("{count: {term: {contains: a}, gte: 3, distinct: comand_text}}", "did you mean 'command_text'"),
        ("{sequence: [{sequence: [{contains: a}, {contains: b}]}, {contains: c}]}", "for the terms of a session"),
        ("{kind: auth_attempt, contains: a}", "name one with 'field'"),
        ("{kind: nonsense, contains: a}", "no event is of kind 'nonsense'"),
        ("{contains: a, within: 5m}", "belongs beside 'sequence'"),
    ],
)
def test_a_broken_session_rule_is_explained(match: str, message: str) -> None:
    with pytest.raises(RuleError, match=message):
        engine_of(match)


def test_sequences_are_refused_in_rules_about_single_events() -> None:
    rule = RULE.format(match="{sequence: [{contains: a}, {contains: b}]}")
    rule = rule.replace("phase: session_end\n", "").replace("[session]", "[command]")
    with pytest.raises(RuleError, match="phase session_end"):
        compile_pack([(Path("R0900.yaml"), rule)], catalog.load)


def test_session_rules_apply_to_sessions_only() -> None:
    with pytest.raises(RuleError, match=r"applies to \[session\]"):
        compile_pack(
            [(Path("R0900.yaml"), RULE.format(match="{contains: a}").replace("[session]", "[command]"))], catalog.load
        )
