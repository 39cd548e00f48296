"""Campaigns from stored events, through real workers, on each database."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from decnet.db.actors import Actors
from decnet.db.epochs import TAGS, begin_epoch
from decnet.db.maintenance import purge_attacker
from decnet.db.outbox import messages_after
from decnet.db.tags import TagWriter
from decnet.models.actor import attacker_uuid, campaign_uuid, identity_uuid
from decnet.models.ids import uuid_text
from decnet.models.membership import CampaignAssigned, CampaignFormed, CampaignMerged, CampaignUnmerged
from tests.contract.bus_backends import in_loop
from tests.contract.rollups import assert_rollups_equal_a_recount
from tests.contract.test_clusterer import Shown, a_clustering, epoch, store
from tests.databases import BACKENDS, own_database, rows, run
from tests.events import NOON, SECOND, a_command, a_login, a_tag, an_end
from tests.ttp.store.rule_texts import rule_text
from tests.workers.fleet import at_work

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from decnet.db.engine import Database
    from decnet.models.event import Event
    from decnet.models.membership import MembershipMessage

A, B = "198.51.100.1", "198.51.100.2"
OF_A, OF_B = (identity_uuid(attacker_uuid(src)) for src in (A, B))
HOUR = 3_600 * SECOND
LOOKS = rule_text("R0900", word="whoami")
FETCHES = rule_text("R0901", word="wget").replace("TA0007", "TA0011").replace("T1033", "T1105")
TOPICS = {
    "campaign.formed": CampaignFormed,
    "campaign.identity.assigned": CampaignAssigned,
    "campaign.merged": CampaignMerged,
    "campaign.unmerged": CampaignUnmerged,
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with own_database("sqlite", tmp_path) as database:
        yield database


def visit(src: str, *commands: str, at: int) -> list[Event]:
    """A session of ``src`` in which this is typed, a second apart, to its end."""
    typed = [a_command(text, at=at + n * SECOND, src=src, session=src) for n, text in enumerate(commands)]
    return [*typed, an_end(at=at + 60 * SECOND, src=src, session=src)]


def campaigns(database: Database) -> dict[bytes, bytes]:
    """The campaign of each identity."""
    return dict(rows(database, "SELECT i.uuid, c.uuid FROM identity i JOIN campaign c ON c.id = i.campaign_id"))


def edges(database: Database) -> list[tuple[Any, ...]]:
    sql = "SELECT i.uuid, e.reason, e.kinds, e.weight FROM campaign_edge e JOIN identity i ON i.id = e.identity_id"
    return sorted(rows(database, sql))


def told(database: Database) -> list[MembershipMessage]:
    """What is in the outbox about campaigns."""
    stored = database.read(partial(messages_after, partition=0, position=0, limit=1_000))
    return [
        msgspec.msgpack.decode(item, type=TOPICS[one.message.topic])
        for one in stored
        if one.message.topic in TOPICS
        for item in one.message.items
    ]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("backend", BACKENDS)
def test_stored_events_of_two_identities_make_a_campaign(backend: str, tmp_path: Path) -> None:
    @in_loop
    async def work(database: Database) -> None:
        async with at_work(database, LOOKS, FETCHES) as fleet:
            await fleet.bring(visit(A, "whoami", "wget http://203.0.113.7/x", at=NOON))
            await fleet.bring(visit(B, "whoami", at=NOON + 2 * HOUR))
        assert campaigns(database) == {OF_A: campaign_uuid(OF_A), OF_B: campaign_uuid(OF_A)}
        pointers = "SELECT c.uuid, o.uuid FROM campaign c JOIN campaign o ON o.id = c.merged_into_id"
        assert rows(database, pointers) == [(campaign_uuid(OF_B), campaign_uuid(OF_A))]
        left = visit(A, "", at=NOON)[0].session_id
        assert edges(database) == sorted(
            (who, f"session:{uuid_text(left)}", '["hand_off"]', 1.0) for who in (OF_A, OF_B)
        )
        of_campaign = "SELECT sum(count) FROM rollup_campaign r JOIN campaign c ON c.id = r.campaign_id WHERE uuid = :u"
        assert rows(database, of_campaign, u=campaign_uuid(OF_A)) == [(3,)]
        assert rows(database, of_campaign, u=campaign_uuid(OF_B)) == [(None,)]
        assert_rollups_equal_a_recount(database)

    with own_database(backend, tmp_path) as database:
        work(database)


def a_hand_off(database: Database) -> list[Shown]:
    """What attribution and tagging leave of it: A fetches something, B looks around an hour later."""
    shown = [Shown(A, "a", 0), Shown(B, "b", 3_600)]
    store(database, shown, tagged=False)
    tag(database, shown[0], "TA0011")
    tag(database, shown[1], "TA0007")
    return shown


def tag(database: Database, shown: Shown, tactic: str, rule: str = "R0012") -> None:
    technique = {"TA0011": "T1105", "TA0007": "T1033"}[tactic]
    tags = [a_tag(shown.event, tactic=tactic, technique=technique, rule=rule)]
    writer = TagWriter(Actors())
    database.write(partial(writer.insert_tags, tags=tags, now=NOON), writer.forget)


def test_joining_and_parting_is_announced_once(database: Database) -> None:
    a_hand_off(database)
    a_clustering(database)
    joined = [
        CampaignFormed(campaign_uuid(OF_A), 2),
        CampaignMerged(campaign_uuid(OF_A), campaign_uuid(OF_B)),
        CampaignAssigned(campaign_uuid(OF_A), OF_B),
    ]
    assert told(database) == joined
    before = epoch(database)
    clustering = a_clustering(database)
    assert (told(database), epoch(database)) == (joined, before)
    run(database, "UPDATE tag SET superseded = TRUE WHERE rule_id = 'R0012'")
    database.write(partial(begin_epoch, name=TAGS))
    assert clustering.look()
    assert clustering.take_in([])
    assert told(database) == [*joined, CampaignUnmerged(campaign_uuid(OF_B), campaign_uuid(OF_A))]
    assert campaigns(database) == {OF_A: campaign_uuid(OF_A), OF_B: campaign_uuid(OF_B)}
    assert edges(database) == []


def test_tags_that_come_after_the_end_of_a_session_count(database: Database) -> None:
    shown = [Shown(A, "a", 0), Shown(B, "b", 3_600)]
    store(database, shown, tagged=False)
    clustering = a_clustering(database)
    for one, tactic in zip(shown, ("TA0011", "TA0007"), strict=True):
        assert len(set(campaigns(database).values())) == 2
        tag(database, one, tactic)
        assert clustering.take_in([one.event.session_id])
    assert set(campaigns(database).values()) == {campaign_uuid(OF_A)}
    assert_rollups_equal_a_recount(database)


def test_a_finding_s_tag_is_no_deed_in_the_session(database: Database) -> None:
    """It stands at the session's start, and B began with something else."""
    shown = [Shown(A, "a", 0), Shown(B, "b", 3_600)]
    store(database, shown, tagged=False)
    tag(database, shown[0], "TA0011")
    writer = TagWriter(Actors())
    found = a_tag(shown[1].event, tactic="TA0007", technique="T1033", source_id="session:x:requests")
    database.write(partial(writer.insert_tags, tags=[found], now=NOON), writer.forget)
    a_clustering(database)
    assert len(set(campaigns(database).values())) == 2


