"""What terms about commands wait for: searches are few, and nothing that is true is missed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decnet.shell import SimpleCommand, unroll
from decnet.ttp.command_index import CommandIndex
from decnet.ttp.exec_term import ExecTerm, SimpleCommandView, holds
from decnet.ttp.exec_trigger import ARGS, FEW, MAX_TOGETHER, TARGET, triggers_of_terms

WORDS = tuple(f"qu{letter}x" for letter in "abcdefghijkl")
PROGRAMS = ("wget", "curl", "fetch")


def a_term(*programs: str, **patterns: str) -> ExecTerm:
    return ExecTerm(frozenset(programs), tuple(patterns.items()), (), (), ())


def test_programs_that_share_patterns_are_searched_together() -> None:
    terms = [a_term(*PROGRAMS, args=word) for word in WORDS]
    (search,) = triggers_of_terms(terms).searches
    assert (search.place, set(search.programs), set(search.patterns)) == (ARGS, set(PROGRAMS), set(WORDS))


def test_a_program_with_few_patterns_has_no_search() -> None:
    terms = [a_term("wget", args=word) for word in WORDS[: FEW - 1]]
    assert triggers_of_terms(terms) == ((), {"wget": list(range(FEW - 1))})


def test_a_search_of_several_programs_stays_small() -> None:
    terms = [a_term(f"program{number // 50}", args=f"qux{number}") for number in range(500)]
    sizes = [len(search.patterns) for search in triggers_of_terms(terms).searches]
    assert sum(sizes) == 500
    assert max(sizes) <= MAX_TOGETHER


def test_targets_of_every_redirection_are_searched_at_once() -> None:
    parts = ("redirect_to", "append_to", "overwrite", "redirect_from", "here_text")
    terms = [a_term(args=r"\w", **{part: f"qux{part}"}) for part in parts]
    (search,) = triggers_of_terms(terms).searches
    assert (search.place, len(search.patterns)) == (TARGET, len(parts))


@pytest.mark.parametrize("line", ["wget quax > x", "curl quax", "ls quax", "wget", "wget qubx > quax", "cat < quax"])
def test_a_trigger_wakes_the_terms_of_its_program_only(line: str) -> None:
    terms = [a_term(*PROGRAMS[: number % 4], args=word) for number, word in enumerate(WORDS)]
    terms += [a_term("wget", redirect_to="quax"), a_term(redirect_from="quax"), a_term("curl", args=r"\w")]
    assert CommandIndex(terms).find(unroll(line).commands) == by_trying_all(terms, unroll(line).commands)


@given(
    st.lists(st.tuples(st.sampled_from((*PROGRAMS, "ls")), st.lists(st.sampled_from(WORDS), max_size=3)), max_size=4)
)
def test_an_index_with_searches_finds_what_trying_every_term_finds(calls: list[tuple[str, list[str]]]) -> None:
    terms = [a_term(program, args=word) for program in PROGRAMS for word in WORDS]
    terms += [a_term("wget", "curl", args=f"{word}$") for word in WORDS] + [a_term(args=word) for word in WORDS]
    commands = unroll("; ".join(" ".join((program, *words)) for program, words in calls)).commands
    assert CommandIndex(terms).find(commands) == by_trying_all(terms, commands)


def by_trying_all(terms: list[ExecTerm], commands: tuple[SimpleCommand, ...]) -> dict[int, SimpleCommandView]:
    found: dict[int, SimpleCommandView] = {}
    for number, term in enumerate(terms):
        for command in commands:
            if holds(term, command):
                found.setdefault(number, command)
    return found
