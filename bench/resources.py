"""The resource kit over a real flaredb: create VMs' records, list a page by label, tell 200 agents, reconcile.

Three processes: flaredb, a service with one kind, and this one, which is its client and counts its own time in.
`./dev bench resources --json` prints one object; the rows are kept in bench/results/resources.jsonl. What each figure
must be is the issue's: a page of 1,000 of 10,000 by label in 50 ms, 99 of 100 events to 200 agents in 100 ms, and a
reconcile of 10,000 unchanged objects that writes nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from bench._resources_server import NAMESPACE, VM
from bench._results import ROOT, machine, record
from ultracloud.api.plasmavmc.v1 import plasmavmc_pb2 as pb
from ultracloud.api.plasmavmc.v1.plasmavmc_rpc import VmsClient
from ultracloud.api.resource.v1 import resource_pb2 as resource
from ultracloud.servicekit import channels
from ultracloud.servicekit.clock import SystemClock
from ultracloud.servicekit.readiness import Gate, Readiness
from ultracloud.servicekit.resources import Key, Reconciler, Resources, World
from ultracloud.servicekit.store import FlaredbStore
from ultracloud.servicekit.testing import sample_authority
from ultracloud.testkit.processes import serve

RESULTS = ROOT / "bench" / "results" / "resources.jsonl"
PROJECT = "blue"
CREATORS = 32
"""Creates under way at once."""
CORE = 1
"""The service's; flaredb and this share the rest."""
PAGE = 1000
TOLD_COUNT = 5
"""Records that all agents watch."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result; `aim` is what it must be at most, 0 where nothing was promised."""

    what: str
    value: float
    unit: str
    aim: float = 0


