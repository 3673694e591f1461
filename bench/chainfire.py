"""chainfire beside Debian's etcd: the same requests from h2load, in the same run, one core for the server each.

Both keep their data below one folder, so both wait for the same disk. Rounds alternate, because the machine is noisy,
and what counts is the ratio of the medians. `./dev bench chainfire --json` prints one object; the rows are kept in
bench/results/chainfire.jsonl.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf.message import Message

from ultracloud.api.etcd import rpc_pb2

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "chainfire.jsonl"
SERVER_CORE, LOAD_CORE = 1, 0
START_S = 20.0
KEY, VALUE = b"k" * 8, b"v" * 256
RATE = re.compile(r"finished in [\d.]+m?s, ([\d.]+) req/s")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result; a ratio above 1 means that chainfire is ahead."""

    what: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Workload:
    """What h2load sends: `clients` connections, each with `calls` requests under way."""

    what: str
    method: str
    request: Message
    clients: int
    requests: int
    calls: int = 1


@dataclass(frozen=True, slots=True)
class Round:
    """One run of h2load: requests per second, and 99 of 100 were answered within `p99_ms`."""

    per_second: float
    p99_ms: float


PUT = rpc_pb2.PutRequest(key=KEY, value=VALUE)
RANGE = rpc_pb2.RangeRequest(key=KEY)
TXN = rpc_pb2.TxnRequest(
    compare=[rpc_pb2.Compare(key=KEY, target=rpc_pb2.Compare.VERSION, result=rpc_pb2.Compare.GREATER)],
    success=[
        rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=KEY + bytes([number]), value=VALUE)) for number in range(3)
    ]
    + [rpc_pb2.RequestOp(request_range=RANGE)],
)
WORKLOADS = (
    Workload("put, 1 client", "KV/Put", PUT, 1, 2_000),
    Workload("put, 10 clients", "KV/Put", PUT, 10, 15_000),
    Workload("put, 100 clients", "KV/Put", PUT, 100, 60_000),
    Workload("put, 1000 clients", "KV/Put", PUT, 1000, 60_000),
    Workload("put, 10 clients of 10 calls", "KV/Put", PUT, 10, 80_000, calls=10),
    Workload("range, 1 client", "KV/Range", RANGE, 1, 10_000),
    Workload("range, 100 clients", "KV/Range", RANGE, 100, 80_000),
    Workload(
        "serializable range, 100 clients", "KV/Range", rpc_pb2.RangeRequest(key=KEY, serializable=True), 100, 80_000
    ),
    Workload("range, 10 clients of 10 calls", "KV/Range", RANGE, 10, 80_000, calls=10),
    Workload("txn of 4, 100 clients", "KV/Txn", TXN, 100, 30_000),
)


def main() -> int:
    """Run all workloads and print the rows."""
    parser = argparse.ArgumentParser(prog="./dev bench chainfire", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object instead of a table")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each workload (default 5)")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--peer", default="etcd", help="the etcd to compare with (default: the one on PATH)")
    arguments = parser.parse_args()
    missing = [name for name in ("h2load", "taskset", arguments.peer) if shutil.which(name) is None]
    if missing:
        sys.stderr.write(f"bench chainfire: {', '.join(missing)} not found; install nghttp2-client and etcd-server\n")
        return 1
    chosen = [workload for workload in WORKLOADS if arguments.only in workload.what]
    with tempfile.TemporaryDirectory(prefix="bench-chainfire-") as folder:
        rows = measure(Path(folder), arguments.peer, chosen, arguments.rounds)
    report(rows, as_json=arguments.json)
    return 0


def measure(folder: Path, peer: str, workloads: list[Workload], rounds: int) -> list[Row]:
    """Run every workload on both servers, taking turns."""
    rows: list[Row] = []
    name = f"etcd {version_of(peer)}"
    with chainfire(folder / "ours") as ours, etcd(peer, folder / "peer") as theirs:
        for workload in workloads:
            body = folder / "request.bin"
            body.write_bytes(framed(workload.request))
            results: dict[int, list[Round]] = {ours: [], theirs: []}
            for _ in range(rounds):
                for port, done in results.items():
                    done.append(load(port, workload, body, folder / "times"))
            rows += rows_of(workload, results[ours], results[theirs], name)
    return rows


