"""The labelled examples of a rule: read from its case file, and tried."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from decnet.models.actor import attacker_uuid, session_uuid
from decnet.models.event import COMMAND, EMAIL, PAYLOAD_TYPES, Event, SourceKind, event_id
from decnet.models.finding import DAY_US, Figures, Finding, Scan, scan_source_id
from decnet.models.mail import MailText
from decnet.models.network import Network
from decnet.models.rule import Case
from decnet.models.secret import secret_digest
from decnet.models.tag import MIN_STORED_CONFIDENCE
from decnet.models.text import canonical_text
from decnet.ttp.engine import COMMAND_TEXT, RuleEngine
from decnet.ttp.lifter_engine import EMAIL_PARTS, LifterEngine, bind_rule, emits_shown
from decnet.ttp.lifters.base import Joins
from decnet.ttp.lifters.registry import PREDICATES
from decnet.ttp.pack import Pack
from decnet.ttp.session_engine import SessionEngine
from decnet.ttp.store.compile import Fault, model_faults
from decnet.ttp.store.folder import read_rule_file
from decnet.ttp.store.yaml_file import read_yaml
from decnet.ttp.tables import PackTables

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from decnet.models.artifact import Digest
    from decnet.models.rule import CaseEvent, SessionCaseEvent
    from decnet.ttp.lifters.base import Seen
    from decnet.ttp.pack import CompiledEmit, CompiledRule

LEAST_CASES = 3
"""Hits and near misses that a rule has at least; an empty set is not a pass."""
_US_PER_SECOND = 1_000_000
_START = 1_700_000_000 * _US_PER_SECOND
_SENSOR = "case"
_ADDRESS = "198.51.100.7"
_WIDE = 3
_digest = secret_digest(_SENSOR.encode())


class _ExampleNetworks:
    """Blocks of addresses for examples (RFC 5737), each as a network of a country; one of RFC 2544 as a scanner's."""

    _BLOCKS: Mapping[str, Network] = {
        "192.0.2.": Network(64_496, "Example JP", "JP"),
        "198.51.100.": Network(64_497, "Example DE", "DE"),
        "203.0.113.": Network(64_498, "Example US", "US"),
        "198.18.0.": Network(398_324, "Censys", "US"),
    }

    def network_of(self, address: str) -> Network | None:
        return self._BLOCKS.get(address[: address.rfind(".") + 1])


class _ExampleExits:
    """``192.0.2.66`` is an exit of Tor, ``192.0.2.67`` one of a VPN."""

    def kinds_of(self, address: str) -> frozenset[str]:
        return {"192.0.2.66": frozenset({"tor"}), "192.0.2.67": frozenset({"vpn"})}.get(address, frozenset())


class _OneFile:
    """A list of known malware that has the EICAR test file alone (https://www.eicar.org/download-anti-malware-testfile/)."""

    def holds(self, digest: bytes) -> bool:
        """Whether it is that file."""
        return digest.hex() == "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f"


class _CaseMails:
    """The mails of some cases, each stored under the digest of the name of its case, which also stands for its text."""

    def __init__(self, cases: Iterable[PlacedCase]) -> None:
        events = {_mail_digest(case.name): case.event for _, case in cases if case.event is not None}
        self._texts = {bytes.fromhex(digest): event.mail for digest, event in events.items() if event.mail is not None}
        self._earlier = {digest: event.earlier_messages for digest, event in events.items()}

    def text_of(self, digest: Digest) -> MailText | None:
        """See :class:`~decnet.models.mail.Mails`."""
        given = self._texts.get(digest)
        return msgspec.convert(given, MailText) if given is not None else None

    def earlier_messages(self, body_sha256: str, _observed_at: int, _event_id: bytes) -> int:
        """See :class:`~decnet.models.mail.SeenBodies`."""
        return self._earlier.get(body_sha256, 0)


def _mail_digest(name: str) -> str:
    return sha256(name.encode()).hexdigest()


