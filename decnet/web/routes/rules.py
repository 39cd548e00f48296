"""The catalogue of rules: what each shows, how often it fired, how it did on labelled data, and its state."""

from __future__ import annotations

from functools import partial
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any, Literal

from anyio import to_thread
from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from decnet.db.fires import Fires, fires_of_rules
from decnet.errors import CatalogueError, RuleError
from decnet.models.rule_state import MAX_REASON_CHARS, Mode, RuleState
from decnet.models.text import canonical_text
from decnet.ttp.cases import waiting_predicates
from decnet.ttp.store.base import state_of
from decnet.web.access.principal import Admin, Viewer
from decnet.web.pages import Cursor, Limit, Page, cursor_of, place_in
from decnet.web.place import Place, WebPlace
from decnet.web.problems import COMMON, Refused, responses
from decnet.web.routes.accounts import note
from decnet.web.rulebook import RuleBook, Rules

if TYPE_CHECKING:
    from decnet.ttp.cases import CaseResult
    from decnet.ttp.pack import CompiledEmit, CompiledRule
    from decnet.ttp.rule_page import Measurement

router = APIRouter(prefix="/ttp/rules", tags=["rules"], responses=COMMON)

RuleId = Annotated[str, Path(pattern=r"^R[0-9]{4,6}$", examples=["R0012"])]
_EXAMPLE: dict[str, Any] = {
    "rule_id": "R0012",
    "rule_version": 1,
    "name": "download_tool",
    "description": "A transfer verb followed by a URL.",
    "maturity": "stable",
    "applies_to": ["command"],
    "phase": "event",
    "attack_release": "enterprise-19.2",
    "emits": [
        {
            "tactic": "TA0011",
            "technique_id": "T1105",
            "sub_technique_id": None,
            "name": "Ingress Tool Transfer",
            "confidence": 0.9,
        }
    ],
    "waits_for": [],
    "state": {"mode": "enabled", "confidence_max": None, "expires_at": None, "reason": "", "set_by": "", "set_at": 0},
    "fires": {"last_day": 3, "total": 214, "first_seen": 1795392000000000, "last_seen": 1795478400000000},
    "measured": {"labelled": 10, "right": 10, "precision": 1.0, "ordinary": 2998, "false_alarms": 0},
}


class Emitted(BaseModel):
    """A technique that a rule shows, under a tactic and this sure of it."""

    tactic: str
    technique_id: str
    sub_technique_id: str | None
    name: str
    confidence: float


class State(BaseModel):
    """Whether a rule may speak, and how loudly. Times are µs UTC; `set_at` 0 is for rules that nobody touched."""

    mode: Mode
    confidence_max: float | None = Field(description="For clipped rules: their tags are at most that sure.")
    expires_at: int | None = Field(description="From then on the rule is enabled.")
    reason: str
    set_by: str
    set_at: int


class Fired(BaseModel):
    """How many tags a rule wrote. Times are µs UTC, of what was seen; null for a rule that never fired."""

    last_day: int = Field(description="Of what was seen in the last 24 hours, by whole hours.")
    total: int
    first_seen: int | None
    last_seen: int | None


class Measured(BaseModel):
    """How a rule that ships did on the development set."""

    labelled: int = Field(description="Labelled lines on which it fired.")
    right: int = Field(description="Those of them that show what it says.")
    precision: float | None = Field(description="`right` of `labelled`; null where it fired on none.")
    ordinary: int = Field(description="Ordinary lines that were tried.")
    false_alarms: int = Field(description="Those of them on which it fired, outside Discovery.")


class RuleEntry(BaseModel):
    """A rule of the catalogue."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    rule_id: str
    rule_version: int
    name: str
    description: str
    maturity: Literal["stable", "incubating", "sandbox", "deprecated"]
    applies_to: list[str] = Field(description="Source kinds.")
    phase: Literal["event", "session_end"]
    attack_release: str
    emits: list[Emitted]
    waits_for: list[str] = Field(description="Lifters that it asks for and that are not there.")
    state: State
    fires: Fired
    measured: Measured | None


class Case(BaseModel):
    """A labelled example of a rule, tried now."""

    name: str
    description: str
    expect: list[str]
    got: list[str]
    passed: bool
    waits: bool = Field(description="It waits for a lifter, and was not tried.")
    problem: str


class RuleDetails(RuleEntry):
    """A rule with its text and its examples."""

    text: str = Field(description="The YAML of the version in force.")
    file: str
    false_positives: list[str]
    known_gaps: list[str]
    references: list[str]
    cases: list[Case]


class FileFault(BaseModel):
    """What is wrong with a rule's text; its last good version stays in force."""

    file: str
    line: int | None
    message: str


