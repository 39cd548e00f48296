"""The rule language: what a rule file may say. Text enters here, so this is where it is checked.

What only the whole pack or the ATT&CK catalogue can tell (unknown technique, id used twice, a pattern that an engine
refuses) is checked where rules are compiled, :mod:`decnet.ttp.store.compile`.
"""

from __future__ import annotations

from collections.abc import Iterator  # noqa: TC003 - pydantic reads annotations at run time
from math import comb
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue, StringConstraints, model_validator

RuleId = Annotated[str, StringConstraints(pattern=r"^R\d{4,6}$")]
TacticText = Annotated[str, StringConstraints(pattern=r"^TA\d{4}$")]
TechniqueText = Annotated[str, StringConstraints(pattern=r"^T\d{4}$")]
SubTechniqueText = Annotated[str, StringConstraints(pattern=r"^T\d{4}\.\d{3}$")]
Release = Annotated[str, StringConstraints(pattern=r"^(enterprise|ics|mobile)-\d+\.\d+$")]
NonEmpty = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
LIFTER_OWNERS = ("behavioral", "credential", "identity", "email", "canary", "intel")
"""The lifters; the name of each of their predicates starts with the lifter's own."""
PredicateName = Annotated[str, StringConstraints(pattern=rf"^({'|'.join(LIFTER_OWNERS)})_[a-z0-9_]{{2,60}}$")]
KindText = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[NonEmpty, ...], BeforeValidator(_listed), Field(min_length=1, strict=False)]
"""One name or a list of names, compared whole."""

DEFAULT_FIELDS: dict[str, str] = {"command": "command_text", "http_request": "raw_url"}
"""The field that a term of a rule looks at when it names none, per source kind."""

COMMAND_KINDS = frozenset({"command"})
"""Source kinds whose events hold shell text, the only ones that ``exec`` can look at."""

SESSION_OPERATORS = ("sequence", "count")
"""Operators over the events of a whole session; only rules with ``phase: session_end`` have them."""

SANDBOX_CONFIDENCE = 0.5
"""What a rule in the sandbox is at most worth: stored, but below what views show unless they are asked for more."""

OPERATORS = (
    *("pattern", "contains", "equals", "in_set", "startswith", "endswith", "exists", "gte", "lte", "exec"),
    *("all", "any", "not", "n_of"),
    *SESSION_OPERATORS,
    "lifter",
)
"""Every key of a term that says when it is true; a term has exactly one of them."""
COMPARISONS = frozenset({"exists", "gte", "lte"})
"""Operators that are also names of parameters: beside ``lifter`` they are that."""

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
Duration = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,5}[smhd]$")]
"""``90s``, ``10m``, ``2h``, ``1d``."""


