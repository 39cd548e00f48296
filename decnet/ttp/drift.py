"""Where a provider's words and our tables have come apart, and what to do about it.

Nothing here guesses what a new word means: somebody reads what the provider says of it, and writes a row.
"""

from __future__ import annotations

from datetime import date
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal

import msgspec

from decnet.ttp.lifters.base import table_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from decnet.models.intel import Verdict
    from decnet.ttp.lifters.base import Tables

Signal = int | str
What = Literal["new", "seen", "gone", "review"]

_ALIKE = 0.75


class _Entry(msgspec.Struct, frozen=True):
    signal: Signal
    label: str
    field: str = ""


class ReviewedTable(msgspec.Struct, frozen=True):
    """What a table says of itself, and every signal that it knows."""

    provider: str
    rule: str
    reference: str
    next_review: date
    rows: tuple[_Entry, ...]
    not_mapped: tuple[_Entry, ...]

    @property
    def known(self) -> frozenset[Signal]:
        """Signals that have a row, or a reason for none."""
        return frozenset(entry.signal for entry in (*self.rows, *self.not_mapped))


class Difference(msgspec.Struct, frozen=True):
    """One thing to do: a signal is ``new`` in the catalogue, ``seen`` in a verdict, or ``gone``; or a review is due."""

    provider: str
    what: What
    signal: Signal
    label: str
    advice: str


def reviewed_table(tables: Tables, provider: str) -> ReviewedTable:
    """The table of a provider.

    :raises RuleError: it is not there, or cannot be used.
    """
    return table_of(tables, f"intel/{provider}.yaml", ReviewedTable)


def differences(
    table: ReviewedTable,
    *,
    catalogue: Mapping[Signal, str] | None,
    said: Iterable[Signal],
    today: date,
    catalogued_field: str = "",
) -> Iterator[Difference]:
    """Everything to do about one table, in order of urgency.

    ``catalogue`` is what the provider lists, label by signal, None where it lists nothing that a program can read; its
    signals are those of rows about ``catalogued_field``. ``said`` are signals of stored verdicts.
    """
    for signal in sorted(set(said) - table.known, key=str):
        label = catalogue.get(signal, "") if catalogue else ""
        yield Difference(table.provider, "seen", signal, label, _add_row(table))
    if catalogue is not None:
        for signal in sorted(catalogue.keys() - table.known - set(said), key=str):
            yield Difference(table.provider, "new", signal, catalogue[signal], _add_row(table))
        ours = {row.signal: row.label for row in table.rows if row.field == catalogued_field}
        for signal in sorted(ours.keys() - catalogue.keys(), key=str):
            yield Difference(table.provider, "gone", signal, ours[signal], _rename(table, signal, catalogue))
    if today >= table.next_review:
        advice = f"read {table.reference}, then set last_reviewed and next_review in intel/{table.provider}.yaml"
        yield Difference(table.provider, "review", "", f"due since {table.next_review:%Y-%m-%d}", advice)


def signals_of(verdict: Verdict) -> frozenset[Signal]:
    """The words of a verdict that a table can know."""
    words = (*verdict.tags, verdict.classification, *(threat.threat_type for threat in verdict.threats))
    return frozenset([*verdict.categories, *(word for word in words if word)])


def _add_row(table: ReviewedTable) -> str:
    return (
        f"read what it means at {table.reference}; add a row to intel/{table.provider}.yaml with the technique that it "
        f"names (and raise the version of {table.rule}), or put it under not_mapped with the reason"
    )


def _rename(table: ReviewedTable, signal: Signal, catalogue: Mapping[Signal, str]) -> str:
    close = get_close_matches(str(signal), map(str, catalogue.keys() - table.known), n=1, cutoff=_ALIKE)
    meant = f"it may be {close[0]!r} now; " if close else ""
    return f"{meant}rename or remove its row in intel/{table.provider}.yaml, see {table.reference}"
