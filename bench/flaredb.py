"""flaredb beside Debian's etcd: the same work from h2load, in the same run, one core for the server each.

Both keep their data below one folder, so both wait for the same disk, and both keep their history meanwhile. Rounds
alternate, because the machine is noisy, and what counts is the ratio of the medians. `./dev bench flaredb --json`
prints one object; the rows are kept in bench/results/flaredb.jsonl.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from google.protobuf.message import Message

from bench.chainfire import LOAD_CORE, RATE, Round, etcd, framed, served, version_of
from ultracloud.api.etcd import rpc_pb2 as etcd_pb
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "flaredb.jsonl"
UNPACKED = ROOT / ".cache" / "debian" / "usr" / "bin" / "etcd"
"""Where the checkout unpacks Debian's etcd, which is not installed."""
NAMESPACE = "prismnet"
VALUE = b"v" * 256
KEYS = [b"r/vpc/vpc-%026d" % number for number in range(100)]
"""A page of resources, as the resource kit stores them."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result; a ratio above 1 means that flaredb is ahead."""

    what: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Workload:
    """The same request to either server, from so many clients with one call each under way."""

    what: str
    method: str
    request: Message
    peer_method: str
    peer_request: Message
    clients: int = 1
    requests: int = 1

    def by(self, clients: int, requests: int) -> Workload:
        """The same from `clients`."""
        what = f"{self.what}, {clients} client{'s' * (clients > 1)}"
        return Workload(what, self.method, self.request, self.peer_method, self.peer_request, clients, requests)


def workloads() -> list[Workload]:
    """Single keys, a transaction that makes a resource and its claims, a page of a list."""
    get = Workload(
        "get", "Get", pb.GetRequest(namespace=NAMESPACE, key=KEYS[0]), "KV/Range", etcd_pb.RangeRequest(key=KEYS[0])
    )
    scan = Workload(
        "scan of 100 keys",
        "Scan",
        pb.ScanRequest(namespace=NAMESPACE, start=b"r/", end=b"r0", limit=100),
        "KV/Range",
        etcd_pb.RangeRequest(key=b"r/", range_end=b"r0", limit=100),
    )
    return [
        *(put(KEYS[0]).by(clients, min(60_000, 2000 * clients)) for clients in (1, 16, 256)),
        *(get.by(clients, min(80_000, 6000 * clients)) for clients in (1, 16, 256)),
        txn().by(64, 20_000),
        scan.by(16, 10_000),
    ]


def put(key: bytes) -> Workload:
    """Write one key."""
    ours, theirs = pb.PutRequest(namespace=NAMESPACE, key=key, value=VALUE), etcd_pb.PutRequest(key=key, value=VALUE)
    return Workload("put", "Put", ours, "KV/Put", theirs)


def txn() -> Workload:
    """Write four keys if a fifth does not exist."""
    ours = pb.TxnRequest(
        namespace=NAMESPACE,
        comparisons=[pb.Comparison(key=b"none", expected_version=0)],
        writes=[pb.Write(key=key, value=VALUE) for key in KEYS[:4]],
    )
    absent = etcd_pb.Compare(key=b"none", target=etcd_pb.Compare.MOD, result=etcd_pb.Compare.EQUAL, mod_revision=0)
    puts = [etcd_pb.RequestOp(request_put=etcd_pb.PutRequest(key=key, value=VALUE)) for key in KEYS[:4]]
    return Workload("txn of 4 keys", "Txn", ours, "KV/Txn", etcd_pb.TxnRequest(compare=[absent], success=puts))


def main() -> int:
    """Run all workloads and print the rows."""
    parser = argparse.ArgumentParser(prog="./dev bench flaredb", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object instead of a table")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each workload (default 5)")
    parser.add_argument("--only", default="", help="workloads whose name contains this")
    parser.add_argument("--peer", default=str(UNPACKED) if UNPACKED.exists() else "etcd", help="the etcd")
    arguments = parser.parse_args()
    missing = [name for name in ("h2load", "taskset", arguments.peer) if shutil.which(name) is None]
    if missing:
        sys.stderr.write(f"bench flaredb: {', '.join(missing)} not found; install nghttp2-client and etcd-server\n")
        return 1
    chosen = [workload for workload in workloads() if arguments.only in workload.what]
    with tempfile.TemporaryDirectory(prefix="bench-flaredb-") as folder:
        rows = list(measure(Path(folder), arguments.peer, chosen, arguments.rounds))
    report(rows, as_json=arguments.json)
    return 0


