"""What third parties say of an address or a file. Their signals mean what the tables ``intel/*.yaml`` of the pack say.

A signal that no row of a table has is no technique: there is no row that stands for all others. A verdict in an
address's favour gives no tag and takes none away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from decnet.errors import RuleError
from decnet.models.event import INTEL_VERDICT, PAYLOAD, FilePayload
from decnet.models.intel import Agreement, Verdict
from decnet.ttp.lifters.base import Predicate, Sight, parameter, subject_of, table_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from decnet.ttp.lifters.base import Joins, Look, Parameters, Seen, Tables, Technique

MAX_BUMP = 0.05
"""The most by which an agreement of providers may lift what views show."""
MAX_SHOWN = 16
"""Signals and names that evidence holds at most."""

PROVIDERS = ("abuseipdb", "greynoise", "threatfox", "feodo")
"""Those that have a table."""

_SHA256_BYTES = 32
_HUNDRED = 100
_CLASSIFICATIONS: Mapping[str, float] = {"benign": 0.0, "unknown": 0.5, "suspicious": 0.5, "malicious": 1.0}
_SCALES = ("score", "classification")

Signal = int | str


class _Emit(msgspec.Struct, frozen=True):
    tactic: str
    technique_id: str
    confidence: float
    sub_technique_id: str | None = None


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one signal shows, and when: from ``min_score`` on, along with others, where no other row says more."""

    signal: Signal
    label: str
    emits: tuple[_Emit, ...]
    field: Literal["categories", "tags", "classification", "threat_type", "ip_address"] = "categories"
    min_score: int = 0
    together_with: tuple[Signal, ...] = ()
    scaled: bool = True
    unless_classification: str = ""
    only_without_other_rows: bool = False


class MappingTable(msgspec.Struct, frozen=True):
    """The table of one provider; what else it says is for people."""

    provider: str
    rows: tuple[_Row, ...]


class _Applies(NamedTuple):
    """A row that applies, and the provider's score from 0 to 1 by which its confidences are multiplied."""

    row: _Row
    weight: float


def _bind_category(parameters: Parameters, tables: Tables, _joins: Joins) -> Look:
    """Every row of the table that applies shows its techniques; of several for one technique the surest counts."""
    provider, scale = parameter(parameters, "provider", str), parameter(parameters, "scale", str)
    table = _table(tables, parameter(parameters, "table", str), provider)
    if scale not in _SCALES:
        raise RuleError([f"scale: {scale!r} is none; write {' or '.join(_SCALES)}"])

    def look(seen: Seen) -> Sight | None:
        verdict = subject_of(seen, Verdict)
        if verdict is None or verdict.provider != provider:
            return None
        found = _rows_that_apply(table, verdict, by_class=scale == "classification")
        if not found:
            return None
        return Sight(_evidence(verdict, found), confidences=_confidences(found))

    return look


def _shown_by_category(parameters: Parameters, tables: Tables) -> frozenset[Technique]:
    table = _table(tables, parameter(parameters, "table", str), parameter(parameters, "provider", str))
    return frozenset((emit.technique_id, emit.sub_technique_id) for row in table.rows for emit in row.emits)


