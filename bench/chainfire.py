"""chainfire beside etcd 3.5: the same requests, in the same run, durable both, on the same one core.

Rounds alternate, because the machine is noisy, and what counts is the ratio of the medians: above 1, chainfire is
ahead. Load comes from another core: h2load for single calls, a small C program (bench/_streams.c) for watches, leases,
fills and failovers. `--json` prints one object; the rows are kept in bench/results/chainfire.jsonl.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from google.protobuf.message import Message

from bench._chainfire_load import Load
from bench._chainfire_servers import KEY, VALUE, Cluster, make_certificate, running
from bench._results import ROOT, machine, record
from ultracloud.api.etcd import rpc_pb2

RESULTS = ROOT / "bench" / "results" / "chainfire.jsonl"
ETCD = ROOT / ".cache" / "trixie" / "usr" / "bin" / "etcd"
TOOLS = ("h2load", "taskset", "gcc", "openssl")
ROUNDS, QUICK_ROUNDS = 5, 2
QUICK_PART = 4
"""A quick run sends this part of the requests."""
MILLION = 1_000_000
QUICK_KEYS = 100_000
FAILOVER_PAUSE_S = 1.0
"""Between a member's return and the next leader's death: nobody is behind any more."""
SETTLE_S = 3.0
"""Between the last answer and a look at the memory."""

PUT = rpc_pb2.PutRequest(key=KEY, value=VALUE)
RANGE = rpc_pb2.RangeRequest(key=KEY)
SERIALIZABLE = rpc_pb2.RangeRequest(key=KEY, serializable=True)
TXN = rpc_pb2.TxnRequest(
    compare=[rpc_pb2.Compare(key=KEY, target=rpc_pb2.Compare.VERSION, result=rpc_pb2.Compare.GREATER)],
    success=[
        rpc_pb2.RequestOp(request_put=rpc_pb2.PutRequest(key=KEY + bytes([number]), value=VALUE)) for number in range(3)
    ]
    + [rpc_pb2.RequestOp(request_range=RANGE)],
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result."""

    what: str
    ours: float
    peer: float
    peer_name: str
    unit: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Reading:
    """One figure of one round; of rates more is better, of everything else less."""

    unit: str
    value: float
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """The servers that some measures share.

    Attributes:
        members: Of each cluster.
        keys: Put before anything is measured.
    """

    members: int = 1
    tls: bool = False
    keys: int = 0


@dataclass(frozen=True, slots=True)
class Measure:
    """What is done to a cluster in one round, and the figures of it.

    Attributes:
        rounds_max: Rounds after which nothing new is to be found out.
    """

    what: str
    setting: Setting
    take: Callable[[Load, Cluster], list[Reading]]
    rounds_max: int = 1000


