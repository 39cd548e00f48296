"""A newer ATT&CK release in, from MITRE's own STIX 2.1 bundle.

Steps, each a function: :func:`read_bundle` (file or https), :func:`convert`, :func:`verify`, :func:`rule_impacts`
(what the switch means for our rules) and :func:`install`. Nothing is changed before :func:`install`.

A bundle, as in ``enterprise-attack/enterprise-attack.json`` of github.com/mitre-attack/attack-stix-data::

    {"type": "bundle", "objects": [
      {"type": "x-mitre-collection", "x_mitre_version": "19.2", ...},
      {"type": "x-mitre-matrix", "tactic_refs": ["x-mitre-tactic--...", ...],
       "external_references": [{"source_name": "mitre-attack", "external_id": "enterprise-attack"}]},
      {"type": "attack-pattern", "id": "attack-pattern--...", "name": "Unix Shell", "x_mitre_platforms": ["Linux"],
       "external_references": [{"source_name": "mitre-attack", "external_id": "T1059.004"}],
       "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "execution"}]},
      {"type": "relationship", "relationship_type": "revoked-by", "source_ref": ..., "target_ref": ...}, ...]}

Fields: ATT&CK data model, https://github.com/mitre-attack/attack-stix-data/blob/master/USAGE.md.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, cast, get_args
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import msgspec

from decnet.attack.catalog import (
    CURRENT_FILE,
    RELEASE_PATTERN,
    Catalog,
    CatalogueFile,
    TacticEntry,
    TechniqueEntry,
    catalog_from,
    current_releases,
    forget_loaded,
    load,
)
from decnet.attack.files import write_whole
from decnet.errors import CatalogueError

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator, Mapping
    from http.client import HTTPMessage

MAX_BUNDLE_BYTES = 200 << 20
"""The largest official bundle is near 50 MB."""
TIMEOUT_S = 30.0
"""How long a server may be silent."""

RuleEmit = tuple[str, str, str, str | None]
"""Rule id, tactic, technique, sub-technique or None."""
Digests = dict[str, dict[str, str]]
"""SHA-256 by domain (``enterprise``) and version (``19.2``)."""
Domain = Literal["enterprise-attack", "ics-attack", "mobile-attack"]
Verdict = Literal["official", "not listed", "not checked"]
Change = Literal["unchanged", "renamed", "revoked", "deprecated", "removed", "invalid pair"]

_CHUNK_BYTES = 1 << 16
_SOURCE = "take <domain>-attack.json from github.com/mitre-attack/attack-stix-data"
_NOTICE = (
    "© The MITRE Corporation. This work is reproduced and distributed with the permission of The MITRE Corporation."
)
_TECHNIQUE_ID = re.compile(r"T\d{4}(\.\d{3})?", re.ASCII)
_TACTIC_ID = re.compile(r"TA\d{4}", re.ASCII)
_SOURCE_NAMES = {"mitre-attack", "mitre-ics-attack", "mitre-mobile-attack"}


class _Reference(msgspec.Struct):
    source_name: str = ""
    external_id: str = ""


class _Phase(msgspec.Struct):
    kill_chain_name: str = ""
    phase_name: str = ""


class _Definition(msgspec.Struct):
    statement: str = ""


class _StixObject(msgspec.Struct):
    """What we read of any object in a bundle; the rest is skipped without being built."""

    type: str
    id: str = ""
    name: str = ""
    revoked: bool = False
    x_mitre_deprecated: bool = False
    external_references: list[_Reference] = []
    kill_chain_phases: list[_Phase] = []
    x_mitre_platforms: list[str] = []
    x_mitre_shortname: str = ""
    x_mitre_version: str = ""
    tactic_refs: list[str] = []
    relationship_type: str = ""
    source_ref: str = ""
    target_ref: str = ""
    definition: _Definition | None = None

    @property
    def is_active(self) -> bool:
        return not (self.revoked or self.x_mitre_deprecated)

    @property
    def attack_id(self) -> str:
        """``T1059``, ``TA0002``, or on a matrix ``enterprise-attack``."""
        return next((ref.external_id for ref in self.external_references if ref.source_name in _SOURCE_NAMES), "")


class _Bundle(msgspec.Struct, tag_field="type", tag="bundle"):
    objects: list[_StixObject]


@dataclass(frozen=True, slots=True)
class NewRelease:
    """A converted bundle: its catalogue, and the bytes that :func:`install` writes."""

    catalog: Catalog
    data: bytes


@dataclass(frozen=True, slots=True)
class RuleImpact:
    """What a switch to another release means for one emit of one rule.

    ``text`` is the sentence for people. ``successor`` is set for ``revoked``, where MITRE names one.
    """

    rule_id: str
    tactic: str
    technique_id: str
    sub_technique_id: str | None
    change: Change
    successor: str | None
    text: str


def read_bundle(
    source: str,
    *,
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MAX_BUNDLE_BYTES,
    tls: ssl.SSLContext | None = None,
) -> bytes:
    """The bytes at ``source``: a path, or an https URL (redirects stay on https).

    :raises CatalogueError: it cannot be read in time, is larger than ``max_bytes``, or is a URL of another scheme.
    """
    try:
        scheme = urlsplit(source).scheme if "://" in source else ""
        if not scheme:
            with Path(source).open("rb") as file:
                return _capped(file, source, max_bytes)
        if scheme.lower() != "https":
            raise CatalogueError(f"{source}: {scheme} cannot be trusted for this; use an https URL or a file")
        opener = build_opener(_StayOnHttps(), HTTPSHandler(context=tls))
        request = Request(source, headers={"User-Agent": "decnet", "Accept": "application/json"})  # noqa: S310 - https only, see above
        with opener.open(request, timeout=timeout_s) as answer:
            return _capped(answer, source, max_bytes)
    except (OSError, HTTPException, ValueError) as error:  # urllib's errors are OSErrors; ValueError: no usable URL
        raise CatalogueError(f"{source}: cannot be read: {error}") from None


def convert(raw: bytes, source: str = "bundle") -> NewRelease:
    """The catalogue in an official STIX 2.1 bundle; ``source`` is how messages call it.

    :raises CatalogueError: it is no ATT&CK bundle, or it contradicts itself.
    """
    try:
        objects = msgspec.json.decode(raw, type=_Bundle).objects
    except (msgspec.DecodeError, RecursionError) as error:
        raise CatalogueError(f"{source}: no STIX 2.1 bundle: {error}; {_SOURCE}") from None
    try:
        file = _catalogue_file(objects)
        data = msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"
        return NewRelease(catalog_from(data, source, _SOURCE), data)
    except _Fault as fault:
        raise CatalogueError(f"{source}: {fault}; {_SOURCE}") from None


def official_digests() -> Digests | None:
    """MITRE's table of SHA-256 sums of STIX 2.1 bundles; None when ``mitreattack-python`` is not installed."""
    try:
        table = importlib.import_module("mitreattack.release_info").STIX21
    except (ImportError, AttributeError):
        return None
    return cast("Digests", table)


