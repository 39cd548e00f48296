from __future__ import annotations

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from decnet.attack.catalog import current_releases, load
from decnet.attack.update import (
    convert,
    current_catalog,
    install,
    official_digests,
    read_bundle,
    rule_impacts,
    verify,
)
from decnet.errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import HttpsSite, Stix


def _bundle(objects: list[Stix]) -> bytes:
    return json.dumps({"type": "bundle", "objects": objects}).encode()


def test_a_bundle_becomes_a_catalogue(bundle: bytes) -> None:
    catalog = convert(bundle).catalog

    assert catalog.release == "enterprise-90.0"
    assert catalog.domain == "enterprise-attack"
    assert catalog.notice == "Copyright 2027, The MITRE Corporation."
    assert [tactic.name for tactic in catalog.tactics] == ["Initial Access", "Execution", "Command and Control"]
    assert catalog.technique("T1059.004").parent == "T1059"
    assert catalog.technique("T1059").platforms == ("Linux",)
    assert catalog.technique("T1059").stix_id == "attack-pattern--T1059"
    assert catalog.migrate("T1190") == "T1866"
    assert catalog.technique("T1133").status == "deprecated"


def test_the_same_bundle_gives_the_same_bytes(objects: list[Stix]) -> None:
    reordered = [*objects[:3], *reversed(objects[3:])]

    assert convert(_bundle(objects)).data == convert(_bundle(reordered)).data


def test_a_converted_release_is_read_back_as_it_was(bundle: bytes, tmp_path: Path) -> None:
    new = convert(bundle)
    install(new, tmp_path / "attack")

    assert load("enterprise-90.0", tmp_path / "attack").techniques == new.catalog.techniques


def test_an_active_technique_wins_over_a_retired_one_of_the_same_id(objects: list[Stix]) -> None:
    twin = {**objects[6], "id": "attack-pattern--old", "name": "Old", "revoked": True}

    assert convert(_bundle([twin, *objects])).catalog.technique("T1059").name == "Command Interpreter"


def test_a_name_cannot_move_the_cursor(objects: list[Stix]) -> None:
    objects[6]["name"] = "Command\x1b[2J\nInterpreter\u202e"

    assert convert(_bundle(objects)).catalog.technique("T1059").name == "Command [2J Interpreter"


def _without(kind: str) -> Callable[[list[Stix]], list[Stix]]:
    return lambda objects: [each for each in objects if each["type"] != kind]


def _with(**change: Any) -> Callable[[list[Stix]], list[Stix]]:
    return lambda objects: [{**each, **change} if each.get("name") == "Unix Shell" else each for each in objects]


def _version(version: str) -> Callable[[list[Stix]], list[Stix]]:
    return lambda objects: [{**objects[0], "x_mitre_version": version}, *objects[1:]]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (_without("x-mitre-collection"), "has 0 x-mitre-collection versions"),
        (_without("x-mitre-matrix"), "holds the matrices of 0 ATT&CK domains"),
        (_without("x-mitre-tactic"), "refers to 'x-mitre-tactic--TA0001', which is no tactic"),
        (_without("attack-pattern"), "has no active techniques"),
        (_with(name=7), "Expected `str`, got `int` - at `$.objects[7].name`"),
        (_with(x_mitre_platforms="Linux"), "Expected `array`, got `str`"),
        (_with(kill_chain_phases=[]), "T1059.004 is active but stands under no tactic"),
        (_with(kill_chain_phases=[{"kill_chain_name": "mitre-attack", "phase_name": "fun"}]), "stands under 'fun'"),
        (_version("../../x"), "x_mitre_version '../../x' is no release like 19.2"),
        (_version("20"), "x_mitre_version '20' is no release like 19.2"),
        (lambda objects: [*objects, {**objects[6], "id": "attack-pattern--2"}], "T1059 is in the bundle twice"),
        (lambda objects: [each for each in objects if each.get("name") != "Command Interpreter"], "has no parent"),
        (lambda _: [], "holds the matrices of 0"),
    ],
)
def test_a_bundle_that_contradicts_itself_is_refused(
    objects: list[Stix], change: Callable[[list[Stix]], list[Stix]], fault: str
) -> None:
    with pytest.raises(CatalogueError) as caught:
        convert(_bundle(change(objects)), "new.json")

    assert str(caught.value).startswith("new.json: ")
    assert fault in str(caught.value)
    assert "attack-stix-data" in str(caught.value)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'{"objects": []}',
        b'{"type": "report", "objects": []}',
        b'{"type": "bundle", "objects": {}}',
        b'{"type": "bundle", "objects": [[]]}',
        b'{"type": "bundle", "objects": [{"id": "x"}]}',
        b"[" * 1_000_000,
        b'{"type": "bundle", "x": ' + b"[" * 1_000_000,
        b'{"type": "bundle", "objects": [{"type": "a", "x": ' + b'{"a":' * 1_000_000,
        b"<html>404</html>",
    ],
    ids=range(13),
)
def test_what_is_no_bundle_is_refused(raw: bytes) -> None:
    with pytest.raises(CatalogueError, match="bundle"):
        convert(raw)


