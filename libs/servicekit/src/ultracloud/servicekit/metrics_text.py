"""What was counted in plain lists, as prometheus-client tells it; imported when somebody asks for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, Gauge, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ultracloud.base.faults import FAULT_OF_CODE
from ultracloud.servicekit.metrics import Metrics, RpcMetrics, Times


def new_registry(metrics: Metrics) -> CollectorRegistry:
    """What every service tells: its process, its name, and the calls of its servers, also of those to come."""
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    about = "1, with the service's name"
    Gauge("ultracloud_service", about, ["name"], registry=registry).labels(metrics.service).set(1)
    registry.register(_Calls(metrics.rpc))
    return registry


def text_of(registry: CollectorRegistry) -> bytes:
    """Prometheus' text format."""
    return generate_latest(registry)


class TimesCollector(Collector):
    """A histogram of what was timed.

    Args:
        name: Of the metric.
        about: What it says.
        times: Added to by whoever times it.
    """

    def __init__(self, name: str, about: str, times: Times) -> None:
        self._name, self._about, self._times = name, about, times

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks when it is scraped."""
        yield _histogram(self._name, self._about, (), {(): self._times})


class _Calls(Collector):
    """The calls of all servers of a process."""

    def __init__(self, servers: Sequence[RpcMetrics]) -> None:
        self._servers = servers

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks when it is scraped."""
        calls = CounterMetricFamily(
            "ultracloud_rpc_calls", "Calls, by the code they ended with", labels=["path", "code"]
        )
        streams = GaugeMetricFamily("ultracloud_rpc_streams_open", "Streams that are being answered", labels=["path"])
        times: dict[tuple[str, ...], Times] = {}
        for server in self._servers:
            for (path, code), count in server.calls.items():
                calls.add_metric([path, FAULT_OF_CODE[code].code_name if code in FAULT_OF_CODE else "OK"], count)
            for path, count in server.streams_open().items():
                streams.add_metric([path], count)
            times |= {(path,): each for path, each in server.times.items()}
        yield calls
        yield _histogram("ultracloud_rpc_seconds", "From a call's first byte to its status", ("path",), times)
        yield streams


def _histogram(
    name: str, about: str, labels: Sequence[str], times: Mapping[tuple[str, ...], Times]
) -> HistogramMetricFamily:
    """A histogram of several timed things, by the values of their labels."""
    family = HistogramMetricFamily(name, about, labels=list(labels))
    for values, each in times.items():
        bounds = [*map(str, each.bounds_s), "+Inf"]
        family.add_metric(list(values), list(zip(bounds, accumulate(each.counts), strict=True)), each.seconds)
    return family
