"""What a member measures of itself, read when somebody asks; the hot path counts nothing for it.

Names are etcd's where the thing is the same, so dashboards and alerts made for etcd work. Where etcd counts requests as
they are applied, this counts the calls that clients made of this member: over all members the sums are the same.

Source: etcd 3.5, "Metrics" (names, types, bounds of histograms).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from chainfire.shell import meters_peers, meters_rpc
from chainfire.shell.maintenance import ETCD_VERSION
from chainfire.shell.node import Node
from chainfire.shell.pages import CLUSTER_VERSION, Health
from chainfire.shell.peers import Peers
from chainfire.shell.storing import SYNC_BOUNDS_S
from ultracloud.servicekit.runtime import Runtime

WRITES = ("KV/Put", "KV/DeleteRange", "KV/Txn", "KV/Compact", "Lease/LeaseGrant", "Lease/LeaseRevoke")
"""Calls that propose something."""
OK, UNAVAILABLE = 0, 14


@dataclass(frozen=True, slots=True)
class Sources:
    """What is read.

    Attributes:
        calls: How many calls ended, by path and code.
        streams: How many streams are open, by path.
        received_bytes: What came from clients; `sent_bytes` what went.
    """

    node: Node
    peers: Peers
    health: Health
    calls: Mapping[tuple[str, int], int]
    streams: Mapping[str, int]
    received_bytes: int
    sent_bytes: int

    def answered(self, *names: str) -> int:
        """How many calls of these methods went well, `KV/Put`."""
        return sum(self.calls.get((f"/etcdserverpb.{name}", OK), 0) for name in names)

    def failed(self, *names: str) -> int:
        """How many calls of these methods found no quorum."""
        return sum(self.calls.get((f"/etcdserverpb.{name}", UNAVAILABLE), 0) for name in names)

    def watched(self, number: int) -> int:
        """One of a stream's counts, over all streams."""
        return sum(stream.counts[number] for stream in self.node.streams)


