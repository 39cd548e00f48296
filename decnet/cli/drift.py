"""``decnet ttp drift``: providers' words against our tables."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from decnet.cli.opening import open_installation
from decnet.cli.terminal import console, print_json, shown
from decnet.db.intel import verdicts_stored
from decnet.errors import ProviderFailed
from decnet.intel.catalogues import greynoise_tags, threatfox_types
from decnet.ttp.drift import differences, reviewed_table, signals_of
from decnet.ttp.lifters.intel import PROVIDERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from decnet.cli.opening import Installation
    from decnet.config import Settings
    from decnet.ttp.drift import Difference, ReviewedTable, Signal

SHOWN = 50
"""Differences of one provider and kind that a person is shown; programs get all."""
_FIELDS = {"greynoise": "tags", "threatfox": "threat_type"}
_MEANING = {
    "seen": "said of your attackers, and no table knows it",
    "new": "in the provider's catalogue, and no table knows it",
    "gone": "in our table, and no longer in the provider's catalogue",
    "review": "the table is to be looked at again",
}


def run(*, as_json: bool) -> int:
    """Print what to do; returns the exit code: 1 when there is something, or when a catalogue could not be read."""
    found: list[Difference] = []
    missed: list[str] = []
    with open_installation() as installation:
        for provider in PROVIDERS:
            table = reviewed_table(installation.tables(), provider)
            try:
                catalogue = asyncio.run(_catalogue(provider, installation.settings))
            except ProviderFailed as error:
                catalogue = None
                missed.append(str(error))
            found += _differences(installation, table, catalogue)
    if as_json:
        print_json({"differences": [_plain(one) for one in found], "missed": missed})
    else:
        _print(found, missed)
    return 1 if found or missed else 0


async def _catalogue(provider: str, settings: Settings) -> dict[Signal, str] | None:
    """What the provider lists; None where it lists nothing that can be read, or where it has no key."""
    if provider == "threatfox" and (key := settings.threatfox_api_key.get_secret_value()):
        return await threatfox_types(key, settings.threatfox_url)
    if provider == "greynoise" and (key := settings.greynoise_api_key.get_secret_value()):
        return await greynoise_tags(key, settings.greynoise_tags_url)
    return None


def _differences(
    installation: Installation, table: ReviewedTable, catalogue: dict[Signal, str] | None
) -> Iterator[Difference]:
    stored = installation.database.read(partial(verdicts_stored, provider=table.provider))
    said = {signal for verdict in stored for signal in signals_of(verdict)}
    today = datetime.now(UTC).date()
    field = _FIELDS.get(table.provider, "")
    return differences(table, catalogue=catalogue, said=said, today=today, catalogued_field=field)


def _plain(one: Difference) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


def _print(found: Sequence[Difference], missed: Sequence[str]) -> None:
    out = console()
    groups: dict[tuple[str, str], list[Difference]] = {}
    for one in found:
        groups.setdefault((one.provider, one.what), []).append(one)
    for (provider, what), group in groups.items():
        out.print(f"{provider}: {_MEANING[what]}", style="bold")
        for one in group[:SHOWN]:
            out.print(f"  {' '.join(filter(None, (shown(str(one.signal), 80), shown(one.label, 120))))}")
        if len(group) > SHOWN:
            out.print(f"  and {len(group) - SHOWN:,} more; --json shows all")
        out.print(f"  → {group[0].advice}", style="dim")
    for fault in missed:
        out.print(f"not compared with its catalogue: {shown(fault)}", style="yellow")
    if not found and not missed:
        out.print("The tables know every word that providers list or have said.")
