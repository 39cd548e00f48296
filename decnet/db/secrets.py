"""Secrets as they were typed, where the operator wants them: one table, beside everything else.

Events, messages, findings and tags hold digests only, whatever the setting; this table alone says what a digest stands
for. Emptying it makes all of it forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.db.dialect import dialect_of
from decnet.db.tables import clear_secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Connection


def write_secrets(connection: Connection, secrets: Mapping[str, str]) -> None:
    """Note what these digests stand for."""
    rows = sorted(secrets.items())
    dialect_of(connection).insert_missing(connection, clear_secret, ("digest",), ("digest", "secret"), rows)
