"""The names under which workers that read the bus keep their place, by worker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decnet.workers import alerts, attribute, cluster, enrich, tagging

if TYPE_CHECKING:
    from collections.abc import Mapping

DURABLES: Mapping[str, str] = {
    "attribute": attribute.DURABLE,
    "ttp": tagging.DURABLE,
    "cluster": cluster.DURABLE,
    "enrich": enrich.DURABLE,
    "alerts": alerts.DURABLE,
}
