"""The shell state of each session that is being tagged: what its later lines know from its earlier ones."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

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


class _Known(NamedTuple):
    """The state behind the command at ``place``, its (observed_at, seq)."""

    place: tuple[int, int]
    state: ShellState


class ShellSessions:
    """States by session, the last :data:`REMEMBERED_SESSIONS` of them; any other is rebuilt from what is stored.

    A state is a pure function of the session's earlier commands, so forgetting one costs time and changes nothing. That
    is also what happens to a command that comes again, or later than one that stands behind it.
    """

    def __init__(self, earlier_commands: EarlierCommands = nothing_earlier) -> None:
        self._earlier_commands = earlier_commands
        self._known: OrderedDict[SessionUuid, _Known] = OrderedDict()

    def before(self, event: Event) -> ShellState:
        """The state that ``event``, a command, meets."""
        known = self._known.get(event.session_id)
        if known is not None and known.place < (event.observed_at, event.seq):
            return known.state
        state = EMPTY
        for text in self._earlier_commands(event):
            state = unroll(text, state).state
        return state

    def begin(self, event: Event) -> None:
        """The session of ``event`` starts here: nothing needs to be looked up for its first command."""
        if event.session_id not in self._known:
            self.after(event, EMPTY)

    def after(self, event: Event, state: ShellState) -> None:
        """From now on the session of ``event`` has ``state``."""
        known = self._known
        known[event.session_id] = _Known((event.observed_at, event.seq), state)
        known.move_to_end(event.session_id)
        if len(known) > REMEMBERED_SESSIONS:
            known.popitem(last=False)

    def forget(self) -> None:
        """Know nothing: others may have handled commands meanwhile, or what was handled was not stored."""
        self._known.clear()
