"""What rule files parse to, and what is known of their patterns, remembered from one start to the next.

Reading YAML and looking at patterns is most of the time of loading a pack. Only files without any fault are remembered,
by their content; what they parse to is checked as if it had just been read, and their patterns are known to be accepted
by these very engines and checks. All of it lies beside the compiled patterns and is trusted on the same terms.
"""

from __future__ import annotations

from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from decnet.ttp import dialect, trigger
from decnet.ttp.dialect import HyperscanForm, pattern_form
from decnet.ttp.scan import hyperscan_is_installed
from decnet.ttp.scan_cache import ScanCache, cache_key
from decnet.ttp.store import pattern as checks
from decnet.ttp.store.pattern import pattern_fault, program_size
from decnet.ttp.trigger import pattern_share

if TYPE_CHECKING:
    from collections.abc import Iterable

_FORMAT = "parsed rules 2"
_DIGEST_BYTES = 16


class _Accepted(NamedTuple):
    """What is known of a pattern that every engine takes."""

    size: int
    expression: bytes
    is_exact: bool
    has_inner_anchor: bool
    share: float


class _Stored(msgspec.Struct):
    """Values of rule files by the digest of their text, and the patterns in them."""

    rules: dict[bytes, Any] = {}
    patterns: dict[str, _Accepted] = {}


class Parsed:
    """The values of rule files by their text; ``name`` tells the packs apart."""

    def __init__(self, name: Iterable[str] = (), cache: ScanCache | None = None) -> None:
        self._cache = cache or ScanCache()
        own = (part.encode("utf-8", "surrogateescape") for part in name)
        self._key = cache_key(_FORMAT, (*_judges(), *own))
        self._known = self._read()
        self._used: dict[bytes, Any] = {}
        self._patterns: list[Iterable[str]] = []
        for found, facts in self._known.patterns.items():
            _put_back(found, facts)

    def get(self, text: str) -> Any:
        """What ``text`` parses to, or None where that is not known."""
        return self._known.rules.get(_digest(text))

    def put(self, text: str, value: Any, patterns: Iterable[str] = ()) -> None:
        """Remember that ``text``, a rule without faults, parses to ``value`` and has these patterns."""
        self._used[_digest(text)] = value
        self._patterns.append(patterns)  # most starts have no use for them

    def save(self) -> None:
        """Keep what was put; nothing is written where that is what there was."""
        if self._used.keys() != self._known.rules.keys():
            stored = _Stored(self._used, {found: _facts(found) for found in chain.from_iterable(self._patterns)})
            self._cache.write(self._key, msgspec.msgpack.encode(stored))

    def _read(self) -> _Stored:
        stored = self._cache.read(self._key)
        try:
            return msgspec.msgpack.decode(stored, type=_Stored) if stored is not None else _Stored()
        except msgspec.DecodeError:
            return _Stored()


def _facts(found: str) -> _Accepted:
    form = pattern_form(found)
    size, share = program_size(found), pattern_share(found)
    return _Accepted(size, form.expression, form.is_exact, form.has_inner_anchor, share)


def _put_back(found: str, facts: _Accepted) -> None:
    program_size.put(found, facts.size)
    pattern_fault.put(found, None)
    pattern_form.put(found, HyperscanForm(facts.expression, facts.is_exact, facts.has_inner_anchor))
    pattern_share.put(found, facts.share)


@cache
def _judges() -> tuple[bytes, ...]:
    """What decides about patterns: the libraries, and our own code."""
    libraries = ["google-re2", *(["hyperscan"] if hyperscan_is_installed() else [])]
    code = [Path(str(module.__file__)) for module in (dialect, trigger, checks)]
    return (*(version(name).encode() for name in libraries), *(path.read_bytes() for path in code))


def _digest(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=_DIGEST_BYTES).digest()
