"""The servers that `./dev bench flaredb` measures: flaredb alone or as a cluster of one store, etcd, PostgreSQL 15.

All run on one core, the load on the other, with their data below one folder, so they wait for the same disk. Each is as
durable as it can be: PostgreSQL commits synchronously, which is its default.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from bench._chainfire_servers import LOAD_CORE, SERVER_CORE, SETTLE_S, Member, free_port
from bench._flaredb_load import VALUE_BYTES, Load
from ultracloud.api.etcd import rpc_pb2
from ultracloud.api.flaredb.v1 import flaredb_pb2 as pb
from ultracloud.testkit.postgres import PostgresServer, find_postgres

NAMESPACE = "plasmavmc"
ETCD_KEYS_MAX = 1_000_000
"""etcd has every key in memory, and a scan counts all that follow."""
ETCD_QUOTA_BYTES = 8 << 30
POSTGRES_SETTINGS = {
    "shared_buffers": "1GB",
    "max_connections": "300",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "synchronous_commit": "on",
    "fsync": "on",
}
"""As its administrators set it: memory for the index, checkpoints that are rare."""
LOGS = (".log", ".wal")
"""Write-ahead logs, RocksDB's and etcd's, by the ends of their names. PostgreSQL's is not counted either."""
READ_BYTES = 1 << 20
READY_S = 600.0
"""For ten million rows."""
FILL_ROWS, MD5_BYTES = 1_000_000, 16
TABLE = "CREATE TABLE kv (id bigint PRIMARY KEY, value bytea NOT NULL)"
FILL = """
INSERT INTO kv SELECT i, decode(repeat(md5(i::text), $3::int), 'hex') FROM generate_series($1::int, $2::int) AS i
"""
SPLIT_MIB = 1
"""Of the cluster's regions, so that few keys make several."""


def key(number: int) -> bytes:
    """A key as the resource kit makes them; in PostgreSQL the number itself is the key, which is shorter."""
    return b"r/Vm/vm-%026d" % number


def port_path(method: str) -> str:
    """The path of a method of flaredb's or of etcd's."""
    return f"/ultracloud.flaredb.v1.Kv/{method}" if "/" not in method else f"/etcdserverpb.{method}"


@dataclass(slots=True)
class Grpc:
    """flaredb or etcd.

    Attributes:
        is_ours: Which.
        keys_max: It is not asked to hold more.
    """

    name: str
    member: Member
    load: Load
    is_ours: bool
    keys_max: int = 1 << 60

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.member.port

    def fill(self, keys: int) -> None:
        """Put as many keys in order, many in a transaction."""
        if self.is_ours:
            self.load.fill(self.port, port_path("Txn"), keys, 500, _our_txn)
        else:
            self.load.fill(self.port, port_path("KV/Txn"), keys, 100, _etcd_txn)
        # Compaction of what was filled is not what reads are measured beside.
        settled_bytes(self.member.folder)

    def warm(self) -> None:
        """Have the system hold the files."""
        read_files(self.member.folder)

    def memory_bytes(self) -> int:
        """Proportional set size."""
        return pss_bytes(self.member.pid)

    def disk_bytes(self) -> int:
        """Blocks of its files, once they change no more, without its log: that is of a fixed size."""
        settled_bytes(self.member.folder)
        return _blocks(self.member.folder, LOGS)

    def start_s(self) -> float:
        """Stop it and start it again: seconds until it has answered a read."""
        self.member.stop()
        started_ns = self.member.start()
        return (self.wait_ready() - started_ns) / 1e9

    def wait_ready(self) -> int:
        """When it answered a read, by the monotonic clock in nanoseconds."""
        if self.is_ours:
            return self.load.answered(self.port, port_path("Get"), pb.GetRequest(namespace=NAMESPACE, key=key(0)))
        return self.load.answered(self.port, port_path("KV/Range"), rpc_pb2.RangeRequest(key=key(0)))


