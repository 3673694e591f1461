"""`./dev bench gateway`: REST through the gateway, beside FastAPI, Starlette and grpc.aio doing the same work.

The gateway has one core; the service behind it and the load share the other. The peers have one core each in turn,
and do in one process what the gateway and the service do in two: verify the token, decide by the policy, find the VPC,
write it. Runs alternate, and a row is the best run of each. CPU time of a request is measured besides the rate, because
it is what stays when the load or a neighbour is the limit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jwt

from bench._gateway_server import KEY, VPC_COUNT
from bench._results import machine, record
from bench.wire import LOAD_CORE, ROOT, SERVER_CORE, cpu_seconds
from ultracloud.api.resource.v1.resource_pb2 import GetRequest, ListRequest
from ultracloud.base.tokens import Claims, render_claims
from ultracloud.servicekit.testing import ACME, BLUE, DEVELOPER

RESULTS = ROOT / "bench" / "results" / "gateway.jsonl"
RUNS = 3
WATCHES = 1000
CHANGES = 20
_RATE = re.compile(r"finished in ([\d.]+)(m?s), ([\d.]+) req/s")
_ANSWERED = re.compile(r"(\d+) 2xx,")
PATH = "/v1/projects/blue/vpcs"


@dataclass(frozen=True)
class Workload:
    """What is asked of all.

    Attributes:
        path: Of REST.
        rpc: Of the same by gRPC, with its request.
        requests: Of our run; peers get as many.
    """

    what: str
    path: str
    rpc: str
    message: bytes
    requests: int


WORKLOADS = (
    Workload("get", f"{PATH}/vpc-7", "Get", GetRequest(project="blue", ref="vpc-7").SerializeToString(), 10_000),
    Workload(
        f"list of {VPC_COUNT}",
        f"{PATH}?page_size={VPC_COUNT}",
        "List",
        ListRequest(project="blue", page_size=VPC_COUNT).SerializeToString(),
        1_000,
    ),
)


@dataclass(frozen=True)
class Measured:
    """One run: requests a second, and microseconds of CPU time for each in the server."""

    rate: float
    cpu_us: float


@dataclass(frozen=True)
class Serving:
    """A server that runs."""

    kind: str
    process: subprocess.Popen[str]
    port: int


def main() -> int:
    """Run all workloads, print what came out, keep it with the commit."""
    parser = argparse.ArgumentParser(prog="./dev bench gateway", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object for machines")
    parser.add_argument("--runs", type=int, default=RUNS, help="alternating runs of each server")
    parser.add_argument("--only", default="", help="only workloads whose name has this in it")
    parser.add_argument("--no-record", action="store_true", help="do not add to bench/results")
    arguments = parser.parse_args()
    if shutil.which("h2load") is None:
        sys.stderr.write("./dev bench gateway: h2load is missing; install Debian's nghttp2-client\n")
        return 1
    rows: list[dict[str, object]] = []
    with serving("backend", LOAD_CORE) as behind, serving("gateway", SERVER_CORE, behind) as ours:
        for workload in WORKLOADS:
            if arguments.only in workload.what:
                rows += measure(workload, ours, behind, arguments.runs)
        if arguments.only in "watches":
            rows += asyncio.run(watches(ours, behind))
    if arguments.json:
        print(json.dumps({"bench": "gateway", "machine": machine(), "rows": rows}))
    else:
        for row in rows:
            print(
                f"{row['what']!s:44} {row['ours']:>10} {row['peer'] or '':>10} {row['unit']!s:12}"
                f" x{row['ratio'] or '-'} {row['peer_name'] or ''}"
            )
    if not arguments.no_record:
        record(rows, RESULTS)
    return 0


def measure(workload: Workload, ours: Serving, behind: Serving, runs: int) -> list[dict[str, object]]:
    """Rows of one workload: ours beside each peer, rates and CPU times."""
    rows: list[dict[str, object]] = []
    best = Measured(0, 1e9)
    before, asked = cpu_seconds(behind.process.pid), 0
    found: dict[str, Measured] = {}
    for _ in range(runs):
        best = better(best, load(workload, ours))
        asked += workload.requests
    behind_us = (cpu_seconds(behind.process.pid) - before) * 1e6 / asked
    over_h2 = fresh = Measured(0, 1e9)
    with serving("forgetful", SERVER_CORE, behind) as forgetful:
        for _ in range(runs):
            over_h2 = better(over_h2, load(workload, ours, is_h2=True))
            fresh = better(fresh, load(workload, forgetful))
    for kind in ("fastapi", "starlette", "grpc.aio"):
        with serving(kind, SERVER_CORE) as peer:
            for _ in range(runs):
                found[kind] = better(found.get(kind, Measured(0, 1e9)), load(workload, peer))
    for peer, theirs in found.items():
        kind = named(peer)
        rows.append(
            row(f"{workload.what}, HTTP/1.1", best.rate, theirs.rate, "requests/s", kind, best.rate / theirs.rate)
        )
        rows.append(
            row(f"{workload.what}, HTTP/1.1: CPU", best.cpu_us, theirs.cpu_us, "us", kind, theirs.cpu_us / best.cpu_us)
        )
    rows.append(row(f"{workload.what}, HTTP/2", over_h2.rate, None, "requests/s"))
    rows.append(row(f"{workload.what}, HTTP/2: CPU", over_h2.cpu_us, None, "us"))
    rows.append(row(f"{workload.what}, HTTP/1.1, nothing of it seen before: CPU", fresh.cpu_us, None, "us"))
    rows.append(row(f"{workload.what}: CPU of the service behind", behind_us, None, "us"))
    return rows


def named(kind: str) -> str:
    """A peer, and what reads HTTP for it: uvicorn has two parsers, and one of them is written in C."""
    if kind == "grpc.aio":
        return kind
    return f"{kind} ({'httptools' if importlib.util.find_spec('httptools') else 'h11, as httptools is not installed'})"


def better(one: Measured, other: Measured) -> Measured:
    """The best of both, rate and CPU time by themselves."""
    return Measured(max(one.rate, other.rate), min(one.cpu_us, other.cpu_us))


def load(workload: Workload, server: Serving, *, is_h2: bool = False) -> Measured:
    """One run of h2load; all requests must have been answered well."""
    is_grpc = server.kind == "grpc.aio"
    path = f"/ultracloud.prismnet.v1.Vpcs/{workload.rpc}" if is_grpc else workload.path
    options = ["-c10", "-m10"] if is_grpc or is_h2 else ["--h1", "-c50", "-m1"]
    if is_grpc:
        body = Path("/tmp") / f"gateway-bench-{workload.rpc}"  # noqa: S108 - a benchmark's own file
        body.write_bytes(b"\0" + len(workload.message).to_bytes(4, "big") + workload.message)
        options += ["-d", str(body), "-H", "content-type: application/grpc", "-H", "te: trailers"]
    command = ["taskset", "-c", str(LOAD_CORE), "h2load", "-t1", f"-n{workload.requests}", *options]
    before = cpu_seconds(server.process.pid)
    ran = subprocess.run(
        [*command, "-H", f"authorization: Bearer {token()}", f"http://127.0.0.1:{server.port}{path}"],
        capture_output=True,
        text=True,
        check=True,
    )
    spent_s = cpu_seconds(server.process.pid) - before
    rate, answered = _RATE.search(ran.stdout), _ANSWERED.search(ran.stdout)
    assert rate is not None, ran.stdout
    assert answered is not None, ran.stdout
    if int(answered[1]) != workload.requests:
        raise SystemExit(f"{workload.what} of {server.kind}: {answered[1]} of {workload.requests} succeeded")
    return Measured(float(rate[3]), spent_s * 1e6 / workload.requests)


async def watches(ours: Serving, behind: Serving) -> list[dict[str, object]]:
    """What a thousand open watches cost, and how long a change takes to reach all of them."""
    resident = memory_kib(ours.process.pid)
    open_ = await asyncio.gather(*(watch(ours.port) for _ in range(WATCHES)))
    opened = memory_kib(ours.process.pid)
    spent = cpu_seconds(ours.process.pid)
    delays: list[float] = []  # of each watch, for each change
    last: list[float] = []  # of the last watch to hear it
    assert behind.process.stdin is not None
    for _ in range(CHANGES):
        at = time.perf_counter()
        behind.process.stdin.write(f"t{int(at * 1000)}\n")
        behind.process.stdin.flush()
        heard = await asyncio.gather(*(hear(reader) for reader, _ in open_))
        delays += [each - at for each in heard]
        last.append(max(heard) - at)
        await asyncio.sleep(0.05)
    spent_us = (cpu_seconds(ours.process.pid) - spent) * 1e6 / (CHANGES * WATCHES)
    for _, writer in open_:
        writer.close()
    return [
        row(f"memory of one of {WATCHES} watches", (opened - resident) / WATCHES, None, "KiB"),
        row(f"a change at all {WATCHES} watches, median", sorted(last)[CHANGES // 2] * 1000, None, "ms"),
        row(f"a change at one of {WATCHES} watches, p99", sorted(delays)[len(delays) * 99 // 100] * 1000, None, "ms"),
        row("an event of a watch: CPU", spent_us, None, "us"),
    ]


async def hear(reader: asyncio.StreamReader) -> float:
    """When a watch has told the next event."""
    await reader.readline()
    return time.perf_counter()


async def watch(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A watch that has been told what exists; chunks of one line each, so a line is an event."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {PATH}:watch HTTP/1.0\r\nauthorization: Bearer {token()}\r\n\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    while b"BOOKMARK" not in await reader.readline():
        pass
    return reader, writer


def token() -> str:
    """Of the developer of the project."""
    now_s = int(time.time())
    claims = Claims(DEVELOPER.id, ACME.id, BLUE.id, now_s - 10, now_s // 3600 * 3600 + 7200, "jti", 1)
    return jwt.encode({**render_claims(claims), "iat": 1}, KEY, "EdDSA", headers={"kid": "k1"})


def memory_kib(pid: int) -> int:
    """Resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1])


def row(
    what: str, ours: float, peer: float | None, unit: str, name: str | None = None, ratio: float | None = None
) -> dict[str, object]:
    """One row as docs/architecture.md wants it: a ratio above 1 means we are ahead."""
    digits = 0 if ours > 100 else 1
    shown = round(peer, digits) if peer is not None else None
    return {
        "what": what,
        "ours": round(ours, digits),
        "peer": shown,
        "peer_name": name,
        "unit": unit,
        "ratio": round(ratio, 2) if ratio is not None else None,
    }


@contextlib.contextmanager
def serving(kind: str, core: int, behind: Serving | None = None) -> Iterator[Serving]:
    """A server in a process of its own."""
    arguments = [sys.executable, "-m", "bench._gateway_server", kind, "--core", str(core)]
    if behind is not None:
        arguments += ["--address", f"127.0.0.1:{behind.port}"]
    with subprocess.Popen(arguments, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdin is not None
        line = server.stdout.readline()
        if not line:
            raise SystemExit(f"the {kind} server did not start; its message is above")
        yield Serving(kind, server, int(json.loads(line)["port"]))
        server.stdin.close()


if __name__ == "__main__":
    sys.exit(main())
