"""One served installation for all tests here; each uses addresses of its own."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

import pytest

from decnet.models.network import Network
from tests.e2e.rules.served import Served

if TYPE_CHECKING:
    from collections.abc import Iterator


NETWORKS = {ip_network(f"203.0.113.{64 * part}/26"): 64_500 + part for part in range(3)}


class FewNetworks:
    """A table of three networks."""

    def network_of(self, address: str) -> Network | None:
        """See :class:`~decnet.models.network.Networks`."""
        found = (asn for network, asn in NETWORKS.items() if ip_address(address) in network)
        asn = next(found, None)
        return Network(asn, f"network {asn}", "") if asn is not None else None


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    found = Served(tmp_path_factory.mktemp("served"), FewNetworks())
    yield found
    found.close()
