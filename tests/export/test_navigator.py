from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mitreattack.navlayers import Layer
from msgspec import structs

from decnet.attack.catalog import Catalog, load
from decnet.errors import CatalogueError
from decnet.export.navigator import migrated_layers, navigator_layer, navigator_layers, write_layer
from decnet.models.rollup import TechniqueCount

GOLDEN = Path(__file__).parent / "golden" / "layer.json"
FIRST_US = 1_795_392_000_000_000  # 2026-11-23T00:00:00Z
HOUR_US = 3_600_000_000


def seen(
    tactic: str,
    technique_id: str,
    sub: str | None = None,
    *,
    count: int = 1,
    confidence: float = 0.9,
    hour: int = 0,
    release: str = "enterprise-19.2",
) -> TechniqueCount:
    return TechniqueCount(
        tactic=tactic,
        technique_id=technique_id,
        sub_technique_id=sub,
        count=count,
        max_confidence=confidence,
        first_seen_us=FIRST_US + hour * HOUR_US,
        last_seen_us=FIRST_US + (hour + count) * HOUR_US,
        attack_release=release,
    )


ROWS = [
    seen("TA0002", "T1059", "T1059.004", count=12, confidence=0.7),
    seen("TA0002", "T1059", count=2),
    seen("TA0011", "T1105", count=5, confidence=0.956),
    seen("TA0005", "T1070", "T1070.003"),
    seen("TA0112", "T1685", confidence=0.3),
    seen("TA0043", "T1595", "T1595.002", confidence=1.0),
]


@pytest.fixture
def enterprise() -> Catalog:
    return load("enterprise-19.2")


def layer_of(*rows: TechniqueCount) -> dict[str, Any]:
    return navigator_layer(rows, catalog=load("enterprise-19.2"), name="honeypots")


def entry(layer: dict[str, Any], technique_id: str) -> dict[str, Any]:
    (found,) = [each for each in layer["techniques"] if each["techniqueID"] == technique_id]
    return dict(found)


def assert_layer_is_valid(layer: dict[str, Any], catalog: Catalog) -> None:
    """What layers/spec/v4.5/layerformat.md of the Navigator asks for, and what it cannot know: ids and tactics."""
    assert isinstance(layer["name"], str)
    assert layer["domain"] in {"enterprise-attack", "mobile-attack", "ics-attack"}
    assert layer["versions"]["layer"] == "4.5"
    assert tuple(map(int, layer["versions"]["navigator"].split("."))) >= (4, 9, 0)
    assert layer["versions"]["attack"].isdigit()
    assert layer["sorting"] in range(4)
    assert layer["gradient"]["minValue"] < layer["gradient"]["maxValue"]
    assert len(layer["gradient"]["colors"]) >= 2
    assert all(set(item) == {"label", "color"} for item in layer["legendItems"])
    tactics = {tactic.shortname: tactic.id for tactic in catalog.tactics}
    keys = [(each["techniqueID"], each["tactic"]) for each in layer["techniques"]]
    assert len(keys) == len(set(keys))
    for each in layer["techniques"]:
        assert catalog.is_valid_pair(tactics[each["tactic"]], each["techniqueID"])
        assert isinstance(each.get("score", 0), int)
        assert isinstance(each["showSubtechniques"], bool)
        assert all(set(pair) == {"name", "value"} for pair in each.get("metadata", []))
        assert all(isinstance(value, str) for pair in each.get("metadata", []) for value in pair.values())


def test_layer_follows_the_format(enterprise: Catalog) -> None:
    assert_layer_is_valid(layer_of(*ROWS), enterprise)


def test_layer_without_rows_is_valid(enterprise: Catalog) -> None:
    layer = layer_of()

    assert_layer_is_valid(layer, enterprise)
    assert layer["techniques"] == []


