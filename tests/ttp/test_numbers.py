"""Terms about numbers, presence, and some of several terms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.errors import RuleError
from decnet.models.event import PAYLOAD, FilePayload
from decnet.ttp.match import find_pattern
from decnet.ttp.naive import NaiveIndex
from decnet.ttp.numbers import at_least, at_most
from tests.events import a_command, an_event
from tests.ttp.packs import engine_of, pack_of
from tests.ttp.test_session_rules import fires, typed

numbers = st.one_of(st.integers(0, 1_200), st.integers(0, 10**15))


@given(numbers, numbers)
def test_a_number_is_compared_by_its_value(number: int, limit: int) -> None:
    text = str(number).encode()
    assert (find_pattern(at_least(limit))(text) is not None) == (number >= limit)
    assert (find_pattern(at_most(limit))(text) is not None) == (number <= limit)


@pytest.mark.parametrize("text", ["", "null", "true", "abc", "1x", "-1", "x1"])
def test_what_is_no_number_is_neither_large_nor_small(text: str) -> None:
    assert find_pattern(at_least(0))(text.encode()) is None
    assert find_pattern(at_most(10**15))(text.encode()) is None


def test_a_fraction_counts() -> None:
    assert find_pattern(at_most(5))(b"5.5") is None
    assert find_pattern(at_most(5))(b"5.0") is not None
    assert find_pattern(at_least(5))(b"5.5") is not None


def sized(size: int | None) -> int:
    match = "{all: [{field: size_bytes, gte: 1000}, {field: size_bytes, lte: 2000}]}"
    event = an_event(PAYLOAD, FilePayload("uploaded", size_bytes=size))
    return len(engine_of(match, applies_to="payload").tag(event))


def test_a_rule_can_ask_for_a_range() -> None:
    assert [sized(size) for size in (None, 999, 1_000, 2_000, 2_001)] == [0, 0, 1, 1, 0]


def test_a_rule_can_ask_whether_a_field_is_there() -> None:
    there = engine_of("{field: url, exists: true}", applies_to="payload")
    absent = engine_of("{field: url, exists: false}", applies_to="payload")
    for url in ("http://203.0.113.7/x", ""):
        event = an_event(PAYLOAD, FilePayload("uploaded", url=url))
        assert len(there.tag(event)) == bool(url)
        assert len(absent.tag(event)) == (not url)


SOME = "{n_of: {n: 2, terms: [{contains: aa}, {exec: {program: id}}, {not: {contains: bb}}]}}"


@pytest.mark.parametrize(
    ("line", "fired"), [("aa bb", False), ("aa", True), ("id; bb", False), ("id; aa bb", True), ("ls", False)]
)
def test_some_of_several_terms(line: str, *, fired: bool) -> None:
    assert bool(engine_of(SOME).tag(a_command(line))) is fired


def test_the_index_equals_the_naive_one_on_these_terms() -> None:
    matches = (SOME, "{exists: true}", "{n_of: {n: 1, terms: [{equals: id}]}}")
    naive, indexed = NaiveIndex(pack_of(*matches)), engine_of(*matches)
    for line in ("id", "aa", "ls", ""):
        fields = {"command_text": line}
        fired = [hit.rule.rule_id for hit in naive.match("command", fields)]
        assert [hit.rule.rule_id for hit, _ in indexed.findings("command", fields)] == fired


def test_some_of_several_terms_of_a_session() -> None:
    match = "{n_of: {n: 2, terms: [{exec: {program: wget}}, {exec: {program: chmod}}, {exec: {program: nc}}]}}"
    assert fires(match, typed("wget x", "nc y"))
    assert not fires(match, typed("wget x", "wget y"))


@pytest.mark.parametrize(
    ("match", "message"),
    [
        ("{gte: -1}", "greater than or equal to 0"),
        ("{gte: many}", "valid integer"),
        ("{n_of: {n: 3, terms: [{contains: a}, {contains: b}]}}", "can be chosen in 0 ways"),
        ("{n_of: {n: 5, terms: [" + ", ".join(["{contains: a}"] * 12) + "]}}", "in 792 ways"),
        ("{n_of: {m: 5, terms: []}}", "unknown key; the keys here are n, terms"),
        ("{n_of: {n: 1, terms: [{field: nowhere, contains: a}]}}", "no field 'nowhere'"),
    ],
)
def test_a_broken_term_is_explained(match: str, message: str) -> None:
    with pytest.raises(RuleError, match=message):
        pack_of(match)
