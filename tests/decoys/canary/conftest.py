from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.canary_lab import running_canary

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.canary_lab import CanaryLab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[CanaryLab]:
    with running_canary(tmp_path) as lab:
        yield lab
