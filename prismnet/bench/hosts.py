"""What one host's networks cost: a port from intent to ready, a thousand rules, a look at everything, throughput.

Run as root: ``python prismnet/bench/hosts.py [--json]``. It works in namespaces of its own and leaves nothing.
The yardstick for throughput is a pair of namespaces joined by a bare bridge, in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from agents import QueueOfIntents, running_agent  # noqa: E402 - the tests' own agent, after its path is known
from intents import ANYONE, HTTP_FROM_ANYONE, TRANSIT, intent, port, subnet, vpc  # noqa: E402

from prismnet.agent.core.host_ruleset import host_ruleset  # noqa: E402
from prismnet.agent.core.nft_text import removal  # noqa: E402
from prismnet.agent.shell import nft  # noqa: E402
from prismnet.agent.shell.kernel import Kernel  # noqa: E402
from prismnet.core.intent import Direction, HostIntent, Protocol, Rule  # noqa: E402

INSIDE = "PRISMNET_BENCH_INSIDE"
NET, BACK = subnet(1, "10.0.0.0/20"), subnet(2, "10.0.16.0/20")
OPEN = Rule(Direction.INGRESS, Protocol.ANY, 0, 0, ANYONE)
SAMPLES = 20
STREAM_S = 3


def main() -> int:
    """Measure all of it in a network of its own."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="print one object")
    as_json = arguments.parse_args().json
    if os.environ.get(INSIDE) is None:
        command = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", sys.executable, *sys.argv]
        return subprocess.run(command, env={**os.environ, INSIDE: "1"}, check=False).returncode
    for command_line in ("mount -t proc proc /proc", "mount -t tmpfs none /run", "ip link set lo up"):
        subprocess.run(command_line.split(), check=True)
    rows = asyncio.run(measure())
    if as_json:
        print(json.dumps({"bench": "prismnet-hosts", "machine": os.uname().release, "rows": rows}))
    else:
        for row in rows:
            print(f"{row['what']:<58} {row['ours']:>9.1f} {row['unit']:<8} {row['peer_name']} {row['peer'] or ''}")
    return 0


