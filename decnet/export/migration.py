"""Counts of older releases of ATT&CK, told in a newer one by MITRE's own links from revoked techniques."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from decnet.attack.catalog import parent_of
from decnet.errors import CatalogueError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from decnet.attack.catalog import Catalog
    from decnet.models.rollup import TechniqueCount


def migrated_counts(rows: Iterable[TechniqueCount], catalog: Catalog) -> tuple[list[TechniqueCount], list[str]]:
    """``rows`` in the release of ``catalog``, and the ids that have no successor there, sorted.

    A tactic stays where the technique still belongs to it; else the technique's first one takes its place.
    """
    found: list[TechniqueCount] = []
    lost: set[str] = set()
    for row in rows:
        old = row.sub_technique_id or row.technique_id
        try:
            new = catalog.migrate(old)
        except CatalogueError:
            lost.add(old)
            continue
        parent = parent_of(new)
        tactics = catalog.technique(new).tactics
        tactic = row.tactic if row.tactic in tactics else tactics[0]
        found.append(
            msgspec.structs.replace(
                row,
                tactic=tactic,
                technique_id=parent or new,
                sub_technique_id=new if parent else None,
                attack_release=catalog.release,
            )
        )
    return found, sorted(lost)
