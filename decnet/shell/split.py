"""Tokens to pipelines without a grammar: for plain lists, and for text that no grammar accepts.

On text without groups and reserved words this gives what the grammar gives. On other text it is tolerant: brackets
and reserved words separate commands, the head of a loop still sets its variable, and nothing that could run is lost.
"""

from __future__ import annotations

from typing import Final

from .scan import OPERATOR, REDIRECT, RESERVED, RICH, Scan, Token
from .script import Group, Leaf, Pipeline

_JOINS: Final = frozenset(("|", "|&"))
_AND_OR: Final = frozenset(("&&", "||"))


class _Splitter:
    """Collects words into commands, commands into pipelines."""

    __slots__ = ("begun", "leaf", "loops", "pipelines", "scan", "stages")

    def __init__(self, scan: Scan) -> None:
        self.scan = scan
        self.pipelines: list[Pipeline] = []
        self.stages: list[Leaf | Group] = []
        self.leaf = Leaf()
        self.loops = 0
        self.begun = 0  # the first pipeline of the list at hand

    def close_stage(self) -> None:
        """Ends the command at hand."""
        if self.leaf.words or self.leaf.redirects:
            self.stages.append(self.leaf)
            self.leaf = Leaf()

    def close_pipeline(self, op: str) -> None:
        """Ends the pipeline at hand before ``op``; ``&`` sends all of ``a && b &`` to the background."""
        self.close_stage()
        if self.stages:
            self.pipelines.append(Pipeline(self.stages, in_loop=self.loops > 0))
            self.stages = []
        if op == "&":
            for pipeline in self.pipelines[self.begun :]:
                pipeline.background = True
        if op not in _AND_OR:
            self.begun = len(self.pipelines)

    def reserved(self, word: str, tokens: list[Token], index: int) -> int:
        """Handles a reserved word where a command may begin; returns the index of the token after it."""
        if word == "done":
            self.loops = max(0, self.loops - 1)
        elif word in {"while", "until"}:
            self.loops += 1
        elif word in {"for", "select"}:
            return self.loop_head(tokens, index)
        elif word == "function":
            return index + 2
        elif word == "case":
            return self.after_in(tokens, index)
        return index + 1

    def loop_head(self, tokens: list[Token], index: int) -> int:
        """Reads ``for NAME in VALUES`` up to the separator."""
        self.loops += 1
        stop = index + 1
        while stop < len(tokens) and tokens[stop][0] <= RICH:
            stop += 1
        head = tokens[index + 1 : stop]
        if head:
            name = self.scan.text[head[0][1] : head[0][2]]
            self.pipelines.append(Pipeline([], in_loop=True, loop_name=name, loop_values=head[2:]))
        return stop

    def after_in(self, tokens: list[Token], index: int) -> int:
        """The index after ``case WORD in``; after ``case`` alone when there is no ``in``."""
        third = tokens[index + 2 : index + 3]
        if third and self.scan.text[third[0][1] : third[0][2]] == "in":
            self.pipelines.append(Pipeline([], loop_values=tokens[index + 1 : index + 2]))
            return index + 3
        return index + 1

    def drop_pattern(self) -> None:
        """Forgets the single word before a lone ``)``: a pattern of ``case``."""
        if not self.stages and len(self.leaf.words) == 1:
            self.leaf = Leaf()


def split(scan: Scan, low: int = 0, high: int | None = None) -> list[Pipeline]:
    """The pipelines of the tokens from ``low`` to ``high``."""
    tokens = scan.tokens[low:high]
    text = scan.text
    state = _Splitter(scan)
    index, size, opened = 0, len(tokens), 0
    while index < size:
        token = tokens[index]
        kind, start, end, op = token
        index += 1
        leaf = state.leaf
        if kind <= RICH:
            if not leaf.words and not leaf.redirects and _is_reserved(scan, word := text[start:end]):
                index = state.reserved(word, tokens, index - 1)
            else:
                if leaf.start < 0:
                    leaf.start = start
                leaf.end = end
                leaf.words.append(token)
        elif kind == REDIRECT:
            target = tokens[index] if index < size and tokens[index][0] <= RICH else None
            index += target is not None
            if leaf.start < 0:
                leaf.start = start
            leaf.end = target[2] if target else end
            leaf.redirects.append((token, target))
        elif op in _JOINS:
            state.close_stage()
        elif op == "\n" and not leaf.words and index > 1 and _continues(tokens[index - 2]):
            continue
        else:
            opened += (op == "(") - (op == ")")
            if op == ")" and opened < 0:
                state.drop_pattern()
                opened = 0
            state.close_pipeline(op)
    state.close_pipeline("")
    return state.pipelines


def split_list(scan: Scan) -> list[Pipeline]:  # noqa: C901, PLR0912 (calls would cost half of the speed)
    """As :func:`split` on a text without groups and reserved words, in half of the time."""
    tokens, text = scan.tokens, scan.text
    pipelines: list[Pipeline] = []
    stages: list[Leaf | Group] = []
    leaf = Leaf()
    begun = skipped = 0  # the first pipeline of the list at hand; the target of a redirection that was read
    for index, token in enumerate(tokens, 1):
        kind, start, end, op = token
        if kind <= RICH:
            if index == skipped or (not leaf.words and not leaf.redirects and text[start:end] == "!"):
                continue
            if leaf.start < 0:
                leaf.start = start
            leaf.end = end
            leaf.words.append(token)
        elif kind == REDIRECT:
            target = tokens[index] if index < len(tokens) and tokens[index][0] <= RICH else None
            skipped = index + 1
            if leaf.start < 0:
                leaf.start = start
            leaf.end = target[2] if target else end
            leaf.redirects.append((token, target))
        elif op == "\n" and not leaf.words and index > 1 and _continues(tokens[index - 2]):
            continue
        else:
            if leaf.words or leaf.redirects:
                stages.append(leaf)
                leaf = Leaf()
            if op in _JOINS:
                continue
            if stages:
                pipelines.append(Pipeline(stages))
                stages = []
            if op == "&":
                for pipeline in pipelines[begun:]:
                    pipeline.background = True
            if op not in _AND_OR:
                begun = len(pipelines)
    if leaf.words or leaf.redirects:
        stages.append(leaf)
    if stages:
        pipelines.append(Pipeline(stages))
    return pipelines


def _is_reserved(scan: Scan, word: str) -> bool:
    return word == "!" or (scan.is_compound and word in RESERVED)


def _continues(token: Token) -> bool:
    return token[0] == OPERATOR and token[3] in {"|", "|&", "&&", "||", "\n"}