_Reason = Annotated[str, Field(max_length=MAX_REASON_CHARS // 2)]  # what is no text takes two characters
_End = Annotated[int | None, Field(ge=0, lt=2**53, description="µs UTC, in the future. Without, until changed.")]


class Enable(BaseModel):
    """The rule is to speak as it is written."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["enabled"]
    reason: _Reason = ""


class Disable(BaseModel):
    """The rule is to be silent."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"mode": "disabled", "reason": "noisy"}]})

    mode: Literal["disabled"]
    expires_at: _End = None
    reason: _Reason = ""


class Clip(BaseModel):
    """The rule is to be less sure."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"mode": "clipped", "confidence_max": 0.5, "reason": "noisy on web01"}]},
    )

    mode: Literal["clipped"]
    confidence_max: float = Field(gt=0, le=1, allow_inf_nan=False, description="Its tags are at most that sure.")
    expires_at: _End = None
    reason: _Reason = ""


StateOrder = Annotated[Enable | Disable | Clip, Field(discriminator="mode")]


def _rulebook(request: Request) -> RuleBook:
    book: RuleBook = request.app.state.rulebook
    return book


Book = Annotated[RuleBook, Depends(_rulebook)]


@router.get("")
async def rules(_who: Viewer, place: Place, book: Book) -> list[RuleEntry]:
    """Every rule, by id."""
    known = await book.now()
    fires = await _fires(place)
    return [RuleEntry(**_entry(rule, known, fires, place)) for _, rule in sorted(known.rules.items())]


@router.get("/faults")
async def faults(_who: Viewer, book: Book) -> list[FileFault]:
    """What is wrong with rule texts."""
    return [_fault(text) for text in (await book.now()).faults]


@router.get("/{rule_id}", responses=responses(404))
async def rule(rule_id: RuleId, _who: Viewer, place: Place, book: Book) -> RuleDetails:
    """One rule, with its text and its examples."""
    known = await book.now()
    found = _found(known, rule_id)
    entry = _entry(found, known, await _fires(place), place)
    return RuleDetails(
        **entry,
        text=await place.rules.text_of(rule_id),
        file=found.path.name,
        false_positives=list(found.rule.false_positives),
        known_gaps=list(found.rule.known_gaps),
        references=list(found.rule.references),
        cases=[_case(result) for result in await book.tried_cases(found)],
    )


@router.get("/{rule_id}/history", responses=responses(404))
async def history(
    rule_id: RuleId, _who: Viewer, place: Place, book: Book, limit: Limit = 100, cursor: Cursor = None
) -> Page[State]:
    """The states that a rule was given, the newest first."""
    _found(await book.now(), rule_id)
    end = place_in(cursor, int)
    given = list(await place.rules.history(rule_id))
    end = len(given) if end is None else max(0, min(end, len(given)))
    start = max(0, end - limit)
    items = [_state(record.state) for record in reversed(given[start:end])]
    return Page(items=items, next=cursor_of(start) if start else None)


@router.post("/{rule_id}/state", responses=responses(404, 409))
async def set_state(rule_id: RuleId, body: StateOrder, who: Admin, place: Place, book: Book) -> State:
    """Let a rule be silent, less sure, or speak as it is written. Tags that are stored stay as they are."""
    now = place.clock()
    given = body.model_dump() | {"reason": canonical_text(body.reason)}
    try:
        state = RuleState(**given, set_by=who.actor, set_at=now)
    except RuleError as error:
        raise Refused(409, str(error)) from None
    await _give(rule_id, state, place, book)
    detail = ", ".join(f"{name} {value}" for name, value in given.items() if value and name != "mode")
    await to_thread.run_sync(
        place.database.write,
        partial(note, who=who, action=f"rule {body.mode}", target=rule_id, detail=detail, now=now),
    )
    return _state(state)


@router.delete("/{rule_id}/state", status_code=204, responses=responses(404, 409))
async def end_state(rule_id: RuleId, who: Admin, place: Place, book: Book) -> None:
    """From now on the rule speaks as it is written."""
    now, known = place.clock(), await book.now()
    _found(known, rule_id)
    if state_of(known.states, rule_id, now).mode == "enabled":
        return
    await _give(rule_id, RuleState(set_by=who.actor, set_at=now), place, book)
    await to_thread.run_sync(
        place.database.write, partial(note, who=who, action="rule enabled", target=rule_id, detail="", now=now)
    )


async def _give(rule_id: str, state: RuleState, place: WebPlace, book: RuleBook) -> None:
    _found(await book.now(), rule_id)
    try:
        await place.rules.set_state(rule_id, state)
    except RuleError as error:  # the text went away this very moment, or the end came
        raise Refused(409, str(error)) from None
    finally:
        book.forget()


def _found(known: Rules, rule_id: str) -> CompiledRule:
    found = known.rules.get(rule_id)
    if found is None:
        raise Refused(404, f"there is no rule {rule_id}; /ttp/rules lists all")
    return found


async def _fires(place: WebPlace) -> dict[str, Fires]:
    return await to_thread.run_sync(place.database.read, partial(fires_of_rules, now=place.clock()))


def _entry(rule: CompiledRule, known: Rules, fires: dict[str, Fires], place: WebPlace) -> dict[str, Any]:
    text = rule.rule
    fired = fires.get(rule.rule_id)
    own = {pack / "ttp" for pack in place.packs[:-1]}
    return {
        "rule_id": text.rule_id,
        "rule_version": text.rule_version,
        "name": text.name,
        "description": text.description,
        "maturity": text.maturity,
        "applies_to": list(text.applies_to),
        "phase": text.phase,
        "attack_release": text.attack_release,
        "emits": [_emitted(item, text.attack_release, place) for item in rule.emits],
        "waits_for": waiting_predicates(rule),
        "state": _state(state_of(known.states, rule.rule_id, place.clock())),
        "fires": Fired(
            last_day=fired.last_day if fired else 0,
            total=fired.total if fired else 0,
            first_seen=fired.first_seen if fired else None,
            last_seen=fired.last_seen if fired else None,
        ),
        "measured": _measured(text.rule_id, known.measurement) if rule.path.parent not in own else None,
    }


def _emitted(item: CompiledEmit, release: str, place: WebPlace) -> Emitted:
    emit = item.emit
    try:
        name = place.catalog_of(release).name_of(emit.sub_technique_id or emit.technique_id)
    except CatalogueError:
        name = ""
    return Emitted(
        tactic=emit.tactic,
        technique_id=emit.technique_id,
        sub_technique_id=emit.sub_technique_id,
        name=name,
        confidence=emit.confidence,
    )


def _measured(rule_id: str, measurement: Measurement | None) -> Measured | None:
    figures = measurement.rules.get(rule_id) if measurement is not None else None
    if measurement is None or figures is None:
        return None
    return Measured(
        labelled=figures.fired,
        right=figures.right,
        precision=round(figures.right / figures.fired, 4) if figures.fired else None,
        ordinary=measurement.ordinary,
        false_alarms=figures.false_alarms,
    )


def _case(result: CaseResult) -> Case:
    return Case(
        name=result.case.name,
        description=result.case.description,
        expect=sorted(result.case.expect),
        got=list(result.got),
        passed=result.passed and not result.waits,
        waits=result.waits,
        problem=result.problem,
    )


def _state(state: RuleState) -> State:
    return State(
        mode=state.mode,
        confidence_max=state.confidence_max,
        expires_at=state.expires_at,
        reason=state.reason,
        set_by=state.set_by,
        set_at=state.set_at,
    )


def _fault(text: str) -> FileFault:
    """``rules/ttp/R0012.yaml:14: what; way out`` in its parts, without the folders of this host."""
    place, _, message = text.partition(": ")
    file, _, line = place.rpartition(":")
    if not message or not file or not line.isdigit():
        return FileFault(file="", line=None, message=text)
    return FileFault(file=FilePath(file).name, line=int(line), message=message)
