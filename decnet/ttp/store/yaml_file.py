"""A YAML file as plain values, with the line of each: what lets an error say ``R0012.yaml:14``.

Rule files are written by strangers. Anchors and aliases (YAML bombs), second keys of one name, deep nesting and
files over 64 KiB are refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_FILE_BYTES = 64 * 1024
MAX_DEPTH = 32

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class YamlFault:
    """What is wrong with a file as YAML, and on which line (from 1)."""

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class YamlFile:
    """The value of a file, the line of every key and item in it, and what is wrong with it."""

    value: object
    lines: dict[Path, int]
    faults: tuple[YamlFault, ...]

    def line_of(self, path: Path) -> int:
        """The line (from 1) of ``path``, or of the nearest thing around it that the file spells out."""
        for length in range(len(path), -1, -1):
            if (line := self.lines.get(path[:length])) is not None:
                return line
        return 1

    def within(self, path: Path) -> YamlFile:
        """The part of this file at ``path``, as if it were a file of its own on the same lines."""
        lines = {place[len(path) :]: line for place, line in self.lines.items() if place[: len(path)] == path}
        return YamlFile(None, lines, ())


def read_yaml(text: str) -> YamlFile:
    """``text`` as values with lines; never raises: a file that is no YAML comes back with its fault and no value."""
    if len(text.encode("utf-8", "replace")) > MAX_FILE_BYTES:
        return _refused(1, f"file is larger than {MAX_FILE_BYTES // 1024} KiB; split it")
    try:
        if (fault := _shape_fault(text)) is not None:
            return YamlFile(None, {}, (fault,))
        loader = yaml.CSafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return _refused(1, "file is empty")
        lines: dict[Path, int] = {}
        faults = tuple(_walk(node, (), lines))
        value = None if faults else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        return _refused(line, f"not YAML: {error.problem or error.context or 'unreadable'}")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        return _refused(1, f"not YAML: {str(error).splitlines()[0] if str(error) else type(error).__name__}")
    return YamlFile(value, lines, faults)


def _shape_fault(text: str) -> YamlFault | None:
    """What makes a small file large or deep, seen before anything is built from it."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            return YamlFault(_line(event), "anchors and aliases are not allowed; write the value out")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            return YamlFault(_line(event), f"nested deeper than {MAX_DEPTH} levels")
    return None


def _line(marked: yaml.Event | yaml.Node) -> int:
    return marked.start_mark.line + 1 if marked.start_mark else 1


def _refused(line: int, message: str) -> YamlFile:
    return YamlFile(None, {}, (YamlFault(line, message),))


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int]) -> Iterator[YamlFault]:
    """Note the line of ``node`` and everything in it; yields second keys."""
    lines.setdefault(path, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _walk(item, (*path, number), lines)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            if inner in lines:
                yield YamlFault(key.start_mark.line + 1, f"key {key.value!r} stands twice; keep one")
                continue
            lines[inner] = key.start_mark.line + 1
            yield from _walk(value, inner, lines)