CASE_JOINS = Joins(secrets=_digest, networks=_ExampleNetworks(), exits=_ExampleExits(), known_bad=_OneFile())
"""What lifters may ask in cases; the key stands for that of an installation, networks and exits are made up."""


class _Engines(NamedTuple):
    """What tries the cases of one rule."""

    texts: RuleEngine
    sessions: SessionEngine
    lifters: LifterEngine


class PlacedCase(NamedTuple):
    """A case and the line that it begins on."""

    line: int
    case: Case


class CaseFile(NamedTuple):
    """The cases of one rule, and what is wrong with the file; ``exists`` is False where there is none."""

    path: Path
    cases: tuple[PlacedCase, ...] = ()
    faults: tuple[Fault, ...] = ()
    exists: bool = True


class CaseResult(NamedTuple):
    """What became of a case: the techniques that it expects and those that came, or that it waits for a lifter."""

    rule_id: str
    place: str
    case: Case
    got: tuple[str, ...]
    waits: bool = False
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether what came is what was expected."""
        return not self.problem and (self.waits or list(self.got) == sorted(self.case.expect))


def case_path(rule_path: Path) -> Path:
    """The case file of the rule in ``rule_path``."""
    return rule_path.parent.parent / "cases" / f"{rule_path.stem}.yaml"


def cases_of(rule: CompiledRule, folders: Sequence[Path]) -> CaseFile:
    """The cases beside the rule's file; those of a text that came from a database stand in one of these packs."""
    if rule.path.exists():
        return read_cases(case_path(rule.path))
    places = [folder / "cases" / f"{rule.rule_id}.yaml" for folder in folders]
    return read_cases(next((place for place in places if place.exists()), case_path(rule.path)))


def read_cases(path: Path) -> CaseFile:
    """The cases in ``path``; those that are faulty are left out."""
    found = read_rule_file(path)
    if found is None:
        return CaseFile(path, exists=False)
    if found.text is None:
        return CaseFile(path, faults=(found.fault,) if found.fault else ())
    source = read_yaml(found.text)
    if source.faults:
        return CaseFile(path, faults=tuple(Fault(path, fault.line, fault.message) for fault in source.faults))
    if not isinstance(source.value, list):
        return CaseFile(path, faults=(Fault(path, 1, "must be a list of cases, each with '- name: …'"),))
    cases: list[PlacedCase] = []
    faults: list[Fault] = []
    names: dict[str, int] = {}
    for number, value in enumerate(source.value):
        line = source.line_of((number,))
        wrong = model_faults(Case, value, source.within((number,)))
        faults += [Fault(path, at, f"[{number}].{message}") for at, message in wrong]
        if wrong:
            continue
        case = Case.model_validate(value)
        if (first := names.setdefault(case.name, line)) != line:
            faults.append(
                Fault(path, line, f"the name {case.name!r} is also that of the case in line {first}; rename one")
            )
        cases.append(PlacedCase(line, case))
    return CaseFile(path, tuple(cases), tuple(faults))


def waiting_predicates(rule: CompiledRule) -> list[str]:
    """The predicates that ``rule`` asks for and no lifter has."""
    return sorted({term.predicate for term in rule.lifters} - PREDICATES.keys())


def try_cases(rule: CompiledRule, file: CaseFile) -> list[CaseResult]:
    """What ``rule`` alone makes of its cases. A small engine is used, so that nothing large has to be compiled.

    A case that waits for a lifter is run as soon as every lifter that its rule asks is there.
    """
    pack = Pack((rule,), rule.rule_id)
    mails = _CaseMails(file.cases)
    bound = bind_rule(rule, PackTables([file.path.parent.parent]), replace(CASE_JOINS, mails=mails, bodies=mails))
    engines = _Engines(RuleEngine(pack, engine="re2"), SessionEngine(pack), LifterEngine([bound]))
    waits = bool(waiting_predicates(rule))
    return [_try(rule, engines, f"{file.path}:{line}", case, waits=waits) for line, case in file.cases]