def rows_of(workload: Workload, ours: list[Round], theirs: list[Round], peer_name: str) -> Iterator[Row]:
    """Throughput and 99th percentile, each the median of its rounds."""
    rate = [statistics.median(done.per_second for done in rounds) for rounds in (ours, theirs)]
    yield Row(workload.what, rate[0], rate[1], peer_name, "1/s", round(rate[0] / rate[1], 2))
    slow = [statistics.median(done.p99_ms for done in rounds) for rounds in (ours, theirs)]
    yield Row(f"{workload.what}, p99", slow[0], slow[1], peer_name, "ms", round(slow[1] / slow[0], 2))


def load(port: int, workload: Workload, body: Path, times: Path) -> Round:
    """One run of h2load."""
    times.unlink(missing_ok=True)
    command = [
        *(
            "taskset",
            "-c",
            str(LOAD_CORE),
            "h2load",
            "-t1",
            f"-m{workload.calls}",
            f"-c{workload.clients}",
            f"-n{workload.requests}",
        ),
        *("-d", str(body), f"--log-file={times}"),
        *("-H", "content-type: application/grpc", "-H", "te: trailers"),
        f"http://127.0.0.1:{port}/etcdserverpb.{workload.method}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = RATE.search(done)
    if rate is None or f"{workload.requests} succeeded" not in done:
        raise SystemExit(f"h2load did not succeed:\n{done}")
    spent_us = sorted(int(line.split("\t")[2]) for line in times.read_text().splitlines())
    return Round(float(rate.group(1)), spent_us[len(spent_us) * 99 // 100] / 1000)


@contextlib.contextmanager
def chainfire(folder: Path) -> Iterator[int]:
    """Our server on one core; gives its port."""
    folder.mkdir()
    config = folder / "chainfire.toml"
    # etcd keeps all history unless told otherwise; so does this one here.
    config.write_text('state_dir = "state"\n[log]\nlevel = "error"\n[storage]\nhistory_revisions = 0\n')
    command = [sys.executable, "-m", "chainfire", "serve", "--config", str(config)]
    with served(command, dict(os.environ), folder) as (server, _):
        assert server.stdout is not None
        words = server.stdout.readline().split()
        if words[:2] != ["ready", "chainfire"]:
            raise SystemExit(f"chainfire did not start; see {folder}")
        yield int(words[2].rpartition(":")[2])


@contextlib.contextmanager
def etcd(program: str, folder: Path) -> Iterator[int]:
    """The peer on the same core; gives its port."""
    folder.mkdir()
    port, peer_port = free_port(), free_port()
    command = [
        *(program, "--data-dir", str(folder / "data"), "--log-level", "error"),
        *("--listen-client-urls", f"http://127.0.0.1:{port}", "--advertise-client-urls", f"http://127.0.0.1:{port}"),
        *("--listen-peer-urls", f"http://127.0.0.1:{peer_port}"),
    ]
    with served(command, {**os.environ, "GOMAXPROCS": "1"}, folder) as (server, deadline):
        wait_until(deadline, lambda: server.poll() is None and is_listening(port))
        yield port


@contextlib.contextmanager
def served(
    command: list[str], environment: dict[str, str], folder: Path
) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """A server process pinned to its core, and until when it should be up."""
    with (folder / "stderr").open("w") as errors:
        server = subprocess.Popen(
            ["taskset", "-c", str(SERVER_CORE), *command],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            cwd=folder,
        )
        try:
            yield server, time.monotonic() + START_S
        finally:
            server.terminate()
            server.wait()


def wait_until(deadline: float, is_so: Callable[[], bool]) -> None:
    """Wait for a condition."""
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit("the peer did not start in time")
        time.sleep(0.05)


def is_listening(port: int) -> bool:
    """Whether something accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def framed(request: Message) -> bytes:
    """A gRPC message: no compression, its length, the message."""
    body = request.SerializeToString()
    return b"\x00" + len(body).to_bytes(4, "big") + body


def version_of(program: str) -> str:
    """The version an etcd says it has."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split("\n", maxsplit=1)[0].rpartition(" ")[2]


def report(rows: list[Row], *, as_json: bool) -> None:
    """Print the rows and keep them."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    when = datetime.now(UTC).isoformat(timespec="seconds")
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a") as results:
        for row in rows:
            results.write(json.dumps({"commit": commit, "when": when, "machine": machine, **asdict(row)}) + "\n")
    if as_json:
        print(json.dumps({"bench": "chainfire", "machine": machine, "rows": [asdict(row) for row in rows]}))
        return
    for row in rows:
        print(f"{row.what:40} {row.ours:12.2f} {row.peer:12.2f} {row.unit:4} {row.ratio:6.2f}x  ({row.peer_name})")


if __name__ == "__main__":
    sys.exit(main())
