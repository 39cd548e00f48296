from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.bus.topics import (
    FINDING,
    MAX_TOKEN,
    RULE_FIRED,
    SESSION_ENDED,
    TOPICS,
    Topic,
    declared,
    filters,
    matches,
    topic_of,
)
from decnet.errors import BusError

PROJECT = Path(__file__).resolve().parent.parent.parent
tokens = st.text(st.sampled_from("abcXYZ019_-=~"), min_size=1, max_size=MAX_TOKEN)
techniques = st.integers(0, 9999).map(lambda number: f"T{number:04}")


def variables_of(topic: Topic) -> list[str]:
    return re.findall(r"<(\w+)>", topic.pattern)


@given(st.data(), st.sampled_from(TOPICS))
def test_a_topic_that_is_built_is_parsed_to_what_it_was_built_of(data: st.DataObject, topic: Topic) -> None:
    variables = {name: data.draw(techniques if name == "technique" else tokens) for name in variables_of(topic)}

    name = topic.name(**variables)

    assert topic.parse(name) == variables
    assert topic_of(name) is topic
    assert matches(topic.subject, name)


@given(st.lists(st.text(max_size=12), min_size=1, max_size=5).map(".".join))
def test_a_parsed_name_is_built_again_to_itself(name: str) -> None:
    for topic in TOPICS:
        variables = topic.parse(name)
        if variables is not None:
            assert topic.name(**variables) == name


def test_no_name_is_of_two_topics() -> None:
    for one, other in combinations(TOPICS, 2):
        assert other not in declared(one.subject), f"{one.pattern} and {other.pattern} overlap"


@pytest.mark.parametrize("token", ["", "a.b", "a b", "*", ">", "a>", "é", "\n", "x" * (MAX_TOKEN + 1)])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(BusError, match=r"topic finding\.<source_kind>: source_kind"):
        FINDING.name(source_kind=token)
    assert FINDING.parse(f"finding.{token}") is None


@pytest.mark.parametrize("token", ["T1059.004", "T105", "TA0002", "t1059", "T10595", "T1O59"])
def test_a_rule_fires_under_a_parent_technique_only(token: str) -> None:
    with pytest.raises(BusError, match="technique"):
        RULE_FIRED.name(technique=token)


def test_variables_are_given_by_their_names() -> None:
    with pytest.raises(BusError, match="give source_kind, not kind"):
        FINDING.name(kind="scan")
    with pytest.raises(BusError, match="give no variable, not x"):
        SESSION_ENDED.name(x="y")


@pytest.mark.parametrize(
    ("pattern", "met"),
    [
        ("events", {"events"}),
        ("*", {"events"}),
        ("finding.*", {"finding.<source_kind>"}),
        ("finding.scan", {"finding.<source_kind>"}),
        ("identity.>", {"identity.formed", "identity.observation.linked", "identity.merged", "identity.unmerged"}),
        ("identity.*", {"identity.formed", "identity.merged", "identity.unmerged"}),
        ("*.merged", {"finding.<source_kind>", "identity.merged", "campaign.merged"}),
        ("attacker.session.*", {"attacker.session.started", "attacker.session.ended"}),
        ("ttp.rule.*.R0012", {"ttp.rule.fired.<technique>", "ttp.rule.reloaded.<rule>", "ttp.rule.state.<rule>"}),
        (">", {topic.pattern for topic in TOPICS}),
    ],
)
def test_a_pattern_stands_for_the_topics_that_it_meets(pattern: str, met: set[str]) -> None:
    assert {topic.pattern for topic in declared(pattern)} == met


@pytest.mark.parametrize("pattern", ["", ".", "finding.", ">.scan", "finding.>.x", "find*", "finding. scan", "a..b"])
def test_a_pattern_that_is_not_well_formed_is_refused(pattern: str) -> None:
    with pytest.raises(BusError, match="pattern"):
        declared(pattern)


@pytest.mark.parametrize("pattern", ["event", "finding", "finding.a.b", "events.>", "ttp.rule"])
def test_a_pattern_that_meets_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(BusError, match="meets no topic"):
        declared(pattern)


def test_a_close_topic_is_suggested() -> None:
    with pytest.raises(BusError, match=r"did you mean attacker\.observed\?"):
        topic_of("attacker.observd")


def test_filters_never_take_a_message_twice() -> None:
    assert filters(("finding.scan", "finding.*")) == ("finding.*",)
    assert filters(("events", "events")) == ("events",)
    assert filters("ttp.rule.*.*") == ("ttp.rule.fired.*", "ttp.rule.reloaded.*", "ttp.rule.state.*")
    assert filters(("finding.scan", "finding.session")) == ("finding.scan", "finding.session")


def test_the_reference_lists_exactly_the_topics() -> None:
    page = (PROJECT / "docs" / "reference" / "topics.md").read_text("utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]

    assert rows == [f"| `{topic.pattern}` | {topic.publisher} | {topic.about} |" for topic in TOPICS]
