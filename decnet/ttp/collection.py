"""Python's search for garbage, put off while rules are made."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def no_collections() -> Iterator[None]:
    """Cycles are not looked for meanwhile.

    A pack of 266 rules is some 100,000 objects that all stay: going through them again and again took a quarter of the
    time of a start.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
