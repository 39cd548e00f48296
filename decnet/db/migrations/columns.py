"""How migrations spell the types of columns, so that each database compares bytes, cuts nothing and counts in 64 bits.

Migrations are history: what is here may be added to, and never changes its meaning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite numbers rows only in a column that is spelled INTEGER."""
UUID = sa.LargeBinary(16).with_variant(mysql.BINARY(16), "mysql")
DIGEST = sa.LargeBinary(32).with_variant(mysql.BINARY(32), "mysql")
STATE_KEY = sa.LargeBinary(64).with_variant(mysql.VARBINARY(64), "mysql")
BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql")
LONG_TEXT = sa.Text().with_variant(sa.Text(collation="C"), "postgresql").with_variant(mysql.LONGTEXT(), "mysql")
OPTIONS: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_nopad_bin",
}
"""Of every table."""


def text(length: int) -> TypeEngine[str]:
    """Text of up to ``length`` characters, compared byte by byte."""
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")