def verify(raw: bytes, catalog: Catalog, digests: Mapping[str, Mapping[str, str]] | None) -> Verdict:
    """How sure it is that ``raw`` is what MITRE published as this release; ``digests`` as in :func:`official_digests`.

    :raises CatalogueError: the table lists another digest for this release.
    """
    if digests is None:
        return "not checked"
    domain, _, version = catalog.release.partition("-")
    listed = digests.get(domain, {}).get(version)
    if listed is None:
        return "not listed"
    found = sha256(raw).hexdigest()
    if found != listed:
        raise CatalogueError(
            f"bundle of {catalog.release} has SHA-256 {found}, MITRE published {listed}: it was altered; {_SOURCE}"
        )
    return "official"


def current_catalog(domain: str, overlay: Path | None = None) -> Catalog | None:
    """The catalogue in use for ``domain`` (``enterprise-attack``); None when there has been none.

    :raises CatalogueError: the overlay cannot be used.
    """
    release = current_releases(overlay).get(domain.removesuffix("-attack"))
    return load(release, overlay) if release else None


def rule_impacts(emits: Iterable[RuleEmit], old: Catalog | None, new: Catalog) -> tuple[RuleImpact, ...]:
    """What a switch from ``old`` to ``new`` means for each emit, in the order given, without those of other domains."""
    catalogs = (new,) if old is None else (old, new)
    return tuple(_impact(emit, old, new) for emit in emits if any(_is_of_domain(emit, each) for each in catalogs))


