"""How often a rule is announced to have fired."""

from __future__ import annotations

from decnet.models.actor import attacker_uuid
from decnet.models.announcement import RuleSuppressed
from decnet.workers.firing import WINDOW_US, FiredLimit
from tests.events import NOON, a_command, a_tag

OWNER = attacker_uuid("198.51.100.7")


def fired(limit: FiredLimit, count: int, now: int, *, src: str = "198.51.100.7", rule: str = "R0012") -> int:
    """How many of so many tags are announced."""
    made = [a_tag(a_command(f"wget {number}", src=src), rule=rule) for number in range(count)]
    verdict = limit.judge(made, now)
    limit.note(verdict, now)
    return len(verdict.fired)


def test_rules_and_attackers_are_counted_apart() -> None:
    limit = FiredLimit(most=3)
    assert fired(limit, 5, NOON) == 3
    assert fired(limit, 5, NOON, rule="R0013") == 3
    assert fired(limit, 5, NOON, src="203.0.113.9") == 3
    assert fired(limit, 1, NOON) == 0


def test_a_new_window_begins_with_the_first_tag_after_the_old_one() -> None:
    limit = FiredLimit(most=3)
    fired(limit, 5, NOON)
    assert fired(limit, 1, NOON + WINDOW_US - 1) == 0
    assert fired(limit, 4, NOON + WINDOW_US) == 3
    assert limit.take_suppressed(NOON + WINDOW_US) == [RuleSuppressed("R0012", OWNER, 3, NOON, NOON + WINDOW_US)]


def test_a_window_that_held_nothing_back_ends_in_silence() -> None:
    limit = FiredLimit(most=3)
    fired(limit, 3, NOON)
    assert limit.take_suppressed(NOON + WINDOW_US) == []


def test_a_verdict_that_is_not_noted_counts_for_nothing() -> None:
    limit = FiredLimit(most=3)
    limit.judge([a_tag(a_command("wget"))], NOON)
    assert fired(limit, 5, NOON) == 3


def test_at_the_end_open_windows_are_told_too_and_what_could_not_be_told_is_told_later() -> None:
    limit = FiredLimit(most=3)
    fired(limit, 5, NOON)
    assert limit.take_suppressed(NOON + 1) == []
    told = limit.take_suppressed(NOON + 1, also_open=True)
    assert told == [RuleSuppressed("R0012", OWNER, 2, NOON, NOON + 1)]
    limit.put_back(told)
    assert limit.take_suppressed(NOON + 2) == told