def duration_us(text: str) -> int:
    """A :data:`Duration` in microseconds."""
    return int(text[:-1]) * _SECONDS[text[-1]] * 1_000_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class Exec(_Strict):
    """One simple command of the shell view that has every part given here.

    ``program``, ``wrapper``, ``pipe_into``, ``pipe_from`` and ``decoded`` are a name or a list of names, of which one
    must be there. All other texts are RE2 patterns, searched in what their name says; a part that can be there more
    than once (redirections, assignments) has it when one of them has.
    """

    program: Names | None = None
    """Without folder and version, as the shell view has it: ``python`` for ``/usr/bin/python3.11``."""
    path: NonEmpty | None = None
    """The program as it was typed: ``./x``, ``/tmp/x``."""
    args: NonEmpty | None = None
    """The arguments without quotes, joined by one space."""
    args_not: NonEmpty | None = None
    """Not found in the arguments of the same command."""
    redirect_to: NonEmpty | None = None
    """The file that output goes to, new or appended to."""
    append_to: NonEmpty | None = None
    """The same, with ``>>`` only."""
    overwrite: NonEmpty | None = None
    """The same, with what empties the file first."""
    redirect_from: NonEmpty | None = None
    """The file that input comes from."""
    here_text: NonEmpty | None = None
    """The text of a here-document or here-string."""
    assigns: NonEmpty | None = None
    """An assignment in front of the command, or alone: ``NAME=value``."""
    pipe_into: Names | None = None
    """A program that the output reaches through pipes."""
    pipe_from: Names | None = None
    """A program whose output reaches this command through pipes."""
    wrapper: Names | None = None
    """What runs the command: ``sudo``, ``sh``, ``xargs`` …"""
    decoded: Names | None = None
    """A layer that was taken off to see the command: ``base64``, ``hex`` …"""
    background: bool | None = None
    in_loop: bool | None = None
    obfuscated: bool | None = None

    @property
    def parts(self) -> dict[str, tuple[str, ...] | str | bool]:
        """The parts that are given, by name."""
        given = self.model_fields_set
        return {name: value for name in EXEC_PARTS if name in given and (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _has_parts(self) -> Self:
        if not self.parts:
            raise ValueError(f"exec asks for nothing; give at least one of {', '.join(EXEC_PARTS)}")
        if path := next((name for name in self.program or () if "/" in name), None):
            raise ValueError(f"program {path!r} has a folder; programs are compared without, paths are for 'path'")
        return self


EXEC_PARTS = tuple(Exec.model_fields)


MAX_COMBINATIONS = 100

Number = Annotated[int, Field(ge=0, le=10**15)]


class NOf(_Strict):
    """At least ``n`` of ``terms`` are true."""

    n: Annotated[int, Field(ge=1)]
    terms: Annotated[tuple[Term, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if not 1 <= comb(len(self.terms), self.n) <= MAX_COMBINATIONS:
            raise ValueError(
                f"{self.n} of {len(self.terms)} terms can be chosen in {comb(len(self.terms), self.n)} ways; "
                f"1 to {MAX_COMBINATIONS} can be looked at"
            )
        return self


class Count(_Strict):
    """At least ``gte`` events of a session for which ``term`` is true, all ``within`` that long.

    With ``distinct`` an event counts only if that field of it has a value that no other counted event has.
    """

    term: Term
    gte: Annotated[int, Field(ge=2, le=1_000)]
    within: Duration | None = None
    distinct: NonEmpty | None = None


class Term(_Strict):
    """One condition: an operator on ``field``, an ``exec``, a ``lifter``, or ``all``/``any``/``not`` over other terms.

    In a rule about a whole session (``phase: session_end``) a term is true when some event of the session makes it
    true. ``kind`` is that of the event, ``command`` when it is not given; ``sequence`` asks for terms that are true
    one after the other, the last one ``within`` that long after the first.

    ``lifter`` names a predicate that is worked out from more than one text; every other key beside it is one of the
    predicate's ``parameters``.
    """

    kind: KindText | None = None
    field: NonEmpty | None = None
    pattern: NonEmpty | None = None
    contains: NonEmpty | None = None
    equals: NonEmpty | None = None
    in_set: Annotated[tuple[NonEmpty, ...], Field(min_length=1, strict=False)] | None = None
    startswith: NonEmpty | None = None
    endswith: NonEmpty | None = None
    exists: bool | None = None
    gte: Number | None = None
    lte: Number | None = None
    exec: Exec | None = None
    all: Annotated[tuple[Term, ...], Field(min_length=1, strict=False)] | None = None
    any: Annotated[tuple[Term, ...], Field(min_length=1, strict=False)] | None = None
    not_: Term | None = Field(default=None, alias="not")
    n_of: NOf | None = None
    sequence: Annotated[tuple[Term, ...], Field(min_length=2, max_length=8, strict=False)] | None = None
    within: Duration | None = None
    count: Count | None = None
    lifter: PredicateName | None = None
    parameters: dict[NonEmpty, JsonValue] = Field(default_factory=dict, exclude_if=lambda value: not value)

    @property
    def operator(self) -> str:
        """The one operator that this term uses."""
        for name in self.model_fields_set:  # two or three of the twenty fields
            operator = "not" if name == "not_" else name
            if operator in OPERATORS and getattr(self, name) is not None:
                return operator
        raise AssertionError("every term that was accepted has one")

    def lifters(self) -> Iterator[str]:
        """The predicates that this term and those inside it name."""
        if self.lifter is not None:
            yield self.lifter
        for _, part in self.parts():
            yield from part.lifters()

    def parts(self) -> Iterator[tuple[tuple[str | int, ...], Term]]:
        """The terms that this one joins, each with where it stands in it: ``("any", 0)``."""
        if self.all is not None or self.any is not None:
            yield from (((self.operator, number), part) for number, part in enumerate(self.all or self.any or ()))
        elif self.not_ is not None:
            yield ("not",), self.not_
        elif self.n_of is not None:
            yield from ((("n_of", "terms", number), part) for number, part in enumerate(self.n_of.terms))

    @model_validator(mode="before")
    @classmethod
    def _gather_parameters(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "lifter" not in value:
            return value
        others = {name: term for name, term in value.items() if name in OPERATORS and name not in COMPARISONS}
        return others | {"parameters": {name: given for name, given in value.items() if name not in others}}

    @model_validator(mode="after")
    def _has_one_operator(self) -> Self:
        used = [name for name in OPERATORS if getattr(self, name if name != "not" else "not_") is not None]
        if len(used) != 1:
            found = " and ".join(used) or "none"
            raise ValueError(f"a term takes exactly one of {', '.join(OPERATORS)}; found {found}")
        if self.within is not None and used[0] != "sequence":
            raise ValueError("'within' belongs beside 'sequence', or inside 'count'")
        if self.field is not None and used[0] in {"exec", "all", "any", "not", "n_of", *SESSION_OPERATORS}:
            way_out = "leave it out" if used[0] == "exec" else "give it to the terms inside"
            raise ValueError(f"'field' has no meaning beside {used[0]!r}; {way_out}")
        return self


class Emit(_Strict):
    """One technique that a rule tags, under one of its tactics, with the rule's base confidence.

    With ``when``, only if that term is true as well: a reverse shell is a call-back, an interactive shell is not.
    """

    tactic: TacticText
    technique_id: TechniqueText
    sub_technique_id: SubTechniqueText | None = None
    confidence: Annotated[float, Field(gt=0, le=1, strict=False)]
    when: Term | None = None


class Rule(_Strict):
    """One rule file. Only one that waits for a lifter may emit nothing: what it finds changes how others are seen.

    ``maturity``: a *stable* and an *incubating* rule are shown alike; one in the *sandbox* emits at most
    :data:`SANDBOX_CONFIDENCE`, a *deprecated* one nothing.
    """

    rule_id: RuleId
    rule_version: Annotated[int, Field(ge=1)]
    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{3,60}$")]
    maturity: Literal["stable", "incubating", "sandbox", "deprecated"]
    attack_release: Release
    description: NonEmpty
    applies_to: Annotated[tuple[KindText, ...], Field(min_length=1, strict=False)]
    phase: Literal["event", "session_end"] = "event"
    match: Term
    emits: Annotated[tuple[Emit, ...], Field(strict=False)]
    evidence_fields: Annotated[tuple[NonEmpty, ...], Field(strict=False)] = ()
    false_positives: Annotated[tuple[NonEmpty, ...], Field(strict=False)] = ()
    short_patterns: NonEmpty | None = None
    """Why patterns without three characters of plain text are worth what they cost."""
    known_gaps: Annotated[tuple[NonEmpty, ...], Field(strict=False)] = ()
    references: Annotated[tuple[NonEmpty, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _emits_something(self) -> Self:
        if not self.emits and not any(self.match.lifters()):
            raise ValueError("emits is empty; name at least one technique")
        return self


class CaseEvent(_Strict):
    """The event of a case: a source kind and the fields of its payload, or a finding's ``figures`` with their ``type``.

    A password of a log-in is given as typed, in ``password``, as in the event format. ``protocol`` and ``src_ip`` are
    for rules that ask where something came from. Of a mail, ``mail`` is what people read of it (``display_name``,
    ``subject``, ``text``, ``links``), and ``earlier_messages`` how often its text was seen before.
    """

    source_kind: KindText
    payload: dict[str, JsonValue] | None = None
    mail: dict[str, JsonValue] | None = None
    earlier_messages: Annotated[int, Field(ge=0)] = 0
    figures: dict[str, JsonValue] | None = None
    protocol: str = ""
    src_ip: NonEmpty = "198.51.100.7"

    @model_validator(mode="after")
    def _has_one_content(self) -> Self:
        if (self.payload is None) is (self.figures is None):
            raise ValueError("an event has either a payload or figures")
        return self


class SessionCaseEvent(_Strict):
    """An event of a session case, so many seconds after its start."""

    source_kind: KindText
    payload: dict[str, JsonValue]
    after: Annotated[float, Field(ge=0, strict=False)]


class Case(_Strict):
    """One labelled example of a rule: what it must emit (full ids), or nothing.

    ``event`` is for a rule about single events, ``session`` for one with ``phase: session_end``. A case that
    ``waits_for`` the lifter of its rule is not run until there is one.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{3,80}$")]
    description: NonEmpty
    origin: NonEmpty
    event: CaseEvent | None = None
    session: Annotated[tuple[SessionCaseEvent, ...], Field(min_length=1, strict=False)] | None = None
    expect: Annotated[tuple[NonEmpty, ...], Field(strict=False)]
    waits_for: Literal["lifter"] | None = None

    @model_validator(mode="after")
    def _has_one_subject(self) -> Self:
        if (self.event is None) is (self.session is None):
            raise ValueError("a case has either an event or a session")
        return self
