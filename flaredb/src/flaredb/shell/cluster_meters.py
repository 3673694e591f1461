"""What an operator can read of the cluster, as this store knows it, under ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable
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
from flaredb.shell.cluster_map import ClusterMap
from flaredb.shell.placer import Placer
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


def _count(cluster_map: ClusterMap, policy: Policy, state: StoreState) -> int:
    """Stores in a state."""
    now_ms = cluster_map.now_ms
    return sum(policy.state(now_ms - entry.seen.seen_ms) is state for entry in cluster_map.stores.values())
