"""What an operator can measure of eventual namespaces under ``/metrics``."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import Gauge

from flaredb.shell.eventual import EventualSpace
from ultracloud.servicekit.metrics import Metrics


def install(metrics: Metrics, space: EventualSpace) -> None:
    """Add the gauges to the process's metrics."""
    replica = space.replica

    def gauge(name: str, about: str, read: Callable[[], float]) -> None:
        Gauge(f"flaredb_eventual_{name}", about, registry=metrics.registry).set_function(read)

    gauge("version", "Version of this store's newest change", lambda: space.version)
    gauge("is_whole", "Whether this store has had its copy of eventual namespaces", lambda: replica.is_whole)
    gauge("watches", "Watches that are open", lambda: space.watchers.count)
    gauge("spread_records", "Records told to other stores at once", lambda: replica.figures.spread)
    gauge("received_records", "Records told by other stores", lambda: replica.figures.received)
    gauge("skipped_records", "Records left to repairs: a store was away, or slow", lambda: replica.figures.skipped)
    gauge("repairs", "Comparisons with another store that came to their end", lambda: replica.figures.repairs)
    gauge("failed_repairs", "Comparisons that did not", lambda: replica.figures.failed_repairs)
    gauge("repaired_bytes", "Keys and values exchanged by comparisons", lambda: replica.figures.repaired_bytes)
    gauge("skewed_messages", "Messages refused: the sender's clock is ahead", lambda: replica.figures.skewed)
    gauge(
        "self_ahead_seconds",
        "How far this store's own clock is ahead, if most others say that it is too far",
        lambda: replica.self_ahead_ms / 1000,
    )
    gauge(
        "peer_ahead_seconds",
        "How far the clock that is furthest ahead is, of those that are too far",
        lambda: max(replica.ahead.values(), default=0) / 1000,
    )