def install(release: NewRelease, overlay: Path) -> Path:
    """The release is in ``overlay`` and is its domain's current one; returns its file. Doing it again changes nothing.

    The pointer is switched last and whole: until then every reader sees the old release.

    :raises CatalogueError: the folder cannot be written, or its pointer file is broken.
    """
    name = release.catalog.release
    path = overlay / f"{name}.json"
    pointed = current_releases(overlay) | {name.partition("-")[0]: name}
    try:
        overlay.parent.mkdir(parents=True, exist_ok=True, mode=0o700)  # the data folder: owner-only, as its key is
        overlay.mkdir(exist_ok=True)
        write_whole(path, release.data)
        write_whole(overlay / CURRENT_FILE, msgspec.json.format(msgspec.json.encode(pointed), indent=1) + b"\n")
    except OSError as error:
        raise CatalogueError(
            f"{overlay}: cannot be written: {error.strerror}; the release in use has not changed"
        ) from None
    forget_loaded()
    return path


class _Fault(Exception):
    """Something in a bundle that contradicts what ATT&CK is."""


class _StayOnHttps(HTTPRedirectHandler):
    """Follows a redirect only when it leads to https."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        if urlsplit(newurl).scheme != "https":
            raise CatalogueError(f"{req.full_url}: leads to {newurl}, which is not https; nothing was read")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _capped(file: IO[bytes], source: str, max_bytes: int) -> bytes:
    parts, size = [], 0
    while part := file.read(_CHUNK_BYTES):
        size += len(part)
        if size > max_bytes:
            raise CatalogueError(f"{source}: larger than {max_bytes} bytes, so it is no ATT&CK bundle; {_SOURCE}")
        parts.append(part)
    return b"".join(parts)


def _catalogue_file(objects: list[_StixObject]) -> CatalogueFile:
    matrices = [each for each in objects if each.type == "x-mitre-matrix" and each.is_active]
    domain = _domain(matrices)
    tactics = _tactics(objects, matrices)
    return CatalogueFile(
        domain=domain,
        release=_version(objects, domain),
        notice=_notice(objects),
        tactics=tactics,
        techniques=_techniques(objects, {entry.shortname: id_ for id_, entry in tactics.items()}),
    )


def _domain(matrices: list[_StixObject]) -> Domain:
    found = {matrix.attack_id for matrix in matrices} & set(get_args(Domain))
    if len(found) != 1:
        raise _Fault(f"holds the matrices of {len(found)} ATT&CK domains, it takes exactly one")
    return cast("Domain", found.pop())


def _version(objects: list[_StixObject], domain: Domain) -> str:
    found = {each.x_mitre_version for each in objects if each.type == "x-mitre-collection"}
    if len(found) != 1:
        raise _Fault(f"has {len(found)} x-mitre-collection versions, it takes exactly one to know the release")
    version = found.pop()
    if not RELEASE_PATTERN.fullmatch(f"{domain.removesuffix('-attack')}-{version}"):
        raise _Fault(f"x_mitre_version {version[:40]!r} is no release like 19.2")
    return version


def _notice(objects: list[_StixObject]) -> str:
    statements = (
        each.definition.statement for each in objects if each.type == "marking-definition" and each.definition
    )
    return next((_plain(text) for text in statements if "MITRE" in text), _NOTICE)


def _tactics(objects: list[_StixObject], matrices: list[_StixObject]) -> dict[str, TacticEntry]:
    by_stix_id = {each.id: each for each in objects if each.type == "x-mitre-tactic"}
    tactics: dict[str, TacticEntry] = {}
    for ref in (ref for matrix in matrices for ref in matrix.tactic_refs):
        tactic = by_stix_id.get(ref)
        if tactic is None:
            raise _Fault(f"the matrix refers to {ref[:80]!r}, which is no tactic in the bundle")
        if not _TACTIC_ID.fullmatch(tactic.attack_id) or not tactic.name or not tactic.x_mitre_shortname:
            raise _Fault(f"tactic {ref[:80]!r} lacks an id like TA0002, a name or a short name")
        tactics[tactic.attack_id] = TacticEntry(_plain(tactic.name), _plain(tactic.x_mitre_shortname))
    if not tactics:
        raise _Fault("has a matrix without tactics")
    return tactics


def _techniques(objects: list[_StixObject], tactic_ids: Mapping[str, str]) -> dict[str, TechniqueEntry]:
    patterns = {each.id: each for each in objects if each.type == "attack-pattern" and _has_technique_id(each)}
    successors = {
        each.source_ref: each.target_ref
        for each in objects
        if each.type == "relationship" and each.relationship_type == "revoked-by" and each.target_ref in patterns
    }
    entries: dict[str, TechniqueEntry] = {}
    for pattern in sorted(patterns.values(), key=lambda each: (each.attack_id, not each.is_active)):
        known = entries.get(pattern.attack_id)
        if known is not None and known.status is None and pattern.is_active:
            raise _Fault(f"{pattern.attack_id} is in the bundle twice")
        if known is None:
            successor = patterns.get(successors.get(pattern.id, ""))
            entries[pattern.attack_id] = _entry(pattern, successor, tactic_ids)
    if not any(entry.status is None for entry in entries.values()):
        raise _Fault("has no active techniques")
    return entries


def _entry(pattern: _StixObject, successor: _StixObject | None, tactic_ids: Mapping[str, str]) -> TechniqueEntry:
    status: Literal["revoked", "deprecated"] | None = None
    if not pattern.is_active:
        status = "revoked" if pattern.revoked else "deprecated"
    return TechniqueEntry(
        name=_plain(pattern.name),
        tactics=() if status else tuple(_tactics_of(pattern, tactic_ids)),
        status=status,
        revoked_by=successor.attack_id if status == "revoked" and successor else None,
        stix_id=_plain(pattern.id),
        platforms=tuple(_plain(platform) for platform in pattern.x_mitre_platforms),
    )


def _tactics_of(pattern: _StixObject, tactic_ids: Mapping[str, str]) -> Iterator[str]:
    for phase in pattern.kill_chain_phases:
        if phase.kill_chain_name not in _SOURCE_NAMES:
            continue
        if phase.phase_name not in tactic_ids:
            raise _Fault(
                f"{pattern.attack_id} stands under {phase.phase_name[:80]!r}, which is no tactic of the matrix"
            )
        yield tactic_ids[phase.phase_name]


def _has_technique_id(pattern: _StixObject) -> bool:
    return _TECHNIQUE_ID.fullmatch(pattern.attack_id) is not None


def _plain(text: str) -> str:
    """``text`` on one line and without what would move a terminal's cursor."""
    return "".join(char if char.isprintable() else " " for char in text).strip()


