"""What goes between members, under etcd's names."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from chainfire.shell.peer_site import ROUND_TRIP_BOUNDS_S, Traffic
from chainfire.shell.peers import Peers

_COUNTERS: tuple[tuple[str, str, str, Callable[[Traffic], int]], ...] = (
    ("etcd_network_peer_sent_bytes", "To a member", "To", lambda t: t.sent_bytes),
    ("etcd_network_peer_received_bytes", "From a member", "From", lambda t: t.received_bytes),
    ("etcd_network_peer_sent_failures", "Connections lost, or that could not be made", "To", lambda t: t.failures),
    ("etcd_network_snapshot_send_success", "States sent", "To", lambda t: t.snapshots_sent),
    ("etcd_network_snapshot_send_failures", "States that did not reach a member", "To", lambda t: t.snapshots_failed),
    ("etcd_network_snapshot_receive_success", "States received", "From", lambda t: t.snapshots_received),
    ("chainfire_peer_dropped_messages", "Messages dropped, to be said again", "To", lambda t: t.dropped_messages),
)

_BOUNDS = [*(f"{bound:g}" for bound in ROUND_TRIP_BOUNDS_S), "+Inf"]


def collect(me: int, peers: Peers) -> Iterator[Metric]:
    """The families; members are named by their ids in hexadecimal."""
    for name, about, label, read in _COUNTERS:
        family = CounterMetricFamily(name, about, labels=[label])
        for peer, traffic in peers.traffic.items():
            family.add_metric([f"{peer:x}"], read(traffic))
        yield family
    active = GaugeMetricFamily("etcd_network_active_peers", "1 while connected", labels=["Local", "Remote"])
    about = "Round trips to a member, smoothed"
    trips = HistogramMetricFamily("etcd_network_peer_round_trip_time_seconds", about, labels=["To"])
    for peer, traffic in peers.traffic.items():
        active.add_metric([f"{me:x}", f"{peer:x}"], peers.is_connected(peer))
        buckets = list(zip(_BOUNDS, accumulate(traffic.round_trips), strict=True))
        trips.add_metric([f"{peer:x}"], buckets, traffic.round_trips_sum_s)
    yield active
    yield trips