def measure(folder: Path, program: str, chosen: list[Workload], rounds: int) -> Iterator[Row]:
    """Run every workload on both servers, taking turns; look at their start-up and memory."""
    name = f"etcd {version_of(program)}"
    begun_s = time.monotonic()
    with flaredb(folder / "ours") as (pid, ours):
        ready_s = [time.monotonic() - begun_s]
        begun_s = time.monotonic()
        with etcd(program, folder / "peer") as theirs:
            ready_s.append(time.monotonic() - begun_s)
            peer_pid = pid_listening(theirs)
            yield lower("ready after", ready_s[0], ready_s[1], name, "s")
            for key in KEYS:
                both(folder, put(key), ours, theirs)
            for workload in chosen:
                done = [both(folder, workload, ours, theirs) for _ in range(rounds)]
                yield from rows_of(workload, done, name)
            yield lower("memory after all", rss_mib(pid), rss_mib(peer_pid), name, "MiB")


def both(folder: Path, workload: Workload, ours: int, theirs: int) -> tuple[Round, Round]:
    """One run against each."""
    first = load(folder, ours, f"ultracloud.flaredb.v1.Kv/{workload.method}", workload.request, workload)
    return first, load(folder, theirs, f"etcdserverpb.{workload.peer_method}", workload.peer_request, workload)


def load(folder: Path, port: int, path: str, request: Message, workload: Workload) -> Round:
    """One run of h2load."""
    body, times = folder / "request.bin", folder / "times"
    body.write_bytes(framed(request))
    times.unlink(missing_ok=True)
    command = [
        *("taskset", "-c", str(LOAD_CORE), "h2load", "-t1", "-m1", f"-c{workload.clients}", f"-n{workload.requests}"),
        *("-d", str(body), f"--log-file={times}"),
        *("-H", "content-type: application/grpc", "-H", "te: trailers", f"http://127.0.0.1:{port}/{path}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = RATE.search(done)
    spent_us = sorted(int(line.split("\t")[2]) for line in times.read_text().splitlines())
    if f"{workload.requests} succeeded" not in done or not spent_us:
        raise SystemExit(f"h2load did not succeed:\n{done}")
    return Round(float(rate.group(1)) if rate else 0.0, spent_us[len(spent_us) * 99 // 100] / 1000)


def rows_of(workload: Workload, done: list[tuple[Round, Round]], name: str) -> Iterator[Row]:
    """Throughput and 99th percentile, each the median of its rounds."""
    rate = [statistics.median(pair[which].per_second for pair in done) for which in (0, 1)]
    yield Row(workload.what, round(rate[0]), round(rate[1]), name, "1/s", round(rate[0] / rate[1], 2))
    slow = [statistics.median(pair[which].p99_ms for pair in done) for which in (0, 1)]
    yield lower(f"{workload.what}, p99", slow[0], slow[1], name, "ms")


def lower(what: str, ours: float, peer: float, name: str, unit: str) -> Row:
    """A row of which less is better."""
    return Row(what, round(ours, 3), round(peer, 3), name, unit, round(peer / ours, 2))


@contextlib.contextmanager
def flaredb(folder: Path) -> Iterator[tuple[int, int]]:
    """Our server on one core; gives its process id and port."""
    folder.mkdir()
    config = folder / "flaredb.toml"
    config.write_text('state_dir = "state"\n[log]\nlevel = "error"\n')
    command = [sys.executable, "-m", "flaredb", "serve", "--config", str(config)]
    with served(command, dict(os.environ), folder) as (server, _):
        assert server.stdout is not None
        words = server.stdout.readline().split()
        if words[:2] != ["ready", "flaredb"]:
            raise SystemExit(f"flaredb did not start; see {folder}")
        yield server.pid, int(words[2].rpartition(":")[2])


def pid_listening(port: int) -> int:
    """Who listens on a port."""
    said = subprocess.run(["ss", "-Hltnp", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    return int(said.partition("pid=")[2].partition(",")[0])


def rss_mib(pid: int) -> float:
    """Memory a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(status.partition("VmRSS:")[2].split()[0]) / 1024, 1)


def report(rows: list[Row], *, as_json: bool) -> None:
    """Print the rows and keep them."""
    git = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    kept = {"commit": git.stdout.strip(), "when": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a") as results:
        for row in rows:
            results.write(json.dumps({**kept, **asdict(row)}) + "\n")
    if as_json:
        print(json.dumps({"bench": "flaredb", "machine": machine, "rows": [asdict(row) for row in rows]}))
        return
    for row in rows:
        print(f"{row.what:40} {row.ours:12.2f} {row.peer:12.2f} {row.unit:4} {row.ratio:6.2f}x  ({row.peer_name})")


if __name__ == "__main__":
    sys.exit(main())