async def measure() -> list[dict[str, object]]:
    """Every row."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        rows += await ports_one_by_one(Path(folder))
    with tempfile.TemporaryDirectory() as folder:
        rows += await many(Path(folder))
    rows += rules()
    with tempfile.TemporaryDirectory() as folder:
        rows += await throughput(Path(folder))
    return rows


def row(what: str, ours: float, unit: str, peer: float | None = None, peer_name: str = "") -> dict[str, object]:
    """One line of the result; for times and rates alike, a ratio above 1 means we are ahead."""
    ratio = None if peer is None else (peer / ours if unit == "ms" else ours / peer)
    return {"what": what, "ours": ours, "peer": peer, "peer_name": peer_name, "unit": unit, "ratio": ratio}


async def ports_one_by_one(folder: Path) -> list[dict[str, object]]:
    """From an intent that has one port more to the report that says it is ready."""
    hosts, taken = QueueOfIntents(), {"tap": [0.0], "netns": [0.0]}
    async with running_agent(hosts, folder):
        ports = [port(1, "10.0.0.2", NET)]
        started = time.perf_counter()
        await hosts.apply(intent(vpc(7, (NET, BACK), *ports)))
        first_ms = (time.perf_counter() - started) * 1000
        for number in range(2, 2 + 2 * SAMPLES):
            kind = "tap" if number % 2 else "netns"
            ports.append(port(number, str(NET.cidr[number + 1]), NET, HTTP_FROM_ANYONE, tap=kind == "tap"))
            started = time.perf_counter()
            await hosts.apply(replace(intent(vpc(7, (NET, BACK), *ports)), generation=number))
            taken[kind].append((time.perf_counter() - started) * 1000)
    rows = [row("first port, with its VPC: intent to ready", first_ms, "ms")]
    rows += [
        row(f"one more {kind} port: intent to ready, median", statistics.median(times[1:]), "ms")
        for kind, times in taken.items()
    ]
    rows += [
        row(f"one more {kind} port: intent to ready, worst", max(times[1:]), "ms") for kind, times in taken.items()
    ]
    return rows


async def many(folder: Path) -> list[dict[str, object]]:
    """Fifty VPCs with ten ports each, and then one port more."""
    hosts = QueueOfIntents(wait_s=60)
    vpcs = [
        vpc(
            number,
            (NET,),
            *(
                port(number * 100 + place, str(NET.cidr[place + 2]), NET, HTTP_FROM_ANYONE, tap=True)
                for place in range(10)
            ),
        )
        for number in range(1, 51)
    ]
    async with running_agent(hosts, folder) as agent:
        started = time.perf_counter()
        await hosts.apply(intent(*vpcs))
        built_ms = (time.perf_counter() - started) * 1000
        assert agent.steps_done
        more = replace(vpcs[0], ports=(*vpcs[0].ports, port(9999, "10.0.9.9", NET, tap=True)))
        started = time.perf_counter()
        await hosts.apply(replace(intent(more, *vpcs[1:]), generation=2))
        one_ms = (time.perf_counter() - started) * 1000
        look_ms = await asyncio.to_thread(look)
        started = time.perf_counter()
        await hosts.apply(HostIntent("node-1", 3, ()))
        removed_ms = (time.perf_counter() - started) * 1000
    return [
        row("50 VPCs with 500 tap ports: intent to ready", built_ms, "ms"),
        row("one more tap port on that host: intent to ready", one_ms, "ms"),
        row("removing all of it", removed_ms, "ms"),
        row("reading all of that host back from the kernel", look_ms, "ms"),
    ]


def look() -> float:
    """How long it takes to read everything, in a thread that may block."""
    kernel = Kernel.here(Path("/run/netns"), None)
    try:
        return timed_ms(kernel.observe)
    finally:
        kernel.close()


def rules() -> list[dict[str, object]]:
    """A thousand different rules in one transaction."""
    many_rules = tuple(
        Rule(Direction.INGRESS, Protocol.TCP, 1000 + number, 1000 + number, (NET.cidr,)) for number in range(1000)
    )
    only = (vpc(7, (NET,), port(1, "10.0.0.2", NET, *many_rules)),)
    started = time.perf_counter()
    text = host_ruleset(only, None, TRANSIT, 1450).text
    rendered_ms = (time.perf_counter() - started) * 1000
    loaded = [timed_ms(lambda: nft.load(text)) for _ in range(5)]
    nft.load(removal(["bridge", "inet"]))
    return [
        row("1,000 rules: rendering", rendered_ms, "ms"),
        row("1,000 rules: loading in one transaction, median", statistics.median(loaded), "ms"),
    ]


def timed_ms(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


async def throughput(folder: Path) -> list[dict[str, object]]:
    """One TCP stream between two ports of a subnet, between two subnets, and over a bare bridge."""
    build_bare()
    hosts = QueueOfIntents()
    server, near, far = port(1, "10.0.0.2", NET, OPEN), port(2, "10.0.0.3", NET), port(3, "10.0.16.2", BACK)
    async with running_agent(hosts, folder):
        await hosts.apply(intent(vpc(7, (NET, BACK), server, near, far)))
        bare = await stream("bare-a", "bare-b", "10.9.0.2")
        same = await stream(near.id, server.id, "10.0.0.2")
        routed = await stream(far.id, server.id, "10.0.0.2")
    return [
        row("TCP between two ports of one subnet", same, "Gbit/s", bare, "bare bridge"),
        row("TCP between two subnets", routed, "Gbit/s", bare, "bare bridge"),
    ]


def build_bare() -> None:
    """Two namespaces on a bridge that filters nothing."""
    for command in (
        "ip link add bare type bridge",
        "ip link set bare up mtu 1450",
        "ip netns add bare-a",
        "ip netns add bare-b",
    ):
        subprocess.run(command.split(), check=True)
    for name, address in (("a", "10.9.0.1/24"), ("b", "10.9.0.2/24")):
        for command in (
            f"ip link add bare{name} mtu 1450 type veth peer name eth0 mtu 1450 netns bare-{name}",
            f"ip link set bare{name} master bare up",
            f"ip -n bare-{name} address add {address} dev eth0",
            f"ip -n bare-{name} link set eth0 up",
        ):
            subprocess.run(command.split(), check=True)


async def stream(client: str, server: str, address: str) -> float:
    """Gbit/s of one TCP stream."""
    listening = await inside(server, RECEIVE)
    assert listening.stdout is not None
    await listening.stdout.readline()
    sending = await inside(client, SEND, address, str(STREAM_S))
    said, _ = await listening.communicate()
    await sending.wait()
    received_bytes, seconds = said.split()
    return int(received_bytes) * 8 / float(seconds) / 1e9


async def inside(namespace: str, *script: str) -> asyncio.subprocess.Process:
    """A Python script in a namespace."""
    enter = ["nsenter", f"--net=/run/netns/{namespace}", sys.executable, "-c"]
    return await asyncio.create_subprocess_exec(*enter, *script, stdout=subprocess.PIPE)


RECEIVE = """
import socket, time
server = socket.create_server(("", 5201))
print("listening", flush=True)
connection, _ = server.accept()
buffer, total, started = bytearray(1 << 20), 0, time.perf_counter()
while received := connection.recv_into(buffer):
    total += received
print(total, time.perf_counter() - started)
"""
SEND = """
import socket, sys, time
connection = socket.create_connection((sys.argv[1], 5201))
piece, until = bytes(1 << 20), time.perf_counter() + float(sys.argv[2])
while time.perf_counter() < until:
    connection.sendall(piece)
"""

if __name__ == "__main__":
    sys.exit(main())
