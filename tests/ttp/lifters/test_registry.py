"""The predicates that are there and those that rules may name."""

from __future__ import annotations

from pathlib import Path

import pytest

import decnet
from decnet.ttp.lifters.registry import PREDICATES, owner_of
from decnet.ttp.predicates import predicates
from decnet.ttp.tagger import KNOWN_SOURCE_KINDS

LIFTERS = Path(decnet.__file__).parent / "ttp" / "lifters"
MODULE_OF = {"canary": "canary_fingerprint"}


def test_every_registered_predicate_may_be_named_by_rules() -> None:
    assert set(PREDICATES) <= set(predicates())


@pytest.mark.parametrize("name", sorted(PREDICATES))
def test_a_predicate_says_what_it_looks_at_and_in_which_kinds(name: str) -> None:
    predicate = PREDICATES[name]
    assert predicate.looks_at
    assert predicate.kinds
    assert predicate.kinds <= KNOWN_SOURCE_KINDS


@pytest.mark.parametrize("name", sorted(PREDICATES))
def test_a_predicate_belongs_to_the_lifter_that_its_name_begins_with(name: str) -> None:
    owner = MODULE_OF.get(owner_of(name), owner_of(name))
    assert (LIFTERS / f"{owner}.py").exists() or (LIFTERS / owner).is_dir()


def test_no_lifter_speaks_to_anybody() -> None:
    spoken = ("decnet.intel", "httpx", "aiohttp", "socket", "requests", "urllib.request")
    for path in LIFTERS.rglob("*.py"):
        text = path.read_text("utf-8")
        assert not [name for name in spoken if f"import {name}" in text or f"from {name}" in text], path
