"""The shell state of each session that is being tagged: what its later lines know from its earlier ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from decnet.shell import EMPTY, unroll

if TYPE_CHECKING:
    from decnet.models.actor import SessionUuid
    from decnet.models.event import Event
    from decnet.shell import ShellState

REMEMBERED_SESSIONS = 8_192

EarlierCommands = Callable[["Event"], Iterable[str]]
"""The command texts of the event's session that are stored and stand before it, in their order."""


def nothing_earlier(_event: Event) -> Iterable[str]:
    """For callers that show every session from its first command on."""
    return ()


class ShellSessions:
    """States by session, the last :data:`REMEMBERED_SESSIONS` of them; any other is rebuilt from what is stored.

    A state is a pure function of the session's earlier commands, so forgetting one costs time and changes nothing.
    """

    def __init__(self, earlier_commands: EarlierCommands = nothing_earlier) -> None:
        self._earlier_commands = earlier_commands
        self._states: OrderedDict[SessionUuid, ShellState] = OrderedDict()

    def before(self, event: Event) -> ShellState:
        """The state that ``event``, a command, meets."""
        state = self._states.get(event.session_id)
        if state is None:
            state = EMPTY
            for text in self._earlier_commands(event):
                state = unroll(text, state).state
        return state

    def begin(self, event: Event) -> None:
        """The session of ``event`` starts here: nothing needs to be looked up for its first command."""
        if event.session_id not in self._states:
            self.after(event, EMPTY)

    def after(self, event: Event, state: ShellState) -> None:
        """From now on the session of ``event`` has ``state``."""
        states = self._states
        states[event.session_id] = state
        states.move_to_end(event.session_id)
        if len(states) > REMEMBERED_SESSIONS:
            states.popitem(last=False)
