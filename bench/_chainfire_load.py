"""How `./dev bench chainfire` asks servers: h2load for single calls, `_streams.c` for everything else."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import Message

from bench._chainfire_servers import LOAD_CORE, VALUE, Cluster
from ultracloud.api.etcd import rpc_pb2

RATE = re.compile(r"finished in [\d.]+m?s, ([\d.]+) req/s")
SOURCE = Path(__file__).with_name("_streams.c")
KEYS_PER_TXN = 100
"""etcd takes 128 operations at most."""
FILL_DEPTH = 4
FILL_KEYS = 100_000
"""Of one file of requests: 30 MB."""
LEASE_TTL_S = 3600
FIRST_LEASE = 1 << 60
"""Ids of one length, so that all clients send equally much."""


@dataclass(frozen=True, slots=True)
class Round:
    """One run: answers per second, and 99 of 100 came within `p99_ms`."""

    per_second: float
    p50_ms: float
    p99_ms: float


class Load:
    """Generates load from one core.

    Args:
        folder: For its files; the compiled generator goes there too.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._streams = folder / "streams"
        subprocess.run(["gcc", "-O2", "-o", str(self._streams), str(SOURCE)], check=True)

    def calls(self, url: str, method: str, request: Message, clients: int, count: int) -> Round:
        """h2load: `clients` connections, each with one call at a time."""
        body, times = self.file("request", [request]), self._folder / "times"
        times.unlink(missing_ok=True)
        said = _run(
            *("h2load", "-t1", "-m1", f"-c{clients}", f"-n{count}", "-d", str(body), f"--log-file={times}"),
            *("-H", "content-type: application/grpc", "-H", "te: trailers", f"{url}/etcdserverpb.{method}"),
        )
        rate = RATE.search(said)
        if rate is None or f"{count} succeeded" not in said:
            raise SystemExit(f"bench chainfire: h2load did not succeed:\n{said}")
        spent_us = sorted(int(line.split("\t")[2]) for line in times.read_text().splitlines())
        p50_us, p99_us = spent_us[len(spent_us) // 2], spent_us[len(spent_us) * 99 // 100]
        return Round(float(rate[1]), p50_us / 1000, p99_us / 1000)

    def fan_out(self, cluster: Cluster, watchers: int, puts: int) -> Round:
        """One put after another; how long until the last of the watchers, a stream each, has its event."""
        key = b"watched"
        watch = rpc_pb2.WatchRequest(create_request=rpc_pb2.WatchCreateRequest(key=key))
        files = self.file("watch", [watch]), self.file("put", [rpc_pb2.PutRequest(key=key, value=VALUE)])
        return self._round("fanout", _port(cluster), watchers, puts, *files)

    def keep_alive(self, cluster: Cluster, clients: int, count: int) -> Round:
        """Each client renews a lease of its own, again once it is answered."""
        leases = range(FIRST_LEASE, FIRST_LEASE + clients)
        revokes = [rpc_pb2.LeaseRevokeRequest(ID=lease) for lease in leases]
        self.each_once(cluster, "Lease/LeaseGrant", (rpc_pb2.LeaseGrantRequest(TTL=LEASE_TTL_S, ID=n) for n in leases))
        renewals = self.file("renewals", (rpc_pb2.LeaseKeepAliveRequest(ID=lease) for lease in leases))
        found = self._round("echo", _port(cluster), "/etcdserverpb.Lease/LeaseKeepAlive", clients, count, renewals)
        self.each_once(cluster, "Lease/LeaseRevoke", revokes)
        return found

    def fill(self, cluster: Cluster, keys: int) -> None:
        """Put as many distinct keys."""
        for first in range(0, keys, FILL_KEYS):
            last = min(first + FILL_KEYS, keys)
            txns = (_txn(at, min(at + KEYS_PER_TXN, last)) for at in range(first, last, KEYS_PER_TXN))
            self.each_once(cluster, "KV/Txn", txns)

    def each_once(self, cluster: Cluster, method: str, requests: Iterable[Message]) -> None:
        """Send distinct requests, a few under way at once."""
        body = self.file("calls", requests)
        self._say("calls", _port(cluster), f"/etcdserverpb.{method}", FILL_DEPTH, body)

    def answered(self, method: str, request: Message, ports: Iterable[int], victim: int = 0) -> tuple[float, int]:
        """Kill a process, if one is given, and ask all ports until one answers.

        How many milliseconds that took, and when it was, by the monotonic clock in nanoseconds.
        """
        said = self._say("answered", f"/etcdserverpb.{method}", self.file("request", [request]), victim, *ports)
        return said["ms"], int(said["at_ns"])

    def file(self, name: str, requests: Iterable[Message]) -> Path:
        """Requests as they are on the wire."""
        path = self._folder / f"{name}.bin"
        with path.open("wb") as file:
            for request in requests:
                body = request.SerializeToString()
                # No compression, the length, the message.
                file.write(b"\x00" + len(body).to_bytes(4, "big") + body)
        return path

    def _round(self, *words: object) -> Round:
        said = self._say(*words)
        return Round(said["rate"], said["p50_ms"], said["p99_ms"])

    def _say(self, *words: object) -> dict[str, float]:
        said = _run(str(self._streams), *map(str, words))
        return {name: float(value) for name, _, value in (word.partition("=") for word in said.split())}


def _txn(first: int, last: int) -> rpc_pb2.TxnRequest:
    puts = (rpc_pb2.PutRequest(key=b"filled/%012d" % number, value=VALUE) for number in range(first, last))
    return rpc_pb2.TxnRequest(success=[rpc_pb2.RequestOp(request_put=put) for put in puts])


def _port(cluster: Cluster) -> int:
    return cluster.members[0].port


def _run(*command: str) -> str:
    ran = subprocess.run(
        ["taskset", "-c", str(LOAD_CORE), *command], capture_output=True, text=True, check=False, timeout=600
    )
    if ran.returncode:
        raise SystemExit(f"bench chainfire: {' '.join(command)} failed:\n{ran.stdout}{ran.stderr}")
    return ran.stdout
