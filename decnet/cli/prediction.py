"""``decnet ttp predict``: rows in, technique ids out."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import msgspec

from decnet.cli.terminal import shown
from decnet.errors import InputRefused
from decnet.ttp.predict import session_techniques

if TYPE_CHECKING:
    from collections.abc import Iterator

    from decnet.ttp.engine import RuleEngine


RowKind = TypeVar("RowKind", bound=msgspec.Struct)


class Row(msgspec.Struct):
    """One shell session to look at; other keys are ignored."""

    id: str
    text: str


class Prediction(msgspec.Struct):
    """The techniques that a session shows."""

    id: str
    techniques: list[str]


def predict_rows(path: str, engine: RuleEngine, floor: float) -> int:
    """Write a prediction per row of ``path`` to standard output; returns the exit code, 1 when a row was refused.

    :raises InputRefused: the file cannot be opened.
    """
    refused = 0
    for row in rows_of(path, Row):
        if row is None:
            refused += 1
            continue
        found = Prediction(row.id, session_techniques(engine, row.text, floor))
        sys.stdout.write(msgspec.json.encode(found).decode() + "\n")
    return 1 if refused else 0


def rows_of(path: str, kind: type[RowKind]) -> Iterator[RowKind | None]:
    """The JSON lines of ``path`` (``-`` is standard input); None for a row that is refused, which is told on stderr.

    :raises InputRefused: the file cannot be opened.
    """
    with _opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield msgspec.json.decode(line, type=kind)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                sys.stderr.write(f"{path}:{number}: {shown(str(error))}\n")
                yield None


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if path == "-":
        yield sys.stdin.buffer
        return
    try:
        file = Path(path).open("rb")  # noqa: SIM115 - closed below; only opening may be refused here
    except OSError as error:
        raise InputRefused(f"{path}: {error.strerror}; name a file of rows, or - for standard input") from None
    with file:
        yield file
