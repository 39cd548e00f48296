"""The event format as a JSON Schema (draft 2020-12), made from the structs that read it.

The schema that ships, ``data/event.schema.json``, is this one; a test holds it to that.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

import msgspec

from decnet.sources.jsonl_record import FIELDS_OF, EventRecord

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_TEMPLATE = "#/$defs/{name}"


def shipped_schema() -> Traversable:
    """The schema's file, installed with the package."""
    return resources.files("decnet.sources") / "data" / "event.schema.json"


def schema() -> dict[str, Any]:
    """One line of the format: the record, and for each source kind what its payload must hold.

    Fields that the schema does not name are allowed: a reader leaves them out and counts them.
    """
    structs = [EventRecord, *FIELDS_OF.values()]
    _, parts = msgspec.json.schema_components(structs, ref_template=_TEMPLATE)
    record = parts.pop(EventRecord.__name__)
    record["properties"]["source_kind"] = {"enum": list(FIELDS_OF)}
    record["properties"]["payload"] = {"type": "object"}
    for part in (record, *parts.values()):
        part.pop("additionalProperties", None)
        part.pop("title", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "DECNET TTP event",
        **record,
        "allOf": [_payload_of(kind, fields.__name__) for kind, fields in FIELDS_OF.items()],
        "$defs": dict(sorted(parts.items())),
    }


def _payload_of(kind: str, name: str) -> dict[str, Any]:
    return {
        "if": {"properties": {"source_kind": {"const": kind}}},
        "then": {"properties": {"payload": {"$ref": _TEMPLATE.format(name=name)}}},
    }
