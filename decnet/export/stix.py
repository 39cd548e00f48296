"""Tags as STIX 2.1 (https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html), object by object.

A tag is a sighting of an attack pattern; what it stands on is observed data with its address, traffic, command line,
URL or file. Ids are the same at every run, so that importing twice changes nothing:

- an attack pattern has MITRE's own id where the catalogue knows it. It says no more than its name and number, and is
  dated before any of MITRE's, so that whoever has MITRE's copy keeps that;
- an address, a URL and a file have the ids that STIX itself works out from what they say;
- a process must be numbered as if at random (6.13), so it has the digits of a hash in the form of a UUIDv4;
- everything else has a UUIDv5 over what it is about.

What there are few of (markings, identities, patterns, addresses, files) is made by the ``stix2`` library. It takes 1 ms
for an object, so what there is one of per event or per tag is spelt here; a test has the library read each of them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache, lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from decnet.export.spelling import moment_text, stable_uuid
from decnet.models.ids import uuid_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from stix2.v21 import _STIXBase21

    from decnet.attack.catalog import Catalog
    from decnet.models.stored_tag import StoredTag

MARKINGS = ("clear", "green", "amber", "red")
"""Traffic light protocol: with whom the export may be shared (https://www.first.org/tlp/)."""

_LONG_AGO = datetime(2013, 9, 1, tzinfo=UTC)
_PRODUCER = "DECNET TTP"
_MAX_DESCRIPTION_CHARS = 1_000
_SPEC = "2.1"
_KEPT = 4_096
_encode = msgspec.json.Encoder().encode

StixObject = dict[str, Any]
"""An object of STIX as JSON has it."""


def stix_bundle(tags: Iterable[StoredTag], catalog_of: Callable[[str], Catalog], marking: str) -> Iterator[bytes]:
    """One bundle as JSON, in pieces. The id of a bundle means nothing to a reader (part 8), so it is always the same.

    ``tags`` come by time; those of one event stand together.

    :raises CatalogueError: the release of a tag is not here.
    """
    yield b'{"type":"bundle","id":"bundle--%s","objects":[' % str(stable_uuid("bundle", marking)).encode()
    for number, one in enumerate(stix_objects(tags, catalog_of, marking)):
        yield (b",\n" if number else b"\n") + _encode(one)
    yield b"\n]}\n"


def stix_objects(tags: Iterable[StoredTag], catalog_of: Callable[[str], Catalog], marking: str) -> Iterator[StixObject]:
    """Every object once, each after those that it refers to."""
    objects = _Objects(catalog_of, marking)
    yield from objects.head()
    for _, group in groupby(tags, key=lambda tag: tag.observed_at):
        by_event: dict[tuple[str, str], list[StoredTag]] = {}
        for tag in group:
            by_event.setdefault((tag.source_kind, tag.source_id), []).append(tag)
        for tags_of_event in by_event.values():
            yield from objects.of_event(tags_of_event)


def pattern_id(catalog: Catalog, attack_id: str) -> str:
    """The id of the attack pattern of a technique: MITRE's own, where the catalogue knows it.

    :raises CatalogueError: the catalogue does not have the technique.
    """
    known = catalog.technique(attack_id).stix_id
    return known or f"attack-pattern--{stable_uuid('technique', catalog.domain, attack_id)}"


def decoy_id(name: str) -> str:
    """The id of the identity that stands for a decoy."""
    return f"identity--{stable_uuid('decoy', name)}"


class _Objects:
    """Makes objects, and remembers those that others refer to: a bundle holds each once."""

    def __init__(self, catalog_of: Callable[[str], Catalog], marking: str) -> None:
        self._catalog_of = catalog_of
        self._marking = _marking(marking)
        self._marked = {"object_marking_refs": [self._marking["id"]]}
        self._made: dict[object, str] = {}
        """The ids of what was made, by what it is about."""
        self._patterns: dict[tuple[str, str], str] = {}
        self._producer = _identity(f"identity--{stable_uuid('producer')}", _PRODUCER, self._marking["id"])
        self._by_us = {"created_by_ref": self._producer["id"]}

    def head(self) -> Iterator[StixObject]:
        yield self._marking
        yield self._producer

    def of_event(self, tags: list[StoredTag]) -> Iterator[StixObject]:
        """All tags of one event: what was seen, and a sighting of each technique."""
        first = tags[0]
        made: list[StixObject] = []
        seen = list(self._observables(first, made))
        data_refs = [_added(made, self._observed_data(first, seen))] if seen else []
        decoy = self._decoy(first.decoy, made) if first.decoy else self._producer["id"]
        yield from made
        for tag in tags:
            yield from self._pattern(tag)
            yield self._sighting(tag, data_refs, decoy)

    def _observables(self, tag: StoredTag, made: list[StixObject]) -> Iterator[str]:
        """The ids of what of the event can be shared as such: address and traffic, and what the evidence names.

        Those that are new go to ``made``.
        """
        if tag.address is not None:
            address = self._address(tag.address, made)
            yield address
            if tag.session_uuid is not None:
                yield self._traffic(tag, address, made)
        command = tag.evidence.get("command") or tag.evidence.get("matched")
        if tag.source_kind == "command" and command:
            process = f"process--{_version_4(tag.source_id)}"  # of this event alone, so it is not remembered
            made.append({"type": "process", "spec_version": _SPEC, "id": process, "command_line": str(command)})
            yield process
        digest = tag.evidence.get("sha256")
        if isinstance(digest, str):
            yield self._file(digest, made)

    def _address(self, address: str, made: list[StixObject]) -> str:
        known = self._made.get(address)
        if known is None:
            known = self._made[address] = _added(made, _address(address))
        return known

    def _traffic(self, tag: StoredTag, address: str, made: list[StixObject]) -> str:
        known = self._made.get(tag.session_uuid)
        if known is None:
            traffic = {
                "type": "network-traffic",
                "spec_version": _SPEC,
                "id": f"network-traffic--{stable_uuid('session', uuid_text(tag.session_uuid or b''))}",
                "src_ref": address,
                "protocols": ["tcp", *([tag.protocol.lower()] if tag.protocol else [])],
            }
            known = self._made[tag.session_uuid] = _added(made, traffic)
        return known

    def _file(self, digest: str, made: list[StixObject]) -> str:
        key = "file", digest
        known = self._made.get(key)
        if known is None:
            known = self._made[key] = _added(made, _file(digest))
        return known

    def _decoy(self, name: str, made: list[StixObject]) -> str:
        key = "decoy", name
        known = self._made.get(key)
        if known is None:
            identity = _identity(decoy_id(name), name, self._marking["id"], self._producer["id"])
            known = self._made[key] = _added(made, identity)
        return known

    def _observed_data(self, tag: StoredTag, refs: list[str]) -> StixObject:
        written, at = _spelt(tag.observed_at)
        return {
            "type": "observed-data",
            "spec_version": _SPEC,
            "id": f"observed-data--{stable_uuid('event', tag.source_kind, tag.source_id)}",
            **self._by_us,
            "created": written,
            "modified": written,
            "first_observed": at,
            "last_observed": at,
            "number_observed": 1,
            "object_refs": refs,
            **self._marked,
        }

    def _pattern(self, tag: StoredTag) -> Iterator[StixObject]:
        key = tag.attack_release, tag.attack_id
        if key in self._patterns:
            return
        catalog = self._catalog_of(tag.attack_release)
        technique = catalog.technique(tag.attack_id)
        identifier = pattern_id(catalog, tag.attack_id)
        is_made = identifier in self._patterns.values()
        self._patterns[key] = identifier
        if is_made:
            return
        phases = tuple(catalog.tactic(tactic).shortname for tactic in technique.tactics)
        yield _attack_pattern(identifier, technique.name, technique.id, technique.url, phases)

    def _sighting(self, tag: StoredTag, data_refs: list[str], decoy: str) -> StixObject:
        written, at = _spelt(tag.observed_at)
        text = f"{tag.rule_id} v{tag.rule_version}, {tag.tactic} in {tag.attack_release}: "
        text += _encode(tag.evidence).decode()
        return {
            "type": "sighting",
            "spec_version": _SPEC,
            "id": f"sighting--{uuid_text(tag.uuid)}",
            **self._by_us,
            "created": written,
            "modified": written,
            "description": text[:_MAX_DESCRIPTION_CHARS],
            "first_seen": at,
            "last_seen": at,
            "count": 1,
            "sighting_of_ref": self._patterns[tag.attack_release, tag.attack_id],
            **({"observed_data_refs": data_refs} if data_refs else {}),
            "where_sighted_refs": [decoy],
            "confidence": round(100 * tag.confidence),
            **self._marked,
        }


# What the library makes, kept because every page of a collection begins anew; nobody changes it.


@cache
def _marking(name: str) -> StixObject:
    import stix2.v21 as stix

    return _as_json(getattr(stix, f"TLP_{'WHITE' if name == 'clear' else name.upper()}"))


@lru_cache(maxsize=_KEPT)
def _identity(identifier: str, name: str, marking: str, created_by: str | None = None) -> StixObject:
    import stix2.v21 as stix

    return _as_json(
        stix.Identity(
            id=identifier,
            created=_LONG_AGO,
            modified=_LONG_AGO,
            name=name,
            identity_class="system",
            object_marking_refs=[marking],
            **({"created_by_ref": created_by} if created_by else {}),
        )
    )


@lru_cache(maxsize=_KEPT)
def _address(address: str) -> StixObject:
    import stix2.v21 as stix

    return _as_json((stix.IPv6Address if ":" in address else stix.IPv4Address)(value=address))


@lru_cache(maxsize=_KEPT)
def _file(digest: str) -> StixObject:
    import stix2.v21 as stix

    return _as_json(stix.File(hashes={"SHA-256": digest}))


@lru_cache(maxsize=_KEPT)
def _attack_pattern(identifier: str, name: str, attack_id: str, url: str, phases: tuple[str, ...]) -> StixObject:
    import stix2.v21 as stix

    return _as_json(
        stix.AttackPattern(
            id=identifier,
            created=_LONG_AGO,
            modified=_LONG_AGO,
            name=name,
            external_references=[{"source_name": "mitre-attack", "external_id": attack_id, "url": url}],
            kill_chain_phases=[{"kill_chain_name": "mitre-attack", "phase_name": phase} for phase in phases],
        )
    )


def _as_json(one: _STIXBase21) -> StixObject:
    """What the library says of ``one``."""
    said: StixObject = msgspec.json.decode(one.serialize())
    return said


def _added(made: list[StixObject], one: StixObject) -> str:
    """The id of ``one``, which goes to ``made``."""
    made.append(one)
    identifier: str = one["id"]
    return identifier


def _spelt(time_us: int) -> tuple[str, str]:
    """A time as the library spells it where something was created (milliseconds at least), and elsewhere."""
    whole, _, micros = moment_text(time_us).removesuffix("Z").partition(".")
    digits = micros.rstrip("0")
    return f"{whole}.{digits:0<3}Z", f"{whole}.{digits}Z" if digits else f"{whole}Z"


def _version_4(source_id: str) -> UUID:
    return UUID(bytes=stable_uuid("process", source_id).bytes, version=4)
