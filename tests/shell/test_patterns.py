"""No pattern that meets attacker text can go back over it: every open repetition is possessive."""

from __future__ import annotations

import importlib
import pkgutil
import re
from re import _parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any

import pytest

import decnet.shell

if TYPE_CHECKING:
    from collections.abc import Iterator

GOES_BACK = {"MAX_REPEAT", "MIN_REPEAT"}
ENDLESS = _parser.MAXREPEAT


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for module in pkgutil.iter_modules(decnet.shell.__path__):
        loaded = importlib.import_module(f"decnet.shell.{module.name}")
        for name, value in vars(loaded).items():
            if isinstance(value, re.Pattern):
                yield f"{module.name}.{name}", value


def open_repetitions(parsed: Any) -> Iterator[str]:
    """The kinds of endless repetition anywhere in a parsed pattern."""
    for item in parsed if isinstance(parsed, (list, tuple, _parser.SubPattern)) else ():
        if isinstance(item, tuple) and len(item) == 2 and str(item[0]).endswith("_REPEAT") and item[1][1] == ENDLESS:
            yield str(item[0])
        yield from open_repetitions(item)


@pytest.mark.parametrize("pattern", [pytest.param(pattern, id=name) for name, pattern in patterns()])
def test_every_open_repetition_is_possessive(pattern: re.Pattern[str]) -> None:
    parsed = _parser.parse(pattern.pattern, pattern.flags)
    assert not GOES_BACK & set(open_repetitions(parsed))


def test_the_check_sees_a_repetition_that_goes_back() -> None:
    assert "MAX_REPEAT" in set(open_repetitions(_parser.parse(r"(?:a|b)x(?:c*)")))
