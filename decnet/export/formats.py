"""Every format that tags leave in, whoever asks: by name, with what a file of it is called and served as."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from decnet.export.ecs import ecs_lines
from decnet.export.misp import misp_events
from decnet.export.stix import stix_bundle
from decnet.export.table import table_lines
from decnet.models.ids import uuid_text
from decnet.models.stored_tag import Order, StoredTag

if TYPE_CHECKING:
    from decnet.attack.catalog import Catalog
    from decnet.models.stored_tag import TagFilter

Pieces = Callable[[Iterable[StoredTag], "Callable[[str], Catalog]", str], Iterator[bytes]]
"""Tags, the catalogue of a release and a marking (:data:`~decnet.export.stix.MARKINGS`) give text, piece by piece."""

BLOCK_BYTES = 64 * 1024


class Format(NamedTuple):
    """A format: ``pieces`` wants the tags in ``order``, and a file of it ends in ``suffix``."""

    name: str
    about: str
    media_type: str
    suffix: str
    order: Order
    pieces: Pieces


FORMATS = {
    each.name: each
    for each in (
        Format(
            "stix",
            "A bundle of STIX 2.1: sightings of attack patterns, and what was observed.",
            "application/stix+json;version=2.1",
            "json",
            Order.OLDEST,
            stix_bundle,
        ),
        Format(
            "misp",
            "Events of MISP, one per attacker and day, with galaxy tags and sightings.",
            "application/json",
            "json",
            Order.ATTACKER,
            misp_events,
        ),
        Format(
            "ecs",
            "JSON lines in the Elastic Common Schema.",
            "application/x-ndjson",
            "ndjson",
            Order.OLDEST,
            ecs_lines,
        ),
        Format(
            "csv",
            "A table that a spreadsheet opens, safe from formulas in what attackers typed.",
            "text/csv; charset=utf-8; header=present",
            "csv",
            Order.OLDEST,
            table_lines,
        ),
    )
}
"""All but the layers of the Navigator, which are sums and small."""


def evidence_url(base: str, wanted: TagFilter) -> Callable[[str], str]:
    """Where the API at ``base`` (``https://decnet.example.org``) tells the tags of a technique that ``wanted`` has."""
    api = f"{base.rstrip('/')}/api/v1/ttp"
    for scope, uuid in (
        ("attacker", wanted.attacker),
        ("identity", wanted.identity),
        ("campaign", wanted.campaign),
    ):
        if uuid is not None:
            return lambda technique: f"{api}/tags/by-{scope}/{uuid_text(uuid)}/{technique}"
    return lambda technique: f"{api}/export/csv?technique={technique}&min_confidence={wanted.min_confidence:g}"


def blocks(pieces: Iterable[bytes], size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """``pieces`` joined until they have ``size`` bytes: what is sent costs by the block, not by the byte."""
    held: list[bytes] = []
    length = 0
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= size:
            yield b"".join(held)
            held, length = [], 0
    if held:
        yield b"".join(held)
