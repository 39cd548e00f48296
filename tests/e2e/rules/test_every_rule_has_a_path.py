"""Every rule has a test that goes from a raw record of a producer to a stored tag, and the page says so."""

from __future__ import annotations

from scripts.write_rule_sources import PAGE, WAITING, missing, page, paths


def test_every_rule_has_a_path() -> None:
    assert missing(paths()) == WAITING


def test_a_rule_without_a_test_is_missed() -> None:
    proven = {rule_id: sources for rule_id, sources in paths().items() if rule_id != "R0001"}
    assert "R0001" in missing(proven)


def test_the_page_is_that_of_the_tests() -> None:
    assert PAGE.read_text("utf-8") == page(paths()), "python -m scripts.write_rule_sources writes it anew"
