"""Calls by method and code, under the names that Go's gRPC servers give them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Metric

from ultracloud.api.etcd.election_rpc import ELECTION
from ultracloud.api.etcd.lock_rpc import LOCK
from ultracloud.api.etcd.rpc_rpc import AUTH, CLUSTER, KV, LEASE, MAINTENANCE, WATCH
from ultracloud.base.faults import FAULT_OF_CODE

LABELS = ("grpc_type", "grpc_service", "grpc_method")
_SHAPES = {
    (False, False): "unary",
    (True, False): "client_stream",
    (False, True): "server_stream",
    (True, True): "bidi_stream",
}
_METHODS: Mapping[str, tuple[str, str, str]] = {
    method.path: (_SHAPES[method.client_streaming, method.server_streaming], descriptor.name, method.name)
    for descriptor in (KV, WATCH, LEASE, CLUSTER, MAINTENANCE, AUTH, LOCK, ELECTION)
    for method in descriptor.methods
}


def collect(calls: Mapping[tuple[str, int], int], streams: Mapping[str, int]) -> Iterator[Metric]:
    """The families. Every method is there from the start, so that rates begin at 0.

    Args:
        calls: How many ended, by path and google.rpc.Code.
        streams: How many are open, by path.
    """
    handled = CounterMetricFamily("grpc_server_handled", "Calls that ended", labels=[*LABELS, "grpc_code"])
    begun = CounterMetricFamily("grpc_server_started", "Calls that began", labels=LABELS)
    ended: dict[str, dict[int, int]] = {path: {0: 0} for path in _METHODS}
    for (path, code), count in calls.items():
        if path in ended:
            ended[path][code] = count
    for path, counts in ended.items():
        labels = _METHODS[path]
        for code, count in counts.items():
            handled.add_metric([*labels, code_name(code)], count)
        begun.add_metric(labels, sum(counts.values()) + streams.get(path, 0))
    yield begun
    yield handled


def code_name(code: int) -> str:
    """Go's name of a google.rpc.Code: ``NotFound``."""
    if code == 0:
        return "OK"
    return "".join(word.capitalize() for word in FAULT_OF_CODE[code].code_name.split("_"))
