"""The agent as a process: killed, restarted, without its server, after a reboot, with its work undone by others."""

from __future__ import annotations

import contextlib
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from intents import SETTINGS, intent, port, subnet, two_tenants, vpc

from prismnet.agent.core.planner import plan
from prismnet.agent.core.state import LinkName, State
from prismnet.agent.shell.agent import COPY_FILE
from prismnet.agent.shell.kernel import Kernel
from prismnet.core.ids import bridge_name, tap_name
from prismnet.core.intent import HostIntent
from prismnet.shell.intents import render_intent
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.servicekit.resources import HostCopy
from ultracloud.testkit.processes import Process

pytestmark = pytest.mark.usefixtures("own_network")

NETNS = Path("/run/netns")
NOWHERE = "unix:/nonexistent/prismnet.sock"
SEED = 20260101


def agent(folder: Path, *, uplink: str = "eth9") -> Process:
    config = folder / "agent.toml"
    state = folder / "state"
    config.write_text(f'host = "node-1"\nstate_dir = "{state}"\nuplink = "{uplink}"\n[peers]\nprismnet = "{NOWHERE}"\n')
    return Process([sys.executable, "-m", "prismnet.agent", "serve", "--config", str(config)], folder / "agent.log")


@contextlib.contextmanager
def ready(folder: Path) -> Iterator[Process]:
    process = agent(folder)
    try:
        process.wait_ready()
        yield process
    finally:
        process.close()


def put_on_disk(folder: Path, wanted: HostIntent) -> None:
    """What an agent that had heard `wanted` would have on its disk."""
    (folder / "state").mkdir(mode=0o700, exist_ok=True)
    HostCopy(folder / "state" / COPY_FILE, pb.HostIntent).offer(render_intent(wanted))


@contextlib.contextmanager
def kernel() -> Iterator[Kernel]:
    subprocess.run(["ip", "link", "add", "eth9", "type", "bridge"], check=False, capture_output=True)
    opened = Kernel.here(NETNS, LinkName("eth9"))
    try:
        yield opened
    finally:
        opened.close()


def left_to_do(wanted: HostIntent, seen: State) -> tuple[object, ...]:
    return plan(wanted, SETTINGS, seen)


def test_the_network_comes_back_from_disk_after_a_reboot_without_any_server(tmp_path: Path) -> None:
    put_on_disk(tmp_path, two_tenants())
    with kernel() as here, ready(tmp_path):
        assert left_to_do(two_tenants(), here.observe()) == ()


def test_killed_at_any_moment_it_converges_in_the_end(tmp_path: Path) -> None:
    dice = random.Random(SEED)  # noqa: S311 - where to kill, not a secret
    put_on_disk(tmp_path, two_tenants())
    with kernel() as here:
        for _ in range(4):
            process = agent(tmp_path)
            until = time.monotonic() + 3
            # Its first act on the kernel is not long after the first link; then anywhere in the next 150 ms.
            while len(here.observe().namespaces) < 2 and time.monotonic() < until:
                time.sleep(0.005)
            time.sleep(dice.uniform(0, 0.15))
            process.close()
            if dice.random() < 0.5:
                here.apply(plan(intent(), SETTINGS, here.observe()))
        with ready(tmp_path):
            assert left_to_do(two_tenants(), here.observe()) == ()


def test_a_restart_changes_nothing_and_clears_what_is_no_longer_wanted(tmp_path: Path) -> None:
    put_on_disk(tmp_path, two_tenants())
    with kernel() as here:
        with ready(tmp_path):
            before = here.observe()
        net = subnet(1, "10.0.1.0/24")
        smaller = intent(vpc(7, (net,), port(1, "10.0.1.2", net, tap=True)), generation=2)
        with ready(tmp_path):
            assert here.observe() == before
        put_on_disk(tmp_path, smaller)
        with ready(tmp_path):
            assert left_to_do(smaller, here.observe()) == ()


def test_what_others_break_is_mended_at_the_next_start(tmp_path: Path) -> None:
    wanted = two_tenants()
    put_on_disk(tmp_path, wanted)
    tap, bridge, router = tap_name(wanted.vpcs[0].ports[0].id), bridge_name(wanted.vpcs[1].id), wanted.vpcs[0].id
    damages = (
        f"ip link set {tap} nomaster",
        f"ip link delete {bridge}",
        f"ip netns delete {router}",
        "nft delete table inet prismnet",
        f"ip -n {wanted.vpcs[1].id} address flush dev lan",
        f"ip -n {wanted.vpcs[1].ports[0].id} link delete eth0",
    )
    with kernel() as here:
        with ready(tmp_path):
            pass
        for damage in damages:
            subprocess.run(damage.split(), check=True)
        assert left_to_do(wanted, here.observe())
        with ready(tmp_path):
            assert left_to_do(wanted, here.observe()) == ()


def test_links_of_others_are_never_touched(tmp_path: Path) -> None:
    links = ("ip link add br-backend001 type bridge", "ip link add tapabcdefghjk type bridge")
    for command in (*links, "ip netns add vpc-x"):
        subprocess.run(command.split(), check=True)
    put_on_disk(tmp_path, intent())
    with kernel() as here, ready(tmp_path):
        assert {"br-backend001", "tapabcdefghjk"} <= here.observe().foreign
        assert (NETNS / "vpc-x").exists()


def test_a_damaged_copy_is_as_none_and_a_second_agent_is_refused(tmp_path: Path) -> None:
    put_on_disk(tmp_path, two_tenants())
    copy = tmp_path / "state" / COPY_FILE
    copy.write_bytes(copy.read_bytes()[:-1] + b"x")
    with ready(tmp_path) as first:
        assert "damaged" in first.tail()
        second = agent(tmp_path)
        assert second.wait() == 1
        assert "is in use by another" in second.tail()
        second.close()


def test_it_stops_at_once_when_asked(tmp_path: Path) -> None:
    put_on_disk(tmp_path, two_tenants())
    with kernel() as here:
        with ready(tmp_path) as process:
            assert process.terminate(5.0) == 0
        assert left_to_do(two_tenants(), here.observe()) == ()
