"""Tags as a table: comma-separated values (RFC 4180) that a spreadsheet takes for nothing but text."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import msgspec

from decnet.export.spelling import moment_text
from decnet.models.ids import uuid_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from decnet.attack.catalog import Catalog
    from decnet.models.stored_tag import StoredTag

COLUMNS = (
    "observed_at",
    "address",
    "attacker",
    "identity",
    "session",
    "decoy",
    "protocol",
    "tactic",
    "technique",
    "name",
    "confidence",
    "rule",
    "rule_version",
    "source_kind",
    "source_id",
    "attack_release",
    "evidence",
    "tag",
    "tlp",
)

_STARTS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What makes a spreadsheet compute a cell: https://owasp.org/www-community/attacks/CSV_Injection."""


def table_lines(tags: Iterable[StoredTag], catalog_of: Callable[[str], Catalog], marking: str) -> Iterator[bytes]:
    """The head, then a line per tag, in UTF-8 with CRLF; each says with whom it may be shared.

    :raises CatalogueError: the release of a tag is not here.
    """
    yield _line(COLUMNS)
    for tag in tags:
        yield _line(map(harmless_cell, (*_cells(tag, catalog_of), marking)))


def harmless_cell(text: str) -> str:
    """``text``, behind an apostrophe where a spreadsheet would compute it."""
    return f"'{text}" if text.startswith(_STARTS_FORMULA) else text


def _cells(tag: StoredTag, catalog_of: Callable[[str], Catalog]) -> tuple[str, ...]:
    return (
        moment_text(tag.observed_at),
        tag.address or "",
        uuid_text(tag.attacker_uuid) if tag.attacker_uuid else "",
        uuid_text(tag.identity_uuid),
        uuid_text(tag.session_uuid) if tag.session_uuid else "",
        tag.decoy or "",
        tag.protocol or "",
        tag.tactic,
        tag.attack_id,
        catalog_of(tag.attack_release).name_of(tag.attack_id),
        f"{tag.confidence:.2f}",
        tag.rule_id,
        str(tag.rule_version),
        tag.source_kind,
        tag.source_id,
        tag.attack_release,
        msgspec.json.encode(tag.evidence).decode(),
        uuid_text(tag.uuid),
    )


def _line(cells: Iterable[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow(list(cells))
    return text.getvalue().encode()
