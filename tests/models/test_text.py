from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.models.text import canonical_text, original_text

ANY_TEXT = st.text(alphabet=st.characters(codec=None, exclude_categories=()))


@given(ANY_TEXT)
def test_text_comes_back_as_it_was(text: str) -> None:
    assert original_text(canonical_text(text)) == text


@given(ANY_TEXT)
def test_canonical_text_is_utf8_without_nul(text: str) -> None:
    assert b"\0" not in canonical_text(text).encode()


@given(st.binary())
def test_bytes_come_back_as_they_were(data: bytes) -> None:
    assert original_text(canonical_text(data)).encode("utf-8", "surrogateescape") == data


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("uname -a", "uname -a"),
        ("a\0b", "a␛0b"),
        ("\udce9", "␛udce9"),
        (b"caf\xe9", "caf␛xe9"),
        ("␛0", "␛␛0"),
        ("naïve", "naïve"),
    ],
)
def test_what_is_no_text_is_marked(raw: str | bytes, kept: str) -> None:
    assert canonical_text(raw) == kept
