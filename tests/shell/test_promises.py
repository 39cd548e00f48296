"""Promises that hold for any text: total, deterministic, bounded, two ways with one answer."""

from __future__ import annotations

from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decnet.shell import EMPTY, unroll
from decnet.shell.limits import MAX_COMMANDS, MAX_TEXT, Budget
from decnet.shell.parse import _by_grammar, _Reader
from decnet.shell.scan import scan_text
from decnet.shell.script import Group, Leaf, Pipeline
from decnet.shell.shape import statements
from decnet.shell.split import split
from decnet.shell.unroll import unroll_fully
from tests.shell.fuzz import PIECES, SEEDS, check, fuzz

anything = st.text() | st.lists(st.sampled_from(PIECES) | st.sampled_from(SEEDS), max_size=30).map("".join)
_PLAIN = "a wget -x --y=z x=1 % [ ] ~ ^ é 1 2>&1 >f >>f &>f & | && || |& if x} $x ! time test unset export declare let"
_MORE_PLAIN = "= a[0]=1 += @ * ? : , - # \\; \\ a\\b ;"
plain_pieces = st.sampled_from(
    [*_PLAIN.split(), *_MORE_PLAIN.split(), "'q ;'", '"d $x"', "< f", " ", "  ", " ; ", "\n", " ! ", "\t", " #c"],
)
plain = st.lists(plain_pieces, max_size=14).map("".join)


@settings(deadline=None)
@given(anything)
def test_any_text_gives_a_view_that_keeps_its_promises(text: str) -> None:
    check(text, EMPTY)


@settings(deadline=None)
@given(anything, anything)
def test_same_text_and_state_give_the_same_view(first: str, text: str) -> None:
    state = unroll(first).state
    assert unroll(text, state) == unroll(text, unroll(first).state)
    assert state.digest == unroll(first).state.digest


@settings(deadline=None)
@given(st.text(alphabet="abcCP /.:-_%+@,=3 ", max_size=30) | plain)
def test_short_cut_for_plain_words_equals_the_long_way(text: str) -> None:
    assert unroll(text) == unroll_fully(text)


def flat(pipelines: list[Pipeline]) -> list[object]:
    """Pipelines as comparable values."""
    rows: list[object] = []
    for pipeline in pipelines:
        stages = [stage for stage in pipeline.stages if isinstance(stage, Leaf)]
        assert not [stage for stage in pipeline.stages if isinstance(stage, Group)]
        rows.append(([(stage.words, stage.redirects, stage.start, stage.end) for stage in stages], pipeline.background))
    return rows


@settings(max_examples=300, deadline=None)
@given(plain)
def test_splitter_equals_grammar_on_lists_without_groups(text: str) -> None:
    budget = Budget(len(text))
    scan = scan_text(text, budget)
    found = statements(scan, budget)
    if scan.is_compound or scan.is_broken or any(statement.is_broken for statement in found):
        return
    reader = _Reader(scan)
    by_grammar: list[Pipeline] = []
    for statement in found:
        pipelines = _by_grammar(reader, statement)
        assert pipelines is not None, "the grammar refuses what the outline calls well formed"
        by_grammar += pipelines
    assert flat(split(scan)) == flat(by_grammar)


def test_mutated_lines_keep_the_promises() -> None:
    assert fuzz(1500, seed=3)


HOSTILE = [
    "(",
    ")",
    "$(",
    "${",
    "`",
    "'",
    '"',
    "<<a ",
    "<<a\n",
    "a;",
    "a|",
    "(a);",
    "{a,b}",
    "{1..99}",
    "$((",
    "[[ ",
    "a() { ",
    "\\",
    "if a; then ",
    "case a in ",
    "for i in a; do ",
    "echo id|sh|",
    "a=$a$a;",
    '"$(',
    '"${',
    "${a:-",
    "<(a",
    "sudo ",
    "sh -c ",
    "eval ",
    "find -exec ",
    "$a",
    "\0",
    "\ud800",
    "é;",
    "x)",
    "a=(",
    "((a",
    ";",
    "&",
    "\n",
    "#\n",
    "!",
    "$'",
    "a(){ a;};",
]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("size", [2_000, MAX_TEXT])
def test_hostile_repetition_is_bounded(piece: str, size: int) -> None:
    text = (piece * size)[:size]
    begun = process_time()
    result = unroll(text)
    assert process_time() - begun < 0.5  # a loaded machine; the figures are in bench/shell.py
    assert len(result.commands) <= MAX_COMMANDS


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("id " * 40_000, "length"),
        ("id;" * 600, "commands"),
        ("$(" * 20 + "id" + ")" * 20, "depth"),
        ("( " * 70 + "id" + " )" * 70, "nesting"),
        ("{1..99}", "braces"),
        ("".join(f"v{number}=1;" for number in range(70)), "variables"),
        (f"x={'a' * 5000}", "value"),
        ("".join(f"f{number}() {{ id; }};" for number in range(20)), "functions"),
        ('"$(' * 2000, "steps"),
        ("(a);" * 400, "grammar"),
        ("echo $(id) " * 300, "texts"),
        (f"x={'a' * 4000};" + "echo $x;" * 100, "expansion"),
        ("cmd /c " + "a&" * 600, "commands"),
        ("cmd /c " + "a " * 6000, "length"),
    ],
)
def test_each_limit_is_named_when_it_cuts(text: str, limit: str) -> None:
    assert limit in unroll(text).limits


def test_zip_bomb_stops_at_the_limit() -> None:
    import base64
    import gzip

    bomb = base64.b64encode(gzip.compress(b"\0" * 40_000_000)).decode()
    assert "decoded_bytes" in unroll(f"echo {bomb} | base64 -d | gunzip | sh").limits


def test_honest_text_meets_no_limit() -> None:
    assert [unroll(text).limits for text in SEEDS] == [()] * len(SEEDS)
