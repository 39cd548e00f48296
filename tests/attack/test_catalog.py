from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING

import pytest

from decnet.attack.catalog import (
    Catalog,
    bundled_releases,
    catalog_from,
    current_releases,
    find_catalog,
    forget_loaded,
    load,
    releases,
)
from decnet.errors import CatalogueError

if TYPE_CHECKING:
    from pathlib import Path

MATRIX = [
    "Reconnaissance",
    "Resource Development",
    "Initial Access",
    "Execution",
    "Persistence",
    "Privilege Escalation",
    "Stealth",
    "Defense Impairment",
    "Credential Access",
    "Discovery",
    "Lateral Movement",
    "Collection",
    "Command and Control",
    "Exfiltration",
    "Impact",
]


@pytest.fixture
def enterprise() -> Catalog:
    return load("enterprise-19.2")


@pytest.fixture(autouse=True)
def _fresh() -> None:
    forget_loaded()


def test_tactics_stand_in_the_order_of_the_matrix(enterprise: Catalog) -> None:
    assert [tactic.name for tactic in enterprise.tactics] == MATRIX


def test_every_enterprise_tactic_has_techniques(enterprise: Catalog) -> None:
    for tactic in enterprise.tactics:
        assert any(enterprise.is_valid_pair(tactic.id, each) for each in enterprise.techniques), tactic.name


@pytest.mark.parametrize("release", bundled_releases())
def test_shipped_catalogues_refer_only_to_what_they_hold(release: str) -> None:
    catalog = load(release)
    tactics = {tactic.id for tactic in catalog.tactics}
    for technique in catalog.techniques.values():
        assert set(technique.tactics) <= tactics
        assert technique.parent is None or technique.parent in catalog.techniques
        assert technique.is_active == bool(technique.tactics)


@pytest.mark.parametrize("release", bundled_releases())
def test_shipped_catalogues_keep_the_notice_of_mitre(release: str) -> None:
    assert "The MITRE Corporation. This work is reproduced and distributed with the permission" in load(release).notice


def test_every_revoked_id_leads_to_an_active_one(enterprise: Catalog) -> None:
    for technique in enterprise.techniques.values():
        if technique.status == "revoked":
            assert enterprise.technique(enterprise.migrate(technique.id)).is_active


def test_a_chain_of_revocations_is_followed_to_its_end(enterprise: Catalog) -> None:
    assert enterprise.technique("T1073").revoked_by == "T1574.002"
    assert enterprise.migrate("T1073") == "T1574.001"


def test_an_active_id_migrates_to_itself(enterprise: Catalog) -> None:
    assert enterprise.migrate("T1059.004") == "T1059.004"


def test_a_deprecated_id_has_no_successor(enterprise: Catalog) -> None:
    with pytest.raises(CatalogueError, match=r"T1026 \(Multiband Communication\) was deprecated .* no successor"):
        enterprise.migrate("T1026")


def test_impair_defenses_was_revoked_in_favour_of_disable_or_modify_tools(enterprise: Catalog) -> None:
    assert enterprise.migrate("T1562") == "T1685"
    assert enterprise.technique("T1685").tactics == ("TA0112",)


def test_defense_evasion_became_stealth_and_defense_impairment(enterprise: Catalog) -> None:
    assert enterprise.tactic("TA0005").name == "Stealth"
    assert enterprise.tactic("TA0005").shortname == "stealth"
    assert enterprise.tactic("TA0112").name == "Defense Impairment"


def test_a_sub_technique_knows_its_parent_and_page(enterprise: Catalog) -> None:
    shell = enterprise.technique("T1059.004")

    assert shell.name == "Unix Shell"
    assert shell.parent == "T1059"
    assert shell.url == "https://attack.mitre.org/techniques/T1059/004/"
    assert "Linux" in shell.platforms
    assert shell.stix_id == "attack-pattern--a9d4b653-6915-42af-98b2-5758c4ceee56"
    assert shell in enterprise.subtechniques("T1059")


def test_retired_sub_techniques_are_not_listed(enterprise: Catalog) -> None:
    assert enterprise.subtechniques("T1562") == ()


