"""What the predicates about browsers share: how one is made, and which system a browser says that it runs on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from decnet.models.canary import CanaryFingerprintPayload
from decnet.models.event import CANARY_FINGERPRINT, Event
from decnet.ttp.lifters.base import Predicate, Sight

if TYPE_CHECKING:
    from decnet.ttp.lifters.base import Joins, Look, Parameters, Seen, Tables

See = Callable[[CanaryFingerprintPayload, str], Sight | None]
"""What is seen in a browser and its canonical source address."""
System = Literal["android", "chromeos", "ipad", "iphone", "linux", "mac", "windows"]

_SIGNS: tuple[tuple[str, System], ...] = (  # in this order: an iPhone names Mac OS X too, an Android names Linux
    ("Windows NT", "windows"),
    ("iPhone", "iphone"),
    ("iPod", "iphone"),
    ("iPad", "ipad"),
    ("Android", "android"),
    ("CrOS", "chromeos"),
    ("Macintosh", "mac"),
    ("Linux", "linux"),
)


def browser_predicate(
    bind: Callable[[Parameters, Tables, Joins], See | None],
) -> Predicate:
    """A predicate about browsers; ``bind`` gives None where a join is absent."""

    def bound(parameters: Parameters, tables: Tables, joins: Joins) -> Look | None:
        see = bind(parameters, tables, joins)
        if see is None:
            return None

        def look(seen: Seen) -> Sight | None:
            if isinstance(seen, Event) and isinstance(seen.payload, CanaryFingerprintPayload):
                return see(seen.payload, seen.src_ip)
            return None

        return look

    return Predicate(frozenset({CANARY_FINGERPRINT}), (CanaryFingerprintPayload,), bound)


def sight(metric: str, signature: str) -> Sight:
    """``signature``, a word of ours, was recognised in ``metric``."""
    return Sight({"metric": metric, "signature": signature})


def system_of(user_agent: str) -> System | None:
    """The system that a user agent names, None where it names none that we know."""
    return next((system for sign, system in _SIGNS if sign in user_agent), None)


def is_phone(user_agent: str) -> bool:
    """Whether a user agent is that of a phone: tablets leave ``Mobile`` out."""
    system = system_of(user_agent)
    return system == "iphone" or (system == "android" and "Mobile" in user_agent)
