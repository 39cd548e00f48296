"""Hooks and their deliveries on each database: queued once, due in order, given up, deleted in small steps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec import structs

from decnet.db import hooks
from decnet.db.actors import Actors
from decnet.db.tag_pages import tags_at
from decnet.db.tags import TagWriter
from decnet.intake.store import Intake
from decnet.models.actor import IdentityUuid
from decnet.models.hook import HookFilter, NewHook, Suppressed, Window
from decnet.models.tag import TagUuid
from tests.databases import rows, run
from tests.events import NOON, a_command, a_tag

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database
    from decnet.models.hook import Hook, HookDelivery
    from decnet.models.tag import TagKey

WANTED = HookFilter(techniques=("T1059",), identities=(IdentityUuid(b"\x00\xff" * 8),), min_confidence=0.75)
KEYS: list[TagKey] = [(NOON + at, TagUuid(bytes([at]) * 16)) for at in range(5)]


def added(database: Database) -> Hook:
    new = NewHook("soc é", "https://soc.example.org/a?b", "json", WANTED, 7, b"\x00s" * 16)
    return database.write(partial(hooks.add_hook, new=new, created_by="test", now=NOON))


def queued(database: Database, hook: Hook, keys: list[TagKey]) -> None:
    database.write(partial(hooks.add_tag_deliveries, hook_id=hook.id, keys=keys, now=NOON))


def page(database: Database, hook: Hook) -> list[HookDelivery]:
    """The oldest first."""
    found = partial(hooks.delivery_page, hook_id=hook.id, state=None, before=None, limit=100)
    return database.read(found)[::-1]


def due(database: Database, now: int, *busy: int) -> list[tuple[int, int]]:
    return [(one.hook.id, one.delivery.id) for one in database.read(partial(hooks.due_deliveries, now=now, busy=busy))]


def test_a_hook_comes_back_as_it_was_stored(database: Database) -> None:
    hook = added(database)
    assert (hook.wanted, hook.salt, hook.window, hook.failures) == (WANTED, b"\x00s" * 16, Window(), 0)
    assert database.read(hooks.all_hooks) == [hook]
    assert database.read(partial(hooks.hook_numbered, hook_id=hook.id + 1)) is None


def test_a_hook_changes_in_what_is_given(database: Database) -> None:
    hook = added(database)
    wanted = structs.replace(WANTED, tactics=("TA0002",))
    database.write(partial(hooks.note_failures, hook_id=hook.id, failures=3, closed_until=NOON))
    database.write(partial(hooks.change_hook, hook_id=hook.id, wanted=wanted, per_minute=9))
    database.write(partial(hooks.set_window, hook_id=hook.id, window=Window(NOON, 2, 3)))
    (found,) = database.read(hooks.all_hooks)
    assert found == hook._replace(wanted=wanted, per_minute=9, window=Window(NOON, 2, 3), failures=3, closed_until=NOON)
    database.write(partial(hooks.change_hook, hook_id=hook.id, url="https://8.8.8.8/", spelling="json"))
    (found,) = database.read(hooks.all_hooks)
    assert (found.url, found.failures, found.closed_until) == ("https://8.8.8.8/", 0, 0)


def test_a_tag_is_queued_once_per_hook(database: Database) -> None:
    one, other = added(database), added(database)
    queued(database, one, KEYS[:3])
    queued(database, one, KEYS)
    queued(database, other, KEYS[:1])
    assert [delivery.key for delivery in page(database, one)] == KEYS
    assert [delivery.key for delivery in page(database, other)] == KEYS[:1]
    assert database.read(partial(hooks.count_waiting, hook_id=one.id, most=3)) == 3
    assert database.read(partial(hooks.count_waiting, hook_id=one.id, most=100)) == 5


def test_what_is_about_no_tag_can_be_queued_again(database: Database) -> None:
    hook = added(database)
    told = Suppressed(3, 1, 2)
    for _ in range(2):
        database.write(partial(hooks.add_delivery, hook_id=hook.id, kind="suppressed", suppressed=told, now=NOON))
    database.write(partial(hooks.add_delivery, hook_id=hook.id, kind="test", now=NOON))
    assert [(one.kind, one.suppressed) for one in page(database, hook)] == [
        ("suppressed", told),
        ("suppressed", told),
        ("test", None),
    ]


def test_the_oldest_of_each_free_hook_is_due(database: Database) -> None:
    one, other, off, closed = (added(database) for _ in range(4))
    for hook in (one, other, off, closed):
        queued(database, hook, KEYS[:2])
    database.write(partial(hooks.switch_hook, hook_id=off.id, disabled_at=NOON))
    database.write(partial(hooks.note_failures, hook_id=closed.id, failures=1, closed_until=NOON + 10))
    first, second = page(database, one)
    assert due(database, NOON, other.id) == [(one.id, first.id)]
    assert due(database, NOON - 1) == []
    postpone = partial(hooks.postpone_delivery, delivery_id=first.id, tries=1, error="x" * 900, due_at=NOON + 5)
    database.write(postpone)
    assert due(database, NOON, other.id) == [(one.id, second.id)]
    end = partial(hooks.end_delivery, delivery_id=second.id, state="delivered", tries=1, error="", now=NOON)
    database.write(end)
    assert due(database, NOON, other.id) == []
    assert due(database, NOON + 10, other.id) == [(one.id, first.id), (closed.id, page(database, closed)[0].id)]
    assert page(database, one)[0].error == "x" * 500


def test_what_waited_too_long_is_given_up_and_can_wait_again(database: Database) -> None:
    hook = added(database)
    queued(database, hook, KEYS[:2])
    give_up = partial(hooks.give_up_old, hook_id=hook.id, error="too long", now=NOON + 2)
    assert database.write(partial(give_up, before=NOON)) == 0
    assert database.write(partial(give_up, before=NOON + 1)) == 2
    dead = page(database, hook)[0]
    assert (dead.state, dead.ended_at, dead.error) == ("dead", NOON + 2, "too long")
    database.write(partial(hooks.replay_delivery, delivery_id=dead.id, now=NOON + 3))
    again = database.read(partial(hooks.delivery_numbered, hook_id=hook.id, delivery_id=dead.id))
    assert again == dead._replace(state="waiting", tries=0, created_at=NOON + 3, due_at=NOON + 3, ended_at=None)
    assert database.read(partial(hooks.delivery_numbered, hook_id=hook.id + 1, delivery_id=dead.id)) is None


def test_what_ended_is_deleted_in_steps(database: Database) -> None:
    hook = added(database)
    queued(database, hook, KEYS)
    for one in page(database, hook)[:4]:
        end = partial(hooks.end_delivery, delivery_id=one.id, state="delivered", tries=1, error="", now=NOON)
        database.write(end)
    step = partial(hooks.delete_ended, state="delivered", before=NOON + 1, limit=3)
    assert [database.write(step) for _ in range(3)] == [3, 1, 0]
    assert [one.state for one in page(database, hook)] == ["waiting"]
    clear = partial(hooks.delete_deliveries, hook_id=hook.id, limit=3)
    assert [database.write(clear) for _ in range(2)] == [1, 0]


def test_a_deleted_hook_takes_its_deliveries_along_and_its_number_never_returns(database: Database) -> None:
    hook = added(database)
    queued(database, hook, KEYS)
    database.write(partial(hooks.delete_hook, hook_id=hook.id))
    assert rows(database, "SELECT count(*) FROM hook_delivery") == [(0,)]
    assert added(database).id > hook.id


def test_identities_are_told_by_what_they_went_into(database: Database) -> None:
    events = [a_command("id", src=f"198.51.100.{host}", session=str(host)) for host in (7, 8)]
    database.write(lambda connection: Intake(Actors()).store(connection, events))
    first, second = (IdentityUuid(bytes(uuid)) for (uuid,) in rows(database, "SELECT uuid FROM identity ORDER BY id"))
    ((head,),) = rows(database, "SELECT min(id) FROM identity")
    run(database, "UPDATE identity SET merged_into_id = :head WHERE id > :head", head=head)
    unknown = IdentityUuid(b"?" * 16)
    assert database.read(partial(hooks.heads_of, identities=[second, unknown])) == {first}


def test_tags_are_read_by_their_keys(database: Database) -> None:
    events = [a_command("id", at=NOON + number) for number in range(250)]

    def store(connection: Connection) -> list[TagKey]:
        actors = Actors()
        Intake(actors).store(connection, events)
        new = TagWriter(actors).insert_tags(connection, [a_tag(event) for event in events], now=NOON)
        return [(tag.observed_at, tag.uuid) for tag in new]

    keys = database.write(store)
    assert [tag.key for tag in database.read(partial(tags_at, keys=[*keys[::-1], *KEYS]))] == keys
    assert database.read(partial(tags_at, keys=[])) == []