def _try(rule: CompiledRule, engines: _Engines, place: str, case: Case, *, waits: bool) -> CaseResult:
    if case.waits_for is not None and waits:
        return CaseResult(rule.rule_id, place, case, (), waits=True)
    try:
        got = _techniques(engines, case)
    except (msgspec.ValidationError, KeyError) as error:
        return CaseResult(rule.rule_id, place, case, (), problem=f"the event is not one that there is: {error}")
    return CaseResult(rule.rule_id, place, case, tuple(sorted(got)))


def _techniques(engines: _Engines, case: Case) -> set[str]:
    if case.session is not None:
        hits = engines.sessions.hits([_session_event(given, number) for number, given in enumerate(case.session)])
        return {item.emit.sub_technique_id or item.emit.technique_id for hit in hits for item in hit.rule.emits}
    assert case.event is not None  # noqa: S101 - a case has either
    shown = (item for hit in engines.lifters.hits(_seen(case.event, case.name)) for item in emits_shown(hit))
    items = [item for item in shown if item.emit.confidence >= MIN_STORED_CONFIDENCE]
    if case.event.payload is not None:
        items += _text_emits(engines.texts, case.event.source_kind, _texts(case.event.payload))
    return {item.emit.sub_technique_id or item.emit.technique_id for item in items}


def _text_emits(engine: RuleEngine, kind: str, fields: Mapping[str, str]) -> list[CompiledEmit]:
    is_command = kind == COMMAND
    found = engine.read(fields.get(COMMAND_TEXT, "")).findings if is_command else engine.findings(kind, fields)
    return [item for hit, _ in found for item in hit.emits]


def _texts(payload: Mapping[str, object]) -> dict[str, str]:
    """The fields of a payload as terms see them."""
    return {
        name: canonical_text(value if isinstance(value, str) else msgspec.json.encode(value).decode())
        for name, value in payload.items()
    }


def _seen(given: CaseEvent, name: str) -> Seen:
    """The event or finding of a case; one about a part of a mail is about the mail."""
    kind = SourceKind(given.source_kind)
    if given.payload is not None and (kind in EMAIL_PARTS or kind == EMAIL):
        digest = _mail_digest(name)
        mail = {"message_sha256": digest, "size_bytes": 0, "body_sha256": digest, **given.payload}
        return _event(EMAIL, mail, _START, 0, given.src_ip, given.protocol)
    if given.payload is not None:
        return _event(kind, given.payload, _START, 0, given.src_ip, given.protocol)
    figures = msgspec.convert(given.figures, Figures)
    attacker, source_id = attacker_uuid(given.src_ip), _SENSOR
    if isinstance(figures, Scan):
        source_id = scan_source_id(attacker, figures.signature, 3 if figures.decoys >= _WIDE else 1, _START // DAY_US)
    return Finding(source_id, kind, _START, 1, figures, attacker)


def _session_event(given: SessionCaseEvent, number: int) -> Event:
    at = _START + int(given.after * _US_PER_SECOND)
    return _event(SourceKind(given.source_kind), given.payload, at, number)


def _event(
    kind: SourceKind,
    fields: Mapping[str, object],
    at: int,
    number: int,
    src_ip: str = _ADDRESS,
    protocol: str = "",
) -> Event:
    given = dict(fields)
    if "password" in given:
        given["secret"] = _digest(canonical_text(str(given.pop("password"))))
    payload = msgspec.convert(given, PAYLOAD_TYPES[kind])
    return Event(
        id=event_id(at, _SENSOR, _SENSOR, kind, str(number)),
        observed_at=at,
        sensor=_SENSOR,
        decky_id=_SENSOR,
        protocol=protocol,
        src_ip=src_ip,
        src_port=None,
        session_id=session_uuid(_SENSOR, _SENSOR),
        native_session=_SENSOR,
        source_kind=kind,
        payload=payload,
        seq=number,
    )


def techniques_expected(cases: Iterable[PlacedCase]) -> set[str]:
    """Every id that some case expects."""
    return {technique for _, case in cases for technique in case.expect}
