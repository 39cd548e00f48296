from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from decnet.db.actors import Actors
from decnet.db.events import commands_before, events_of_sessions
from decnet.intake.store import Intake
from decnet.models.event import COMMAND, CommandPayload
from decnet.models.text import canonical_text, original_text
from tests.databases import rows
from tests.events import NOON, a_command

if TYPE_CHECKING:
    from decnet.db.engine import Database

ANY_TEXT = st.one_of(st.binary(max_size=60), st.text(st.characters(codec=None), max_size=60))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=ANY_TEXT)
@example(raw=b"nul \0 invalid \xe9\xff end \xf0\x9f\x98\x80 ")
@example(raw="lone \ud800 surrogates \udce9 and \u241b marks, trailing space ")
@example(raw="'quotes' \"double\" \\ backslash \\' %s %(x)s :name ? $1 \x1a")
def test_what_an_attacker_typed_comes_back_byte_for_byte(database: Database, raw: bytes | str) -> None:
    text = canonical_text(raw)
    event = a_command(text)
    other = a_command("later", at=NOON + 1)
    intake = Intake(Actors())
    database.write(lambda connection: intake.store(connection, [event, other]))

    (number,) = rows(database, "SELECT id FROM session")[0]
    stored = database.read(lambda connection: events_of_sessions(connection, [number], [COMMAND]))[number]
    found = next(one for one in stored if one.id == event.id)

    assert isinstance(found.payload, CommandPayload)
    assert found.payload.command_text == text
    assert original_text(text) == original_text(found.payload.command_text)
    assert text in database.read(lambda connection: commands_before(connection, other))


def test_a_command_of_the_longest_kind_is_stored_whole(database: Database) -> None:
    events = [a_command(f"{number} " + "☃" * 65_000, at=NOON + number) for number in range(60)]
    new, _ = database.write(lambda connection: Intake(Actors()).store(connection, events))
    assert new == events
    (number,) = rows(database, "SELECT id FROM session")[0]
    stored = database.read(lambda connection: events_of_sessions(connection, [number], [COMMAND]))[number]
    assert [one.payload for one in stored] == [event.payload for event in events]