def main() -> int:
    """Run all and print the rows."""
    parser = argparse.ArgumentParser(prog="./dev bench resources", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one object instead of a table")
    parser.add_argument("--records", type=int, default=10_000, help="VMs (default 10,000)")
    parser.add_argument("--agents", type=int, default=200, help="watchers (default 200)")
    parser.add_argument("--changes", type=int, default=100, help="changes that every agent is told (default 100)")
    parser.add_argument("--forget", action="store_true", help="do not keep the rows")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-resources-") as folder:
        rows = uvloop.run(measure(Path(folder), arguments.records, arguments.agents, arguments.changes))
    report(rows, as_json=arguments.json, forget=arguments.forget)
    return 0


async def measure(folder: Path, records: int, agents: int, changes: int) -> list[Row]:
    """All figures, one after the other on the same records."""
    config = folder / "flaredb.toml"
    config.write_text('state_dir = "state"\n[log]\nlevel = "error"\n')
    with serve("flaredb", config) as store:
        store_port = int(store.addresses[0].rpartition(":")[2])
        with served(store_port) as (port, pid):
            return await measure_served(store_port, store.pid, port, pid, records, agents, changes)


async def measure_served(
    store_port: int, store_pid: int, port: int, pid: int, records: int, agents: int, changes: int
) -> list[Row]:
    """The same, once both run."""
    channel = channels.connect(f"127.0.0.1:{port}", deadline_s=60)
    vms = VmsClient(channel)
    before_s = cpu_s(pid), cpu_s(store_pid)
    rows = [await create(vms, records)]
    for what, spent_s in (("service", cpu_s(pid) - before_s[0]), ("flaredb", cpu_s(store_pid) - before_s[1])):
        rows.append(Row(f"a create costs the {what}", round(spent_s * 1e6 / records), "us of a core"))
    rows += await listed(vms, records)
    rows += await fan_out(port, vms, agents, changes)
    rows += await reconciled(store_port, records)
    rows.append(Row("flaredb's memory after all", rss_mib(store_pid), "MiB"))
    await channel.close()
    return rows


@contextlib.contextmanager
def served(store_port: int) -> Iterator[tuple[int, int]]:
    """The service on its core; gives its port and process id."""
    command = [sys.executable, "-m", "bench._resources_server", str(store_port), str(CORE)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline()), server.pid
        finally:
            assert server.stdin is not None
            server.stdin.close()
            server.wait(timeout=10)


async def create(vms: VmsClient, records: int) -> Row:
    """Make all records: a tenth has the label that lists ask for, and TOLD_COUNT the one that agents watch."""
    numbers = iter(range(records))

    async def creator() -> None:
        for number in numbers:
            labels = {"tier": "web" if number % 10 == 0 else "db", "env": f"e{number % 3}"}
            labels |= {"told": "yes"} if number < TOLD_COUNT else {}
            spec = pb.VmSpec(image="img-01", flavour="small", vcpus=2, memory_mib=4096, disk_gib=20)
            spec.user_data = "x" * 500
            await vms.create(pb.CreateVmRequest(project=PROJECT, name=f"vm{number:06}", labels=labels, spec=spec))

    begun_s = time.perf_counter()
    await asyncio.gather(*(creator() for _ in range(CREATORS)))
    return Row(f"create {records} VMs, {CREATORS} at once", round(records / (time.perf_counter() - begun_s)), "1/s")


async def listed(vms: VmsClient, records: int) -> list[Row]:
    """Pages of PAGE, as the client has them decoded; the first makes the index whole and is not counted."""
    rows: list[Row] = []
    found = min(PAGE, records // 10)
    for what, request in (
        ("by one label", resource.ListRequest(selector="tier=web")),
        ("by two labels", resource.ListRequest(selector="tier=web,env in (e0,e1,e2)")),
        ("by a field and a label", resource.ListRequest(selector="tier=web", filter="spec.image=img-01")),
        ("by name alone", resource.ListRequest()),
    ):
        request.project, request.page_size = PROJECT, PAGE
        spent_ms: list[float] = []
        for _ in range(21):
            begun_s = time.perf_counter()
            answer = await vms.list(request)
            spent_ms.append((time.perf_counter() - begun_s) * 1000)
            assert len(answer.items) >= found, len(answer.items)
        aim = 50 if what == "by one label" else 0
        rows.append(
            Row(
                f"page of {len(answer.items)} of {records} {what}", round(statistics.median(spent_ms[1:]), 1), "ms", aim
            )
        )
    return rows


async def fan_out(port: int, vms: VmsClient, agents: int, changes: int) -> list[Row]:
    """From asking for a change until each agent has it."""
    began_s: dict[int, float] = {}
    spent_ms: list[float] = []
    ready, done = asyncio.Semaphore(0), asyncio.Semaphore(0)
    request = resource.WatchRequest(project=PROJECT, selector="told=yes")

    async def agent(channel: channels.PeerChannel) -> None:
        async for event in VmsClient(channel).watch(request):
            if event.type == resource.BOOKMARK:
                ready.release()
            elif (number := event.object.spec.reboot_count) in began_s:
                spent_ms.append((time.perf_counter() - began_s[number]) * 1000)
                done.release()

    lines = [channels.connect(f"127.0.0.1:{port}") for _ in range(min(agents, 20))]
    tasks = [asyncio.create_task(agent(lines[number % len(lines)])) for number in range(agents)]
    begun_s = time.perf_counter()
    for _ in range(agents):
        await ready.acquire()
    opened_s = time.perf_counter() - begun_s
    for number in range(1, changes + 1):
        began_s[number] = time.perf_counter()
        spec = pb.VmSpec(reboot_count=number)
        ref = f"vm{number % TOLD_COUNT:06}"
        await vms.update(pb.UpdateVmRequest(project=PROJECT, ref=ref, update_mask=["reboot_count"], spec=spec))
        for _ in range(agents):
            await done.acquire()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for line in lines:
        await line.close()
    spent_ms.sort()
    return [
        Row(f"{agents} agents begin to watch", round(opened_s, 2), "s"),
        Row(f"a change reaches {agents} agents, p50", round(spent_ms[len(spent_ms) // 2], 1), "ms"),
        Row(f"a change reaches {agents} agents, p99", round(spent_ms[len(spent_ms) * 99 // 100], 1), "ms", 100),
    ]


class Contented:
    """Finds every VM as it should be; says when it has looked at `wanted`."""

    def __init__(self, wanted: int) -> None:
        self.left = wanted
        self.is_done = asyncio.Event()

    def plan(self, world: World, key: Key) -> list[str]:
        """Nothing."""
        self.left -= world.get(VM, key.id) is not None
        if not self.left:
            self.is_done.set()
        return []

    async def act(self, action: str) -> None:
        """Never asked."""
        raise AssertionError(action)


async def reconciled(store_port: int, records: int) -> list[Row]:
    """A reconciler starts, reads all and finds nothing to do."""
    channel = channels.connect(f"127.0.0.1:{store_port}", deadline_s=60)
    store = FlaredbStore(channel, NAMESPACE)
    planner = Contented(records)
    gate = Readiness().gate("the first reading")
    before = (await store.scan(b"", b"", limit=1)).read_version
    begun_s = time.perf_counter()
    running = asyncio.create_task(run_reconciler(store, planner, gate))
    await planner.is_done.wait()
    spent_s = time.perf_counter() - begun_s
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    after = (await store.scan(b"", b"", limit=1)).read_version
    await channel.close()
    return [
        Row(f"reconcile {records} unchanged VMs", round(spent_s, 2), "s"),
        Row("writes of that reconcile", after - before, "", 0),
    ]


async def run_reconciler(store: FlaredbStore, planner: Contented, gate: Gate) -> None:
    """One reconciler over all VMs."""
    await Reconciler(Resources(store, sample_authority(), SystemClock(), [VM]), [VM], planner).run(gate)


def cpu_s(pid: int) -> float:
    """Seconds of a core that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss_mib(pid: int) -> float:
    """Memory a process holds."""
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(status.partition("VmRSS:")[2].split()[0]) / 1024, 1)


def report(rows: list[Row], *, as_json: bool, forget: bool) -> None:
    """Print the rows, and keep them."""
    if not forget:
        record(map(asdict, rows), RESULTS)
    if as_json:
        print(json.dumps({"bench": "resources", "machine": machine(), "rows": [asdict(row) for row in rows]}))
        return
    for row in rows:
        print(f"{row.what:50} {row.value:12.2f} {row.unit:4} {f'aim {row.aim:g}' if row.aim else ''}")


if __name__ == "__main__":
    sys.exit(main())
