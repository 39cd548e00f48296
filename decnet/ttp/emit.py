"""Rule, proof and event become tags: the only place where a tag is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from decnet.models.actor import attacker_uuid
from decnet.models.event import COMMAND
from decnet.models.tag import MIN_STORED_CONFIDENCE, TTPTag, compute_tag_uuid
from decnet.ttp.condition import CommandFound, Leaf, finder_of
from decnet.ttp.mask import mask_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from decnet.models.actor import AttackerUuid, IdentityUuid, SessionUuid
    from decnet.models.event import Event, SourceKind
    from decnet.models.finding import Finding
    from decnet.ttp.condition import Proof
    from decnet.ttp.exec_term import SimpleCommandView
    from decnet.ttp.index import Hit
    from decnet.ttp.pack import CompiledEmit, CompiledRule

MAX_MATCHED_BYTES = 240
MAX_DECODED_BYTES = 120
MAX_TERMS = 8

Evidence = Mapping[str, object]


def evidence_of(source_kind: str, proof: Proof, fields: Mapping[str, str]) -> Evidence:
    """The minimum that shows why a rule fired: the matched text, masked and capped, and where it stands.

    That is the command for a rule that names one, else the longest text that a term matched. A proof without terms (a
    rule of only ``not``) points at the start of the field.
    """
    terms = list(proof)[:MAX_TERMS]
    for found in proof.values():
        if isinstance(found, CommandFound):
            return _command_evidence(found.command, terms, fields)
    name, start, end = _longest_match(proof, fields)
    evidence = _quotation(fields.get(name, ""), start, end, terms)
    return evidence if source_kind == COMMAND else {"field": name, **evidence}


def _longest_match(proof: Proof, fields: Mapping[str, str]) -> tuple[str, int, int]:
    """Field, start and end of the longest text that a term of ``proof`` matched; an empty name if there is none."""
    longest = ("", 0, 0)
    for leaf in proof.values():
        if isinstance(leaf, Leaf) and (span := finder_of(leaf)(fields[leaf.field].encode())) is not None:
            start, end = span
            if not longest[0] or end - start > longest[2] - longest[1]:
                longest = (leaf.field, start, end)
    return longest


def _quotation(text: str, start: int, end: int, terms: list[str]) -> dict[str, object]:
    quoted = mask_secrets(text.encode())[start : min(end, start + MAX_MATCHED_BYTES)]
    return {"matched": quoted.decode("utf-8", "replace"), "start": start, "end": end, "terms": terms}


def _command_evidence(command: SimpleCommandView, terms: list[str], fields: Mapping[str, str]) -> Evidence:
    evidence = _quotation(fields["command_text"], command.start, command.end, terms)
    evidence["command"] = _command_line(command)
    if command.decoded:
        evidence["decoded"] = [f"{step.kind}: {_capped(step.text, MAX_DECODED_BYTES)}" for step in command.decoded]
    return evidence


def _command_line(command: SimpleCommandView) -> str:
    """Program and arguments as the shell would see them, without secrets.

    Where a secret stands can depend on what the output is piped into (``chpasswd``), so that is there while masking.
    """
    line = f"{command.program} {command.args}".rstrip()
    if not command.pipe_into:
        return _capped(line, MAX_MATCHED_BYTES)
    return _capped(f"{line} | {command.pipe_into[0]}", MAX_MATCHED_BYTES, len(line.encode()))


def _capped(text: str, most: int, length: int | None = None) -> str:
    masked = mask_secrets(text.encode())[:length]
    return masked[:most].decode("utf-8", "ignore")


class Subject(NamedTuple):
    """What tags stand on: an event, a finding, a whole session. For one ``source_id``, ``observed_at`` never changes.

    Of ``attacker`` and ``identity`` at least one is there.
    """

    source_kind: SourceKind
    source_id: str
    observed_at: int
    attacker: AttackerUuid | None
    identity: IdentityUuid | None
    session_id: SessionUuid | None
    decky_id: str | None


def subject_of_event(event: Event, kind: SourceKind) -> Subject:
    """An event whose tags are of ``kind``: its own, or for a mail that of the part that a rule is about."""
    attacker = attacker_uuid(event.src_ip)
    return Subject(kind, event.id.hex(), event.observed_at, attacker, None, event.session_id, event.decky_id)


def subject_of_finding(finding: Finding, kind: SourceKind) -> Subject:
    """A finding, with the anchors that it has itself."""
    who = (finding.attacker_uuid, finding.identity_uuid)
    return Subject(kind, finding.source_id, finding.observed_at, *who, finding.session_id, finding.decky_id)


def tags_of(event: Event, findings: Iterable[tuple[Hit, Evidence]]) -> list[TTPTag]:
    """One tag per emit of each rule that fired on ``event``."""
    subject = subject_of_event(event, event.source_kind)
    return [tag for hit, evidence in findings for tag in rule_tags(subject, hit.rule, hit.emits, evidence)]


def rule_tags(
    subject: Subject, compiled: CompiledRule, emits: Iterable[CompiledEmit], evidence: Evidence
) -> Iterator[TTPTag]:
    """The tags of one rule on ``subject``, one per emit; what is below the stored minimum is left out."""
    rule = compiled.rule
    for emit in (item.emit for item in emits if item.emit.confidence >= MIN_STORED_CONFIDENCE):
        yield TTPTag(
            uuid=compute_tag_uuid(
                subject.source_kind,
                subject.source_id,
                rule.rule_id,
                rule.rule_version,
                emit.technique_id,
                emit.sub_technique_id,
            ),
            source_kind=subject.source_kind,
            source_id=subject.source_id,
            attacker_uuid=subject.attacker,
            identity_uuid=subject.identity,
            session_id=subject.session_id,
            decky_id=subject.decky_id,
            tactic=emit.tactic,
            technique_id=emit.technique_id,
            sub_technique_id=emit.sub_technique_id,
            confidence=emit.confidence,
            rule_id=rule.rule_id,
            rule_version=rule.rule_version,
            evidence=evidence,
            attack_release=rule.attack_release,
            observed_at=subject.observed_at,
        )
