"""Hosts that pose as others: punycode (RFC 3492, 5891), mixed scripts and look-alike letters (Unicode TR 39)."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_PUNYCODE = "xn--"
_MAX_LABEL_CHARS = 63
_LOOK_ALIKES = frozenset(
    # Cyrillic, like a e o p c y x i j s h d q w l v b t k m
    "\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u04bb\u0501\u051b\u051d\u04cf\u0475\u044c\u0442\u043a\u043c"
    # Greek, like a o p v i k u t x
    "\u03b1\u03bf\u03c1\u03bd\u03b9\u03ba\u03c5\u03c4\u03c7"
    # Armenian, like w q h n u o g
    "\u0561\u0566\u0570\u0578\u057d\u0585\u0581"
    # Latin beyond ASCII: i without its dot, iota, turned m, alpha, script g, small capital o
    "\u0131\u0269\u026f\u0251\u0261\u1d0f"
)
"""Letters that look like one of a to z: of https://www.unicode.org/Public/security/latest/confusables.txt (version 16)
those that are lower case and common in the names of hosts."""
_LOOKING_LATIN = frozenset({"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"})


def is_punycode(host: str) -> bool:
    """Whether a label of ``host`` is in punycode."""
    return _PUNYCODE in host and any(label.startswith(_PUNYCODE) for label in host.split("."))


@lru_cache(8_192)
def is_confusable(host: str) -> bool:
    """Whether a label of ``host``, read as people see it, looks like a label of other letters."""
    if host.isascii() and _PUNYCODE not in host:
        return False
    return any(_is_confusable_label(_shown(label)) for label in host.split("."))


def _shown(label: str) -> str:
    if not label.startswith(_PUNYCODE) or len(label) > _MAX_LABEL_CHARS:
        return label
    try:
        return label[len(_PUNYCODE) :].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError, OverflowError):
        return label


def _is_confusable_label(label: str) -> bool:
    foreign = [char for char in label if char.isalpha() and not char.isascii()]
    if not foreign:
        return False
    if all(char in _LOOK_ALIKES for char in foreign):
        return True
    scripts = {unicodedata.name(char, "").partition(" ")[0] for char in label if char.isalpha()}
    return "LATIN" in scripts and not scripts.isdisjoint(_LOOKING_LATIN)
