"""The queue of questions and its answers, on each database."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from decnet.db.actors import Actors
from decnet.db.intel import (
    Lookup,
    Quota,
    attackers_of_sessions,
    attackers_with,
    count_due,
    due_lookup,
    forget_lookups,
    intel_findings_of,
    newest_verdicts,
    postpone_lookup,
    read_quota,
    set_intel_bumps,
    store_answer,
    verdicts_stored,
    want_lookups,
    write_quota,
)
from decnet.db.maintenance import purge_attacker
from decnet.intake.store import Intake
from decnet.models.actor import attacker_uuid
from decnet.models.intel import Verdict
from tests.databases import rows
from tests.events import NOON, SECOND, a_command

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from decnet.db.engine import Database

ADDRESS = "118.25.6.39"
WHO = attacker_uuid(ADDRESS)
DAY = 86_400 * SECOND


def stored(database: Database, *addresses: str) -> list[int]:
    """Attackers who were here once, by their numbers."""
    events = [a_command("id", src=address, session=f"s{number}") for number, address in enumerate(addresses)]
    database.write(lambda connection: Intake(Actors()).store(connection, events))
    known = dict(database.read(partial(attackers_of_sessions, uuids=[event.session_id for event in events])))
    return sorted(known, key=lambda number: addresses.index(known[number]))


def want(database: Database, attackers: list[int], now: int = NOON) -> None:
    database.write(partial(want_lookups, providers=["abuseipdb"], attackers=attackers, now=now, kept_us=DAY))


def due(database: Database, now: int) -> Lookup | None:
    return database.read(partial(due_lookup, provider="abuseipdb", now=now))


def test_the_newest_question_comes_first_and_a_failed_one_when_it_is_due_again(database: Database) -> None:
    first, second = stored(database, ADDRESS, "45.9.148.1")
    want(database, [first], NOON)
    want(database, [first, second], NOON + SECOND)

    lookup = due(database, NOON + SECOND)
    assert lookup is not None
    assert (lookup.attacker_id, lookup.address) == (second, "45.9.148.1")
    postpone = partial(postpone_lookup, provider="abuseipdb", lookup=lookup, due_at=NOON + 60 * SECOND)
    database.write(postpone)

    assert due(database, NOON + SECOND) == Lookup(first, WHO, ADDRESS, 0)
    assert database.read(partial(count_due, providers=["abuseipdb"], now=NOON + SECOND)) == 1
    again = due(database, NOON + 60 * SECOND)
    assert again is not None
    assert (again.attacker_id, again.tries) == (second, 1)
    assert database.write(partial(forget_lookups, providers=["abuseipdb"], before=NOON + 1)) == 1
    assert database.read(partial(count_due, providers=["abuseipdb"], now=NOON + 60 * SECOND)) == 1


def test_an_answer_is_one_finding_and_the_same_answer_changes_nothing(database: Database) -> None:
    (number,) = stored(database, ADDRESS)
    lookup = Lookup(number, WHO, ADDRESS, 0)
    verdict = Verdict("abuseipdb", ADDRESS, "malicious", score=90, categories=(18,))
    want(database, [number])

    def answer(said: Verdict | None, now: int) -> list[int]:
        store = partial(store_answer, provider="abuseipdb", lookup=lookup, verdict=said, now=now)
        return [found.observed_at for found in database.write(store)]

    assert answer(verdict, NOON) == [NOON]
    want(database, [number], NOON + DAY - 1)
    assert due(database, NOON + DAY) is None
    want(database, [number], NOON + DAY)
    assert due(database, NOON + DAY) is not None
    assert answer(verdict, NOON + DAY) == []
    assert database.read(partial(newest_verdicts, attacker_id=number)) == [verdict]
    session = a_command("id", src=ADDRESS, session="s0").session_id
    (found,) = database.read(partial(intel_findings_of, sessions=[session]))
    assert (found.attacker_uuid, found.observed_at, found.figures) == (WHO, NOON, verdict)
    assert answer(None, NOON + 2 * DAY) == []
    assert database.read(partial(newest_verdicts, attacker_id=number)) == []
    assert database.read(partial(intel_findings_of, sessions=[session])) == []
    assert list(database.read(partial(verdicts_stored, provider="abuseipdb"))) == [verdict]


def test_a_quota_is_noted(database: Database) -> None:
    def read() -> Quota:
        return database.read(partial(read_quota, provider="abuseipdb"))

    assert read() == Quota(0, 0, 0)
    for quota in (Quota(7, 1, 0), Quota(7, 2, NOON), Quota(8, 1, 0)):
        database.write(partial(write_quota, provider="abuseipdb", quota=quota))
    assert read() == Quota(8, 1, NOON)


def test_an_attacker_who_is_purged_takes_questions_and_answers_along(database: Database) -> None:
    (number,) = stored(database, ADDRESS)
    want(database, [number])
    lookup = Lookup(number, WHO, ADDRESS, 0)
    verdict = Verdict("abuseipdb", ADDRESS, score=90)
    store = partial(store_answer, provider="abuseipdb", lookup=lookup, verdict=verdict, now=NOON)
    database.write(store)
    database.write(partial(set_intel_bumps, bumps={WHO: 0.05}))
    assert rows(database, "SELECT intel_bump FROM attacker") == [(0.05,)]
    assert database.read(partial(attackers_with, uuids=[WHO])) == [(number, ADDRESS)]

    purge_attacker(database, ADDRESS)

    def late(connection: Connection) -> int:
        return len(store_answer(connection, "abuseipdb", lookup, verdict, now=NOON))

    assert database.write(late) == 0
    for table in ("intel_lookup", "finding"):
        assert rows(database, f"SELECT count(*) FROM {table}") == [(0,)]


def test_whatever_a_provider_writes_is_stored_as_it_is(database: Database) -> None:
    (number,) = stored(database, ADDRESS)
    want(database, [number])
    odd = Verdict("abuseipdb", ADDRESS, listed=True, malware="\0\x1b[2J\u202e\U0001f480' OR 1=1 --|:")
    lookup = Lookup(number, WHO, ADDRESS, 0)
    database.write(partial(store_answer, provider="abuseipdb", lookup=lookup, verdict=odd, now=NOON))
    assert database.read(partial(newest_verdicts, attacker_id=number)) == [odd]
