"""Structs, JSON Schema and page describe one format."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from decnet.models.event import AUTH_ATTEMPT, CANARY, CANARY_FINGERPRINT, EMAIL, PAYLOAD_TYPES, AuthPayload
from decnet.sources.base import Reason
from decnet.sources.jsonl_record import FIELDS_OF, EventRecord
from decnet.sources.jsonl_schema import schema, shipped_schema
from tests.sources.jsonl_lines import EVERY_KIND, PAGE, event, source

if TYPE_CHECKING:
    from pathlib import Path

NOT_OURS = {Reason.NO_EVENT_ID, Reason.UNKNOWN_EVENT_ID, Reason.NO_SESSION}
"""Reasons for which no line of the format is refused."""
REMAKE = (
    "json.dumps(decnet.sources.jsonl_schema.schema(), indent=2, ensure_ascii=False) makes it anew; "
    "a field that goes or changes its meaning needs a new version of the format"
)


def test_the_schema_that_ships_is_that_of_the_structs() -> None:
    assert json.loads(shipped_schema().read_text("utf-8")) == json.loads(json.dumps(schema())), REMAKE


def test_every_source_kind_but_mail_and_those_of_our_own_canaries_is_in_the_format() -> None:
    """What is in a message, and what a browser shows, is derived by the extractor and the decoy, and by nobody else."""
    assert set(FIELDS_OF) == set(PAYLOAD_TYPES) - {EMAIL, CANARY, CANARY_FINGERPRINT}


def test_a_payload_has_the_fields_of_the_event_but_for_its_secret() -> None:
    for kind, fields in FIELDS_OF.items():
        theirs = set(PAYLOAD_TYPES[kind].__struct_fields__)
        if kind == AUTH_ATTEMPT:
            theirs = theirs - {"secret"} | {"password"}
        assert set(fields.__struct_fields__) == theirs


def needed_and_other(kind: str) -> tuple[list[str], list[str]]:
    part = schema()["$defs"][FIELDS_OF[kind].__name__]  # type: ignore[index]
    needed = part.get("required", [])
    return needed, [name for name in part["properties"] if name not in needed]


def test_page_has_the_table_of_the_kinds() -> None:
    def cells(names: list[str]) -> str:
        return ", ".join(f"`{name}`" for name in names)

    rows = re.findall(r"^\| `(\w+)` \| (`.*`) \| (`.*`) \|$", PAGE, re.MULTILINE)
    assert rows == [(kind, *map(cells, needed_and_other(kind))) for kind in FIELDS_OF]


def test_page_has_the_table_of_the_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (yes|no) \|", PAGE, re.MULTILINE)
    fields = msgspec.structs.fields(EventRecord)
    by_need = sorted(fields, key=lambda field: not field.required)
    assert rows == [(field.name, "yes" if field.required else "no") for field in by_need]


def test_page_names_every_reason() -> None:
    assert [reason for reason in Reason if (f"*{reason}*" in PAGE) == (reason in NOT_OURS)] == []


def test_page_has_an_example_of_each_kind() -> None:
    assert {json.loads(raw)["source_kind"] for raw in EVERY_KIND} == set(FIELDS_OF)


def test_the_exporter_of_the_page_writes_lines_that_are_read(tmp_path: Path) -> None:
    (exporter,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    program = tmp_path / "exporter.py"
    program.write_text(f"import sys\nlog = sys.stdout\n{exporter}", "utf-8")
    written = subprocess.run([sys.executable, str(program)], capture_output=True, check=True).stdout
    adapter = source()
    found = event(written.removesuffix(b"\n"), adapter)
    assert found.payload == AuthPayload("root", success=False, secret="HMAC(x)")
    assert (found.sensor, found.native_session, found.protocol) == ("my-pot", "17", "pop3")
    assert not adapter.notes


def test_schema_points_to_parts_that_are_there() -> None:
    text = json.dumps(schema())
    names = set(re.findall(r'"#/\$defs/(\w+)"', text))
    assert names == set(schema()["$defs"])
