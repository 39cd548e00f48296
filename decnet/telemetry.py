"""Where logging, spans and counters meet the code; spans cost nothing until tracing is installed.

>>> with span("ttp.match", events=500):
...     pass
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    SpanFactory = Callable[..., AbstractContextManager[object]]

_NO_SPAN: AbstractContextManager[object] = nullcontext()


def _no_span(name: str, **attributes: object) -> AbstractContextManager[object]:  # noqa: ARG001 - the shape of a factory
    return _NO_SPAN


_factory: SpanFactory = _no_span


def span(name: str, **attributes: object) -> AbstractContextManager[object]:
    """A context that times one step of the pipeline under ``name``; attributes never hold attacker text."""
    return _factory(name, **attributes)


def install_tracing(factory: SpanFactory) -> None:
    """From now on every :func:`span` is made by ``factory(name, **attributes)``."""
    global _factory  # noqa: PLW0603 - one process-wide switch, set at a composition root
    _factory = factory


def logger(name: str) -> logging.Logger:
    """The logger of a module, below the ``decnet`` root."""
    return logging.getLogger(name)
