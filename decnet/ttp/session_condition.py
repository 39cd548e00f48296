"""What a rule asks of a whole session: terms that events make true, in order or in number. Pure.

A *step* is a term that one event can make true, a *sighting* an event that did. Which events make which steps true is
found by the same index that serves rules about single events.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from decnet.models.rule import DEFAULT_FIELDS, duration_us
from decnet.ttp.condition import condition_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.models.rule import Term
    from decnet.ttp.condition import Condition, Proof

DEFAULT_KIND = "command"


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """A term about one event of a kind; ``distinct`` is the field whose values a count tells apart."""

    kind: str
    condition: Condition
    distinct: str | None = None


@dataclass(frozen=True, slots=True)
class SessionCondition:
    """A node: ``step``, ``sequence`` or ``count`` over steps, or ``all``, ``any``, ``not`` over parts."""

    operator: str
    path: str
    parts: tuple[SessionCondition, ...] = ()
    steps: tuple[Step, ...] = ()
    within_us: int | None = None
    least: int = 1

    def all_steps(self) -> Iterator[Step]:
        """Every step below this node."""
        yield from self.steps
        for part in self.parts:
            yield from part.all_steps()


class Place(NamedTuple):
    """Where in a session something was seen. ``offset`` is into the event's text: one line can show two steps."""

    observed_at: int
    seq: int
    offset: int


@dataclass(frozen=True, slots=True, eq=False)
class Sighting:
    """An event that made a step true: where, the value that a count tells apart, and what the step found in it."""

    place: Place
    event: bytes
    value: str
    proof: Proof
    fields: Mapping[str, str]


Sightings = Mapping[Step, Sequence[Sighting]]
"""The sightings of each step, in the order of the session."""

SessionProof = dict[str, tuple[Sighting, ...]]
"""Path of a node in the rule file → the sightings that show it; what stands under ``not`` proves nothing."""


def session_condition_of(term: Term, path: str = "match") -> SessionCondition:
    """The condition that the ``match`` of a rule with ``phase: session_end`` describes.

    ``all``, ``any`` and ``not`` outside of a step are about the session: their terms may hold for different events.
    """
    operator = term.operator
    here = f"{path}.{operator}"
    if term.not_ is not None:
        return SessionCondition("not", here, parts=(session_condition_of(term.not_, here),))
    if operator in {"all", "any"}:
        parts = (session_condition_of(part, f"{here}[{n}]") for n, part in enumerate(getattr(term, operator)))
        return SessionCondition(operator, here, parts=tuple(parts))
    if term.n_of is not None:
        terms = [session_condition_of(part, f"{here}.terms[{n}]") for n, part in enumerate(term.n_of.terms)]
        chosen = (SessionCondition("all", here, parts=group) for group in combinations(terms, term.n_of.n))
        return SessionCondition("any", here, parts=tuple(chosen))
    if term.sequence is not None:
        steps = tuple(_step(part, f"{here}[{number}]") for number, part in enumerate(term.sequence))
        return SessionCondition("sequence", here, steps=steps, within_us=_within(term.within))
    if term.count is not None:
        step = _step(term.count.term, f"{here}.term", term.count.distinct)
        return SessionCondition("count", here, (), (step,), _within(term.count.within), term.count.gte)
    return SessionCondition("step", path, steps=(_step(term, path),))


def _step(term: Term, path: str, distinct: str | None = None) -> Step:
    kind = term.kind or DEFAULT_KIND
    return Step(kind, condition_of(term, DEFAULT_FIELDS.get(kind, ""), path), distinct)


def _within(text: str | None) -> int | None:
    return duration_us(text) if text is not None else None


def holds(condition: SessionCondition, sightings: Sightings, proof: SessionProof) -> bool:
    """Whether the session with ``sightings`` meets ``condition``; adds what shows it to ``proof``."""
    if condition.operator in {"all", "any"}:
        every = all if condition.operator == "all" else any
        return every(holds(part, sightings, proof) for part in condition.parts)
    if condition.operator == "not":
        return not holds(condition.parts[0], sightings, {})
    found = _FINDERS[condition.operator](condition, sightings)
    if found:
        proof[condition.path] = found
    return bool(found)


def _find_step(condition: SessionCondition, sightings: Sightings) -> tuple[Sighting, ...]:
    return tuple(sightings.get(condition.steps[0], ())[:1])


def _find_sequence(condition: SessionCondition, sightings: Sightings) -> tuple[Sighting, ...]:
    """The first chain of sightings in order, short enough; each start is tried with its earliest continuation."""
    first, *rest = condition.steps
    for start in sightings.get(first, ()):
        chain = [start]
        for step in rest:
            following = next((seen for seen in sightings.get(step, ()) if seen.place > chain[-1].place), None)
            if following is None:
                return ()  # a later start has no earlier continuation
            chain.append(following)
        if condition.within_us is None or chain[-1].place.observed_at - start.place.observed_at <= condition.within_us:
            return tuple(chain)
    return ()


def _find_count(condition: SessionCondition, sightings: Sightings) -> tuple[Sighting, ...]:
    """The first window that holds enough sightings, or enough different values of them."""
    step = condition.steps[0]
    window: deque[Sighting] = deque()
    values: Counter[str] = Counter()
    for seen in sightings.get(step, ()):
        window.append(seen)
        values[seen.value] += 1
        while (
            condition.within_us is not None
            and seen.place.observed_at - window[0].place.observed_at > condition.within_us
        ):
            _drop(values, window.popleft().value)
        if (len(values) if step.distinct else len(window)) >= condition.least:
            return tuple({held.value: held for held in window}.values()) if step.distinct else tuple(window)
    return ()


def _drop(values: Counter[str], value: str) -> None:
    values[value] -= 1
    if not values[value]:
        del values[value]


_FINDERS: dict[str, Callable[[SessionCondition, Sightings], tuple[Sighting, ...]]] = {
    "step": _find_step,
    "sequence": _find_sequence,
    "count": _find_count,
}
