"""Software that an attacker seems to use: by what the client calls itself, and by the rhythm of its contacts.

Both are guesses: a client may call itself anything. They say nothing of where it comes from.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from decnet.attribution.arrivals import Rhythm

MIN_CONTACTS = 4
"""Three intervals are the least of which one can say that they are alike."""
_REMEMBERED = 4_096
_MAX_CHARS = 256


class Tool(NamedTuple):
    """A program, and its purpose: ``brute_forcer``, ``scanner``, ``exploiter``, ``phisher``, ``c2``, ``client``."""

    name: str
    purpose: str


class Cadence(NamedTuple):
    """The rhythm in which an implant calls by default, and how far it may be off."""

    interval_seconds: float
    interval_tolerance: float
    variation: float
    variation_tolerance: float


_NAMED = (
    ("nmap", "scanner"),
    ("masscan", "scanner"),
    ("zgrab", "scanner"),
    ("nuclei", "scanner"),
    ("nikto", "scanner"),
    ("sqlmap", "exploiter"),
    ("gobuster", "scanner"),
    ("wfuzz", "scanner"),
    ("metasploit", "exploiter"),
    ("gophish", "phisher"),
    ("hydra", "brute_forcer"),
    ("medusa", "brute_forcer"),
    ("ncrack", "brute_forcer"),
    ("libssh2", "client"),
    ("libssh", "client"),
    ("paramiko", "client"),
    ("asyncssh", "client"),
)
"""What stands in a banner or user agent, in lower case; the first that does names the tool."""
_GO_SSH = "ssh-2.0-go"

_CADENCES = {
    "cobalt_strike": Cadence(60, 8, 0.20, 0.05),
    "sliver": Cadence(60, 10, 0.30, 0.08),
    "havoc": Cadence(45, 8, 0.10, 0.03),
    "mythic": Cadence(30, 6, 0.15, 0.03),
}


@lru_cache(_REMEMBERED)
def named_tool(text: str) -> Tool | None:
    """The tool that a client banner or user agent names."""
    lowered = text[:_MAX_CHARS].lower()
    if lowered == _GO_SSH:
        return Tool("go_ssh", "client")
    return next((Tool(name, purpose) for name, purpose in _NAMED if name in lowered), None)


def tools_of_rhythm(rhythm: Rhythm) -> list[Tool]:
    """Every implant whose default cadence contacts of this rhythm fit."""
    if rhythm.events < MIN_CONTACTS:
        return []
    return [
        Tool(name, "c2")
        for name, cadence in _CADENCES.items()
        if abs(rhythm.interval_seconds - cadence.interval_seconds) <= cadence.interval_tolerance
        and abs(rhythm.variation - cadence.variation) <= cadence.variation_tolerance
    ]
