"""Conditions about a process as what one command of the shell view has: alternatives of ``exec`` terms.

Sigma speaks of a process that was started; here that is one simple command. The command line is its program as typed, a
space and its arguments, so that a text in it may be found in the arguments, or begin in the program.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import permutations, product
from typing import TYPE_CHECKING, Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import SigmaRegularExpression

from decnet.shell.programs import SHELLS, program_name
from decnet.ttp.sigma.values import ONE, CannotMap, Wild, expression, folded, quoted, wild

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sigma.types import SigmaType

MAX_ALTERNATIVES = 64
MAX_TOGETHER = 4
"""Texts that one part must all have: their orders are written out, 24 for four of them."""
WRITERS = ("tee", "touch", "cp", "mv", "install", "ln", "dd", "wget", "curl", "sed", "vi", "nano", "tar", "scp")
"""Programs that make the files which their arguments name."""

BEGIN, END = "(?:^| )", "(?: |$)"
"""Where an argument begins and ends."""

Patterns = tuple[tuple[str, frozenset[str]], ...]


@dataclass(frozen=True)
class Clause:
    """One alternative: what a single command must have. ``patterns`` are by part, all to be found."""

    programs: frozenset[str] | None = None
    wrappers: frozenset[str] | None = None
    patterns: Patterns = ()
    without: frozenset[str] = frozenset()
    lines: frozenset[str] = frozenset()
    not_programs: frozenset[str] = frozenset()

    def term(self) -> dict[str, Any]:
        """The clause as a term of our language.

        :raises CannotMap: it asks for nothing that a command has.
        """
        parts: dict[str, Any] = {}
        programs = self.programs
        if programs is not None:
            programs -= self.not_programs
            parts["program"] = _short(programs)
        elif self.not_programs:
            raise CannotMap("'not' this program, and no other one named")
        for part, found in self.patterns:
            parts[part] = folded(_together(found))
        if self.without:
            parts["args_not"] = folded("|".join(sorted(self.without)))
        if self.wrappers is not None:
            parts["wrapper"] = _short(self.wrappers)
        terms: list[dict[str, Any]] = [{"exec": parts}] if parts else []
        terms += [{"pattern": line} for line in sorted(self.lines)]
        if not (parts.keys() - {"args_not"}) and not self.lines:
            raise CannotMap("only says what is not there")
        return terms[0] if len(terms) == 1 else {"all": terms}


Clauses = tuple[Clause, ...]


def command_term(condition: Any, fields: Callable[[str | None, SigmaType, bool], Clauses]) -> dict[str, Any]:
    """The term that a parsed Sigma ``condition`` describes; ``fields`` tells what a field with a value means.

    :raises CannotMap: some part of it cannot be said.
    """
    clauses = _clauses(condition, fields, negated=False)
    terms = [clause.term() for clause in clauses if clause.programs is None or clause.programs - clause.not_programs]
    if not terms:
        raise CannotMap("no command can meet all of it")
    return terms[0] if len(terms) == 1 else {"any": terms}


def _clauses(node: Any, fields: Callable[[str | None, SigmaType, bool], Clauses], *, negated: bool) -> Clauses:
    if isinstance(node, ConditionNOT):
        return _clauses(node.args[0], fields, negated=not negated)
    if isinstance(node, ConditionOR | ConditionAND):
        parts = [_clauses(part, fields, negated=negated) for part in node.args]
        is_choice = isinstance(node, ConditionOR) is not negated
        return _merged([clause for part in parts for clause in part]) if is_choice else _product(parts)
    if isinstance(node, ConditionFieldEqualsValueExpression):
        return fields(node.field, node.value, negated)
    if isinstance(node, ConditionValueExpression):
        return fields(None, node.value, negated)
    raise CannotMap(f"a condition of type {type(node).__name__} has no term")


def _product(parts: Sequence[Clauses]) -> Clauses:
    size = 1
    for part in parts:
        size *= len(part)
        if size > MAX_ALTERNATIVES:
            raise CannotMap(f"more than {MAX_ALTERNATIVES} combinations of alternatives")
    joined = (_joined(combination) for combination in product(*parts))
    return _merged([clause for clause in joined if clause is not None])


def _joined(clauses: Iterable[Clause]) -> Clause | None:
    """One command that meets all of ``clauses``; None where it cannot."""
    whole = Clause()
    for clause in clauses:
        programs = _both(whole.programs, clause.programs)
        wrappers = _both(whole.wrappers, clause.wrappers)
        if programs == frozenset() or wrappers == frozenset():
            return None
        patterns = dict(whole.patterns)
        for part, found in clause.patterns:
            patterns[part] = patterns.get(part, frozenset()) | found
        whole = Clause(
            programs,
            wrappers,
            tuple(sorted(patterns.items())),
            whole.without | clause.without,
            whole.lines | clause.lines,
            whole.not_programs | clause.not_programs,
        )
    return whole


def _both(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _merged(clauses: Sequence[Clause]) -> Clauses:
    """The same alternatives in fewer: programs in one list, single patterns of one part in one choice."""
    by_rest: dict[Clause, Clause] = {}
    for clause in clauses:
        rest = replace(clause, programs=None if clause.programs is None else frozenset({"?"}))
        known = by_rest.get(rest)
        if known is not None and known.programs is not None and clause.programs is not None:
            by_rest[rest] = replace(known, programs=known.programs | clause.programs)
        else:
            by_rest.setdefault(rest, clause)
    by_part: dict[tuple[Clause, str], Clause] = {}
    for clause in by_rest.values():
        single = clause.patterns[0] if len(clause.patterns) == 1 and len(clause.patterns[0][1]) == 1 else None
        rest = replace(clause, patterns=())
        key = (rest if single else clause, single[0] if single else "")
        known = by_part.get(key)
        if single and known is not None:
            ((part, (before,)), (_, (more,))) = (known.patterns[0], single)
            by_part[key] = replace(known, patterns=((part, frozenset({f"{before}|{more}"})),))
        else:
            by_part.setdefault(key, clause)
    return tuple(by_part.values())


def _together(found: frozenset[str]) -> str:
    """A pattern for all of ``found``, in any order."""
    if len(found) == 1:
        (pattern,) = found
        return pattern
    if len(found) > MAX_TOGETHER:
        raise CannotMap(f"more than {MAX_TOGETHER} texts that must all be there, in any order")
    orders = [_chained(order) for order in permutations(sorted(found)) if _is_possible(order)]
    if not orders:
        raise CannotMap("two texts that must both stand first, or last")
    return "|".join(orders)


def _chained(order: Sequence[str]) -> str:
    """One text behind the other. Anchors can only stand at the ends, so between them an argument ends at a space."""
    whole, *others = order
    whole = _grouped(whole)
    for text in others:
        follower = _grouped(text)
        ends, begins = whole.endswith(END), follower.startswith(BEGIN)
        whole = whole.removesuffix(END).replace(END, " ")
        follower = follower.removeprefix(BEGIN).replace(BEGIN, " ")
        between = "(?: .*)? " if ends and begins else " .*" if ends else ".* " if begins else ".*"
        whole = f"{whole}{between}{follower}"
    return whole


def _grouped(pattern: str) -> str:
    inner = pattern.removeprefix(BEGIN).removesuffix(END)
    return f"(?:{pattern})" if "|" in inner else pattern


def _is_possible(order: Sequence[str]) -> bool:
    """Whether what must stand first and last does."""
    anchored_first = any(pattern.startswith("^") for pattern in order[1:])
    anchored_last = any(pattern.endswith("$") and not pattern.endswith("\\$") for pattern in order[:-1])
    return not anchored_first and not anchored_last


def _short(names: frozenset[str]) -> str | list[str]:
    listed = sorted(names)
    return listed[0] if len(listed) == 1 else listed


def image(value: SigmaType, negated: bool) -> Clauses:  # noqa: FBT001 - as every field is asked
    """The program of the process: by its name where the value ends in one, else by what was typed."""
    found = wild(value)
    name = _program_in(found)
    if name:
        return (Clause(not_programs=frozenset({name})),) if negated else (Clause(programs=frozenset({name})),)
    if negated:
        raise CannotMap("'not' a pattern of programs")
    return (Clause(patterns=(("path", frozenset({_path(found)})),)),)


def _program_in(found: Wild) -> str:
    literal = found.literal
    if literal is None or found.ends_open or ONE in literal:
        return ""
    folder, slash, name = literal.rpartition("/")
    is_whole = bool(slash) if found.starts_open else True
    return program_name(name) if is_whole and name and not folder.strip("/").startswith(("tmp", "dev", "var")) else ""


def _path(found: Wild) -> str:
    """A folder in front is seldom typed: what begins with one slash may begin there."""
    pattern = found.pattern()
    return (
        f"(?:^|/){pattern[1:]}"
        if found.starts_open and pattern.startswith("/") and "/" not in pattern[1:-1]
        else pattern
    )


def parent(value: SigmaType, negated: bool) -> Clauses:  # noqa: FBT001 - as every field is asked
    """What started the process: a shell always did, other programs show as wrappers."""
    name = _program_in(wild(value))
    if not name:
        raise CannotMap("a pattern of parent processes; the shell view knows them by name")
    if name in SHELLS:
        if negated:
            raise CannotMap("'not' from a shell; whatever is typed is run by one")
        return (Clause(),)
    if negated:
        return (Clause(),)
    return (Clause(wrappers=frozenset({name})),)


def command_line(value: SigmaType, negated: bool) -> Clauses:  # noqa: FBT001 - as every field is asked
    """A text in the command line: in its arguments, or from the program on."""
    if isinstance(value, SigmaRegularExpression):
        if negated:
            raise CannotMap("'not' a regular expression over the whole command line")
        return (Clause(lines=frozenset({expression(value)})),)
    found = wild(value)
    arguments = _arguments(found)
    if negated:
        if arguments is None:
            raise CannotMap("'not' a whole command line")
        return (Clause(without=frozenset({arguments})),)
    from_program = _from_program(found)
    clauses = [Clause(patterns=(("args", frozenset({arguments})),))] if arguments is not None else []
    return (*clauses, *([from_program] if from_program is not None else []))


def _arguments(found: Wild) -> str | None:
    """The text where it lies within the arguments; None where it must begin with the program."""
    if not found.starts_open:
        return None
    first, *rest = found.inner
    pattern = Wild((None, (first or "").lstrip(" "), *rest, *((None,) if found.ends_open else ()))).pattern()
    pattern = f"{BEGIN}{pattern}" if (first or "").startswith(" ") else pattern
    return pattern.removesuffix(" ") + END if found.ends_open and pattern.endswith(" ") else pattern


def _from_program(found: Wild) -> Clause | None:
    """The text where it begins in the program: its first word is the end of that, the rest begins the arguments."""
    first, *rest = found.inner
    head, space, tail = (first or "").partition(" ")
    if not head or head.startswith("-") or ONE in head:
        return None
    start = "" if found.starts_open else "(?:^|/)"
    if not space and not rest:
        return Clause(patterns=(("path", frozenset({start + quoted(head) + ("" if found.ends_open else "$")})),))
    patterns: dict[str, frozenset[str]] = {"path": frozenset({f"{start}{quoted(head)}{'$' if space else ''}"})}
    if space:
        arguments = Wild((tail, *rest, *((None,) if found.ends_open else ()))) if tail else Wild((*rest,))
        text = arguments.pattern() if arguments.parts and any(arguments.parts) else ""
        if text:
            patterns["args"] = frozenset({text})
    else:
        patterns["args"] = frozenset({Wild((None, *rest[1:], *((None,) if found.ends_open else ()))).pattern()})
    return Clause(patterns=tuple(sorted(patterns.items())))


def target_file(value: SigmaType, negated: bool) -> Clauses:  # noqa: FBT001 - as every field is asked
    """A file that is made: by a redirection, or by a program that makes what its arguments name."""
    if isinstance(value, SigmaRegularExpression):
        pattern, in_args = expression(value), expression(value)
    else:
        found = wild(value)
        pattern, in_args = found.pattern(), found.pattern(before=BEGIN, behind=END)
    if negated:
        return (Clause(without=frozenset({in_args})),)
    return (
        Clause(patterns=(("redirect_to", frozenset({pattern})),)),
        Clause(programs=frozenset(WRITERS), patterns=(("args", frozenset({in_args})),)),
    )


def argument(value: SigmaType, negated: bool) -> Clauses:  # noqa: FBT001 - as every field is asked
    """One argument of an ``execve`` call; which one is not told apart."""
    if isinstance(value, SigmaRegularExpression):
        pattern = expression(value)
    else:
        pattern = wild(value).pattern(before=BEGIN, behind=END)
    return (Clause(without=frozenset({pattern})),) if negated else (Clause(patterns=(("args", frozenset({pattern})),)),)
