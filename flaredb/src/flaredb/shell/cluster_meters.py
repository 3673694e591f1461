"""What an operator can read of the cluster, as this store knows it, under ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from prometheus_client import Counter, Gauge

from flaredb.core.placement import (
    ChangeReplicas,
    MergeRegions,
    Policy,
    SplitRegion,
    Step,
    StoreState,
    TransferLead,
)
from flaredb.core.records import START, Mark
from flaredb.core.region_replica import RegionReplica
from flaredb.shell.cluster_aging import Aging
from flaredb.shell.cluster_map import ClusterMap
from flaredb.shell.cluster_node import ClusterNode, Token
from flaredb.shell.meters import install_common, install_disk
from flaredb.shell.placer import Placer
from flaredb.shell.watchers import Watchers
from ultracloud.servicekit.metrics import Metrics

STEPS: dict[type[Step], str] = {
    SplitRegion: "split",
    ChangeReplicas: "replica",
    TransferLead: "lead",
    MergeRegions: "merge",
}


def install_cluster(metrics: Metrics, cluster_map: ClusterMap, placer: Placer, policy: Policy) -> None:
    """Add the gauges of the map and of placement to the process's metrics."""

    def gauge(name: str, about: str, read: Callable[[], float]) -> None:
        Gauge(f"flaredb_{name}", about, registry=metrics.registry).set_function(read)

    gauge("map_unheard_seconds", "Since the map was last heard of", lambda: cluster_map.unheard_ms / 1000)
    gauge("map_regions", "Regions of the cluster", lambda: len(cluster_map.regions))
    gauge("placement_deciding", "Whether placement is decided here", lambda: placer.is_deciding)
    gauge("placement_troubles", "What placement cannot help, where it is decided", lambda: len(placer.troubles))
    gauge("placement_steps_under_way", "Steps that are carried out", lambda: placer.under_way_count)
    stores = Gauge("flaredb_map_stores", "Stores of the cluster", ["state"], registry=metrics.registry)
    for state in StoreState:
        stores.labels(state.value).set_function(partial(_count, cluster_map, policy, state))
    steps = Counter(
        "flaredb_placement_steps", "Steps that ended, as decided here", ["step", "outcome"], registry=metrics.registry
    )

    def counted(step: Step, outcome: str) -> None:
        steps.labels(STEPS[type(step)], outcome).inc()

    placer.counted = counted


@dataclass(frozen=True, slots=True)
class _Replicas:
    """What the replicas of a store come to together."""

    node: ClusterNode

    @property
    def applied(self) -> Mark:
        """The newest version of all, and what was written to all of them."""
        marks = [replica.applied.mark for replica in self._known()]
        newest = max((mark.version for mark in marks), default=START.version)
        return Mark(newest, 0, sum(mark.changes for mark in marks), sum(mark.bytes for mark in marks))

    @property
    def floor(self) -> int:
        """The oldest version that can be read in all of them."""
        return max((replica.applied.floor for replica in self._known()), default=0)

    @property
    def swept(self) -> int:
        """Up to where history is swept in all of them."""
        return min((replica.applied.swept for replica in self._known()), default=0)

    @property
    def waiting_count(self) -> int:
        """Proposals that wait for their region's log."""
        return sum(replica.waiting_count for replica in self.node.node.replicas.values())

    def _known(self) -> list[RegionReplica[Token]]:
        return [replica for replica in self.node.node.replicas.values() if replica.region.is_known]


def install_store(metrics: Metrics, node: ClusterNode, watchers: Watchers, aging: Aging) -> None:
    """Add the gauges of this store's disk and replicas to the process's metrics."""
    replicas = _Replicas(node)
    gauge = install_common(metrics, replicas, replicas, watchers, aging)
    install_disk(metrics, gauge, node.engine, node)
    gauge("replicas", "Replicas on this store", lambda: len(node.node.replicas))
    gauge("leads", "Regions that this store leads", lambda: sum(each.is_leader for each in node.node.replicas.values()))


def _count(cluster_map: ClusterMap, policy: Policy, state: StoreState) -> int:
    """Stores in a state."""
    now_ms = cluster_map.now_ms
    return sum(policy.state(now_ms - entry.seen.seen_ms) is state for entry in cluster_map.stores.values())
