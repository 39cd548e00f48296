"""How many alerts a hook gets: so many per minute, the rest is counted and told in one when the minute is over."""

from __future__ import annotations

from typing import NamedTuple

from decnet.models.hook import Suppressed, Window

WINDOW_US = 60_000_000


class Admitted(NamedTuple):
    """How many may go, the window from now on, and what the one before held back, where it is over and held any."""

    let_through: int
    window: Window
    over: Suppressed | None


def admit(window: Window, coming: int, *, room: int, per_minute: int, now: int) -> Admitted:
    """How many of ``coming`` alerts may go at ``now`` (µs), where there is ``room`` for so many more."""
    over = None
    if is_over(window, now):
        over = held_back(window)
        window = Window(now)
    count = max(min(coming, per_minute - window.sent, room), 0)
    return Admitted(count, Window(window.since, window.sent + count, window.held + coming - count), over)


def is_over(window: Window, now: int) -> bool:
    """Whether its minute has passed."""
    return now >= window.since + WINDOW_US


def held_back(window: Window) -> Suppressed | None:
    """What is told of a window that is over; None where it held nothing back."""
    if not window.held:
        return None
    return Suppressed(window.held, window.since, window.since + WINDOW_US)
