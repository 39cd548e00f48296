"""Tags as STIX 2.1 (https://docs.oasis-open.org/cti/stix/v2.1/os/stix-v2.1-os.html), object by object.

A tag is a sighting of an attack pattern; what it stands on is observed data with its address, traffic, command line,
URL or file. Ids are the same at every run, so that importing twice changes nothing:

- an attack pattern has MITRE's own id where the catalogue knows it. It says no more than its name and number, and is
  dated before any of MITRE's, so that whoever has MITRE's copy keeps that;
- an address, a URL and a file have the ids that STIX itself works out from what they say;
- a process must be numbered as if at random (6.13), so it has the digits of a hash in the form of a UUIDv4;
- everything else has a UUIDv5 over what it is about.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from decnet.export.spelling import moment, stable_uuid
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


def stix_bundle(tags: Iterable[StoredTag], catalog_of: Callable[[str], Catalog], marking: str) -> Iterator[bytes]:
    """One bundle as JSON, in pieces. The id of a bundle means nothing to a reader (part 8), so it is always the same.

    ``tags`` come by time; those of one event stand together.

    :raises CatalogueError: the release of a tag is not here.
    """
    yield b'{"type":"bundle","id":"bundle--%s","objects":[' % str(stable_uuid("bundle", marking)).encode()
    for number, one in enumerate(stix_objects(tags, catalog_of, marking)):
        yield (b",\n" if number else b"\n") + one.serialize().encode()
    yield b"\n]}\n"


def stix_objects(
    tags: Iterable[StoredTag], catalog_of: Callable[[str], Catalog], marking: str
) -> Iterator[_STIXBase21]:
    """Every object once, each after those that it refers to."""
    objects = _Objects(catalog_of, marking)
    yield from objects.head()
    for _, group in groupby(tags, key=lambda tag: tag.observed_at):
        by_event: dict[tuple[str, str], list[StoredTag]] = {}
        for tag in group:
            by_event.setdefault((tag.source_kind, tag.source_id), []).append(tag)
        for tags_of_event in by_event.values():
            yield from objects.of_event(tags_of_event)


class _Objects:
    """Makes objects, and remembers the ids of those that were made: a bundle holds each once."""

    def __init__(self, catalog_of: Callable[[str], Catalog], marking: str) -> None:
        import stix2.v21 as stix

        self._stix = stix
        self._catalog_of = catalog_of
        self._marking = getattr(stix, f"TLP_{'WHITE' if marking == 'clear' else marking.upper()}")
        self._made: set[str] = set()
        self._patterns: dict[tuple[str, str], str] = {}
        self._producer = stix.Identity(
            id=f"identity--{stable_uuid('producer')}",
            created=_LONG_AGO,
            modified=_LONG_AGO,
            name=_PRODUCER,
            identity_class="system",
            object_marking_refs=[self._marking.id],
        )

    def head(self) -> Iterator[_STIXBase21]:
        yield self._marking
        yield self._producer

    def of_event(self, tags: list[StoredTag]) -> Iterator[_STIXBase21]:
        """All tags of one event: what was seen, and a sighting of each technique."""
        first = tags[0]
        seen = list(self._observables(first))
        for one in seen:
            yield from self._once(one)
        data_refs = []
        if seen:
            data = self._observed_data(first, [one.id for one in seen])
            yield data
            data_refs = [data.id]
        decoy = self._decoy(first.decoy) if first.decoy else self._producer
        yield from self._once(decoy)
        for tag in tags:
            yield from self._pattern(tag)
            yield self._sighting(tag, data_refs, decoy.id)

    def _once(self, one: _STIXBase21) -> Iterator[_STIXBase21]:
        if one.type == "process":  # of this event alone: to remember one per event is what memory has no end for
            yield one
        elif one.id not in self._made and one is not self._producer:
            self._made.add(one.id)
            yield one

    def _observables(self, tag: StoredTag) -> Iterator[_STIXBase21]:
        """What of the event can be shared as such: address and traffic, and what the evidence names."""
        if tag.address is not None:
            kind = self._stix.IPv6Address if ":" in tag.address else self._stix.IPv4Address
            address = kind(value=tag.address)
            yield address
            if tag.session_uuid is not None:
                yield self._stix.NetworkTraffic(
                    id=f"network-traffic--{stable_uuid('session', uuid_text(tag.session_uuid))}",
                    src_ref=address.id,
                    protocols=["tcp", *([tag.protocol.lower()] if tag.protocol else [])],
                )
        command = tag.evidence.get("command") or tag.evidence.get("matched")
        if tag.source_kind == "command" and command:
            yield self._stix.Process(id=f"process--{_version_4(tag.source_id)}", command_line=str(command))
        digest = tag.evidence.get("sha256")
        if isinstance(digest, str):
            yield self._stix.File(hashes={"SHA-256": digest})

    def _observed_data(self, tag: StoredTag, refs: list[str]) -> _STIXBase21:
        at = moment(tag.observed_at)
        return self._stix.ObservedData(
            id=f"observed-data--{stable_uuid('event', tag.source_kind, tag.source_id)}",
            created=at,
            modified=at,
            created_by_ref=self._producer.id,
            first_observed=at,
            last_observed=at,
            number_observed=1,
            object_refs=refs,
            object_marking_refs=[self._marking.id],
        )

    def _decoy(self, name: str) -> _STIXBase21:
        return self._stix.Identity(
            id=f"identity--{stable_uuid('decoy', name)}",
            created=_LONG_AGO,
            modified=_LONG_AGO,
            created_by_ref=self._producer.id,
            name=name,
            identity_class="system",
            object_marking_refs=[self._marking.id],
        )

    def _pattern(self, tag: StoredTag) -> Iterator[_STIXBase21]:
        key = tag.attack_release, tag.attack_id
        if key in self._patterns:
            return
        catalog = self._catalog_of(tag.attack_release)
        technique = catalog.technique(tag.attack_id)
        known = technique.stix_id
        identifier = known or f"attack-pattern--{stable_uuid('technique', catalog.domain, tag.attack_id)}"
        self._patterns[key] = identifier
        if identifier in self._made:
            return
        self._made.add(identifier)
        yield self._stix.AttackPattern(
            id=identifier,
            created=_LONG_AGO,
            modified=_LONG_AGO,
            name=technique.name,
            external_references=[{"source_name": "mitre-attack", "external_id": technique.id, "url": technique.url}],
            kill_chain_phases=[
                {"kill_chain_name": "mitre-attack", "phase_name": catalog.tactic(tactic).shortname}
                for tactic in technique.tactics
            ],
        )

    def _sighting(self, tag: StoredTag, data_refs: list[str], decoy: str) -> _STIXBase21:
        at = moment(tag.observed_at)
        text = f"{tag.rule_id} v{tag.rule_version}, {tag.tactic} in {tag.attack_release}: "
        text += msgspec.json.encode(tag.evidence).decode()
        return self._stix.Sighting(
            id=f"sighting--{uuid_text(tag.uuid)}",
            created=at,
            modified=at,
            created_by_ref=self._producer.id,
            first_seen=at,
            last_seen=at,
            count=1,
            confidence=round(100 * tag.confidence),
            description=text[:_MAX_DESCRIPTION_CHARS],
            sighting_of_ref=self._patterns[tag.attack_release, tag.attack_id],
            where_sighted_refs=[decoy],
            object_marking_refs=[self._marking.id],
            **({"observed_data_refs": data_refs} if data_refs else {}),
        )


def _version_4(source_id: str) -> UUID:
    return UUID(bytes=stable_uuid("process", source_id).bytes, version=4)
