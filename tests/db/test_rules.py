from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from decnet.db.rules import (
    newest_number,
    rules_after,
    settle_states,
    state_history,
    states_after,
    write_rules,
    write_state,
)
from decnet.models.rule_state import RuleState
from tests.events import NOON, SECOND

if TYPE_CHECKING:
    from decnet.db.engine import Database

OFF = RuleState("disabled", expires_at=NOON + 10 * SECOND, reason="noisy 'quoted' ☃", set_by="ada", set_at=NOON)


def test_only_texts_that_differ_are_changes(database: Database) -> None:
    assert database.write(lambda c: write_rules(c, {"R0001": "a", "R0002": "b"})) == 2
    before = database.read(newest_number)
    assert database.write(lambda c: write_rules(c, {"R0001": "a", "R0002": "c"})) == 1
    (changed,) = database.read(lambda c: rules_after(c, before))
    assert (changed.rule_id, changed.text) == ("R0002", "c")


def test_a_deleted_rule_is_a_change_that_followers_see(database: Database) -> None:
    database.write(lambda c: write_rules(c, {"R0001": "a"}))
    before = database.read(newest_number)
    database.write(lambda c: write_rules(c, {"R0001": None}))
    assert [rule.text for rule in database.read(lambda c: rules_after(c, before))] == [None]


def test_numbers_grow_with_every_change(database: Database) -> None:
    for text in ("a", "b", "a"):
        database.write(partial(write_rules, texts={"R0001": text}))
    (rule,) = database.read(lambda c: rules_after(c, 0))
    assert rule.number <= database.read(newest_number)
    assert database.read(lambda c: rules_after(c, rule.number)) == []


def test_a_state_comes_back_as_it_was_set_and_is_in_the_audit_trail(database: Database) -> None:
    clipped = RuleState("clipped", confidence_max=0.4, reason="", set_by="bob", set_at=NOON + SECOND)
    database.write(lambda c: write_state(c, "R0012", OFF))
    database.write(lambda c: write_state(c, "R0012", clipped))
    assert [stored.state for stored in database.read(lambda c: states_after(c, 0))] == [clipped]
    assert database.read(lambda c: state_history(c, "R0012")) == [("R0012", OFF), ("R0012", clipped)]
    assert database.read(lambda c: state_history(c, "R0013")) == []


def test_a_state_that_expired_is_written_down_once(database: Database) -> None:
    database.write(lambda c: write_state(c, "R0012", OFF))
    assert database.write(lambda c: settle_states(c, NOON + 9 * SECOND)) == 0
    assert database.write(lambda c: settle_states(c, NOON + 10 * SECOND)) == 1
    assert database.write(lambda c: settle_states(c, NOON + 11 * SECOND)) == 0
    assert [state.mode for _, state in database.read(state_history)] == ["disabled", "enabled"]
