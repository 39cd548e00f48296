"""What a lifter is made of: predicates, each bound once to the thresholds of a rule and then asked about what is seen.

A predicate is pure: it gets an event or a finding and says what it saw. Rules hold thresholds and techniques, tables of
the pack hold lists, and what else may be asked comes in as :class:`Joins`. Binding happens when a rule is loaded, so
that whatever can be worked out before an attacker comes is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from decnet.errors import RuleError
from decnet.models.event import Event, SourceKind
from decnet.models.finding import Finding

if TYPE_CHECKING:
    from decnet.models.intel import KnownDigests
    from decnet.models.mail import Mails, SeenBodies
    from decnet.models.network import Exits, Networks
    from decnet.models.secret import SecretDigest

Seen = Event | Finding
"""What a predicate is asked about."""

Parameters = Mapping[str, object]
"""The thresholds that stand beside the predicate's name in a rule; lint holds them to ``predicates.yaml``."""

Tables = Callable[[str], object]
"""From the name of a table of the pack (``data/brands.yaml``) to its parsed YAML; asking again costs nothing.

Raises :class:`~decnet.errors.RuleError`, naming the file and the way out, for a table that is not there or cannot be
read.
"""

Technique = tuple[str, str | None]
"""A technique and its sub-technique, as an emit names them."""

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_Shape = TypeVar("_Shape")


class Sight(NamedTuple):
    """What a predicate saw.

    ``evidence`` is the minimum that shows it, in the keys that ``decnet.models.tag.EVIDENCE_TYPES`` declares for the
    source kind; ``factor`` multiplies the rule's confidence, at most 1. ``confidences`` are for a predicate that
    chooses among the emits of its rule: those that are not in it are not written, of the others no more than that
    confidence is shown.
    """

    evidence: Mapping[str, object]
    factor: float = 1.0
    confidences: Mapping[Technique, float] | None = None


Look = Callable[[Seen], Sight | None]
"""A bound predicate: what it sees, or None. Pure, and asked only about what its predicate ``looks_at``."""


@dataclass(frozen=True, slots=True)
class Joins:
    """What a predicate may ask besides what it is shown; each may be absent, which means no tag and no line of log."""

    secrets: SecretDigest | None = None
    """Digests secrets under the key of the installation, as the recorded ones are."""
    networks: Networks | None = None
    exits: Exits | None = None
    known_bad: KnownDigests | None = None
    mails: Mails | None = None
    bodies: SeenBodies | None = None


@dataclass(frozen=True, slots=True)
class Predicate:
    """A question that rules can ask by its name.

    ``kinds`` are the source kinds that a rule which asks it may apply to, ``looks_at`` the payload and figure structs
    that it understands; about anything else it is not asked, and neither it nor its negation holds.

    ``shows``, of a predicate that chooses among the emits of a rule, gives the techniques that its table can name: all
    of them must be among the emits, or else one would be lost without a word.

    ``bind`` gives the bound predicate, or None where a join that it needs is absent: then neither it nor its negation
    holds. It raises :class:`~decnet.errors.RuleError` for a table that cannot be used.
    """

    kinds: frozenset[SourceKind]
    looks_at: tuple[type, ...]
    bind: Callable[[Parameters, Tables, Joins], Look | None]
    shows: Callable[[Parameters, Tables], frozenset[Technique]] | None = None


def subject_of(seen: Seen, kind: type[_Shape]) -> _Shape | None:
    """The payload of an event, or the figures of a finding, where it is of that kind."""
    subject = seen.payload if isinstance(seen, Event) else seen.figures
    return subject if isinstance(subject, kind) else None


def look_at_figures(shape: type[_Shape], look: Callable[[Finding, _Shape], Sight | None]) -> Look:
    """``look``, asked about findings with figures of that shape."""

    def bound(seen: Seen) -> Sight | None:
        if not isinstance(seen, Finding) or not isinstance(figures := seen.figures, shape):
            return None
        return look(seen, figures)

    return bound


def look_at_payload(shape: type[_Shape], look: Callable[[Event, _Shape], Sight | None]) -> Look:
    """``look``, asked about events with a payload of that shape."""

    def bound(seen: Seen) -> Sight | None:
        if not isinstance(seen, Event) or not isinstance(payload := seen.payload, shape):
            return None
        return look(seen, payload)

    return bound


def parameter(parameters: Parameters, name: str, shape: type[_Shape]) -> _Shape:
    """The parameter of that name.

    :raises RuleError: it is missing, or of another shape.
    """
    try:
        return msgspec.convert(parameters[name], shape)
    except KeyError:
        raise RuleError([f"{name}: this parameter is missing"]) from None
    except msgspec.ValidationError as error:
        raise RuleError([f"{name}: {error}"]) from None


def seconds_of(duration: str) -> int:
    """``10m`` as seconds."""
    return int(duration[:-1]) * _SECONDS[duration[-1]]


def fixed_window(parameters: Parameters, window: str, why: str) -> int:
    """The seconds of the parameter ``within``, which can be nothing but ``window``.

    :raises RuleError: it is another one; the message gives ``why`` and the one to write.
    """
    if (given := parameter(parameters, "within", str)) != window:
        raise RuleError([f"within: {given!r} cannot be answered, {why}; write '{window}'"])
    return seconds_of(window)


def table_of(tables: Tables, name: str, shape: type[_Shape]) -> _Shape:
    """The table ``name``, which has that ``shape``: a msgspec struct, say.

    :raises RuleError: it is not there, or a part of it is of another shape; the message names table and part.
    """
    try:
        return msgspec.convert(tables(name), shape)
    except msgspec.ValidationError as error:
        raise RuleError([f"{name}: {error}; write it as the other entries are"]) from None
