"""What a member measures of itself, read when somebody asks; the hot path counts nothing.

Names follow etcd's where the thing is the same, so dashboards made for etcd show something.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from chainfire.shell.node import Node
from ultracloud.servicekit.metrics import Metrics


class NodeCollector(Collector):
    """Reads a node."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def collect(self) -> Iterable[Metric]:
        """All gauges as of now."""
        for name, about, read in _GAUGES:
            yield GaugeMetricFamily(name, about, value=read(self._node))


def install(metrics: Metrics, node: Node) -> None:
    """Show a node's gauges among the process's metrics."""
    metrics.registry.register(NodeCollector(node))


_GAUGES: tuple[tuple[str, str, Callable[[Node], float]], ...] = (
    ("etcd_debugging_mvcc_current_revision", "Newest revision", lambda n: n.revision),
    ("etcd_debugging_mvcc_compact_revision", "Oldest revision kept", lambda n: n.machine.store.compact_revision),
    ("etcd_mvcc_db_total_size_in_bytes", "Stored, with history", lambda n: n.machine.store.stored_bytes),
    ("etcd_mvcc_db_total_size_in_use_in_bytes", "Stored, the present alone", lambda n: n.machine.store.live_bytes),
    ("etcd_server_quota_backend_bytes", "Where NOSPACE is raised", lambda n: n.bounds.quota_bytes),
    ("etcd_server_proposals_applied_total", "Log entries applied", lambda n: n.machine.applied_index),
    ("etcd_server_has_leader", "1 while writes can be logged", lambda n: float(n.has_leader)),
    ("etcd_debugging_mvcc_watch_stream_total", "Open watch streams", lambda n: n.streams_open),
    ("chainfire_leases", "Leases alive", lambda n: len(n.machine.leases)),
    ("chainfire_log_bytes", "Log written since the start", lambda n: n.log_bytes),
    ("chainfire_alarms", "Alarms raised", lambda n: len(n.machine.alarms)),
)
