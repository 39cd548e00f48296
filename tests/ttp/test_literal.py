from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.ttp.literal import longest_literal


@pytest.mark.parametrize(
    ("pattern", "length"),
    [
        ("whoami", 6),
        ("who+ami", 4),
        ("who*ami", 3),
        ("wh(?:o|y)ami", 3),
        ("(?:abc|d)", 3),
        ("(?:abc|defg)", 4),
        ("(?:abc)?", 0),
        ("(?:abc)+x", 3),
        ("a{3}", 1),
        ("[a-z]+/tmp", 4),
        ("[.]ssh[/]", 5),
        (r"\.ssh\b/id", 7),
        (r"\w+\d\s", 0),
        (r"(?i)cat", 3),
        (r"(?P<name>cat)$", 3),
        (r"^\x41bc", 3),
        (r"[]a]bc", 2),
        (r"a|", 1),
        ("", 0),
    ],
)
def test_the_longest_text_that_some_match_needs(pattern: str, length: int) -> None:
    assert longest_literal(pattern) == length


@given(st.text(alphabet="ab(|)?+*[]^$.\\wd{2}", max_size=12))
def test_any_text_is_read_to_its_end(pattern: str) -> None:
    assert longest_literal(pattern) <= len(pattern)
