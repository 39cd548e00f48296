"""The tables beside the rules, and the pages written from both."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from decnet.attack import catalog
from decnet.models.rule import LIFTER_OWNERS
from decnet.ttp.rule_page import coverage_page, read_coverage, read_measurement, rules_page
from decnet.ttp.store.filesystem import default_rules_folder, load_pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.attack.catalog import Catalog
    from decnet.ttp.pack import LifterTerm, Pack

RULES = default_rules_folder()
DOCS = Path(__file__).parents[2] / "docs" / "reference"
PROVIDERS = sorted(path.stem for path in (RULES / "intel").glob("*.yaml"))
TABLES = sorted(path.name for path in (RULES / "data").glob("*.yaml") if path.stem not in {"coverage", "measured"})
LEAST_DEFAULT_PAIRS = 100
OBSERVATIONS = 220


@cache
def table(relative: str) -> dict[str, Any]:
    value = yaml.load((RULES / relative).read_text("utf-8"), Loader=yaml.CSafeLoader)
    assert isinstance(value, dict)
    return value


def lifter_terms(pack: Pack) -> Iterator[tuple[str, LifterTerm]]:
    return ((rule.rule_id, term) for rule in pack.rules for term in rule.lifters)


def emitted(pack: Pack, rule_id: str) -> dict[tuple[str, str], float]:
    rule = pack.rule(rule_id)
    assert rule is not None
    return {
        (item.emit.tactic, item.emit.sub_technique_id or item.emit.technique_id): item.emit.confidence
        for item in rule.emits
    }


def catalogs() -> dict[str, Catalog]:
    return {release: catalog.load(release) for release in catalog.bundled_releases()}


def test_the_pack_has_every_rule_that_was_promised(pack: Pack) -> None:
    promised = {f"R{number:04}" for number in range(1, 89)}
    assert promised <= {rule.rule_id for rule in pack.rules}


def test_every_file_that_a_lifter_rule_names_is_there(pack: Pack) -> None:
    named = {
        (rule_id, value)
        for rule_id, term in lifter_terms(pack)
        for value in term.parameters.values()
        if isinstance(value, str) and value.endswith(".yaml")
    }
    assert named
    assert {name for name in named if not (RULES / name[1]).is_file()} == set()


def test_every_predicate_has_one_owner_and_the_rules_of_every_owner_are_there(pack: Pack) -> None:
    assert {term.predicate.partition("_")[0] for _, term in lifter_terms(pack)} == set(LIFTER_OWNERS)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_says_when_it_was_reviewed_and_has_no_row_twice(name: str) -> None:
    value = table(f"data/{name}")
    rows = [tuple(sorted((key, str(item)) for key, item in row.items())) for row in value["rows"]]
    assert value["last_reviewed"] < value["next_review"]
    assert rows
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize("name", TABLES)
def test_a_row_names_a_source_that_the_table_states(name: str) -> None:
    value = table(f"data/{name}")
    if sources := value.get("sources"):
        assert {row["source"] for row in value["rows"]} <= set(sources)


def test_the_default_credentials_are_enough_and_each_has_its_product() -> None:
    rows = table("data/default_credentials.yaml")["rows"]
    assert len({(row["username"], row["password"]) for row in rows}) >= LEAST_DEFAULT_PAIRS
    assert all(isinstance(row[key], str) for row in rows for key in ("vendor", "product", "username", "password"))
    assert all(row["vendor"] and row["product"] for row in rows)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_maps_only_to_what_its_rule_emits(pack: Pack, provider: str) -> None:
    value = table(f"intel/{provider}.yaml")
    most = emitted(pack, value["rule"])
    mapped = {
        (emit["tactic"], emit.get("sub_technique_id", emit["technique_id"])): emit["confidence"]
        for row in value["rows"]
        for emit in row["emits"]
    }
    assert set(mapped) == set(most)
    assert {pair for pair, confidence in mapped.items() if confidence > most[pair]} == set()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_says_where_its_signals_are_listed_and_which_are_left_out(provider: str) -> None:
    value = table(f"intel/{provider}.yaml")
    left_out = {row["signal"] for row in value["not_mapped"]}
    assert value["reference"].startswith("https://")
    assert value["last_reviewed"] < value["next_review"]
    assert all(row["reason"] for row in value["not_mapped"])
    assert left_out.isdisjoint(row["signal"] for row in value["rows"])


def test_every_category_of_abuseipdb_is_mapped_or_left_out() -> None:
    value = table("intel/abuseipdb.yaml")
    signals = {row["signal"] for row in (*value["rows"], *value["not_mapped"])}
    assert signals == set(range(1, 24))


def test_every_observation_is_taken_by_a_rule_that_emits_its_technique_or_is_left_out_with_a_reason(pack: Pack) -> None:
    rows = read_coverage(RULES / "data")
    wrong = [
        (row.section, row.observed, row.technique)
        for row in rows
        if bool(row.rules) is bool(row.not_taken)
        or any((row.tactic, row.technique) not in emitted(pack, rule_id) for rule_id in row.rules)
    ]
    assert wrong == []
    assert len(rows) == OBSERVATIONS


def test_every_observation_is_a_pair_of_the_matrix() -> None:
    rows = read_coverage(RULES / "data")
    assert [
        row
        for row in rows
        if not any(release.is_valid_pair(row.tactic, row.technique) for release in catalogs().values())
    ] == []


def test_the_page_of_the_rules_is_up_to_date(pack: Pack) -> None:
    page = rules_page(pack, catalogs(), read_measurement(RULES / "data"))
    assert (DOCS / "rules.md").read_text("utf-8") == page, "run: python -m scripts.write_rule_pages"


def test_the_page_of_the_observations_is_up_to_date(pack: Pack) -> None:
    page = coverage_page(read_coverage(RULES / "data"), pack, catalogs())
    assert (DOCS / "coverage.md").read_text("utf-8") == page, "run: python -m scripts.write_rule_pages"


def test_the_figures_are_those_of_rules_that_exist() -> None:
    measured = set(read_measurement(RULES / "data").rules)
    assert measured <= {rule.rule_id for rule in load_pack().rules}