@pytest.mark.parametrize("src", [A, B])
@pytest.mark.parametrize("restarted", [False, True])
def test_a_purge_parts_a_campaign(database: Database, src: str, *, restarted: bool) -> None:
    a_hand_off(database)
    clustering = a_clustering(database)
    assert purge_attacker(database, src)
    if restarted:
        a_clustering(database)
    else:
        assert clustering.look()
        assert clustering.take_in([])
    left = OF_B if src == A else OF_A
    assert campaigns(database)[left] == campaign_uuid(left)
    assert edges(database) == []
    assert_rollups_equal_a_recount(database)


def test_an_identity_that_is_merged_takes_its_campaign_along_in_silence(database: Database) -> None:
    a_hand_off(database)
    clustering = a_clustering(database)
    run(database, "DELETE FROM outbox")
    third = Shown("198.51.100.3", "c", 9, hassh="rare")
    again = Shown(B, "b", 3_600, hassh="rare", revision=2)
    store(database, [third, again], tagged=False)
    assert clustering.take_in([one.event.session_id for one in (third, again)])
    of_third = identity_uuid(attacker_uuid(third.src))
    assert campaigns(database) == dict.fromkeys((OF_A, OF_B, of_third), campaign_uuid(OF_A))
    assert told(database) == [
        CampaignMerged(campaign_uuid(OF_A), campaign_uuid(of_third)),
        CampaignAssigned(campaign_uuid(OF_A), of_third),
    ]
    assert_rollups_equal_a_recount(database)


def test_merges_move_no_tag(database: Database) -> None:
    a_hand_off(database)
    sql = "SELECT uuid, attacker_id, identity_id FROM tag ORDER BY uuid"
    before = rows(database, sql)
    a_clustering(database)
    assert rows(database, sql) == before


@in_loop
async def test_reuse_of_a_pair_is_announced_once_and_found_per_identity(database: Database) -> None:
    """One password at two decoys is reuse, on two accounts it is spraying; the address makes no difference."""
    tries = [
        a_login(success=False, at=NOON + n * SECOND, src=A, session=f"{sensor}-{user}", user=user, secret="5e" * 16)
        for n, (sensor, user) in enumerate([("one", "root"), ("one", "admin"), ("two", "root")])
    ]
    at = [msgspec.structs.replace(one, decky_id=one.native_session[:3]) for one in tries]
    ends = [an_end(at=NOON + 60 * SECOND, src=A, session=one.native_session) for one in tries]
    over = [msgspec.structs.replace(one, decky_id=one.native_session[:3]) for one in ends]
    async with at_work(database, LOOKS) as fleet:
        await fleet.bring([*at, *over[:2]])
        await fleet.bring(over[2:])
    found = "SELECT figures FROM finding WHERE source_kind = 'identity_rollup' ORDER BY source_id"
    assert [figures for (figures,) in rows(database, found)] == [
        '{"type":"IdentityReuse","places":2}',
        '{"type":"IdentitySpraying","accounts":2}',
    ]
    for topic, count in (("credential.reuse.detected", 1), ("finding.identity_rollup", 2)):
        bodies = rows(database, "SELECT body FROM outbox WHERE topic = :topic", topic=topic)
        assert sum(len(msgspec.msgpack.decode(body)) for (body,) in bodies) == count, topic
