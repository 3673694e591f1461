"""Metrics in Prometheus' text format: what every service counts, and a registry for what only one does.

Source: the Prometheus naming guide (base units, `_total`, `_seconds`).
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from ultracloud.api.rpc import Call
from ultracloud.base.faults import FAULT_OF_CODE

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_BUCKETS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""From a read in memory to the longest deadline."""


class Metrics:
    """A process's metrics; `registry` takes a service's own."""

    def __init__(self, service: str) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Gauge("ultracloud_service", "1, with the service's name", ["name"], registry=self.registry).labels(service).set(
            1
        )

    def render(self) -> bytes:
        """What ``/metrics`` answers."""
        return generate_latest(self.registry)


class RpcMetrics:
    """A server interceptor: counts calls and times them. Only paths the server knows become label values."""

    def __init__(self, metrics: Metrics) -> None:
        self._seconds = Histogram(
            "ultracloud_rpc_seconds",
            "Time from the first byte of a call to its last",
            ["path"],
            buckets=LATENCY_BUCKETS_S,
            registry=metrics.registry,
        )
        self._calls = Counter(
            "ultracloud_rpc_calls_total",
            "Calls, by the code they ended with",
            ["path", "code"],
            registry=metrics.registry,
        )

    def admit(self, call: Call) -> None:
        """Let every call in."""

    def done(self, call: Call, code: int, seconds: float) -> None:
        """Count a call that ended."""
        name = FAULT_OF_CODE[code].code_name if code in FAULT_OF_CODE else "OK"
        # A caller can invent paths without end; unknown ones share one label.
        path = call.path if name != "UNIMPLEMENTED" else "unimplemented"
        self._calls.labels(path, name).inc()
        self._seconds.labels(path).observe(seconds)
