"""flaredb beside Debian's PostgreSQL 15 and etcd: the same work, in the same run, durable all, on the same one core.

Rounds alternate, because the machine is noisy, and what counts is the ratio of the medians: above 1, flaredb is ahead.
Keys are drawn at random from 10 thousand, 1 million and 10 million records of 256 bytes, whose files the
system has in its memory; rows that begin with `growth` compare flaredb with itself at the fewest. PostgreSQL is given
its best: numbers as keys, prepared statements, one statement a transaction. Two rows set flaredb beside what
FoundationDB publishes for a core. `--json` prints one object; the rows are kept in bench/results/flaredb.jsonl.

Source: pgbench's manual (PostgreSQL 15); FoundationDB's documentation, "Performance" (55,000 reads, 20,000 writes).
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

from bench._chainfire_servers import LOAD_CORE
from bench._flaredb_feed import feed_of_flaredb, feed_of_postgres
from bench._flaredb_load import Load, LoadError, Round
from bench._flaredb_servers import Grpc, Postgres, cluster, etcd, flaredb, port_path, postgres, regions_of
from bench._flaredb_work import WATCHED, Work, cluster_works, watch_of, words_of, works
from bench._results import ROOT, machine, record
from ultracloud.testkit.postgres import find_postgres

RESULTS = ROOT / "bench" / "results" / "flaredb.jsonl"
ETCD = ROOT / ".cache" / "trixie" / "usr" / "bin" / "etcd"
TOOLS = ("taskset", "gcc", "pgrep")
FOUNDATIONDB = {"point read, 256 clients": 55_000.0, "put, 256 clients": 20_000.0}
CLUSTER_KEYS, SPLIT_S = 20_000, 60.0
"""Keys that make several regions, and how long they may take to come."""
Server = Grpc | Postgres


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is done.

    Attributes:
        sizes: Records, the fewest first.
        seconds: Of each round.
        puts: Changes that a feed is watched for.
    """

    sizes: tuple[int, ...]
    rounds: int
    seconds: float
    puts: int


FULL = Plan((10_000, 1_000_000, 10_000_000), rounds=3, seconds=3.0, puts=1000)
QUICK = Plan((1_000, 20_000), rounds=1, seconds=0.5, puts=100)


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
class Figure:
    """One figure of a server; of rates more is better, of everything else less."""

    what: str
    unit: str
    value: float