def main() -> int:
    """Run what was asked for and print the rows."""
    parser = argparse.ArgumentParser(prog="./dev bench chainfire", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object instead of a table")
    parser.add_argument("--rounds", type=int, default=0, help=f"rounds of each row (default {ROUNDS})")
    parser.add_argument("--only", default="", help="rows whose name has this in it; several with | between")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, requests and keys: under four minutes")
    parser.add_argument("--peer", default=str(ETCD), help="the etcd to compare with (default: 3.5 of .cache)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file that the rows are added to")
    arguments = parser.parse_args()
    missing = [name for name in (*TOOLS, arguments.peer) if shutil.which(name) is None]
    if missing:
        sys.stderr.write(
            f"bench chainfire: {', '.join(missing)} not found; ./dev installs what it can, see tools/packages.debian\n"
        )
        return 1
    words = arguments.only.split("|")
    chosen = [each for each in measures(quick=arguments.quick) if any(word in each.what for word in words)]
    rounds = arguments.rounds or (QUICK_ROUNDS if arguments.quick else ROUNDS)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-chainfire-") as folder:
        for row in run(Path(folder), arguments.peer, chosen, rounds):
            rows.append(row)
            if not arguments.json:
                print(line_of(row), flush=True)
    if arguments.json:
        print(json.dumps({"bench": "chainfire", "machine": machine(), "rows": [asdict(row) for row in rows]}))
    record(map(asdict, rows), arguments.results)
    return 0


def measures(*, quick: bool) -> list[Measure]:
    """Everything that is compared, in the order of the table."""
    part = QUICK_PART if quick else 1
    one, secure, three = Setting(), Setting(tls=True), Setting(members=3)
    keys = QUICK_KEYS if quick else MILLION
    filled = Setting(keys=keys)

    def calls(what: str, setting: Setting, method: str, request: Message, clients: int, count: int) -> Measure:
        name = f"{what}, {clients} client{'s' if clients > 1 else ''}"
        return Measure(name, setting, partial(take_calls, method, request, clients, count // part))

    return [
        calls("put", one, "KV/Put", PUT, 1, 4_000),
        calls("put", one, "KV/Put", PUT, 10, 20_000),
        calls("put", one, "KV/Put", PUT, 100, 60_000),
        calls("put", one, "KV/Put", PUT, 1000, 60_000),
        calls("range", one, "KV/Range", RANGE, 1, 10_000),
        calls("range", one, "KV/Range", RANGE, 100, 100_000),
        calls("serializable range", one, "KV/Range", SERIALIZABLE, 1, 10_000),
        calls("serializable range", one, "KV/Range", SERIALIZABLE, 100, 100_000),
        calls("txn of 4", one, "KV/Txn", TXN, 100, 30_000),
        Measure("watch, 1 watcher", one, partial(take_fan_out, 1, 2_000 // part)),
        Measure("watch, 100 watchers", one, partial(take_fan_out, 100, 1_000 // part)),
        Measure("watch, 1000 watchers", one, partial(take_fan_out, 1000, 200 // part)),
        Measure("lease keep-alive, 1 client", one, partial(take_keep_alive, 1, 10_000 // part)),
        Measure("lease keep-alive, 100 clients", one, partial(take_keep_alive, 100, 60_000 // part)),
        calls("TLS put", secure, "KV/Put", PUT, 1, 4_000),
        calls("TLS put", secure, "KV/Put", PUT, 100, 40_000),
        calls("TLS range", secure, "KV/Range", RANGE, 100, 60_000),
        calls("3 members, put", three, "KV/Put", PUT, 1, 2_000),
        calls("3 members, put", three, "KV/Put", PUT, 100, 30_000),
        calls("3 members, range", three, "KV/Range", RANGE, 1, 2_000),
        calls("3 members, range", three, "KV/Range", RANGE, 100, 40_000),
        Measure("3 members, failover", three, take_failover),
        Measure(f"{keys:,} keys, memory", filled, take_memory, rounds_max=1),
        Measure(f"{keys:,} keys, disk", filled, take_disk, rounds_max=1),
        Measure(f"{keys:,} keys, start", filled, take_start, rounds_max=3),
        Measure(f"{keys:,} keys, memory after a start", filled, take_memory, rounds_max=1),
    ]


def run(folder: Path, peer: str, chosen: list[Measure], rounds: int) -> Iterator[Row]:
    """Measure both, taking turns; the servers are started once for each setting."""
    load = Load(folder)
    make_certificate(folder)
    name = f"etcd {version_of(peer)}"
    etcdctl = shutil.which("etcdctl", path=f"{Path(peer).parent}{os.pathsep}{os.environ['PATH']}") or "etcdctl"
    for number, setting in enumerate(dict.fromkeys(each.setting for each in chosen)):
        tls = folder if setting.tls else None
        with contextlib.ExitStack() as stack:
            clusters = [
                stack.enter_context(running(program, etcdctl, folder / f"{kind}{number}", setting.members, tls))
                for kind, program in (("ours", "chainfire"), ("peer", peer))
            ]
            for cluster in clusters:
                load.fill(cluster, setting.keys)
            for measure in chosen:
                if measure.setting == setting:
                    yield from compared(load, measure, clusters, min(rounds, measure.rounds_max), name)


def compared(load: Load, measure: Measure, clusters: list[Cluster], rounds: int, name: str) -> Iterator[Row]:
    """The rows of one measure: medians of its rounds."""
    taken: list[list[list[Reading]]] = [[], []]
    for _ in range(rounds):
        for cluster, found in zip(clusters, taken, strict=True):
            found.append(measure.take(load, cluster))
    for place, first in enumerate(taken[0][0]):
        ours, peer = (statistics.median(found[place].value for found in each) for each in taken)
        ratio = ours / peer if first.unit == "1/s" else peer / ours
        yield Row(measure.what + first.suffix, round(ours, 3), round(peer, 3), name, first.unit, round(ratio, 2))


def take_calls(method: str, request: Message, clients: int, count: int, load: Load, cluster: Cluster) -> list[Reading]:
    """Unary calls of the leader."""
    url = cluster.url if len(cluster.members) == 1 else f"http://127.0.0.1:{cluster.leader().port}"
    found = load.calls(url, method, request, clients, count)
    return [Reading("1/s", found.per_second), Reading("ms", found.p99_ms, ", p99")]


def take_fan_out(watchers: int, puts: int, load: Load, cluster: Cluster) -> list[Reading]:
    """From a put's start until the last watcher has its event."""
    found = load.fan_out(cluster, watchers, puts)
    return [Reading("ms", found.p50_ms, ", p50"), Reading("ms", found.p99_ms, ", p99")]


def take_keep_alive(clients: int, count: int, load: Load, cluster: Cluster) -> list[Reading]:
    """Renewals of leases on open streams."""
    found = load.keep_alive(cluster, clients, count)
    return [Reading("1/s", found.per_second), Reading("ms", found.p99_ms, ", p99")]


def take_failover(load: Load, cluster: Cluster) -> list[Reading]:
    """From the leader's death by SIGKILL until another member has taken a put; then the dead one comes back."""
    leader = cluster.leader()
    others = [member.port for member in cluster.members if member is not leader]
    spent_ms, _ = load.answered("KV/Put", PUT, others, leader.pid)
    leader.stop()
    leader.start()
    cluster.wait_ready()
    time.sleep(FAILOVER_PAUSE_S)
    return [Reading("ms", spent_ms)]


def take_memory(_: Load, cluster: Cluster) -> list[Reading]:
    """Proportional set size."""
    time.sleep(SETTLE_S)
    return [Reading("MB", cluster.memory_bytes() / 1e6)]


def take_disk(_: Load, cluster: Cluster) -> list[Reading]:
    """Blocks on the disk."""
    return [Reading("MB", cluster.disk_bytes() / 1e6)]


def take_start(load: Load, cluster: Cluster) -> list[Reading]:
    """From the process's start until a read is answered."""
    member = cluster.members[0]
    member.stop()
    started_ns = member.start()
    _, answered_ns = load.answered("KV/Range", RANGE, [member.port])
    return [Reading("s", (answered_ns - started_ns) / 1e9)]


def version_of(program: str) -> str:
    """The version an etcd says it has."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split("\n", maxsplit=1)[0].rpartition(" ")[2]


def line_of(row: Row) -> str:
    """A row for people."""
    return f"{row.what:44} {row.ours:12.2f} {row.peer:12.2f} {row.unit:4} {row.ratio:6.2f}x  ({row.peer_name})"


if __name__ == "__main__":
    sys.exit(main())
