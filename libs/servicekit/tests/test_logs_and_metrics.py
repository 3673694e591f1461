from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from ultracloud.base.faults import UnavailableError
from ultracloud.servicekit import deadlines, logs
from ultracloud.servicekit.errors import StartError
from ultracloud.servicekit.metrics import Metrics, RpcMetrics, Times
from ultracloud.servicekit.metrics_text import TimesCollector
from ultracloud.servicekit.testing import FakeCall

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers = []
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)


def test_a_line_is_json_with_the_calls_trace(tmp_path: Path) -> None:
    log = logs.configure("demo", "info", tmp_path / "log")
    call = FakeCall(metadata={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    with deadlines.inside(call):
        log.info("made %s", "vpc", extra={"id": "vpc-1"})
    log.debug("not at this level")
    (line,) = [json.loads(text) for text in (tmp_path / "log").read_text().splitlines()]
    assert (line["message"], line["id"], line["trace"], line["service"]) == ("made vpc", "vpc-1", TRACE, "demo")
    assert line["time"].endswith("Z")


def test_a_fault_is_one_sentence_and_a_defect_has_its_traceback(tmp_path: Path) -> None:
    log = logs.configure("demo", "info", tmp_path / "log")
    log.warning("a", exc_info=UnavailableError("flaredb does not answer", detail="10.0.0.1"))
    log.warning("b", exc_info=RuntimeError("boom"))
    first, second = [json.loads(text) for text in (tmp_path / "log").read_text().splitlines()]
    assert first["error"] == "UNAVAILABLE: flaredb does not answer [10.0.0.1]"
    assert "RuntimeError: boom" in second["error"]


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"cannot write the log .*: No such file or directory; set log.file"):
        logs.configure("demo", "info", tmp_path / "none" / "log")


@pytest.mark.parametrize("header", ["", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"01-{TRACE}-1-01"])
def test_a_malformed_trace_is_none(header: str) -> None:
    assert deadlines.trace_of({"traceparent": header}) == ""


def test_a_calls_deadline_holds_inside_it_only() -> None:
    assert deadlines.time_left_s() is None
    with deadlines.inside(FakeCall(time_left_s=2.0)):
        left = deadlines.time_left_s()
        assert left is not None
        assert 1.5 < left <= 2.0
    assert deadlines.time_left_s() is None


def test_open_streams_are_known_and_can_be_ended() -> None:
    metrics = Metrics("demo")
    rpc = RpcMetrics(metrics, ["/a.B/Watch"])
    ended: list[str] = []

    class Stream(FakeCall):
        def cancel(self) -> None:
            ended.append(self.path)

    streams = [Stream("/a.B/Watch"), Stream("/a.B/Watch"), Stream("/a.B/Get")]
    for stream in streams:
        rpc.admit(stream)
    rpc.done(streams[0], 0, 1.0)
    assert 'ultracloud_rpc_streams_open{path="/a.B/Watch"} 1.0' in metrics.render().decode()
    assert (rpc.end_streams(), ended) == (1, ["/a.B/Watch"])


def test_calls_are_counted_and_timed() -> None:
    metrics = Metrics("demo")
    rpc = RpcMetrics(metrics)
    for code, seconds in ((0, 0.002), (0, 0.003), (5, 20.0)):
        rpc.done(FakeCall("/a.B/C"), code, seconds)
    rpc.done(FakeCall("/invented/by-a-caller"), 12, 0.001)
    text = metrics.render().decode()
    assert 'ultracloud_rpc_calls_total{code="OK",path="/a.B/C"} 2.0' in text
    assert 'ultracloud_rpc_calls_total{code="NOT_FOUND",path="/a.B/C"} 1.0' in text
    assert 'ultracloud_rpc_seconds_bucket{le="0.0025",path="/a.B/C"} 1.0' in text
    assert 'ultracloud_rpc_seconds_bucket{le="+Inf",path="/a.B/C"} 3.0' in text
    assert 'ultracloud_rpc_seconds_count{path="/a.B/C"} 3.0' in text
    assert "invented" not in text
    assert 'ultracloud_service{name="demo"} 1.0' in text


def test_metrics_that_nobody_asks_for_are_not_installed() -> None:
    metrics = Metrics("demo")
    installed: list[str] = []
    metrics.later(lambda: installed.append("before"))
    assert installed == []
    assert 'ultracloud_service{name="demo"} 1.0' in metrics.render().decode()
    metrics.later(lambda: installed.append("after"))
    assert installed == ["before", "after"]


def test_times_are_a_histogram() -> None:
    metrics, times = Metrics("demo"), Times((0.1, 0.5))
    metrics.registry.register(TimesCollector("demo_seconds", "What it took", times))
    for seconds in (0.1, 0.2, 7.0):
        times.add(seconds)
    lines = [line for line in metrics.render().decode().splitlines() if line.startswith("demo_seconds_")]
    assert lines == [
        'demo_seconds_bucket{le="0.1"} 1.0',
        'demo_seconds_bucket{le="0.5"} 2.0',
        'demo_seconds_bucket{le="+Inf"} 3.0',
        "demo_seconds_count 3.0",
        "demo_seconds_sum 7.3",
    ]
