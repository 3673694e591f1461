"""`./dev bench wire`: our server beside grpc.aio, on one core each in turn, under h2load from another.

Both serve the same Echo service with the same messages. Runs alternate, and a row is the best run of each: what else
the machine does can only take away. CPU time of the server is measured besides the rate, because it is what stays when
the load generator or a neighbour is the limit.

Source: docs/adr/0002-own-http2-grpc-server.md for what the figures decide.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc

from bench._results import machine, record
from ultracloud.api.wire.v1.echo_pb2 import EchoRequest

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "wire.jsonl"
SERVER_CORE = 0
LOAD_CORE = 1
RUNS = 5
PEER = f"grpc.aio {grpc.__version__} on uvloop"
_RATE = re.compile(r"finished in ([\d.]+)(m?s), ([\d.]+) req/s")
_ANSWERED = re.compile(r"(\d+) succeeded, (\d+) failed, (\d+) errored")
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Workload:
    """What is asked.

    Attributes:
        kind: Which of our implementations answers.
        method: Of Echo.
        messages_per_call: What a call counts for.
        calls: How many, of our server and of the peer.
    """

    what: str
    kind: str
    method: str
    request: EchoRequest
    messages_per_call: int
    calls: tuple[int, int]
    clients: int = 10
    streams: int = 50
    tls: bool = False


SMALL = EchoRequest(payload=b"x" * 256)
LARGE = EchoRequest(payload=b"x" * 256 * 1024)
STREAMED = EchoRequest(payload=b"x" * 256, count=1000)
WORKLOADS = (
    Workload("unary, plain method", "plain", "Say", SMALL, 1, (200_000, 15_000)),
    Workload("unary, future answered in groups", "deferred", "Say", SMALL, 1, (150_000, 15_000)),
    Workload("unary, coroutine", "async", "Say", SMALL, 1, (120_000, 15_000)),
    Workload("unary, plain method, TLS", "plain", "Say", SMALL, 1, (150_000, 15_000), tls=True),
    Workload("unary, one call at a time", "plain", "Say", SMALL, 1, (15_000, 5_000), clients=1, streams=1),
    Workload("unary, 256 KiB messages", "plain", "Say", LARGE, 1, (4_000, 2_000), clients=4, streams=4),
    Workload("server stream, messages", "async", "Repeat", STREAMED, 1000, (300, 60)),
)


@dataclass(frozen=True)
class Measured:
    """One run: messages a second, and the server's CPU time in microseconds for each."""

    rate: float
    cpu_us: float


def main() -> int:
    """Run all workloads, print what came out, keep it with the commit."""
    parser = argparse.ArgumentParser(prog="./dev bench wire", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object for machines")
    parser.add_argument("--runs", type=int, default=RUNS, help="alternating runs of each server")
    parser.add_argument("--only", default="", help="only workloads whose name has this in it")
    parser.add_argument("--no-record", action="store_true", help="do not add to bench/results")
    arguments = parser.parse_args()
    if shutil.which("h2load") is None:
        sys.stderr.write("./dev bench wire: h2load is missing; install Debian's nghttp2-client\n")
        return 1
    rows = []
    for workload in WORKLOADS:
        if arguments.only in workload.what:
            rows += measure(workload, arguments.runs)
            if not arguments.json:
                for row in rows[-2:]:
                    print(f"{row['what']:45} {row['ours']:>10} {row['peer']:>10} {row['unit']:12} x{row['ratio']}")
    if arguments.json:
        print(json.dumps({"bench": "wire", "machine": machine(), "rows": rows}))
    if not arguments.no_record:
        record(rows, RESULTS)
    return 0


def measure(workload: Workload, runs: int) -> list[dict[str, object]]:
    """Two rows of one workload: rate and CPU time."""
    ours, peers = [], []
    with tempfile.TemporaryDirectory() as scratch, contextlib.ExitStack() as stack:
        folder = Path(scratch)
        body = folder / "request"
        message = workload.request.SerializeToString()
        body.write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
        if workload.tls:
            make_certificate(folder)
        tls = folder if workload.tls else None
        our_server = stack.enter_context(serving(workload.kind, tls))
        peer_server = stack.enter_context(serving("grpc.aio", tls))
        for _ in range(runs):
            ours.append(load(workload, our_server, body, workload.calls[0]))
            peers.append(load(workload, peer_server, body, workload.calls[1]))
    rate = max(run.rate for run in ours), max(run.rate for run in peers)
    cpu = min(run.cpu_us for run in ours), min(run.cpu_us for run in peers)
    unit = "messages/s" if workload.messages_per_call > 1 else "calls/s"
    return [
        row(workload.what, round(rate[0]), round(rate[1]), unit, rate[0] / rate[1]),
        row(f"{workload.what}: CPU", round(cpu[0], 2), round(cpu[1], 2), "us", cpu[1] / cpu[0]),
    ]


def row(what: str, ours: float, peer: float, unit: str, ratio: float) -> dict[str, object]:
    """One row as docs/architecture.md wants it: a ratio above 1 means we are ahead."""
    return {"what": what, "ours": ours, "peer": peer, "peer_name": PEER, "unit": unit, "ratio": round(ratio, 2)}


@contextlib.contextmanager
def serving(kind: str, tls: Path | None) -> Iterator[tuple[int, int]]:
    """A server in a process of its own: its pid and port."""
    arguments = [sys.executable, "-m", "bench._wire_server", kind, "--core", str(SERVER_CORE)]
    if tls is not None:
        arguments += ["--tls", str(tls)]
    with subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        line = server.stdout.readline()
        if not line:
            raise SystemExit(f"the {kind} server did not start; its message is above")
        yield server.pid, int(line)
        server.stdin.close()


def load(workload: Workload, server: tuple[int, int], body: Path, calls: int) -> Measured:
    """One run of h2load; all calls must have been answered."""
    pid, port = server
    scheme = "https" if workload.tls else "http"
    before = cpu_seconds(pid)
    ran = subprocess.run(
        [
            *("taskset", "-c", str(LOAD_CORE), "h2load", "-t1", f"-c{workload.clients}", f"-m{workload.streams}"),
            *(f"-n{calls}", "-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"),
            f"{scheme}://127.0.0.1:{port}/ultracloud.wire.v1.Echo/{workload.method}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    spent_s = cpu_seconds(pid) - before
    rate, answered = _RATE.search(ran.stdout), _ANSWERED.search(ran.stdout)
    assert rate is not None, ran.stdout
    assert answered is not None, ran.stdout
    if answered.groups() != (str(calls), "0", "0"):
        raise SystemExit(f"{workload.what}: of {calls} calls only {answered[1]} succeeded")
    messages = workload.messages_per_call
    return Measured(float(rate[3]) * messages, spent_s * 1e6 / (calls * messages))


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS


def make_certificate(folder: Path) -> None:
    """A certificate for 127.0.0.1, P-256 as the cluster's own."""
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(folder / "server.key"), "-out", str(folder / "server.crt")),
        ],
        check=True,
        capture_output=True,
    )


if __name__ == "__main__":
    sys.exit(main())
