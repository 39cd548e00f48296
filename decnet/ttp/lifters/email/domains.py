"""Which domains belong together: ``bounce.shop.example`` and ``shop.example`` are of one organisation."""

from __future__ import annotations

from functools import lru_cache

_SECOND_LEVEL = frozenset({"ac", "co", "com", "edu", "gob", "gouv", "gov", "gv", "id", "mil", "ne", "net", "or", "org"})
"""Labels under which countries give out names, like ``co.uk``: the common ones of https://publicsuffix.org."""
_COUNTRY_CHARS = 2


@lru_cache(8_192)
def organisation_of(domain: str) -> str:
    """The domain that the owner registered: two labels, or three below a label such as ``co.uk``."""
    labels = domain.split(".")
    is_below = len(labels) > _COUNTRY_CHARS and len(labels[-1]) == _COUNTRY_CHARS and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3 if is_below else -2 :])


def is_within(host: str, domains: frozenset[str]) -> bool:
    """Whether ``host`` is one of ``domains`` or below one."""
    labels = host.split(".")
    return any(".".join(labels[start:]) in domains for start in range(len(labels)))
