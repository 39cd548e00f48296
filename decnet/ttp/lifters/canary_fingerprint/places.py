"""Where a browser says that it is, against where its address is.

Countries and networks come from :class:`~decnet.models.network.Networks`, exits from
:class:`~decnet.models.network.Exits`; without them there is no answer.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import msgspec

from decnet.errors import RuleError
from decnet.ttp.lifters.base import parameter, table_of
from decnet.ttp.lifters.canary_fingerprint.browser import See, browser_predicate, sight

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from decnet.models.canary import CanaryFingerprintPayload
    from decnet.models.network import Networks
    from decnet.ttp.lifters.base import Joins, Parameters, Predicate, Sight, Tables

_MINUTES = 60
_LEVELS = ("address", "network", "country")
_PRIVATE = tuple(
    map(
        ip_network,
        (
            *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
            *("192.168.0.0/16", "::/127", "fc00::/7", "fe80::/10"),
        ),
    )
)
"""Addresses that mean something within a network only (RFC 6890); those of examples count as public."""


class _Country(msgspec.Struct, frozen=True):
    country: str
    hours: tuple[float, float]
    languages: frozenset[str]


class _Countries(msgspec.Struct, frozen=True):
    rows: tuple[_Country, ...]


def _webrtc_mismatch(parameters: Parameters, _tables: Tables, joins: Joins) -> See:
    """A public address of the browser contradicts the source: see :func:`_difference`."""
    levels = parameter(parameters, "compare", list[str])
    if unknown := [level for level in levels if level not in _LEVELS]:
        raise RuleError([f"compare: {unknown[0]!r} is none; there are {', '.join(_LEVELS)}"])
    ignores_private = parameter(parameters, "ignore_private", bool)

    def see(browser: CanaryFingerprintPayload, source: str) -> Sight | None:
        if _is_private(source):
            return None
        for address in browser.webrtc_addresses:
            if ignores_private and _is_private(address):
                continue
            if level := _difference(address, source, levels, joins.networks):
                return sight("webrtc_address", f"other {level}")
        return None

    return see


def _difference(address: str, source: str, levels: list[str], networks: Networks | None) -> str:
    """The level at which the two differ, or nothing.

    An address alone says little: a house has one per family, a mobile network many. So where both networks are known
    they decide, else both countries, and only where nothing is known do two addresses of one family.
    """
    if address == source:
        return ""
    ours, theirs = (networks.network_of(source), networks.network_of(address)) if networks else (None, None)
    if ours is not None and theirs is not None:
        if "network" in levels and ours.asn is not None and theirs.asn is not None:
            return "network" if ours.asn != theirs.asn else ""
        if "country" in levels and ours.country and theirs.country:
            return "country" if ours.country != theirs.country else ""
    is_same_family = (":" in address) is (":" in source)
    return "address" if "address" in levels and is_same_family else ""


def _webrtc_known_exit(parameters: Parameters, _tables: Tables, joins: Joins) -> See | None:
    return _exits("webrtc_address", lambda browser, _source: browser.webrtc_addresses, parameters, joins)


def _known_exit(parameters: Parameters, _tables: Tables, joins: Joins) -> See | None:
    return _exits("source_address", lambda _browser, source: (source,), parameters, joins)


def _exits(
    metric: str,
    addresses: Callable[[CanaryFingerprintPayload, str], tuple[str, ...]],
    parameters: Parameters,
    joins: Joins,
) -> See | None:
    """One of the addresses is an exit of one of the ``kinds``."""
    kinds, exits = parameter(parameters, "kinds", list[str]), joins.exits
    if exits is None:
        return None

    def see(browser: CanaryFingerprintPayload, source: str) -> Sight | None:
        for address in addresses(browser, source):
            known = exits.kinds_of(address)
            if found := next((kind for kind in kinds if kind in known), None):
                return sight(metric, found)
        return None

    return see


def _zone_mismatch(parameters: Parameters, tables: Tables, joins: Joins) -> See | None:
    """The browser's clock is ``zones_gte`` hours or more off those of the country of its address."""
    least, country_of = parameter(parameters, "zones_gte", float), _countries(parameters, tables, joins.networks)
    if country_of is None:
        return None

    def see(browser: CanaryFingerprintPayload, source: str) -> Sight | None:
        country, offset = country_of(source), browser.zone_offset_minutes
        if country is None or offset is None:
            return None
        earliest, latest = country.hours
        hours = max(earliest - offset / _MINUTES, offset / _MINUTES - latest)
        return sight("time_zone", "other than the country's") if hours >= least else None

    return see


def _language_mismatch(parameters: Parameters, tables: Tables, joins: Joins) -> See | None:
    """No language of the browser (with ``any_language``; else: not its first) is spoken where its address is."""
    is_any_enough = parameter(parameters, "any_language", bool)
    country_of = _countries(parameters, tables, joins.networks)
    if country_of is None:
        return None

    def see(browser: CanaryFingerprintPayload, source: str) -> Sight | None:
        country = country_of(source)
        asked = browser.languages if is_any_enough else browser.languages[:1]
        spoken = {language.partition("-")[0].lower() for language in asked}
        if country is None or not spoken or spoken & country.languages:
            return None
        return sight("languages", "other than the country's")

    return see


def _countries(
    parameters: Parameters, tables: Tables, networks: Networks | None
) -> Callable[[str], _Country | None] | None:
    """From an address to what the table says of its country; None where nobody can tell countries."""
    rows = table_of(tables, parameter(parameters, "table", str), _Countries).rows
    if networks is None:
        return None
    known = {row.country: row for row in rows}

    def country_of(address: str) -> _Country | None:
        network = networks.network_of(address)
        return known.get(network.country) if network is not None else None

    return country_of


def _is_private(address: str) -> bool:
    place = ip_address(address)
    return any(place in network for network in _PRIVATE)


PREDICATES: Mapping[str, Predicate] = {
    "canary_webrtc_mismatch": browser_predicate(_webrtc_mismatch),
    "canary_webrtc_known_exit": browser_predicate(_webrtc_known_exit),
    "canary_known_exit": browser_predicate(_known_exit),
    "canary_zone_mismatch": browser_predicate(_zone_mismatch),
    "canary_language_mismatch": browser_predicate(_language_mismatch),
}
"""Predicates about places."""
