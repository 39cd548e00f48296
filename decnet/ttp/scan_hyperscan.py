"""Hyperscan: every term of a field in one automaton, in time that hardly depends on how many there are."""

from __future__ import annotations

import logging
import threading
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import hyperscan

from decnet.ttp.match import PatternRefused
from decnet.ttp.scan import hyperscan_form
from decnet.ttp.scan_cache import ScanCache, cache_key

if TYPE_CHECKING:
    from decnet.ttp.dialect import HyperscanForm
    from decnet.ttp.scan import Leaves

log = logging.getLogger(__name__)

FLAGS = hyperscan.HS_FLAG_SINGLEMATCH
"""Once per term and text is enough; without the UTF-8 flag, a text is bytes, as in RE2 over Latin-1."""

Forms = dict[int, "HyperscanForm"]


class HyperscanScanner:
    """A compiled database in block mode and, per thread, the scratch space that a scan needs for itself.

    Terms that Hyperscan does not take are proposed on every text, so that RE2 decides; rules are told of it when
    they are loaded, so this is for packs made by hand.
    """

    def __init__(self, leaves: Leaves, cache: ScanCache | None = None) -> None:
        forms = _forms(leaves)
        database = _database(forms, cache)
        if database is None:
            forms = _accepted(forms)
            database = _database(forms, cache)
        self.exact = frozenset(number for number, form in forms.items() if form.is_exact)
        self._always = tuple(number for number in leaves if number not in forms)
        for number in self._always:
            log.warning("Hyperscan does not take %r; RE2 tries it on every text", leaves[number].values[0])
        self._database = database
        self._scan = database.scan if database else None
        self._of_thread = threading.local()

    def propose(self, data: bytes) -> list[int]:
        """Numbers of the terms that may be true on ``data``."""
        found = [*self._always]
        if self._scan is None:
            return found
        try:
            scratch = self._of_thread.scratch
        except AttributeError:
            scratch = self._of_thread.scratch = hyperscan.Scratch(self._database)
        self._scan(data, _note, 0, found, scratch)
        return found


def is_cached(leaves: Leaves, cache: ScanCache) -> bool:
    """Whether ``cache`` has the database of ``leaves``, or there is none to be made."""
    forms = _forms(leaves)
    return not forms or cache.has(_key(forms))


def fault_of(form: HyperscanForm) -> str | None:
    """Why Hyperscan does not take a pattern, in its own words, or None where it does."""
    try:
        _compiled({0: form})
    except hyperscan.error as error:
        return str(error)
    return None


def _note(number: int, start: int, end: int, flags: int, found: Any) -> None:  # noqa: ARG001 - as it is called
    found.append(number)


def _forms(leaves: Leaves) -> Forms:
    forms: Forms = {}
    for number, leaf in leaves.items():
        try:
            forms[number] = hyperscan_form(leaf)
        except PatternRefused:
            continue
    return forms


def _accepted(forms: Forms) -> Forms:
    """The forms that compile, found by halves: compiling each alone takes long."""
    if _database(forms, None) is not None:
        return forms
    if len(forms) <= 1:
        return {}
    numbers = list(forms)
    half = len(numbers) // 2
    first, second = ({number: forms[number] for number in part} for part in (numbers[:half], numbers[half:]))
    return _accepted(first) | _accepted(second)


def _database(forms: Forms, cache: ScanCache | None) -> hyperscan.Database | None:
    """The database of ``forms`` from the cache or compiled; None when it would be empty or one is refused."""
    if not forms:
        return None
    key = _key(forms)
    if cache is not None and (stored := cache.read(key)) is not None:
        try:
            return hyperscan.loadb(stored, hyperscan.HS_MODE_BLOCK)
        except hyperscan.error:
            log.info("a cached database cannot be used here; it is compiled anew")
    try:
        database = _compiled(forms)
    except hyperscan.error:
        return None
    if cache is not None:
        cache.write(key, hyperscan.dumpb(database))
    return database


def _key(forms: Forms) -> str:
    return cache_key(_engine(), (b"%d %s" % (number, form.expression) for number, form in forms.items()))


def _compiled(forms: Forms) -> hyperscan.Database:
    """:raises hyperscan.error: an expression is not taken."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[form.expression for form in forms.values()],
        ids=list(forms),
        elements=len(forms),
        flags=[FLAGS] * len(forms),
    )
    return database


@cache
def _engine() -> str:
    """Name and version of the library, with the processor features that it was built for."""
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(expressions=[b"x"], ids=[0], elements=1, flags=[FLAGS])
    return f"hyperscan {version('hyperscan')} {database.info()!r}"