class MemberCollector(Collector):
    """Reads a member."""

    def __init__(self, read: Callable[[], Sources]) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Everything as of now."""
        sources = self._read()
        for name, about, gauge in _GAUGES:
            yield GaugeMetricFamily(name, about, value=gauge(sources))
        for name, about, counter in _COUNTERS:
            yield CounterMetricFamily(name, about, value=counter(sources))
        yield from _labelled(sources)
        yield from _histograms(sources.node)
        yield from meters_rpc.collect(sources.calls, sources.streams)
        yield from meters_peers.collect(sources.node.member_id, sources.peers)


def install(runtime: Runtime, node: Node, peers: Peers, health: Health) -> None:
    """Show a member's metrics among the process's."""

    def read() -> Sources:
        calls: dict[tuple[str, int], int] = {}
        streams: dict[str, int] = {}
        for rpc in runtime.metrics.rpc:
            for key, count in rpc.calls.items():
                calls[key] = calls.get(key, 0) + count
            for path, count in rpc.streams_open().items():
                streams[path] = streams.get(path, 0) + count
        return Sources(
            node=node,
            peers=peers,
            health=health,
            calls=calls,
            streams=streams,
            received_bytes=sum(server.received_bytes for server in runtime.servers),
            sent_bytes=sum(server.sent_bytes for server in runtime.servers),
        )

    runtime.metrics.registry.register(MemberCollector(read))


def _labelled(sources: Sources) -> Iterable[Metric]:
    """What says something by a label alone, and the checks of /livez and /readyz."""
    yield _said("etcd_server_version", "1, with the version of etcd whose API this is", "server_version", ETCD_VERSION)
    cluster = CLUSTER_VERSION.rpartition(".")[0]
    yield _said("etcd_cluster_version", "1, with the version that the members agree on", "cluster_version", cluster)
    yield _said("etcd_server_id", "1, with the member's id", "server_id", f"{sources.node.member_id:x}")
    latest = GaugeMetricFamily("etcd_server_healthcheck", "1 if a check went well last", labels=["type", "name"])
    for labels, is_well in sources.health.latest.items():
        latest.add_metric(labels, is_well)
    yield latest
    made = CounterMetricFamily("etcd_server_healthchecks", "Checks made", labels=["type", "name", "status"])
    for result, count in sources.health.results.items():
        made.add_metric(result, count)
    yield made


def _said(name: str, about: str, label: str, value: str) -> Metric:
    family = GaugeMetricFamily(name, about, labels=[label])
    family.add_metric([value], 1)
    return family


def _histograms(node: Node) -> Iterable[Metric]:
    bounds = [*map(str, SYNC_BOUNDS_S), "+Inf"]
    counts = list(accumulate(node.storing.sync_counts))
    syncs = HistogramMetricFamily("etcd_disk_wal_fsync_duration_seconds", "Records written to the log and synced")
    syncs.add_metric([], list(zip(bounds, counts, strict=True)), node.storing.sync_sum_s)
    yield syncs
    # Alerts made for etcd ask for it; the state is in memory, so nothing is ever committed to a backend.
    about = "Always empty: the state is kept in memory"
    commits = HistogramMetricFamily("etcd_disk_backend_commit_duration_seconds", about)
    commits.add_metric([], [(bound, 0) for bound in bounds], 0)
    yield commits


_GAUGES: tuple[tuple[str, str, Callable[[Sources], float]], ...] = (
    ("etcd_server_has_leader", "1 if the member knows a leader", lambda s: s.node.has_leader),
    ("etcd_server_is_leader", "1 if the member leads", lambda s: s.node.is_leader),
    ("etcd_server_is_learner", "1 if the member has no vote", lambda s: s.node.is_learner),
    ("etcd_server_proposals_committed_total", "Log entries committed", lambda s: s.node.replica.raft.commit),
    ("etcd_server_proposals_applied_total", "Log entries applied", lambda s: s.node.machine.applied_index),
    ("etcd_server_proposals_pending", "Commands without an answer", lambda s: s.node.replica.pending),
    ("etcd_server_quota_backend_bytes", "Where NOSPACE is raised", lambda s: s.node.bounds.quota_bytes),
    ("etcd_server_health_success", "Checks of /health that went well", lambda s: s.health.successes),
    ("etcd_server_health_failures", "Checks of /health that failed", lambda s: s.health.failures),
    ("etcd_mvcc_db_total_size_in_bytes", "Stored, with history", lambda s: s.node.machine.store.stored_bytes),
    ("etcd_mvcc_db_total_size_in_use_in_bytes", "Stored, the present", lambda s: s.node.machine.store.live_bytes),
    ("etcd_debugging_mvcc_keys_total", "Keys", lambda s: s.node.machine.store.count_live(b"", b"\0")),
    ("etcd_debugging_mvcc_current_revision", "Newest revision", lambda s: s.node.revision),
    ("etcd_debugging_mvcc_compact_revision", "Compacted up to", lambda s: s.node.machine.store.compact_revision),
    ("etcd_debugging_mvcc_watch_stream_total", "Open watch streams", lambda s: len(s.node.streams)),
    ("etcd_debugging_mvcc_watcher_total", "Watches", lambda s: s.watched(0)),
    ("etcd_debugging_mvcc_slow_watcher_total", "Watches that read from history", lambda s: s.watched(1)),
    ("etcd_debugging_mvcc_pending_events_total", "Changes that wait in streams", lambda s: s.watched(2)),
    ("etcd_debugging_auth_revision", "Revision of users and roles", lambda s: s.node.machine.auth.revision),
    ("etcd_disk_wal_write_bytes_total", "Log written since the start", lambda s: s.node.log_bytes),
    ("chainfire_leases", "Leases alive", lambda s: len(s.node.machine.leases)),
    ("chainfire_alarms", "Alarms raised", lambda s: len(s.node.machine.alarms)),
)
_COUNTERS: tuple[tuple[str, str, Callable[[Sources], float]], ...] = (
    ("etcd_server_leader_changes_seen", "Changes of leader", lambda s: s.node.replica.leader_changes),
    ("etcd_server_proposals_failed", "Calls to write that found no quorum", lambda s: s.failed(*WRITES)),
    ("etcd_mvcc_range", "Range calls answered", lambda s: s.answered("KV/Range")),
    ("etcd_mvcc_put", "Put calls answered", lambda s: s.answered("KV/Put")),
    ("etcd_mvcc_delete", "DeleteRange calls answered", lambda s: s.answered("KV/DeleteRange")),
    ("etcd_mvcc_txn", "Txn calls answered", lambda s: s.answered("KV/Txn")),
    ("etcd_debugging_lease_granted", "LeaseGrant calls answered", lambda s: s.answered("Lease/LeaseGrant")),
    ("etcd_debugging_lease_revoked", "LeaseRevoke calls answered", lambda s: s.answered("Lease/LeaseRevoke")),
    ("etcd_network_client_grpc_received_bytes", "From clients, frames included", lambda s: s.received_bytes),
    ("etcd_network_client_grpc_sent_bytes", "To clients, frames included", lambda s: s.sent_bytes),
)
