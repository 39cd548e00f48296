"""Tokens to pipelines by the grammar of tree-sitter-bash.

https://github.com/tree-sitter/tree-sitter-bash names the nodes. The tree is only asked how statements are grouped;
words and redirections are read from the tokens.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Final

import tree_sitter_bash
from tree_sitter import Language, Node, Parser

from .scan import REDIRECT, RICH
from .script import Group, Leaf, Pipeline
from .shape import Statement, statements
from .split import split

if TYPE_CHECKING:
    from .limits import Budget
    from .scan import Scan, Token

_PARSER: Final = Parser(Language(tree_sitter_bash.language()))

_KINDS: Final = {
    "subshell": "subshell",
    "compound_statement": "braces",
    "if_statement": "branch",
    "case_statement": "branch",
    "while_statement": "loop",
    "for_statement": "loop",
    "function_definition": "function",
}
_PARTS: Final = frozenset(("elif_clause", "else_clause", "do_group", "case_item"))  # lists inside a group
_LEAVES: Final = frozenset(("command", "variable_assignment", "declaration_command", "unset_command", "test_command"))


def parse(scan: Scan, budget: Budget) -> tuple[list[Pipeline], bool]:
    """The pipelines of a text, and whether some of it is not valid shell."""
    budget.grammar -= len(scan.tokens)
    if budget.grammar < 0:
        budget.hit("grammar")
        return split(scan), scan.is_broken
    pipelines: list[Pipeline] = []
    is_broken = scan.is_broken
    reader = _Reader(scan)
    for statement in statements(scan, budget):
        by_grammar = None
        if statement.needs_grammar and not statement.is_broken:
            by_grammar = _by_grammar(reader, statement)
        if by_grammar is None:
            is_broken |= statement.is_broken or statement.needs_grammar
            by_grammar = split(scan, statement.low, statement.high)
            if statement.background:
                _send_to_background(by_grammar)
        pipelines += by_grammar
    return pipelines, is_broken


def _by_grammar(reader: _Reader, statement: Statement) -> list[Pipeline] | None:
    base = reader.scan.tokens[statement.low][1]
    root = _PARSER.parse(_outline_bytes(statement, base)).root_node
    if root.has_error:
        return None
    reader.base = base
    pipelines = reader.block(root)
    if statement.background:
        _send_to_background(pipelines)
    return pipelines


def _send_to_background(pipelines: list[Pipeline]) -> None:
    for pipeline in pipelines:
        pipeline.background = True


def _outline_bytes(statement: Statement, base: int) -> bytes:
    pieces = []
    pos = base
    for start, mask in statement.outline:
        if start < pos:  # the head of an arithmetic loop is longer than its word
            continue
        pieces.append(" " * (start - pos) + mask)
        pos = start + len(mask)
    return "".join(pieces).encode("ascii")


class _Reader:
    """Reads a tree; ``base`` is where its text begins in the whole text."""

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.base = 0
        self.starts = [token[1] for token in scan.tokens]

    def tokens(self, node: Node) -> tuple[int, int]:
        """The range of tokens that a node covers."""
        low = bisect_left(self.starts, node.start_byte + self.base)
        return low, bisect_left(self.starts, node.end_byte + self.base)

    def block(self, node: Node) -> list[Pipeline]:
        """The statements directly inside a node, with those of its parts."""
        pipelines: list[Pipeline] = []
        begun = 0
        for child in node.children:
            kind = child.type
            if kind == "&":
                _send_to_background(pipelines[begun:])
            elif kind in _PARTS:
                pipelines += self.block(child)
            elif child.is_named and kind not in {"word", "variable_name", "extglob_pattern", "concatenation"}:
                begun = len(pipelines)
                pipelines += self.statement(child)
        return pipelines

    def statement(self, node: Node) -> list[Pipeline]:
        """The pipelines of one statement; ``a && b && c`` nests to the left, so it is unrolled in a loop."""
        rights: list[Node] = []
        while node.type == "list":
            left, *_, right = node.children
            rights.append(right)
            node = left
        pipelines = []
        for part in (node, *reversed(rights)):
            pipelines += self.statement(part) if part.type == "list" else self.pipeline(part)
        return pipelines

    def pipeline(self, node: Node) -> list[Pipeline]:
        """A pipeline node, or a command alone."""
        if node.type in _LEAVES:
            return split(self.scan, *self.tokens(node))
        if node.type != "pipeline":
            return [Pipeline([self.group(node)])]
        pipelines: list[Pipeline] = []
        stages: list[Leaf | Group] = []
        for child in node.children:
            if not child.is_named:
                continue
            # The grammar reads `a | b || c` as `a | (b || c)`: only the ends of that list are stages.
            parts = self.statement(child)
            stages += parts[0].stages
            if len(parts) > 1:
                pipelines += [Pipeline(stages), *parts[1:-1]]
                stages = [*parts[-1].stages]
        return [*pipelines, Pipeline(stages)]

    def group(self, node: Node) -> Group:
        """A group with the redirections behind it."""
        low, high = self.tokens(node)
        start, end = node.start_byte + self.base, node.end_byte + self.base
        group = Group(_KINDS.get(node.type, "braces"), [], start, end)
        if group.kind == "function":
            self.function(group, node, low)
        else:
            if node.type == "for_statement":
                self.loop_head(group, low)
            elif node.type == "case_statement":
                group.values = [self.scan.tokens[low + 1]]
            group.body = self.block(node)
        group.redirects = self.redirects(high)
        return group

    def function(self, group: Group, node: Node, low: int) -> None:
        """Name and body of a function."""
        text, tokens = self.scan.text, self.scan.tokens
        name = tokens[low]
        if text[name[1] : name[2]] == "function":
            name = tokens[low + 1]
        group.name = text[name[1] : name[2]]
        body = node.children[-1]
        group.body_range = (body.start_byte + self.base, body.end_byte + self.base)
        group.body = self.block(body)

    def loop_head(self, group: Group, low: int) -> None:
        """Variable and values of ``for NAME in VALUES``."""
        text, tokens = self.scan.text, self.scan.tokens
        group.name = text[tokens[low + 1][1] : tokens[low + 1][2]]
        index = low + 3
        while index < len(tokens) and tokens[index][0] <= RICH and text[tokens[index][1] : tokens[index][2]] != "do":
            group.values.append(tokens[index])
            index += 1

    def redirects(self, index: int) -> list[tuple[Token, Token | None]]:
        """The redirections that begin at token ``index``."""
        found: list[tuple[Token, Token | None]] = []
        tokens = self.scan.tokens
        while index < len(tokens) and tokens[index][0] == REDIRECT:
            follows = tokens[index + 1] if index + 1 < len(tokens) and tokens[index + 1][0] <= RICH else None
            found.append((tokens[index], follows))
            index += 1 + (follows is not None)
        return found
