from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from requests.auth import AuthBase
from stix2validator import ValidationOptions, validate_instance
from taxii2client.v21 import ApiRoot, Collection, Server, as_pages

from decnet.export.spelling import moment_text
from decnet.web.routes import taxii
from decnet.web.routes.taxii import COLLECTION, MEDIA_TYPE
from tests.databases import rows, run

if TYPE_CHECKING:
    import httpx
    import requests

    from tests.web.conftest import Api


@pytest.fixture
def api(api: Api) -> Api:
    """The recorded attack, long stored: the newest seconds are not told yet."""
    run(api.place.database, "UPDATE tag SET created_at = created_at - 60000000")
    return api


class Bearer(AuthBase):
    """A key, as the real client's sessions send it."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.key}"
        return request


def collection_of(api: Api) -> Collection:
    return Collection(f"{api.url}/taxii2/root/collections/{COLLECTION}/", auth=Bearer(api.key("viewer")))


def everything(collection: Collection, per_request: int = 200, **wanted: Any) -> list[dict[str, Any]]:
    pages = as_pages(collection.get_objects, per_request=per_request, **wanted)
    return [one for page in pages for one in page.get("objects", [])]


def test_the_real_client_finds_its_way_from_the_discovery_to_the_collection(api: Api) -> None:
    server = Server(f"{api.url}/taxii2/", auth=Bearer(api.key("viewer")))
    assert server.title == "DECNET TTP"
    root: ApiRoot = server.default
    assert root.versions == [MEDIA_TYPE]
    (collection,) = root.collections
    assert (collection.id, collection.can_read, collection.can_write) == (COLLECTION, True, False)


@pytest.mark.timeout(60)
def test_the_real_client_reads_every_object_of_the_export(api: Api, viewer: httpx.Client) -> None:
    exported = {one["id"] for one in viewer.get("/ttp/export/stix").json()["objects"]}
    found = everything(collection_of(api))
    assert {one["id"] for one in found} == exported
    sightings = [one["id"] for one in found if one["type"] == "sighting"]
    assert len(sightings) == len(set(sightings))


@pytest.mark.timeout(60)
def test_pages_of_any_size_tell_the_same_and_none_is_larger_than_asked(api: Api) -> None:
    collection = collection_of(api)
    pages = list(as_pages(collection.get_objects, per_request=7))[:30]
    assert all(len(page["objects"]) == 7 for page in pages)
    small = [one["id"] for page in pages for one in page["objects"]]
    large = [one["id"] for one in everything(collection, 1_000)]
    assert set(small) <= set(large)
    assert [one for one in dict.fromkeys(small) if one.startswith("sighting")] == [
        one for one in large if one.startswith("sighting")
    ][: sum(one.startswith("sighting") for one in small)]


def test_a_page_is_a_bundle_that_the_judge_of_oasis_accepts(viewer: httpx.Client) -> None:
    page = viewer.get(f"/taxii2/root/collections/{COLLECTION}/objects/").json()
    bundle = {"type": "bundle", "id": "bundle--7bb0d8d2-6e0e-4a9b-8ea2-1c2f3a4b5c6d", "objects": page["objects"]}
    assert validate_instance(bundle, ValidationOptions(version="2.1")).is_valid


def test_types_and_ids_can_be_chosen(api: Api) -> None:
    collection = collection_of(api)
    sightings = everything(collection, type="sighting")
    assert {one["type"] for one in sightings} == {"sighting"}
    assert len(sightings) == rows(api.place.database, "SELECT count(*) FROM tag WHERE confidence >= 0.6")[0][0]
    (one,) = everything(collection, id=sightings[-1]["id"])
    assert one == sightings[-1]
    assert everything(collection, spec_version="2.0") == []


def test_who_comes_again_gets_what_was_added_since(api: Api, viewer: httpx.Client) -> None:
    first, last = (rows(api.place.database, f"SELECT {what}(created_at) FROM tag")[0][0] for what in ("min", "max"))
    path = f"/taxii2/root/collections/{COLLECTION}/objects/"
    answer = viewer.get(path)
    assert answer.headers["Content-Type"] == MEDIA_TYPE
    assert answer.headers["X-TAXII-Date-Added-First"].endswith("Z")
    moments = {at: moment_text(at) for at in (first, last)}
    again = viewer.get(path, params={"added_after": moments[last]})
    assert again.json()["objects"] == []
    assert "X-TAXII-Date-Added-Last" not in again.headers
    later = everything(collection_of(api), added_after=moments[first], type="sighting")
    count = "SELECT count(*) FROM tag WHERE confidence >= 0.6 AND created_at > :first"
    assert len(later) == rows(api.place.database, count, first=first)[0][0]


def test_the_manifest_names_the_same_objects(api: Api) -> None:
    collection = collection_of(api)
    objects = collection.get_objects(limit=50)["objects"]
    records = collection.get_manifest(limit=50)["objects"]
    assert [one["id"] for one in records] == [one["id"] for one in objects]
    assert all(one["media_type"] == "application/stix+json;version=2.1" for one in records)


@pytest.mark.timeout(60)
def test_every_object_is_found_by_its_id_and_has_one_version(api: Api, viewer: httpx.Client) -> None:
    path = f"/taxii2/root/collections/{COLLECTION}/objects"
    collection = collection_of(api)
    all_objects = everything(collection)
    by_type = {one["type"]: one for one in all_objects}
    assert {"sighting", "identity", "marking-definition", "attack-pattern", "observed-data"} <= by_type.keys()
    for one in by_type.values():
        answer = viewer.get(f"{path}/{one['id']}/")
        assert answer.headers["Content-Type"] == MEDIA_TYPE
        assert answer.json() == {"more": False, "next": None, "objects": [one]}
        assert answer.headers["X-TAXII-Date-Added-First"] == answer.headers["X-TAXII-Date-Added-Last"]
        assert collection.get_object(one["id"])["objects"] == [one]
        versions = viewer.get(f"{path}/{one['id']}/versions/").json()["versions"]
        assert versions == [one["modified"]] if "modified" in one else len(versions) == 1
    patterns = {one["id"] for one in all_objects if one["type"] == "attack-pattern"}
    assert all(viewer.get(f"{path}/{one}/").json()["objects"][0]["id"] == one for one in patterns)


@pytest.mark.timeout(60)
def test_what_is_rare_is_looked_for_page_by_page(
    api: Api, viewer: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taxii, "_MAX_TAGS_FOR_ONE", 5)
    wanted = [one for one in everything(collection_of(api)) if one["type"] == "observed-data"][-1]
    path, answers = f"/taxii2/root/collections/{COLLECTION}/objects/{wanted['id']}/", 0
    page = viewer.get(path).json()
    while page["more"]:
        assert page["objects"] == []
        page = viewer.get(path, params={"next": page["next"]}).json()
        answers += 1
    assert page["objects"] == [wanted]
    assert answers > 1


@pytest.mark.parametrize("kind", ["sighting", "identity", "attack-pattern", "file", "nothing"])
def test_an_object_that_is_not_there_is_not_found(viewer: httpx.Client, kind: str) -> None:
    path = f"/taxii2/root/collections/{COLLECTION}/objects/{kind}--6f1f0b5e-5b5e-4b7e-9d6a-0d1a2b3c4d5e/"
    assert [viewer.get(f"{path}{more}").status_code for more in ("", "versions/")] == [404, 404]
    assert viewer.delete(path).status_code == 405


def test_objects_can_be_chosen_by_version(api: Api, viewer: httpx.Client) -> None:
    path = f"/taxii2/root/collections/{COLLECTION}/objects/"
    one = next(one for one in everything(collection_of(api)) if one["type"] == "sighting")
    for version, count in ((one["modified"], 1), ("first", 1), ("last,2013-09-01T00:00:00.000Z", 1), ("2001", 0)):
        asked = viewer.get(path + one["id"] + "/", params={"match[version]": version})
        assert len(asked.json()["objects"]) == count
        listed = viewer.get(path, params={"match[version]": version, "match[id]": one["id"]})
        assert len(listed.json()["objects"]) <= count
    old = {"added_after": "2100-01-01T00:00:00.000000Z"}
    assert viewer.get(path + one["id"] + "/", params=old).json()["objects"] == []


def test_an_empty_store_is_an_empty_collection(empty_api: Api) -> None:
    assert everything(collection_of(empty_api)) == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/taxii2/root/collections/nothing/", 404),
        ("/taxii2/root/collections/nothing/objects/", 404),
        (f"/taxii2/root/collections/{COLLECTION}/objects/?added_after=yesterday", 400),
        (f"/taxii2/root/collections/{COLLECTION}/objects/?limit=-1", 400),
        (f"/taxii2/root/collections/{COLLECTION}/objects/?next=AAAA", 404),
    ],
)
def test_what_is_not_there_or_makes_no_sense_is_refused(viewer: httpx.Client, path: str, status: int) -> None:
    answer = viewer.get(path)
    assert answer.status_code == status, answer.text


def test_another_media_type_is_not_served(viewer: httpx.Client) -> None:
    old = {"Accept": "application/vnd.oasis.taxii+json; version=2.0"}
    assert viewer.get("/taxii2/", headers=old).status_code == 406
    assert viewer.get("/taxii2/", headers={"Accept": MEDIA_TYPE}).status_code == 200