def test_a_published_digest_is_recognised(bundle: bytes) -> None:
    table = {"enterprise": {"90.0": sha256(bundle).hexdigest()}}

    assert verify(bundle, convert(bundle).catalog, table) == "official"


def test_an_altered_bundle_is_refused(bundle: bytes) -> None:
    with pytest.raises(CatalogueError, match="it was altered"):
        verify(bundle, convert(bundle).catalog, {"enterprise": {"90.0": "0" * 64}})


def test_a_release_that_the_table_lacks_is_told(bundle: bytes) -> None:
    assert verify(bundle, convert(bundle).catalog, {"enterprise": {}}) == "not listed"


def test_without_the_table_nothing_is_claimed(bundle: bytes) -> None:
    assert verify(bundle, convert(bundle).catalog, None) == "not checked"


def test_the_table_of_mitre_knows_the_shipped_release() -> None:
    table = official_digests()
    assert table is not None
    assert len(table["enterprise"]["19.2"]) == 64


EMITS = [
    ("R1", "TA0002", "T1059", "T1059.004"),
    ("R2", "TA0002", "T1059", None),
    ("R3", "TA0001", "T1190", None),
    ("R4", "TA0001", "T1133", None),
    ("R5", "TA0011", "T1105", None),
    ("R6", "TA0007", "T1082", None),
    ("R7", "TA0108", "T0883", None),
]


def test_every_emit_of_the_domain_is_reported(bundle: bytes) -> None:
    impacts = rule_impacts(EMITS, load("enterprise-19.2"), convert(bundle).catalog)

    assert [(impact.rule_id, impact.change, impact.successor) for impact in impacts] == [
        ("R1", "unchanged", None),
        ("R2", "renamed", None),
        ("R3", "revoked", "T1866"),
        ("R4", "deprecated", None),
        ("R5", "invalid pair", None),
        ("R6", "removed", None),
    ]


def test_a_report_says_what_to_do(bundle: bytes) -> None:
    texts = [impact.text for impact in rule_impacts(EMITS, load("enterprise-19.2"), convert(bundle).catalog)]

    assert texts[1] == "T1059 is now called Command Interpreter, it was Command and Scripting Interpreter"
    assert "its successor is T1866 (Exploitation), under TA0001 Initial Access" in texts[2]
    assert "use TA0002 (Execution)" in texts[4]


def test_a_revoked_parent_is_reported_for_its_sub_technique(objects: list[Stix]) -> None:
    objects[6]["revoked"] = True
    (impact,) = rule_impacts(EMITS[:1], None, convert(_bundle(objects)).catalog)

    assert impact.change == "revoked"


