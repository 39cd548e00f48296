"""Predicates about findings: rhythm, reach and amounts over a day or a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from decnet.errors import RuleError
from decnet.models.event import SCAN, SESSION
from decnet.models.finding import DAY_US, SECOND_US, Beacon, Behaviour, Scan, Volume, scan_source_id
from decnet.ttp.lifters.base import Predicate, Sight, look_at_figures, parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from decnet.models.finding import Finding
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Tables

_DAY_SECONDS = DAY_US // SECOND_US
_ONE: Final = 1
_WIDE: Final = 3
"""Decoys of the two ids of a scan."""


class _Cadence(msgspec.Struct, frozen=True):
    """The rhythm in which a tool calls home by default, and how far it may be off."""

    tool: str
    seconds: float
    seconds_tolerance: float
    variation: float
    variation_tolerance: float

    def fits(self, beacon: Beacon) -> bool:
        """Whether contacts of that rhythm may be the tool's."""
        is_near = abs(beacon.interval_seconds - self.seconds) <= self.seconds_tolerance
        return is_near and abs(beacon.variation - self.variation) <= self.variation_tolerance


class _Factor(msgspec.Struct, frozen=True):
    """How sure a scan is that so many decoys saw."""

    decoys: int
    factor: float


def _bind_class(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    classes = frozenset(parameter(parameters, "classes", list[str]))
    failures = parameter(parameters, "failures_gte", int) if "failures_gte" in parameters else 0
    threshold = {"threshold": {"failures_gte": failures}} if failures else {}

    def look(finding: Finding, behaviour: Behaviour) -> Sight | None:
        if behaviour.behaviour not in classes or behaviour.failures < failures:
            return None
        return Sight(
            {
                "finding": finding.source_id,
                "window_seconds": _DAY_SECONDS,
                "behaviour": behaviour.behaviour,
                **threshold,
            }
        )

    return look_at_figures(Behaviour, look)


def _bind_beaconing(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    events = parameter(parameters, "events_gte", int)
    interval_seconds = parameter(parameters, "interval_seconds_gte", float)
    variation = parameter(parameters, "variation_lte", float)
    cadences = parameter(parameters, "cadences", list[_Cadence])
    threshold = {"events_gte": events, "interval_seconds_gte": interval_seconds, "variation_lte": variation}

    def look(finding: Finding, beacon: Beacon) -> Sight | None:
        if beacon.contacts < events or beacon.interval_seconds < interval_seconds or beacon.variation > variation:
            return None
        evidence: dict[str, object] = {
            "finding": finding.source_id,
            "window_seconds": _DAY_SECONDS,
            "threshold": threshold,
        }
        if tool := next((cadence.tool for cadence in cadences if cadence.fits(beacon)), ""):
            evidence["tool"] = tool
        return Sight(evidence)

    return look_at_figures(Beacon, look)


def _bind_volume(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    measure, least = parameter(parameters, "measure", str), parameter(parameters, "gte", int)

    def look(finding: Finding, volume: Volume) -> Sight | None:
        if volume.measure != measure or volume.value < least:
            return None
        return Sight({"finding": finding.source_id, "measure": measure, "threshold": {"gte": least}})

    return look_at_figures(Volume, look)


def _bind_scan(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    services, factor = parameter(parameters, "services_gte", int), _factor_of(parameters)

    def look(finding: Finding, scan: Scan) -> Sight | None:
        if scan.services < services:
            return None
        return _scan_sight(finding, scan, factor, {"threshold": {"services_gte": services}})

    return look_at_figures(Scan, look)


def _bind_scan_probe(parameters: Parameters, _tables: Tables, _joins: Joins) -> Look:
    signatures, factor = frozenset(parameter(parameters, "signatures", list[str])), _factor_of(parameters)

    def look(finding: Finding, scan: Scan) -> Sight | None:
        return _scan_sight(finding, scan, factor, {}) if scan.signature in signatures else None

    return look_at_figures(Scan, look)


def _factor_of(parameters: Parameters) -> Callable[[int], float]:
    """From how many decoys stand for to the factor of the highest step that they reach.

    :raises RuleError: no step is for one decoy.
    """
    steps = sorted(parameter(parameters, "confidence_factor", list[_Factor]), key=lambda step: step.decoys)
    if not steps or steps[0].decoys > _ONE:
        raise RuleError(["confidence_factor: what one decoy gives is missing; add {decoys: 1, factor: 0.7}"])
    return lambda decoys: next(step.factor for step in reversed(steps) if step.decoys <= decoys)


def _scan_sight(finding: Finding, scan: Scan, factor: Callable[[int], float], evidence: Mapping[str, object]) -> Sight:
    """What a scan shows by the id that the finding has: how many decoys it has come to is no part of that."""
    wide = finding.attacker_uuid is not None and finding.source_id == scan_source_id(
        finding.attacker_uuid, scan.signature, _WIDE, finding.observed_at // DAY_US
    )
    decoys = _WIDE if wide else _ONE
    pointer = {"finding": finding.source_id, "window_seconds": _DAY_SECONDS, "signature": scan.signature}
    return Sight({**pointer, "decoys_gte": decoys, **evidence}, factor(decoys))


PREDICATES: Mapping[str, Predicate] = {
    "behavioral_class": Predicate(frozenset({SESSION}), (Behaviour,), _bind_class),
    "behavioral_beaconing": Predicate(frozenset({SESSION}), (Beacon,), _bind_beaconing),
    "behavioral_volume": Predicate(frozenset({SESSION}), (Volume,), _bind_volume),
    "behavioral_scan": Predicate(frozenset({SCAN}), (Scan,), _bind_scan),
    "behavioral_scan_probe": Predicate(frozenset({SCAN}), (Scan,), _bind_scan_probe),
}
