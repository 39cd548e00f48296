"""One pass over a text tells which terms of all rules may be true on it: the engines that can do that.

Whoever makes a scanner numbers its terms. An engine may propose a term that is not true, but never misses one that is.
"""

from __future__ import annotations

import importlib.util
import os
from functools import partial
from typing import TYPE_CHECKING, Literal, Protocol

from decnet.errors import DecnetError
from decnet.ttp.dialect import HyperscanForm, literal_form, pattern_form

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from decnet.ttp.condition import Leaf
    from decnet.ttp.scan_cache import ScanCache

    Leaves = Mapping[int, Leaf]

Engine = Literal["hyperscan", "re2", "ready"]
"""``ready`` is whatever needs no compiling: Hyperscan where its database is in the cache, else RE2."""
SCANNED = frozenset({"pattern", "contains", "startswith", "endswith"})
"""Operators that a scanner looks for; whole-field comparisons are dictionary look-ups."""


class Scanner(Protocol):
    """Looks for many terms in one pass. Safe to use from several threads."""

    exact: frozenset[int]
    """Terms that are true whenever they are proposed; the others need a second look."""

    def propose(self, data: bytes) -> list[int]:
        """Numbers of the terms that may be true on ``data``, each once, in any order."""


def hyperscan_is_installed() -> bool:
    """Whether the fast engine can be used here."""
    return importlib.util.find_spec("hyperscan") is not None


def scanner_of(leaves: Leaves, engine: Engine | None = None, cache: ScanCache | None = None) -> Scanner:
    """A scanner for ``leaves`` (operators of :data:`SCANNED`): Hyperscan where it is installed, else RE2.

    :raises DecnetError: ``engine`` asks for one that is not installed.
    """
    chosen = engine or ("hyperscan" if hyperscan_is_installed() else "re2")
    if chosen == "ready":
        chosen = "hyperscan" if _is_ready(leaves, cache) else "re2"
    if chosen == "re2":
        from decnet.ttp.scan_re2 import Re2Scanner

        return Re2Scanner(leaves)
    if not hyperscan_is_installed():
        raise DecnetError("the engine 'hyperscan' is not installed; install the package hyperscan, or use 're2'")
    from decnet.ttp.scan_hyperscan import HyperscanScanner

    return HyperscanScanner(leaves, cache)


def _is_ready(leaves: Leaves, cache: ScanCache | None) -> bool:
    if cache is None or not hyperscan_is_installed():
        return False
    from decnet.ttp.scan_hyperscan import is_cached

    return is_cached(leaves, cache)


def scanners_of(
    searches: Iterable[Leaves], engine: Engine | None = None, cache: ScanCache | None = None
) -> list[Scanner]:
    """A scanner for each of ``searches``; Hyperscan compiles without the GIL, so the processors share the work.

    Not with an executor: those take no work while a program ends, which a first, short run does before all is compiled.
    """
    from multiprocessing.pool import ThreadPool

    with ThreadPool(os.cpu_count()) as threads:
        return threads.map(partial(scanner_of, engine=engine, cache=cache), searches)


def hyperscan_form(leaf: Leaf) -> HyperscanForm:
    """What Hyperscan looks for in place of ``leaf``.

    :raises decnet.ttp.match.PatternRefused: it has no form there.
    """
    text = leaf.values[0]
    if leaf.operator == "pattern":
        return pattern_form(text)
    return literal_form(text.encode(), at_start=leaf.operator == "startswith", at_end=leaf.operator == "endswith")
