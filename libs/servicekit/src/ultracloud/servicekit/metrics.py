"""Metrics in Prometheus' text format: what every service counts, and a registry for what only one does.

Calls are counted in plain lists and made into metrics when they are scraped: a counter of prometheus-client costs a few
microseconds a call, as much as a whole put of chainfire.

Source: the Prometheus naming guide (base units, `_total`, `_seconds`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Protocol, cast

from prometheus_client import CollectorRegistry, Gauge, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from ultracloud.api.rpc import Call
from ultracloud.base.faults import FAULT_OF_CODE, UnimplementedError

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
LATENCY_BUCKETS_S = (
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
"""From a read in memory to the longest deadline."""


class Metrics:
    """A process's metrics; `registry` takes a service's own, `rpc` is what its servers count."""

    def __init__(self, service: str) -> None:
        self.rpc: list[RpcMetrics] = []
        self.registry = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        Gauge("ultracloud_service", "1, with the service's name", ["name"], registry=self.registry).labels(service).set(
            1
        )

    def render(self) -> bytes:
        """What ``/metrics`` answers."""
        return generate_latest(self.registry)


class _Endable(Protocol):
    """What `ultracloud.wire`'s calls can do besides."""

    def cancel(self) -> None:
        """End the call; its client is told Unavailable, and to send it again."""
        ...


class _Tally:
    """The calls of one path that ended: by code, by how long they took, and how long all took together."""

    __slots__ = ("buckets", "codes", "seconds")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.buckets = [0] * (len(LATENCY_BUCKETS_S) + 1)
        self.seconds = 0.0


class RpcMetrics(Collector):
    """A server interceptor: counts calls, times them, and knows which streams are open.

    Only paths the server knows become label values.

    Args:
        metrics: Where it is scraped.
        streams: Paths of methods that answer with a stream.
    """

    def __init__(self, metrics: Metrics, streams: Iterable[str] = ()) -> None:
        self._streams = frozenset(streams)
        self._open: set[Call] = set()
        self._tallies: dict[str, _Tally] = {}
        metrics.registry.register(self)
        metrics.rpc.append(self)

    @property
    def calls(self) -> Mapping[tuple[str, int], int]:
        """How many calls ended, by path and google.rpc.Code."""
        return {(path, code): count for path, tally in self._tallies.items() for code, count in tally.codes.items()}

    def streams_open(self) -> dict[str, int]:
        """How many streams are open, by path."""
        return {path: sum(call.path == path for call in self._open) for path in sorted(self._streams)}

    def admit(self, call: Call, /) -> None:
        """Let every call in."""
        if call.path in self._streams:
            self._open.add(call)

    def done(self, call: Call, code: int, seconds: float, /) -> None:
        """Count a call that ended."""
        if self._open:
            self._open.discard(call)
        # A caller can invent paths without end; unknown ones share one label.
        path = call.path if code != UnimplementedError.code else "unimplemented"
        tally = self._tallies.get(path)
        if tally is None:
            tally = self._tallies[path] = _Tally()
        tally.codes[code] = tally.codes.get(code, 0) + 1
        tally.buckets[bisect_left(LATENCY_BUCKETS_S, seconds)] += 1
        tally.seconds += seconds

    def end_streams(self) -> int:
        """End all open streams; gives how many. A watch would last for ever, and its client knows how to go on."""
        ended = list(self._open)
        for call in ended:
            cast("_Endable", call).cancel()
        return len(ended)

    def collect(self) -> Iterator[Metric]:
        """What prometheus-client asks when it is scraped."""
        calls = CounterMetricFamily(
            "ultracloud_rpc_calls", "Calls, by the code they ended with", labels=["path", "code"]
        )
        for (path, code), count in self.calls.items():
            calls.add_metric([path, FAULT_OF_CODE[code].code_name if code in FAULT_OF_CODE else "OK"], count)
        yield calls
        times = HistogramMetricFamily(
            "ultracloud_rpc_seconds", "From a call's first byte to its status", labels=["path"]
        )
        bounds = [*map(str, LATENCY_BUCKETS_S), "+Inf"]
        for path, tally in self._tallies.items():
            times.add_metric([path], list(zip(bounds, accumulate(tally.buckets), strict=True)), tally.seconds)
        yield times
        streams = GaugeMetricFamily("ultracloud_rpc_streams_open", "Streams that are being answered", labels=["path"])
        for path, count in self.streams_open().items():
            streams.add_metric([path], count)
        yield streams
