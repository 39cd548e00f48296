"""RE2 alone, for systems without Hyperscan: one pass over the literals that patterns need tells which may match."""

from __future__ import annotations

from typing import TYPE_CHECKING

import re2

from decnet.ttp.match import re2_options

if TYPE_CHECKING:
    from decnet.ttp.condition import Leaf
    from decnet.ttp.scan import Leaves

MAX_SHARD = 4_096
"""Terms per filter; its automaton has 8 MiB to work in, and answers "nothing" when that is not enough to start with."""

_PROBE = "decnet probe 7f3a"
Sought = list[tuple[int, str]]


class Re2Scanner:
    """RE2's ``Filter`` proposes by the literals in each pattern, so that nothing it proposes is certain.

    Its literals are searched as UTF-8 text, so terms with other bytes than ASCII are proposed on every text.
    """

    def __init__(self, leaves: Leaves) -> None:
        self.exact: frozenset[int] = frozenset()
        patterns = [(number, _pattern(leaf)) for number, leaf in leaves.items()]
        self._always = [number for number, pattern in patterns if not _is_ascii(pattern)]
        sought = [(number, pattern) for number, pattern in patterns if _is_ascii(pattern)]
        self._filters = [
            (found.Match, numbers)
            for start in range(0, len(sought), MAX_SHARD)
            for found, numbers in _filters(sought[start : start + MAX_SHARD])
        ]

    def propose(self, data: bytes) -> list[int]:
        """Numbers of the terms that may be true on ``data``."""
        found = [*self._always]
        for match, numbers in self._filters:
            proposed = match(data, potential=True)
            if proposed:
                found += [numbers[place] for place in proposed if place < len(numbers)]
        return found


def _filters(sought: Sought) -> list[tuple[re2.Filter, list[int]]]:
    """A filter for ``sought``, or several where one would not get by with its memory.

    A filter that cannot start says so by proposing nothing, ever; the probe, a literal of its own, shows that.
    """
    made = re2.Filter()
    for _, pattern in sought:
        made.Add(pattern.encode(), options=re2_options())
    made.Add(_PROBE.encode(), options=re2_options())
    made.Compile()
    if len(sought) in (made.Match(_PROBE.encode(), potential=True) or ()) or len(sought) <= 1:
        return [(made, [number for number, _ in sought])]
    half = len(sought) // 2
    return _filters(sought[:half]) + _filters(sought[half:])


def _pattern(leaf: Leaf) -> str:
    text = leaf.values[0]
    if leaf.operator == "pattern":
        return text
    quoted: str = re2.escape(text)
    return {"startswith": r"\A" + quoted, "endswith": quoted + r"\z"}.get(leaf.operator, quoted)


def _is_ascii(pattern: str) -> bool:
    r"""Whether no byte above 127 is named; ``\x`` escapes are counted as naming one, for simplicity."""
    return pattern.isascii() and "\\x" not in pattern and "\\3" not in pattern and "\\2" not in pattern