def test_install_switches_the_current_release_of_its_domain_only(bundle: bytes, tmp_path: Path) -> None:
    overlay = tmp_path / "data" / "attack"
    path = install(convert(bundle), overlay)

    assert path == overlay / "enterprise-90.0.json"
    assert current_releases(overlay) == {"enterprise": "enterprise-90.0", "ics": "ics-18.1"}
    current = current_catalog("enterprise-attack", overlay)
    assert current is not None
    assert current.technique("T1059").name == "Command Interpreter"
    assert {each.name for each in overlay.iterdir()} == {"enterprise-90.0.json", "current.json"}


def test_installing_again_changes_nothing(bundle: bytes, tmp_path: Path) -> None:
    install(convert(bundle), tmp_path)
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    install(convert(bundle), tmp_path)

    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == before


def test_a_folder_that_cannot_be_written_is_named(bundle: bytes, tmp_path: Path) -> None:
    (tmp_path / "attack").write_text("a file, not a folder")

    with pytest.raises(CatalogueError, match=r"deeper: cannot be written: .* has not changed"):
        install(convert(bundle), tmp_path / "attack" / "deeper")


def test_there_is_no_current_catalogue_of_a_domain_that_never_came(tmp_path: Path) -> None:
    assert current_catalog("mobile-attack", tmp_path) is None


@pytest.mark.parametrize("source", ["http://example.org/x.json", "ftp://example.org/x", "file:///etc/passwd"])
def test_only_https_is_fetched(source: str) -> None:
    with pytest.raises(CatalogueError, match="use an https URL or a file"):
        read_bundle(source)


@pytest.mark.parametrize("source", ["/nowhere/x.json", "/", "a\0b", "https://", "https://[::1", "https://127.0.0.1:x/"])
def test_a_source_that_cannot_be_read_is_named(source: str) -> None:
    with pytest.raises(CatalogueError, match="cannot be read") as caught:
        read_bundle(source)

    assert str(caught.value).startswith(source)


def test_a_file_is_read(tmp_path: Path, bundle: bytes) -> None:
    (tmp_path / "b.json").write_bytes(bundle)

    assert read_bundle(str(tmp_path / "b.json")) == bundle


def test_a_file_over_the_cap_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_bytes(b"x" * 101)

    with pytest.raises(CatalogueError, match="larger than 100 bytes"):
        read_bundle(str(tmp_path / "b.json"), max_bytes=100)


def test_a_bundle_is_fetched_over_https(https_site: HttpsSite, bundle: bytes) -> None:
    https_site.pages["/b.json"] = bundle
    https_site.pages["/moved"] = "/b.json"

    assert read_bundle(f"{https_site.url}/moved", tls=https_site.tls) == bundle


def test_an_answer_over_the_cap_is_refused(https_site: HttpsSite) -> None:
    https_site.pages["/b.json"] = b"x" * 1_000_000

    with pytest.raises(CatalogueError, match="larger than 1000 bytes"):
        read_bundle(f"{https_site.url}/b.json", tls=https_site.tls, max_bytes=1_000)


def test_a_redirect_to_http_is_refused(https_site: HttpsSite) -> None:
    https_site.pages["/b.json"] = "http://127.0.0.1:9/b.json"

    with pytest.raises(CatalogueError, match="which is not https"):
        read_bundle(f"{https_site.url}/b.json", tls=https_site.tls)


def test_a_server_that_nobody_vouches_for_is_refused(https_site: HttpsSite) -> None:
    with pytest.raises(CatalogueError, match="CERTIFICATE_VERIFY_FAILED"):
        read_bundle(f"{https_site.url}/b.json")


def test_importing_the_catalogue_does_no_work() -> None:
    code = "import decnet.attack.catalog as c; print(c._load.cache_info().currsize)"
    root = str(Path(sys.modules["decnet"].__file__ or "").parents[1])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": root},
    )

    assert done.stdout == "0\n"
