"""Which tags a hook gets, and how many."""

from __future__ import annotations

import pytest

from decnet.alerts.filter import is_wanted, may_want
from decnet.alerts.limit import WINDOW_US, admit
from decnet.models.actor import IdentityUuid
from decnet.models.announcement import Tagged
from decnet.models.hook import HookFilter, Suppressed, Window
from tests.alerts.alerts_made import a_tag
from tests.events import NOON

ONE, OTHER = IdentityUuid(b"1" * 16), IdentityUuid(b"2" * 16)


@pytest.mark.parametrize(
    ("wanted", "gets"),
    [
        (HookFilter(), True),
        (HookFilter(min_confidence=0.9), True),
        (HookFilter(min_confidence=0.91), False),
        (HookFilter(techniques=("T1059",)), True),
        (HookFilter(techniques=("T1059.004",)), True),
        (HookFilter(techniques=("T1059.001",)), False),
        (HookFilter(techniques=("T105",)), False),
        (HookFilter(techniques=("T1110", "T1059")), True),
        (HookFilter(tactics=("TA0002",)), True),
        (HookFilter(tactics=("TA0001",)), False),
        (HookFilter(identities=(ONE,)), True),
        (HookFilter(identities=(OTHER,)), False),
        (HookFilter(techniques=("T1059",), tactics=("TA0001",)), False),
    ],
)
def test_a_tag_is_wanted_when_all_that_is_asked_holds(wanted: HookFilter, gets: bool) -> None:  # noqa: FBT001
    assert is_wanted(wanted, a_tag(identity_uuid=ONE), wanted.identities) is gets


def test_a_technique_does_not_want_what_only_its_sub_technique_is_asked_for() -> None:
    assert not is_wanted(HookFilter(techniques=("T1059.004",)), a_tag(sub_technique_id=None), ())


def test_what_cannot_be_wanted_is_not_looked_up() -> None:
    told = Tagged(None, None, None, (), ("T1059.004", "T1105"))
    assert may_want(HookFilter(), told)
    assert may_want(HookFilter(techniques=("T1059",)), told)
    assert not may_want(HookFilter(techniques=("T1110",)), told)


def test_a_minute_lets_so_many_through_and_counts_the_rest() -> None:
    first = admit(Window(), 3, room=100, per_minute=5, now=NOON)
    assert (first.let_through, first.window, first.over) == (3, Window(NOON, 3, 0), None)
    second = admit(first.window, 4, room=100, per_minute=5, now=NOON + 1)
    assert (second.let_through, second.window) == (2, Window(NOON, 5, 2))
    later = NOON + WINDOW_US
    third = admit(second.window, 1, room=100, per_minute=5, now=later)
    assert (third.let_through, third.window) == (1, Window(later, 1, 0))
    assert third.over == Suppressed(2, NOON, later)


def test_a_full_queue_holds_back_too() -> None:
    assert admit(Window(), 3, room=1, per_minute=5, now=NOON)[:2] == (1, Window(NOON, 1, 2))
    assert admit(Window(), 3, room=-1, per_minute=5, now=NOON)[:2] == (0, Window(NOON, 0, 3))


def test_a_limit_that_was_lowered_lets_nothing_more_through() -> None:
    assert admit(Window(NOON, 9, 0), 1, room=9, per_minute=5, now=NOON + 1)[:2] == (0, Window(NOON, 9, 1))