def test_layer_is_as_agreed(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    write_layer(tmp_path / "layer.json", layer_of(*ROWS))
    if request.config.getoption("--golden", default=False):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_bytes((tmp_path / "layer.json").read_bytes())

    assert (tmp_path / "layer.json").read_text("utf-8") == GOLDEN.read_text("utf-8")


def test_rows_in_any_order_make_the_same_layer() -> None:
    assert layer_of(*ROWS) == layer_of(*reversed(ROWS))


def test_score_is_the_highest_confidence() -> None:
    assert entry(layer_of(*ROWS), "T1105")["score"] == 96


def test_entry_tells_count_and_times() -> None:
    found = entry(layer_of(seen("TA0011", "T1105", count=5, confidence=0.9)), "T1105")

    assert found["comment"] == (
        "Seen 5 times, confidence up to 0.90, first 2026-11-23T00:00:00Z, last 2026-11-23T05:00:00Z"
    )
    assert found["metadata"] == [
        {"name": "count", "value": "5"},
        {"name": "first seen", "value": "2026-11-23T00:00:00Z"},
        {"name": "last seen", "value": "2026-11-23T05:00:00Z"},
    ]


def test_what_providers_lift_is_told_apart_from_the_score() -> None:
    lifted = structs.replace(seen("TA0002", "T1059", confidence=0.8), intel_bump=0.05)
    found = entry(layer_of(lifted), "T1059")
    assert found["score"] == 80
    assert {"name": "lifted by providers", "value": "0.05"} in found["metadata"]


def test_entries_lead_to_their_evidence_and_mitres_reader_takes_that(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [seen("TA0002", "T1059", "T1059.004"), seen("TA0011", "T1105")]
    layer = navigator_layer(rows, catalog=load(), name="honeypots", evidence="https://decnet.example.org/{}".format)
    assert "links" not in entry(layer, "T1059")
    assert entry(layer, "T1059.004")["links"] == [{"label": "Evidence", "url": "https://decnet.example.org/T1059.004"}]
    assert len(Layer(layer).to_dict()["techniques"]) == 3
    assert capsys.readouterr().out == ""


def test_rows_of_one_technique_are_added_up() -> None:
    layer = layer_of(
        seen("TA0011", "T1105", count=2, confidence=0.5, hour=4),
        seen("TA0011", "T1105", count=3, confidence=0.8, hour=1),
    )

    found = entry(layer, "T1105")
    assert found["score"] == 80
    assert [pair["value"] for pair in found["metadata"]] == ["5", "2026-11-23T01:00:00Z", "2026-11-23T06:00:00Z"]


def test_one_technique_is_scored_per_tactic() -> None:
    layer = layer_of(seen("TA0001", "T1078", confidence=0.9), seen("TA0003", "T1078", confidence=0.4))

    assert [(each["tactic"], each["score"]) for each in layer["techniques"]] == [
        ("initial-access", 90),
        ("persistence", 40),
    ]


def test_parent_of_a_seen_sub_technique_is_open() -> None:
    layer = layer_of(*ROWS)

    assert entry(layer, "T1059")["showSubtechniques"] is True
    assert entry(layer, "T1059")["score"] == 90
    assert entry(layer, "T1070") == {
        "techniqueID": "T1070",
        "tactic": "stealth",
        "enabled": True,
        "showSubtechniques": True,
    }
    assert entry(layer, "T1105")["showSubtechniques"] is False


def test_filter_hides_nothing_that_was_seen(enterprise: Catalog) -> None:
    platforms = set(layer_of(*ROWS)["filters"]["platforms"])

    assert "Linux" in platforms
    for technique in enterprise.techniques.values():
        assert not technique.is_active or set(technique.platforms) <= platforms


def test_version_is_the_major_number_of_the_release() -> None:
    assert layer_of()["versions"]["attack"] == "19"


def test_each_release_has_its_own_layer() -> None:
    rows = [*ROWS, seen("TA0106", "T0855", release="ics-18.1")]

    layers = navigator_layers(rows, name="honeypots")

    assert [(layer["name"], layer["domain"]) for layer in layers] == [
        ("honeypots (enterprise-19.2)", "enterprise-attack"),
        ("honeypots (ics-18.1)", "ics-attack"),
    ]
    assert_layer_is_valid(layers[1], load("ics-18.1"))
    assert "filters" not in layers[1]


def test_no_rows_make_one_empty_layer() -> None:
    (layer,) = navigator_layers([], name="honeypots", description="night shift")

    assert (layer["name"], layer["description"], layer["techniques"]) == ("honeypots", "night shift", [])


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (seen("TA0106", "T0855", release="ics-18.1"), "is of ATT&CK ics-18.1"),
        (seen("TA0002", "T11059"), "did you mean T1059"),
        (seen("TA0099", "T1059"), "tactic 'TA0099'"),
    ],
)
def test_row_that_does_not_belong_is_refused(row: TechniqueCount, fault: str) -> None:
    with pytest.raises(CatalogueError, match=fault):
        layer_of(row)


def test_written_layer_is_utf8_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "layer.json"
    path.write_text("old")
    layer = navigator_layer([], catalog=load(), name="Köder №1")

    write_layer(path, layer)

    assert json.loads(path.read_bytes().decode("utf-8")) == layer
    assert "Köder №1" in path.read_text("utf-8")
    assert list(tmp_path.iterdir()) == [path]


def test_several_layers_are_written_as_a_list(tmp_path: Path) -> None:
    write_layer(tmp_path / "layers.json", [layer_of(), layer_of()])

    assert len(json.loads((tmp_path / "layers.json").read_bytes())) == 2


def test_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "layer.json").mkdir()

    with pytest.raises(OSError, match="directory"):
        write_layer(tmp_path / "layer.json", layer_of())
    assert [each.name for each in tmp_path.iterdir()] == ["layer.json"]


@pytest.mark.parametrize("rows", [ROWS, ROWS[:1], []])
def test_mitres_own_reader_takes_the_layer_without_a_word(
    rows: list[TechniqueCount], capsys: pytest.CaptureFixture[str]
) -> None:
    ours = layer_of(*rows)
    read = Layer(ours)
    kept = {key for key, value in ours.items() if value}
    assert capsys.readouterr().out == ""
    assert kept <= set(read.to_dict())
    assert len(read.to_dict().get("techniques", [])) == len(ours["techniques"])


def test_counts_of_an_older_release_are_told_in_the_current_one_and_what_is_lost_is_named() -> None:
    old = [
        seen("TA0005", "T1562", "T1562.001", release="enterprise-18.1", count=3),
        seen("TA0011", "T1105", release="enterprise-18.1"),
        seen("TA0011", "T1105", count=2),
        seen("TA0005", "T9999", release="enterprise-18.1"),
    ]
    (layer,) = migrated_layers(old, name="honeypots", catalogs=[load("enterprise-19.2")])
    scored = {entry["techniqueID"]: entry for entry in layer["techniques"] if "score" in entry}
    assert scored.keys() == {load().migrate("T1562.001"), "T1105"}
    assert scored["T1105"]["comment"].startswith("Seen 3 times")
    assert {"name": "not in this release", "value": "T9999"} in layer["metadata"]
    assert {"name": "migrated to", "value": "enterprise-19.2"} in layer["metadata"]


def test_nothing_migrated_is_an_empty_layer_of_the_first_catalogue() -> None:
    (layer,) = migrated_layers([], name="honeypots", catalogs=[load("enterprise-19.2"), load("ics-18.1")])
    assert layer["techniques"] == []
    assert layer["domain"] == "enterprise-attack"
