from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import stix2
from msgspec import structs
from stix2validator import ValidationOptions, validate_instance

from decnet.attack.catalog import load
from decnet.export.stix import MARKINGS, stix_bundle
from tests.export.stored import HOSTILE, stored_tags

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.models.stored_tag import StoredTag


def bundle_of(tags: Iterable[StoredTag], marking: str = "amber") -> str:
    return b"".join(stix_bundle(tags, load, marking)).decode()


def objects_of(tags: Iterable[StoredTag], kind: str) -> list[dict[str, Any]]:
    return [one for one in json.loads(bundle_of(tags))["objects"] if one["type"] == kind]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("count", [0, 1, 1_000])
def test_the_judge_of_oasis_finds_no_error(count: int) -> None:
    found = validate_instance(json.loads(bundle_of(stored_tags(count))), ValidationOptions(version="2.1"))
    assert [str(error) for error in found.errors] == []
    assert found.is_valid


def test_two_runs_make_the_same_bundle_and_no_object_twice() -> None:
    bundle = bundle_of(stored_tags(60))
    assert bundle == bundle_of(stored_tags(60))
    ids = [one["id"] for one in json.loads(bundle)["objects"]]
    assert len(ids) == len(set(ids))


def test_every_tag_is_a_sighting_of_mitres_own_pattern() -> None:
    tags = stored_tags(9)
    sightings = objects_of(tags, "sighting")
    assert len(sightings) == 9
    assert {one["sighting_of_ref"] for one in sightings} == {load().technique(tag.attack_id).stix_id for tag in tags}
    assert {one["confidence"] for one in sightings} == {85}
    assert all(len(one["observed_data_refs"]) == 1 for one in sightings)


def test_what_refers_to_something_comes_after_it() -> None:
    known: set[str] = set()
    for one in json.loads(bundle_of(stored_tags(30)))["objects"]:
        refs = [ref for name, value in one.items() if name.endswith("_refs") for ref in value]
        refs += [value for name, value in one.items() if name.endswith("_ref")]
        assert set(refs) <= known
        known.add(one["id"])


@pytest.mark.parametrize("micros", [0, 1, 100, 120_000, 999_999])
def test_the_library_reads_every_object_and_says_the_same(micros: int) -> None:
    plain = stored_tags(3 * len(HOSTILE))
    tags = [
        *(structs.replace(tag, observed_at=tag.observed_at + micros) for tag in plain),
        structs.replace(plain[-1], source_kind="payload", evidence={"sha256": "ab" * 32}, source_id="f1"),
        structs.replace(plain[-1], address=None, session_uuid=None, decoy=None, evidence={}, source_kind="scan"),
    ]
    objects = json.loads(bundle_of(tags))["objects"]
    assert {one["type"] for one in objects} >= {"file", "process", "network-traffic", "ipv6-addr", "sighting"}
    for one in objects:
        assert json.loads(stix2.parse(one, version="2.1").serialize()) == one


def test_hostile_text_is_data() -> None:
    lines = [one["command_line"] for one in objects_of(stored_tags(3 * len(HOSTILE)), "process")]
    assert lines == list(HOSTILE)


@pytest.mark.parametrize("marking", MARKINGS)
def test_everything_that_is_ours_carries_the_marking(marking: str) -> None:
    head, *others = json.loads(bundle_of(stored_tags(3), marking))["objects"]
    assert head["definition"]["tlp"] == ("white" if marking == "clear" else marking)
    ours = [one for one in others if one["type"] in {"sighting", "observed-data", "identity"}]
    assert ours
    assert {tuple(one["object_marking_refs"]) for one in ours} == {(head["id"],)}
