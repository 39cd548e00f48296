"""Comparisons of numbers as patterns over their spelling, so that they are looked for together with all other terms."""

from __future__ import annotations

_FRACTION = r"(?:\.\d+)?"


def at_least(number: int) -> str:
    """A pattern for the decimal spelling of every number of at least ``number``, which is not negative."""
    text = str(number)
    more_digits = rf"[1-9]\d{{{len(text)},}}"
    larger = [_from(text, place, int(digit) + 1, 9) for place, digit in enumerate(text) if digit != "9"]
    return f"^(?:{'|'.join([more_digits, *larger, text])}){_FRACTION}$"


def at_most(number: int) -> str:
    """A pattern for the decimal spelling of every number from 0 to ``number``."""
    text = str(number)
    fewer_digits = [rf"\d{{1,{len(text) - 1}}}"] if len(text) > 1 else []
    smaller = [_from(text, place, 0, int(digit) - 1) for place, digit in enumerate(text) if digit != "0"]
    below = "|".join([*fewer_digits, *smaller])
    return rf"^(?:(?:{below}){_FRACTION}|{text}(?:\.0+)?)$" if below else rf"^{text}(?:\.0+)?$"


def _from(text: str, place: int, first: int, last: int) -> str:
    """Numbers that are spelt as ``text`` up to ``place``, with one of those digits there, whatever follows."""
    left = len(text) - place - 1
    digits = str(first) if first == last else f"[{first}-{last}]"
    return text[:place] + digits + (rf"\d{{{left}}}" if left else "")