def _bind_listed(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    """The provider has the address on its list. ``evidence`` names the fields of the verdict that are shown."""
    provider, shown = parameter(parameters, "provider", str), parameter(parameters, "evidence", list[str])
    if unknown := set(shown) - {"malware"}:
        raise RuleError([f"evidence: a verdict has no field {', '.join(sorted(unknown))}; write malware"])

    def look(seen: Seen) -> Sight | None:
        verdict = subject_of(seen, Verdict)
        if verdict is None or verdict.provider != provider or not verdict.listed:
            return None
        families = {"families": [verdict.malware]} if shown and verdict.malware else {}
        return Sight({"provider": provider, "signals": ["listed"], "score": 1.0, **families, **_pointer(verdict)})

    return look


def _bind_agreement(parameters: Parameters, tables: Tables, _joins: Joins) -> Look:
    """Enough providers say ``verdict`` of one address, and no row of any table says more about it."""
    least, standing = parameter(parameters, "providers_gte", int), parameter(parameters, "verdict", str)
    bump = parameter(parameters, "bump", float)
    if not 0 < bump <= MAX_BUMP:
        raise RuleError([f"bump: {bump} is not within 0 and {MAX_BUMP}; write {MAX_BUMP} or less"])
    known = {name: _table(tables, f"intel/{name}.yaml", name) for name in PROVIDERS}

    def look(seen: Seen) -> Sight | None:
        agreement = subject_of(seen, Agreement)
        if agreement is None:
            return None
        agreeing = [verdict.provider for verdict in agreement.verdicts if verdict.standing == standing]
        if len(agreeing) < least or any(_is_mapped(known, verdict) for verdict in agreement.verdicts):
            return None
        return Sight({"providers": agreeing[:MAX_SHOWN], "bump": bump})

    return look


def _bind_known_bad(parameters: Parameters, _tables: Tables, joins: Joins) -> Look | None:
    """A file whose SHA-256 is on the list of known malware; without a list nothing is asked."""
    provider, field = parameter(parameters, "provider", str), parameter(parameters, "field", str)
    if field != "sha256":
        raise RuleError([f"field: {field!r} is no digest of a file; write sha256"])
    if (known_bad := joins.known_bad) is None:
        return None

    def look(seen: Seen) -> Sight | None:
        file = subject_of(seen, FilePayload)
        digest = _sha256(file.sha256) if file is not None else None
        if file is None or digest is None or not known_bad.holds(digest):
            return None
        return Sight({"provider": provider, "sha256": digest.hex(), "action": file.action})

    return look


def _table(tables: Tables, name: str, provider: str) -> MappingTable:
    table = table_of(tables, name, MappingTable)
    if table.provider != provider:
        raise RuleError([f"{name}: this table is {table.provider}'s, not {provider}'s; name another"])
    return table


def _rows_that_apply(table: MappingTable, verdict: Verdict, *, by_class: bool) -> list[_Applies]:
    """Rows whose field of the verdict holds their signal, and whose other conditions hold."""
    fields = _signals(verdict)
    score = verdict.score or 0
    found = [
        _Applies(row, _weight(verdict, signals[row.signal], by_class=by_class) if row.scaled else 1.0)
        for row, signals in ((row, fields[row.field]) for row in table.rows)
        if row.signal in signals
        and score >= row.min_score
        and signals.keys() >= set(row.together_with)
        and not (row.unless_classification and row.unless_classification == verdict.classification)
    ]
    telling = [one for one in found if not one.row.only_without_other_rows]
    return telling or found


def _signals(verdict: Verdict) -> Mapping[str, Mapping[Signal, float]]:
    """What rows can look up, by field: each signal with its own score from 0 to 1."""
    score = (verdict.score or 0) / _HUNDRED
    threats = sorted(verdict.threats, key=lambda threat: threat.score)  # of one type the surest comes last, and stays
    return {
        "categories": dict.fromkeys(verdict.categories, score),
        "tags": dict.fromkeys(verdict.tags, 1.0),
        "classification": {verdict.classification: 1.0},
        "threat_type": {threat.threat_type: threat.score / _HUNDRED for threat in threats},
        "ip_address": {"listed": 1.0} if verdict.listed else {},
    }


def _weight(verdict: Verdict, score: float, *, by_class: bool) -> float:
    return _CLASSIFICATIONS.get(verdict.classification, 0.0) if by_class else score


def _is_mapped(tables: Mapping[str, MappingTable], verdict: Verdict) -> bool:
    table = tables.get(verdict.provider)
    return table is not None and bool(_rows_that_apply(table, verdict, by_class=False))


def _confidences(found: list[_Applies]) -> Mapping[Technique, float]:
    shown: dict[Technique, float] = {}
    for row, weight in found:
        for emit in row.emits:
            technique = (emit.technique_id, emit.sub_technique_id)
            shown[technique] = max(shown.get(technique, 0.0), emit.confidence * weight)
    return shown


def _evidence(verdict: Verdict, found: list[_Applies]) -> Mapping[str, object]:
    signals = list(dict.fromkeys(str(row.signal) for row, _ in found))
    threats = [threat for threat in verdict.threats if threat.threat_type in signals]
    families = sorted({threat.malware for threat in threats if threat.malware})
    ioc_types = sorted({threat.ioc_type for threat in threats if threat.ioc_type})
    return {
        "provider": verdict.provider,
        "signals": signals[:MAX_SHOWN],
        "score": round(max(weight for _, weight in found), 4),
        **({"families": families[:MAX_SHOWN]} if families else {}),
        **({"ioc_types": ioc_types[:MAX_SHOWN]} if ioc_types else {}),
        **_pointer(verdict),
    }


def _pointer(verdict: Verdict) -> dict[str, str]:
    return {"pointer": verdict.pointer} if verdict.pointer else {}


def _sha256(text: str) -> bytes | None:
    """The digest that ``text`` spells, None where it spells none."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        return None
    return digest if len(digest) == _SHA256_BYTES else None


PREDICATES: Mapping[str, Predicate] = {
    "intel_category": Predicate(frozenset({INTEL_VERDICT}), (Verdict,), _bind_category, _shown_by_category),
    "intel_listed": Predicate(frozenset({INTEL_VERDICT}), (Verdict,), _bind_listed),
    "intel_agreement": Predicate(frozenset({INTEL_VERDICT}), (Agreement,), _bind_agreement),
    "intel_known_bad_digest": Predicate(frozenset({PAYLOAD}), (FilePayload,), _bind_known_bad),
}
"""All predicates about what third parties say."""