def main() -> int:
    """Run what was asked for and print the rows."""
    parser = argparse.ArgumentParser(prog="./dev bench flaredb", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object instead of a table")
    parser.add_argument("--quick", action="store_true", help="few records, short rounds: about a minute")
    parser.add_argument("--only", default="", help="work whose name has this in it; several with | between")
    parser.add_argument("--sizes", default="", help="records, with commas between (default 10000,1000000,10000000)")
    parser.add_argument("--rounds", type=int, default=0, help=f"rounds of each work (default {FULL.rounds})")
    parser.add_argument("--seconds", type=float, default=0.0, help=f"of each round (default {FULL.seconds:g})")
    parser.add_argument("--peer", default=str(ETCD), help="the etcd to compare with (default: 3.5 of .cache)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="file that the rows are added to")
    arguments = parser.parse_args()
    programs = find_postgres()
    missing = [name for name in (*TOOLS, arguments.peer) if shutil.which(name) is None]
    if missing or programs is None:
        sys.stderr.write(f"bench flaredb: {', '.join(missing) or 'PostgreSQL'} not found; see tools/packages.debian\n")
        return 1
    # Servers are pinned beside us; whatever this process does itself is load.
    os.sched_setaffinity(0, {LOAD_CORE})
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        load = Load(Path(folder), programs / "pgbench")
        for row in run(Path(folder), load, arguments.peer, plan_of(arguments), arguments.only.split("|")):
            rows.append(row)
            if not arguments.json:
                print(line_of(row), flush=True)
    if arguments.json:
        print(json.dumps({"bench": "flaredb", "machine": machine(), "rows": [asdict(row) for row in rows]}))
    record(map(asdict, rows), arguments.results)
    return 0


def plan_of(arguments: argparse.Namespace) -> Plan:
    """How much the arguments ask for."""
    base = QUICK if arguments.quick else FULL
    sizes = tuple(sorted(int(size) for size in arguments.sizes.split(",") if size)) or base.sizes
    return Plan(sizes, arguments.rounds or base.rounds, arguments.seconds or base.seconds, base.puts)


def run(folder: Path, load: Load, peer: str, plan: Plan, words: list[str]) -> Iterator[Row]:
    """Everything, size by size; then transactions in regions; then how it grew."""
    ours: dict[int, dict[str, Figure]] = {}
    for number, size in enumerate(plan.sizes):
        with contextlib.ExitStack() as stack:
            servers: list[Server] = [
                stack.enter_context(flaredb(folder / f"f{number}", load)),
                stack.enter_context(postgres(folder / f"p{number}")),
            ]
            name = f"etcd {version_of(peer)}"
            servers.append(stack.enter_context(etcd(peer, name, folder / f"e{number}", load)))
            for server in servers:
                if size <= server.keys_max:
                    server.fill(size)
            ours[size] = {}
            asked = [server for server in servers if size <= server.keys_max]
            for take, rounds in measures(load, size, plan, words):
                for row, figure in compared(take, asked, rounds, size):
                    ours[size][figure.what] = figure
                    yield row
    if any(word in "txn of 4 keys" for word in words):
        yield from in_regions(folder / "regions", load, plan)
    yield from growth(ours)


Take = Callable[[Server], list[Figure]]


def measures(load: Load, size: int, plan: Plan, words: list[str]) -> Iterator[tuple[Take, int]]:
    """What is taken of each server, and in how many rounds."""
    for work in works(size):
        if any(word in work.what for word in words):
            yield partial(take_work, load, work, size, plan.seconds), plan.rounds
    if any(word in "change feed" for word in words):
        yield partial(take_feed, load, plan.puts), plan.rounds
    for what, take in (("memory", take_memory), ("disk", take_disk), ("start", take_start)):
        if any(word in what for word in words):
            yield take, plan.rounds if what == "start" else 1


def compared(take: Take, servers: list[Server], rounds: int, size: int) -> Iterator[tuple[Row, Figure]]:
    """A row for each figure and peer: medians of the rounds."""
    taken: dict[str, list[list[Figure]]] = {server.name: [] for server in servers}
    for _ in range(rounds):
        for server in servers:
            taken[server.name].append(take(server))
    first, *peers = servers
    for figure in taken[first.name][0]:
        ours = _median(taken[first.name], figure.what)
        assert ours is not None
        found = Figure(figure.what, figure.unit, ours)
        what = f"{size:,} keys: {figure.what}"
        for peer in peers:
            theirs = _median(taken[peer.name], figure.what)
            if theirs is not None:
                yield row_of(what, ours, theirs, peer.name, figure.unit), found
        if figure.what in FOUNDATIONDB:
            yield row_of(what, ours, FOUNDATIONDB[figure.what], "FoundationDB's figure", figure.unit), found


def take_work(load: Load, work: Work, size: int, seconds: float, server: Server) -> list[Figure]:
    """Answers per second, and how late the last hundredth comes."""
    server.warm()
    if isinstance(server, Postgres):
        found = load.pgbench(server.port, work.script, work.clients, seconds, words_of(size))
    else:
        method, requests = work.ours if server.is_ours else work.etcd
        found = load.spread(server.port, port_path(method), requests(), work.clients, seconds)
    return figures_of(work.what, found)


def figures_of(what: str, found: Round) -> list[Figure]:
    """The figures of a round."""
    return [Figure(what, "1/s", found.per_second), Figure(f"{what}, p99", "ms", found.p99_ms)]


def take_feed(load: Load, puts: int, server: Server) -> list[Figure]:
    """From a put's start until its watcher has it: by the C generator, and where PostgreSQL is a peer by Python."""
    if isinstance(server, Postgres):
        seen = feed_of_postgres(server.url, puts)
        return [Figure("change feed, Python, p50", "ms", seen[0]), Figure("change feed, Python, p99", "ms", seen[1])]
    watch, put, paths = watch_of(server)
    found = load.fan_out(server.port, paths, watch, put, 1, puts)
    streams = [Figure("change feed, p50", "ms", found.p50_ms), Figure("change feed, p99", "ms", found.p99_ms)]
    if not server.is_ours:
        return streams
    seen = feed_of_flaredb(server.port, WATCHED, puts)
    return [
        Figure("change feed, Python, p50", "ms", seen[0]),
        Figure("change feed, Python, p99", "ms", seen[1]),
        *streams,
    ]


def take_memory(server: Server) -> list[Figure]:
    """Proportional set size after all the work."""
    return [Figure("memory", "MB", server.memory_bytes() / 1e6)]


def take_disk(server: Server) -> list[Figure]:
    """Blocks on the disk."""
    return [Figure("disk", "MB", server.disk_bytes() / 1e6)]


def take_start(server: Server) -> list[Figure]:
    """From the start of a process that was stopped until a read is answered."""
    return [Figure("start", "s", server.start_s())]


def in_regions(folder: Path, load: Load, plan: Plan) -> Iterator[Row]:
    """Transactions of four keys in one region and in two, beside PostgreSQL's and beside each other."""
    one, two = cluster_works(CLUSTER_KEYS)
    folder.mkdir()
    with cluster(folder / "c", load) as server, postgres(folder / "p") as peer:
        server.fill(CLUSTER_KEYS)
        peer.fill(CLUSTER_KEYS)
        wait_regions(server)
        taken: dict[str, list[list[Figure]]] = {one.what: [], two.what: [], peer.name: []}
        try:
            for _ in range(plan.rounds):
                for work in (one, two):
                    taken[work.what].append(take_work(load, work, CLUSTER_KEYS, plan.seconds, server))
                taken[peer.name].append(take_work(load, one, CLUSTER_KEYS, plan.seconds, peer))
        except LoadError as error:
            sys.stderr.write(f"bench flaredb: transactions in two regions are refused: {error}\n")
            return
    for what, other in ((one.what, peer.name), (two.what, peer.name), (two.what, one.what)):
        for figure in taken[what][0]:
            suffix = figure.what.removeprefix(what)
            theirs = _median(taken[other], (one.what if other == peer.name else other) + suffix)
            ours = _median(taken[what], figure.what)
            if ours is not None and theirs is not None:
                yield row_of(figure.what, ours, theirs, other, figure.unit)


def wait_regions(server: Grpc) -> None:
    """Wait until what was filled has been cut."""
    end_s = time.monotonic() + SPLIT_S
    while regions_of(server) < 2:
        if time.monotonic() > end_s:
            raise SystemExit(f"bench flaredb: no second region within {SPLIT_S:g} s")
        time.sleep(0.5)


def growth(ours: dict[int, dict[str, Figure]]) -> Iterator[Row]:
    """What flaredb does at each size beside itself at the fewest: what should stay flat but for the logarithm."""
    least, *larger = ours
    for size in larger:
        for what, figure in ours[size].items():
            before = ours[least].get(what)
            if before is not None and what != "disk" and before.value:
                yield row_of(
                    f"growth: {size:,} keys: {what}", figure.value, before.value, f"{least:,} keys", figure.unit
                )


def row_of(what: str, ours: float, peer: float, name: str, unit: str) -> Row:
    """A row with its ratio."""
    ratio = ours / peer if unit == "1/s" else peer / ours
    return Row(what, round(ours, 3), round(peer, 3), name, unit, round(ratio, 2))


def _median(taken: list[list[Figure]], what: str) -> float | None:
    """The median of a figure over the rounds; None of a server that has no such figure."""
    values = [figure.value for each in taken for figure in each if figure.what == what]
    return statistics.median(values) if values else None


def version_of(program: str) -> str:
    """The version an etcd says it has."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return said.split("\n", maxsplit=1)[0].rpartition(" ")[2]


def line_of(row: Row) -> str:
    """A row for people."""
    return f"{row.what:48} {row.ours:12.2f} {row.peer:12.2f} {row.unit:4} {row.ratio:7.2f}x  ({row.peer_name})"


if __name__ == "__main__":
    sys.exit(main())