def _is_of_domain(emit: RuleEmit, catalog: Catalog) -> bool:
    _, tactic, technique_id, _ = emit
    return technique_id in catalog.techniques or any(tactic == known.id for known in catalog.tactics)


def _impact(emit: RuleEmit, old: Catalog | None, new: Catalog) -> RuleImpact:
    rule_id, tactic, technique_id, sub_technique_id = emit
    full_id = sub_technique_id or technique_id
    fault = new.check_pair(tactic, technique_id, sub_technique_id)
    if fault is not None:
        change, successor = _cause(emit, new)
        return RuleImpact(rule_id, tactic, technique_id, sub_technique_id, change, successor, fault)
    name = new.technique(full_id).name
    then = old.techniques.get(full_id) if old else None
    if then is not None and then.name != name:
        text = f"{full_id} is now called {name}, it was {then.name}"
        return RuleImpact(rule_id, tactic, technique_id, sub_technique_id, "renamed", None, text)
    text = f"{full_id} ({name}) stays as it is"
    return RuleImpact(rule_id, tactic, technique_id, sub_technique_id, "unchanged", None, text)


def _cause(emit: RuleEmit, new: Catalog) -> tuple[Change, str | None]:
    """Why an emit is no longer valid, and the successor of the id that it ends in."""
    _, _, technique_id, sub_technique_id = emit
    ids = [technique_id] if sub_technique_id is None else [technique_id, sub_technique_id]
    entries = [new.techniques.get(id_) for id_ in ids]
    if any(entry is None for entry in entries):
        return "removed", None
    status = next((entry.status for entry in entries if entry and entry.status), None)
    if status is None:
        return "invalid pair", None
    return status, _successor(new, ids[-1])


def _successor(catalog: Catalog, technique_id: str) -> str | None:
    try:
        return catalog.migrate(technique_id)
    except CatalogueError:
        return None
