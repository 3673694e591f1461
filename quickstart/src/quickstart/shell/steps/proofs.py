"""Step 6: what the network lets through and what not, seen from inside, from outside and from the other tenant."""

from __future__ import annotations

from dataclasses import dataclass

from quickstart.core import cluster as clusters
from quickstart.errors import QuickstartError
from quickstart.shell import http
from quickstart.shell.console import read_until, run_command
from quickstart.shell.http import OutsideServer
from quickstart.shell.journal import Journal
from quickstart.shell.steps.identity import OTHER_PROJECT, PROJECT, Identity
from quickstart.shell.steps.machine import BOOT_SECONDS, NAME, OTHER_NAME, Machine
from quickstart.shell.steps.network import WEB_RULE, Network, set_rules

RULE_SECONDS = 15.0
"""A rule is in force within a quarter of a second; a loaded machine gets more."""
CALL_SECONDS = 20.0
CONSOLE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything the proofs look at."""

    journal: Journal
    identity: Identity
    network: Network
    machine: Machine
    outside: OutsideServer


async def prove(scene: Scene) -> None:
    """Prove all of it.

    Raises:
        StepFailedError: Something is let through that should not be, or the other way round.
    """
    await _prove_console(scene)
    await _prove_refusal(scene)
    await _prove_rule(scene)
    await _prove_nat(scene)
    await _prove_isolation(scene)


async def _prove_console(scene: Scene) -> None:
    async with scene.journal.step("console", "reading the serial console", "plasmavmc-agent") as step:
        vms = scene.identity.tenant.vms
        text = await read_until(vms, PROJECT, NAME, "http: port 80", CONSOLE_SECONDS)
        answer = await run_command(vms, PROJECT, NAME, "echo console-$((6 * 7))", "console-42", CONSOLE_SECONDS)
        boot = next(line.strip() for line in text.splitlines() if "kernel is up" in line)
        step.detail = f"the serial console shows the boot ('{boot}') and runs a command ('{answer}')"


async def _prove_refusal(scene: Scene) -> None:
    async with scene.journal.step("http refused without rule", "taking the rule away", "prismnet-agent") as step:
        await set_rules(scene.identity, [])
        await http.wait_refused(scene.network.probe, scene.machine.address, RULE_SECONDS)
        step.detail = f"without a rule for it HTTP from {scene.network.probe_address} to {NAME} is not let through"


async def _prove_rule(scene: Scene) -> None:
    async with scene.journal.step("http answered with rule", "adding the rule", "prismnet-agent") as step:
        await set_rules(scene.identity, [WEB_RULE])
        await http.wait_answered(scene.network.probe, scene.machine.address, "/", RULE_SECONDS)
        step.detail = "with a rule for port 80 it is answered"


async def _prove_nat(scene: Scene) -> None:
    async with scene.journal.step("egress nat", "waiting for the guest to call out", "prismnet-agent") as step:
        caller = await scene.outside.wait_called(CALL_SECONDS)
        if caller != str(clusters.UPLINK_ADDRESS):
            raise QuickstartError(
                f"the outside saw {caller}, not the uplink's {clusters.UPLINK_ADDRESS}",
                remedy="the NAT rules of the host namespace are in the agent's log",
            )
        said = await http.wait_answered(scene.network.probe, scene.machine.address, "/outside.txt", CALL_SECONDS)
        step.detail = (
            f"the guest reached {clusters.OUTSIDE_SERVER} outside and was seen as the uplink ('{said.text.strip()}')"
        )


async def _prove_isolation(scene: Scene) -> None:
    async with scene.journal.step(
        "tenants isolated", f"booting VM {OTHER_NAME} of {OTHER_PROJECT}", "prismnet-agent"
    ) as step:
        vms = scene.identity.tenant.vms
        text = await read_until(vms, OTHER_PROJECT, OTHER_NAME, "user-data: ran", BOOT_SECONDS)
        if "isolation: no answer" not in text:
            raise QuickstartError(
                f"VM {OTHER_NAME} of {OTHER_PROJECT} reached {scene.machine.address} of {PROJECT}",
                remedy="this is a defect of prismnet; please report it with the logs",
            )
        page = await http.get(scene.network.probe, scene.machine.address)
        step.detail = (
            f"VM {OTHER_NAME} in {OTHER_PROJECT}, same address range, cannot reach {scene.machine.address}; "
            f"a neighbour in {PROJECT} {'can' if page else 'cannot either'}"
        )
        if page is None:
            raise QuickstartError(f"{NAME} stopped answering meanwhile", remedy="its serial console may say why")
