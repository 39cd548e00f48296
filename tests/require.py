"""What a test needs and a machine may lack: a skip that names it, or, where DECNET_TEST_REQUIRE names it, a failure."""

from __future__ import annotations

import os

import pytest


def lacking(name: str, reason: str) -> None:
    """End the running test: ``name`` is missing here, because of ``reason``."""
    if name in os.environ.get("DECNET_TEST_REQUIRE", "").split(","):
        pytest.fail(f"{name}: {reason}")
    pytest.skip(f"{name}: {reason}")
