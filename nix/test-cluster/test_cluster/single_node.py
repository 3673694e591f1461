"""Lane single-node: one machine's units under a systemd, which starts again what dies or hangs."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

from test_cluster.fresh_smoke import Operator, within
from test_cluster.guests import GuestCluster, wait_until

PROFILE = "single-node-dev"
STORED_S = 60.0
RESTARTED_S = 150.0
"""The watchdog waits for half a minute, and to start again takes a quarter."""
EXPOSURE_MAX = 4.9
"""As in tests/nix/test_units.py, which asks a systemd that runs none of them."""
STATE = "/var/lib/ultracloud"


async def play(cluster: GuestCluster, tell: Callable[[str], None]) -> None:
    """The lane, told step by step."""
    (machine,) = (machine.name for machine in cluster.machines)
    for left_out in cluster.left_out:
        tell(f"not on machines of this kind: {left_out}")
    cluster.start(machine)
    cluster.wait_ready(machine)
    tell(f"{machine} is ready, all of its units by their own word")
    nothing_failed(cluster, machine)
    tell("nothing failed, and nothing was started twice")
    assert cluster.unfenced(machine) == []
    lives_apart(cluster, machine)
    tell("each is behind its unit's fences, a user of its own, whose state and certificate nobody else reads")
    least, most = exposures(cluster, machine)
    tell(f"systemd says that they are exposed {least} to {most}")
    async with AsyncExitStack() as stack:
        ada = Operator(cluster, stack)
        await ada.makes_a_project(machine)
        network = await within(STORED_S, lambda: ada.makes_a_network("blue", machine))
        tell("ada, whom the configuration names, makes an organisation, a project and a network")
        dies_and_hangs(cluster, machine, "iam", "prismnet", tell)
        assert await within(STORED_S, lambda: ada.finds_a_network("blue", machine)) == network
        tell("she finds her network")
    cluster.cut_power(machine)
    tell(f"{machine} loses its power")
    cluster.start(machine)
    cluster.wait_ready(machine)
    nothing_failed(cluster, machine)
    tell(f"{machine} has power again and is ready")
    async with AsyncExitStack() as stack:
        ada = Operator(cluster, stack)
        assert await within(STORED_S, lambda: ada.finds_a_network("blue", machine)) == network
        tell("ada finds her network")


def nothing_failed(cluster: GuestCluster, machine: str) -> None:
    """The machine has all it was told to start, each at the first try."""
    assert cluster.run(machine, "systemctl is-system-running --wait") == "running\n"
    facts = cluster.facts(machine)
    assert {(of["Type"], of["NRestarts"]) for of in facts.values()} == {("notify", "0")}, facts


def lives_apart(cluster: GuestCluster, machine: str) -> None:
    """Each process is its own user, but for agents; state, certificates and the authority are whose they should be."""
    facts = cluster.facts(machine)
    users = {name: "root" if name.endswith("-agent") else name for name in facts}
    running = cluster.run(machine, "\n".join(f"ps -o user:32= -p {of['MainPID']}" for of in facts.values()))
    assert running.split() == list(users.values())
    wanted = {f"{STATE}/pki": "root 711", f"{STATE}/pki/authority": "root 700", f"{STATE}/pki/operators": "root 700"}
    wanted |= {f"{STATE}/{name}": f"{user} 700" for name, user in users.items()}
    wanted |= {f"{STATE}/pki/{name}": f"{user} 700" for name, user in users.items()}
    told = cluster.run(machine, f"stat --format='%n %U %a' {' '.join(wanted)}")
    assert dict(line.split(" ", 1) for line in told.splitlines()) == wanted
    services = [name for name in users if users[name] == name]
    keys = {name: f"{STATE}/pki/{name}/service-{name}.key" for name in services}
    reads = {name: "; ".join(f"test -r {key} && echo {of}" for of, key in keys.items()) for name in services}
    tried = [f"setpriv --reuid={name} --clear-groups sh -c '{script}'" for name, script in reads.items()]
    assert cluster.run(machine, "\n".join([*tried, "true"])).split() == services


def exposures(cluster: GuestCluster, machine: str) -> tuple[float, float]:
    """The least and the most that systemd, which runs them, finds units exposed."""
    units = " ".join(f"{name}.service" for name in (*cluster.processes, "ultracloud-pki"))
    told = cluster.run(machine, f"systemd-analyze security --no-pager {units}")
    ours = [float(score) for score in re.findall(r"Overall exposure level for \S+: ([\d.]+)", told)]
    assert (len(ours), max(ours) <= EXPOSURE_MAX) == (len(cluster.processes) + 1, True), ours
    return min(ours), max(ours)


def dies_and_hangs(cluster: GuestCluster, machine: str, killed: str, stopped: str, tell: Callable[[str], None]) -> None:
    """One process is killed and another one stopped: systemd starts both again."""
    before = cluster.facts(machine)
    cluster.run(machine, f"kill -KILL {before[killed]['MainPID']}; kill -STOP {before[stopped]['MainPID']}")
    started = time.monotonic()
    wait_until(lambda: restarted(cluster, machine) == {killed}, f"{killed} is started again", RESTARTED_S)
    tell(f"{killed} is killed, and started again")
    wait_until(lambda: restarted(cluster, machine) == {killed, stopped}, f"{stopped} is started again", RESTARTED_S)
    cluster.run(machine, f"journalctl --unit={stopped} --output=cat | grep 'Watchdog timeout'")
    tell(f"{stopped} is stopped; the watchdog ends it, and it is started again")
    wait_until(lambda: cluster.waits_for(machine) == [], "both are ready", RESTARTED_S)
    tell(f"all are ready {time.monotonic() - started:.0f} s after that")


def restarted(cluster: GuestCluster, machine: str) -> set[str]:
    """Processes that systemd has started again."""
    return {name for name, of in cluster.facts(machine).items() if of["NRestarts"] != "0"}