def test_catalogue_cannot_be_changed(enterprise: Catalog) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        enterprise.release = "enterprise-0.0"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("T11059", "T1059"),
        ("t1059", "T1059"),
        ("T1059.4", "T1059.004"),
        ("TA005", "TA0005"),
        ("unix shel", "T1059.004"),
        ("Persistenze", "TA0003"),
        ("ingress tool transfer", "T1105"),
    ],
)
def test_a_slip_is_understood(enterprise: Catalog, typed: str, meant: str) -> None:
    assert enterprise.suggest(typed)[0] == meant


@pytest.mark.parametrize("typed", ["", "   ", "zzzz", "T", "\0" * 10, "x" * 1_000_000])
def test_nonsense_gets_no_suggestion(enterprise: Catalog, typed: str) -> None:
    assert enterprise.suggest(typed) == ()


def test_retired_techniques_are_never_suggested(enterprise: Catalog) -> None:
    assert "T1562" not in enterprise.suggest("Impair Defenses")


def test_an_unknown_id_is_an_error_that_says_what_was_meant(enterprise: Catalog) -> None:
    with pytest.raises(CatalogueError, match=r"'T11059' is not in ATT&CK enterprise-19\.2; did you mean T1059 \("):
        enterprise.technique("T11059")


@pytest.mark.parametrize(
    ("tactic", "technique", "sub"),
    [("TA0002", "T1059", None), ("TA0002", "T1059", "T1059.004"), ("TA0011", "T1105", None)],
)
def test_a_valid_pair_has_no_fault(enterprise: Catalog, tactic: str, technique: str, sub: str | None) -> None:
    assert enterprise.check_pair(tactic, technique, sub) is None
    assert enterprise.is_valid_pair(tactic, sub or technique)


@pytest.mark.parametrize(
    ("tactic", "technique", "sub", "fault"),
    [
        (
            "TA0099",
            "T1059",
            None,
            "tactic 'TA0099' is not in ATT&CK enterprise-19.2; did you mean TA0009 (Collection)?",
        ),
        (
            "TA0002",
            "T11059",
            None,
            (
                "technique_id 'T11059' is not in ATT&CK enterprise-19.2; "
                "did you mean T1059 (Command and Scripting Interpreter) or T1105 (Ingress Tool Transfer)?"
            ),
        ),
        (
            "TA0005",
            "T1562",
            None,
            (
                "technique_id 'T1562' (Impair Defenses) is revoked in ATT&CK enterprise-19.2; "
                "its successor is T1685 (Disable or Modify Tools), under TA0112 Defense Impairment"
            ),
        ),
        (
            "TA0011",
            "T1026",
            None,
            (
                "technique_id 'T1026' (Multiband Communication) is deprecated in ATT&CK enterprise-19.2; "
                "it has no successor, remove it"
            ),
        ),
        (
            "TA0002",
            "T1105",
            None,
            (
                "technique_id 'T1105' (Ingress Tool Transfer) is not under TA0002 in ATT&CK enterprise-19.2; "
                "use TA0011 (Command and Control)"
            ),
        ),
        (
            "TA0002",
            "T1059",
            "T1548.001",
            "sub_technique_id 'T1548.001' belongs to T1548, not to T1059; T1059 has T1059.001 to T1059.013",
        ),
        ("TA0011", "T1105", "T1105", "sub_technique_id 'T1105' is no sub-technique; T1105 has no sub-techniques"),
        (
            "TA0002",
            "T1059.004",
            None,
            "technique_id 'T1059.004' is a sub-technique; write technique_id T1059 and sub_technique_id T1059.004",
        ),
    ],
)
def test_a_faulty_pair_is_told_with_its_way_out(
    enterprise: Catalog, tactic: str, technique: str, sub: str | None, fault: str
) -> None:
    assert enterprise.check_pair(tactic, technique, sub) == fault


def test_an_unknown_sub_technique_is_told(enterprise: Catalog) -> None:
    fault = enterprise.check_pair("TA0002", "T1059", "T1059.099")

    assert fault is not None
    assert fault.startswith("sub_technique_id 'T1059.099' is not in ATT&CK enterprise-19.2; did you mean T1059.0")


def test_a_subset_says_that_it_is_one() -> None:
    with pytest.raises(CatalogueError, match=r"'T0999' is not in ATT&CK ics-18\.1, which is a subset here"):
        load("ics-18.1").technique("T0999")