@dataclass(slots=True)
class Postgres:
    """PostgreSQL with one table."""

    name: str
    server: PostgresServer
    port: int
    keys_max: int = 1 << 60

    @property
    def url(self) -> str:
        """Where it listens: TCP, as the others."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def fill(self, keys: int) -> None:
        """Insert as many rows in order."""

        async def work(connection: Any) -> None:
            await connection.execute(TABLE)
            for first in range(0, keys, FILL_ROWS):
                last = min(first + FILL_ROWS, keys) - 1
                await connection.execute(FILL, first, last, VALUE_BYTES // MD5_BYTES, timeout=READY_S)
            await connection.execute("VACUUM ANALYZE kv", timeout=READY_S)
            await connection.execute("CHECKPOINT", timeout=READY_S)

        self.ask(work)

    def ask(self, work: Any) -> Any:
        """What a client finds out."""

        async def main() -> Any:
            connection = await asyncpg.connect(self.url)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(main())

    def warm(self) -> None:
        """Have the system hold the files."""
        read_files(self.server.socket_folder)

    def memory_bytes(self) -> int:
        """Proportional set size of all its processes."""
        found = subprocess.run(
            ["pgrep", "--parent", str(self.server.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        return sum(map(pss_bytes, [self.server.pid, *map(int, found)]))

    def disk_bytes(self) -> int:
        """Blocks of the table and its index; its log is of a fixed size and not counted."""

        async def work(connection: Any) -> int:
            return int(await connection.fetchval("SELECT pg_total_relation_size('kv')"))

        return int(self.ask(work))

    def start_s(self) -> float:
        """Stop it and start it again: seconds until it has answered a read."""

        async def settle(connection: Any) -> None:
            await connection.execute("CHECKPOINT", timeout=READY_S)

        # Or stopping, which nobody waits for longer than seconds, would write all that is only in memory.
        self.ask(settle)
        self.server.stop()
        began_s = time.monotonic()
        start_pinned(self.server, self.port)

        async def work(connection: Any) -> None:
            await connection.fetchval("SELECT value FROM kv WHERE id = 0")

        self.ask(work)
        return time.monotonic() - began_s


@contextlib.contextmanager
def flaredb(folder: Path, load: Load, text: str = "") -> Iterator[Grpc]:
    """flaredb, alone unless `text` configures a cluster."""
    member = Member("flaredb", folder, free_port(), 0)
    folder.mkdir()
    config = folder / "flaredb.toml"
    config.write_text(
        f'state_dir = "state"\n{text}\n[listen]\naddress = "127.0.0.1:{member.port}"\n[log]\nlevel = "error"\n'
    )
    member.command = [sys.executable, "-m", "flaredb", "serve", "--config", str(config)]
    yield from _running(Grpc("flaredb", member, load, is_ours=True))


@contextlib.contextmanager
def etcd(program: str, name: str, folder: Path, load: Load) -> Iterator[Grpc]:
    """etcd, alone."""
    member = Member("etcd", folder, free_port(), free_port())
    folder.mkdir()
    client, peer = f"http://127.0.0.1:{member.port}", f"http://127.0.0.1:{member.peer_port}"
    member.command = [
        *(program, "--name", "one", "--data-dir", str(folder / "data"), "--log-level", "error"),
        *("--listen-client-urls", client, "--advertise-client-urls", client, "--listen-peer-urls", peer),
        *("--initial-advertise-peer-urls", peer, "--initial-cluster", f"one={peer}"),
        f"--quota-backend-bytes={ETCD_QUOTA_BYTES}",
    ]
    yield from _running(Grpc(name, member, load, is_ours=False, keys_max=ETCD_KEYS_MAX))


@contextlib.contextmanager
def postgres(folder: Path) -> Iterator[Postgres]:
    """Debian's PostgreSQL."""
    programs = find_postgres()
    assert programs is not None
    folder.mkdir()
    server = PostgresServer(programs, folder)
    server.make()
    with (folder / "data" / "pg_hba.conf").open("a") as access:
        access.write("host all all 127.0.0.1/32 trust\n")
    port = free_port()
    start_pinned(server, port)
    version = subprocess.run([programs / "pgbench", "--version"], capture_output=True, text=True, check=False).stdout
    try:
        yield Postgres(f"PostgreSQL {(version or '? ? 15').split()[2]}", server, port)
    finally:
        server.crash()  # its data goes with the folder


