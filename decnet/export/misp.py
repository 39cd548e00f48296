"""Tags as events of MISP (https://www.misp-standard.org/rfc/misp-standard-core.html), one per attacker and UTC day.

Each event has the attacker's address with one sighting per technique and decoy, an object per command line, and
MITRE's techniques as galaxy tags. Ids are the same at every run, so an event that is imported again is brought up to
date. Nothing is marked for blocking (``to_ids``): an address that met a honeypot may be somebody's router.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from decnet.export.spelling import moment, stable_uuid
from decnet.models.finding import DAY_US, SECOND_US
from decnet.models.ids import uuid_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from uuid import UUID

    from pymisp import MISPEvent

    from decnet.attack.catalog import Catalog
    from decnet.models.stored_tag import StoredTag

MAX_OBJECTS = 200
"""Command lines of an event; an attacker who types more has said enough, and MISP shows them on one page."""
_UNDEFINED_THREAT, _COMPLETED, _OWN_ORGANISATION = 4, 2, 0


def misp_events(tags: Iterable[StoredTag], catalog_of: Callable[[str], Catalog], marking: str) -> Iterator[bytes]:
    """``{"response": [event, …]}`` as JSON, in pieces; MISP's import takes it as it is.

    ``tags`` come by attacker (:class:`~decnet.models.stored_tag.Order`), so that a day of one attacker stands together.

    :raises CatalogueError: the release of a tag is not here.
    """
    yield b'{"response": ['
    for number, (_, group) in enumerate(groupby(tags, key=_owner_and_day)):
        event = misp_event(group, catalog_of, marking)
        yield (b",\n" if number else b"\n") + b'{"Event": ' + event.to_json().encode() + b"}"
    yield b"\n]}\n"


def misp_event(tags: Iterable[StoredTag], catalog_of: Callable[[str], Catalog], marking: str) -> MISPEvent:
    """The event of ``tags``, by time and all of one attacker (or one identity) and day; there is at least one."""
    from pymisp import MISPEvent

    day = _Day(catalog_of, tags)
    owner, number = _owner_and_day(day.first)
    who = day.first.address or f"identity {uuid_text(day.first.identity_uuid)}"
    event = MISPEvent()
    event.uuid = str(stable_uuid("misp", owner, str(number)))
    event.info = f"Honeypots: {who} on {moment(number * DAY_US):%Y-%m-%d}"
    event.date = moment(number * DAY_US).date()
    event.threat_level_id, event.analysis, event.distribution = _UNDEFINED_THREAT, _COMPLETED, _OWN_ORGANISATION
    event.timestamp = day.written_at // SECOND_US
    for name in (f"tlp:{marking}", 'osint:source-type="automatic-analysis"'):
        event.add_tag(name)
    for galaxy in sorted(day.galaxies):
        event.add_tag(galaxy)
    if day.first.address is not None:
        _add_address(event, day.first.address, day.latest)
    for tag in day.surest.values():
        _add_command(event, tag, catalog_of)
    return event


class _Day:
    """What an event tells of an attacker's day; not the tags themselves, of which there may be a million.

    ``latest`` are the last tags by technique and decoy, ``surest`` those of each of the first command lines.
    """

    def __init__(self, catalog_of: Callable[[str], Catalog], tags: Iterable[StoredTag]) -> None:
        self.galaxies: set[str] = set()
        self.latest: dict[tuple[str, str], StoredTag] = {}
        self.surest: dict[str, StoredTag] = {}
        self.written_at = 0
        first: StoredTag | None = None
        for tag in tags:
            first = first or tag
            self.galaxies.add(_galaxy(tag, catalog_of))
            self.latest[tag.attack_id, tag.decoy or ""] = tag
            self.written_at = max(self.written_at, tag.created_at)
            self._take_command(tag)
        if first is None:
            raise ValueError("an event of MISP is made of at least one tag; give those of one day")
        self.first = first

    def _take_command(self, tag: StoredTag) -> None:
        line = _command_line(tag)
        known = self.surest.get(line)
        if line and (
            (known is None and len(self.surest) < MAX_OBJECTS) or (known and tag.confidence > known.confidence)
        ):
            self.surest[line] = tag


def _owner_and_day(tag: StoredTag) -> tuple[str, int]:
    owner = tag.attacker_uuid or tag.identity_uuid
    return uuid_text(owner), tag.observed_at // DAY_US


def _galaxy(tag: StoredTag, catalog_of: Callable[[str], Catalog]) -> str:
    """As MISP's galaxy of ATT&CK spells its clusters."""
    name = catalog_of(tag.attack_release).technique(tag.attack_id).name
    return f'misp-galaxy:mitre-attack-pattern="{name} - {tag.attack_id}"'


def _add_address(event: MISPEvent, address: str, latest: Mapping[tuple[str, str], StoredTag]) -> None:
    from pymisp import MISPAttribute

    attribute = MISPAttribute()
    number = stable_uuid("misp-address", str(event.uuid))
    attribute.from_dict(type="ip-src", category="Network activity", value=address, uuid=str(number), to_ids=False)
    event.attributes.append(attribute)
    for (technique, decoy), tag in sorted(latest.items(), key=lambda item: item[0]):
        attribute.add_sighting(
            {
                "uuid": str(_sighting_uuid(event, technique, decoy)),
                "date_sighting": tag.observed_at // SECOND_US,
                "source": f"{decoy}: {technique}" if decoy else technique,
                "type": "0",
            }
        )


def _sighting_uuid(event: MISPEvent, technique: str, decoy: str) -> UUID:
    return stable_uuid("misp-sighting", str(event.uuid), technique, decoy)


def _command_line(tag: StoredTag) -> str:
    if tag.source_kind != "command":
        return ""
    return str(tag.evidence.get("command") or tag.evidence.get("matched") or "")


def _add_command(event: MISPEvent, tag: StoredTag, catalog_of: Callable[[str], Catalog]) -> None:
    from pymisp import MISPObject

    command = MISPObject("command-line")
    line = _command_line(tag)
    command.uuid = str(stable_uuid("misp-command", str(event.uuid), line))
    command.comment = f"{tag.attack_id}, rule {tag.rule_id}, confidence {tag.confidence:.2f}"
    value = command.add_attribute(
        "command_line", line, uuid=str(stable_uuid("misp-line", str(event.uuid), line)), to_ids=False
    )
    if value is not None:
        value.add_tag(_galaxy(tag, catalog_of))
    event.add_object(command)
