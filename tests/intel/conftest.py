from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.intel.provider_server import provider_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.intel.provider_server import ProviderServer


@pytest.fixture
def site() -> Iterator[ProviderServer]:
    with provider_server() as server:
        yield server