def test_the_catalogue_that_knows_an_id_is_found() -> None:
    catalogs = [load(release) for release in bundled_releases()]

    assert [getattr(find_catalog(each, catalogs), "release", None) for each in ("T0855", "TA0002", "T1", "T1059")] == [
        "ics-18.1",
        "enterprise-19.2",
        None,
        "enterprise-19.2",
    ]


@pytest.mark.parametrize("release", ["enterprise-1.0", "", "../../etc/passwd", "enterprise-19.2/../x", "x" * 5_000])
def test_an_unknown_release_is_refused_with_the_known_ones(release: str, tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match=r"no ATT&CK release .* there are enterprise-19\.2 or ics-18\.1"):
        load(release, tmp_path)


def test_a_release_is_read_once() -> None:
    assert load("enterprise-19.2") is load("enterprise-19.2")


def _small(release: str = "90.0") -> dict[str, object]:
    return {
        "domain": "enterprise-attack",
        "release": release,
        "notice": "© The MITRE Corporation.",
        "tactics": {"TA0002": {"name": "Execution", "shortname": "execution"}},
        "techniques": {"T1059": {"name": "Interpreter", "tactics": ["TA0002"]}},
    }


def test_a_release_in_the_overlay_wins_over_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "enterprise-19.2.json").write_text(json.dumps(_small("19.2")))

    assert load("enterprise-19.2", tmp_path).technique("T1059").name == "Interpreter"
    assert load("enterprise-19.2").technique("T1059").name == "Command and Scripting Interpreter"


def test_without_a_pointer_the_newest_shipped_release_is_current(tmp_path: Path) -> None:
    (tmp_path / "enterprise-90.0.json").write_text(json.dumps(_small()))

    assert current_releases(tmp_path) == {"enterprise": "enterprise-19.2", "ics": "ics-18.1"}
    assert releases(tmp_path) == ("enterprise-90.0", "enterprise-19.2", "ics-18.1")


def test_the_pointer_says_what_is_current(tmp_path: Path) -> None:
    (tmp_path / "current.json").write_text('{"enterprise": "enterprise-90.0"}')

    assert current_releases(tmp_path) == {"enterprise": "enterprise-90.0", "ics": "ics-18.1"}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"enterprise": 1}', '{"enterprise": "ics-18.1"}', '{"enterprise": "../x"}']
)
def test_a_broken_pointer_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "current.json").write_text(text)

    with pytest.raises(CatalogueError, match=r"current\.json: .* again"):
        current_releases(tmp_path)


def test_a_file_under_the_wrong_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "enterprise-91.0.json").write_text(json.dumps(_small("90.0")))

    with pytest.raises(CatalogueError, match=r"enterprise-91\.0\.json: holds enterprise-90\.0"):
        load("enterprise-91.0", tmp_path)


@pytest.mark.parametrize(
    ("techniques", "fault"),
    [
        ({"T1": {"name": "x"}}, "T1 is active but stands under no tactic"),
        ({"T1": {"name": "x", "tactics": ["TA9"]}}, "T1 stands under TA9, which is no tactic"),
        (
            {"T1": {"name": "x", "status": "revoked", "revoked_by": "T2"}},
            "T1 is revoked by T2, which is not in the file",
        ),
        ({"T1.001": {"name": "x", "tactics": ["TA0002"]}}, "T1.001 has no parent"),
        ({"T1": {"name": "x", "tactics": ["TA0002"], "revoked_by": "T1"}}, "T1 has a successor but is not revoked"),
        ({"T1": {"name": 7}}, "no ATT&CK catalogue: Expected `str`, got `int`"),
    ],
)
def test_a_contradictory_catalogue_file_is_refused(techniques: object, fault: str) -> None:
    raw = json.dumps({**_small(), "techniques": techniques}).encode()

    with pytest.raises(CatalogueError) as caught:
        catalog_from(raw, "x.json")

    assert str(caught.value).startswith("x.json: ")
    assert fault in str(caught.value)


def test_a_circle_of_revocations_ends_in_an_error() -> None:
    circle = {
        "T1": {"name": "x", "status": "revoked", "revoked_by": "T2"},
        "T2": {"name": "x", "status": "revoked", "revoked_by": "T1"},
    }
    catalog = catalog_from(json.dumps({**_small(), "techniques": circle}).encode(), "x.json")

    with pytest.raises(CatalogueError, match="circle"):
        catalog.migrate("T1")
    assert catalog.check_pair("TA0002", "T1") is not None
