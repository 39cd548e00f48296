from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.errors import RuleError
from decnet.models.rule_state import ENABLED, RuleState

NOW = 1_795_003_200_000_000


def test_a_disabled_rule_gives_no_tags() -> None:
    assert RuleState("disabled").allowed(0.9) is None


@given(st.floats(0.01, 1), st.floats(0.01, 1))
def test_a_clipped_rule_is_never_surer_than_it_may_be_nor_than_it_was(confidence: float, most: float) -> None:
    assert RuleState("clipped", most).allowed(confidence) == min(confidence, most)


def test_an_untouched_rule_speaks_as_it_is() -> None:
    assert ENABLED.allowed(0.85) == 0.85


def test_a_state_ends_at_the_very_moment_that_it_falls_due() -> None:
    state = RuleState("disabled", expires_at=NOW + 10, reason="noisy", set_by="ann", set_at=NOW)
    assert state.in_force(NOW + 9) is state
    ended = state.in_force(NOW + 10)
    assert (ended.mode, ended.set_by, ended.set_at) == ("enabled", "expiry", NOW + 10)


def test_what_has_no_end_does_not_expire() -> None:
    state = RuleState("disabled", set_at=NOW)
    assert state.in_force(NOW * 2) is state


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"mode": "off"}, "use one of enabled, disabled, clipped"),
        ({"mode": "clipped"}, "belongs to a clipped rule"),
        ({"mode": "disabled", "confidence_max": 0.5}, "belongs to a clipped rule"),
        ({"mode": "clipped", "confidence_max": 7}, "not above 0"),
        ({"mode": "clipped", "confidence_max": float("nan")}, "not above 0"),
        ({"mode": "enabled", "expires_at": NOW}, "leave 'expires_at' out"),
        ({"mode": "disabled", "expires_at": NOW, "set_at": NOW}, "not after"),
        ({"mode": "disabled", "reason": "x" * 501}, "the most"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts: dict[str, Any], message: str) -> None:
    with pytest.raises(RuleError, match=message):
        RuleState(**parts)