@contextlib.contextmanager
def cluster(folder: Path, load: Load) -> Iterator[Grpc]:
    """A flaredb that is the only store of a cluster, whose map is in a chainfire of its own."""
    folder.mkdir()
    chainfire = Member("chainfire", folder / "chainfire", free_port(), free_port())
    chainfire.folder.mkdir()
    config = chainfire.folder / "chainfire.toml"
    config.write_text(
        f'state_dir = "state"\nlisten_urls = ["http://127.0.0.1:{chainfire.port}"]\n[log]\nlevel = "error"\n'
    )
    chainfire.command = [sys.executable, "-m", "chainfire", "serve", "--config", str(config)]
    chainfire.start()
    peers, region = f'chainfire = "127.0.0.1:{chainfire.port}"', f"replicas = 1\nsplit_mib = {SPLIT_MIB}"
    text = f'[peers]\n{peers}\n[cluster]\nname = "bench"\n{region}'
    try:
        with flaredb(folder / "store", load, text) as store:
            yield store
    finally:
        chainfire.stop()


def regions_of(server: Grpc) -> int:
    """How many regions a cluster has."""
    command = [sys.executable, "-m", "flaredb", "regions", "-o", "json", "--endpoint", f"127.0.0.1:{server.port}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return len(json.loads(said)["regions"])


def start_pinned(server: PostgresServer, port: int) -> None:
    """Start PostgreSQL on the servers' core."""
    settings = {**POSTGRES_SETTINGS, "listen_addresses": "127.0.0.1", "port": str(port)}
    os.sched_setaffinity(0, {SERVER_CORE})
    try:
        server.start(**settings)
    finally:
        os.sched_setaffinity(0, {LOAD_CORE})


def pss_bytes(pid: int) -> int:
    """What a process has in memory: pages shared with others count in part. Of one that has just ended: nothing."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # a worker of PostgreSQL's that had no more to do
        return 0
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024


def settled_bytes(folder: Path) -> int:
    """Blocks of a folder's files, once they change no more for a second."""
    deadline = time.monotonic() + SETTLE_S
    before, now = -1, _blocks(folder)
    while before != now and time.monotonic() < deadline:
        time.sleep(1)
        before, now = now, _blocks(folder)
    return now


def _running(server: Grpc) -> Iterator[Grpc]:
    server.member.start()
    try:
        server.wait_ready()
        yield server
    finally:
        server.member.stop()


def read_files(folder: Path) -> None:
    """Read all files, or what was written first is no more in the system's memory, and what was written last is.

    A guest whose host takes back the memory of files that nobody reads loses them in a minute. All servers are read
    from before they are measured, so that none waits for the disk where another does not.
    """
    for path in folder.rglob("*"):
        if path.is_file():
            with contextlib.suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
                while file.read(READ_BYTES):
                    pass


def _blocks(folder: Path, without: tuple[str, ...] = ()) -> int:
    total = 0
    for path in folder.rglob("*"):
        if path.name.endswith(without):
            continue
        with contextlib.suppress(FileNotFoundError):
            total += path.stat().st_blocks * 512
    return total


def _our_txn(first: int, last: int) -> pb.TxnRequest:
    writes = [pb.Write(key=key(n), value=os.urandom(VALUE_BYTES)) for n in range(first, last)]
    return pb.TxnRequest(namespace=NAMESPACE, writes=writes)


def _etcd_txn(first: int, last: int) -> rpc_pb2.TxnRequest:
    puts = (rpc_pb2.PutRequest(key=key(n), value=os.urandom(VALUE_BYTES)) for n in range(first, last))
    return rpc_pb2.TxnRequest(success=[rpc_pb2.RequestOp(request_put=put) for put in puts])
