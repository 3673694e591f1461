"""Metrics in Prometheus' text format: what every service counts, and a registry for what only one does.

Calls are counted in plain lists and made into metrics when they are scraped: a counter of prometheus-client costs a few
microseconds a call, as much as a whole put of chainfire. Nor is it imported before (`metrics_text`), which is a tenth
of a small service's start and 3 MB.

Source: the Prometheus naming guide (base units, `_total`, `_seconds`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, cast

from ultracloud.api.rpc import Call
from ultracloud.base.faults import UnimplementedError

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

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
    """A process's metrics.

    Attributes:
        service: Its name.
        rpc: What its servers count.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self.rpc: list[RpcMetrics] = []
        self._registry: CollectorRegistry | None = None
        self._later: list[Callable[[], None]] = []

    @property
    def registry(self) -> CollectorRegistry:
        """Takes a service's own; made when it is first asked for."""
        if self._registry is None:
            from ultracloud.servicekit.metrics_text import new_registry

            self._registry = new_registry(self)
            for install in self._later:
                install()
        return self._registry

    def later(self, install: Callable[[], None]) -> None:
        """Call what adds metrics to `registry` when somebody asks for that: now, or when it is first scraped."""
        if self._registry is None:
            self._later.append(install)
        else:
            install()

    def render(self) -> bytes:
        """What ``/metrics`` answers."""
        from ultracloud.servicekit.metrics_text import text_of

        return text_of(self.registry)


class Times:
    """How long something took, as often as it happened.

    Args:
        bounds_s: Upper bounds of the buckets, rising; one more has the rest.

    Attributes:
        counts: Of each bucket.
        seconds: All together.
    """

    def __init__(self, bounds_s: Sequence[float]) -> None:
        self.bounds_s = bounds_s
        self.counts = [0] * (len(bounds_s) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        """It happened once more."""
        self.counts[bisect_left(self.bounds_s, seconds)] += 1
        self.seconds += seconds


class _Endable(Protocol):
    """What `ultracloud.wire`'s calls can do besides."""

    def cancel(self) -> None:
        """End the call; its client is told Unavailable, and to send it again."""
        ...


class _Tally:
    """The calls of one path that ended: by code, and how long they took."""

    __slots__ = ("codes", "times")

    def __init__(self) -> None:
        self.codes: dict[int, int] = {}
        self.times = Times(LATENCY_BUCKETS_S)


class RpcMetrics:
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
        metrics.rpc.append(self)

    @property
    def calls(self) -> Mapping[tuple[str, int], int]:
        """How many calls ended, by path and google.rpc.Code."""
        return {(path, code): count for path, tally in self._tallies.items() for code, count in tally.codes.items()}

    @property
    def times(self) -> Mapping[str, Times]:
        """How long they took, by path."""
        return {path: tally.times for path, tally in self._tallies.items()}

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
        tally.times.add(seconds)

    def end_streams(self) -> int:
        """End all open streams; gives how many. A watch would last for ever, and its client knows how to go on."""
        ended = list(self._open)
        for call in ended:
            cast("_Endable", call).cancel()
        return len(ended)
