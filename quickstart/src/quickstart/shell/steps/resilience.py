"""Step 7: services are killed one by one, then the power of everything is cut; nothing of the tenant's may be lost.

After the cut, chainfire and flaredb stay away at first: the host's agents must bring networks and VMs back from their
own copy on disk. Only then does the rest return.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace

from quickstart.core import cluster as clusters
from quickstart.core.supervision import Phase
from quickstart.errors import QuickstartError
from quickstart.shell import http
from quickstart.shell.cloud import Cloud, Resource, Tenant
from quickstart.shell.http import Poller
from quickstart.shell.journal import Journal
from quickstart.shell.stack import client as stacks
from quickstart.shell.steps.identity import OTHER_PROJECT, PROJECT, Identity
from quickstart.shell.steps.machine import BOOT_SECONDS, NAME, Machine
from quickstart.shell.steps.network import Network
from ultracloud.api.iam.v1.iam_pb2 import WhoAmIRequest
from ultracloud.api.resource.v1.resource_pb2 import ListRequest
from ultracloud.servicekit.coordination import Coordination

RETURN_SECONDS = 20.0
"""A service is back in about a second; a loaded machine gets more."""
STORES = ("chainfire", "flaredb")
NOTE_KEY, NOTE_TTL_S = b"/quickstart/note", 600

Inventory = Mapping[str, tuple[str, ...]]
"""What must survive: kind, project, name -> the parts of it that may not change."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that is broken and must come back."""

    journal: Journal
    cloud: Cloud
    identity: Identity
    network: Network
    machine: Machine
    lock: int


async def prove(scene: Scene) -> None:
    """Break everything and find it whole.

    Raises:
        StepFailedError: Something did not come back, or came back changed.
    """
    await _leave_note(scene.cloud)
    before = await inventory(scene.cloud, scene.identity)
    for service in clusters.SERVICES:
        await _kill(scene, service, before)
    await _cut_power(scene, before)


async def _leave_note(cloud: Cloud) -> None:
    """Put a key under a lease into chainfire."""
    chainfire = Coordination(cloud.channel("chainfire"))
    lease = await chainfire.grant(NOTE_TTL_S)
    await chainfire.put(NOTE_KEY, b"still here", lease)


async def inventory(cloud: Cloud, identity: Identity) -> Inventory:
    """Read back all that was made, by the same token."""
    found = await _resources(identity.tenant)
    known = await identity.tenant.iam.tokens.who_am_i(WhoAmIRequest())
    found["token"] = (known.principal, known.organisation, known.project)
    for pair in (await Coordination(cloud.channel("chainfire")).range(NOTE_KEY)).pairs:
        found["key under a lease in chainfire"] = (str(pair),)
    return found


async def _resources(tenant: Tenant) -> dict[str, tuple[str, ...]]:
    """Every resource of both projects."""
    found: dict[str, tuple[str, ...]] = {}
    for project in (PROJECT, OTHER_PROJECT):
        request = ListRequest(project=project, page_size=1000)
        for vpc in (await tenant.vpcs.list(request)).items:
            found[_key("vpc", vpc)] = (*_identity(vpc), str(vpc.spec), str(vpc.status.vni))
        for subnet in (await tenant.subnets.list(request)).items:
            found[_key("subnet", subnet)] = (*_identity(subnet), str(subnet.spec))
        for group in (await tenant.groups.list(request)).items:
            found[_key("group", group)] = (*_identity(group), str(group.spec))
        for port in (await tenant.ports.list(request)).items:
            found[_key("port", port)] = (*_identity(port), str(port.spec), port.status.address, port.status.mac)
        for image in (await tenant.images.list(request)).items:
            found[_key("image", image)] = (*_identity(image), str(image.spec), image.status.kernel_sha256)
        for vm in (await tenant.vms.list(request)).items:
            found[_key("vm", vm)] = (*_identity(vm), str(vm.spec), vm.status.host, str(list(vm.status.nics)))
    return found


def _key(kind: str, resource: Resource) -> str:
    return f"{kind} {resource.metadata.name} of {resource.metadata.project}"


def _identity(resource: Resource) -> tuple[str, str]:
    return resource.metadata.id, str(resource.metadata.generation)


def _compare(before: Inventory, after: Inventory, when: str) -> None:
    """Fail if something is gone, new or different."""
    changed = [key for key in {*before, *after} if before.get(key) != after.get(key)]
    if changed:
        key = min(changed)
        raise QuickstartError(
            f"{when}, {key} was {before.get(key, 'not there')} and is {after.get(key, 'gone')}",
            remedy="this is a defect; please report it with the logs",
        )


async def _kill(scene: Scene, service: str, before: Inventory) -> None:
    """Kill one service and compare everything once it is back."""
    async with scene.journal.step(f"{service} killed", f"killing {service}", service) as step:
        poller = Poller(scene.network.probe, scene.machine.address)
        poller.start()
        try:
            starts = (await scene.cloud.stack.statuses())[service].starts
            await scene.cloud.stack.kill([service])
            await scene.cloud.stack.wait_until(
                lambda statuses: statuses[service].starts > starts and statuses[service].phase is Phase.READY,
                RETURN_SECONDS,
            )
            _compare(before, await inventory(scene.cloud, scene.identity), f"after {service} was killed")
        finally:
            await poller.stop()
        if poller.lost:
            raise QuickstartError(
                f"while {service} was away, {NAME} missed {poller.lost} of {poller.lost + poller.answered} requests",
                remedy="this is a defect: guests must not notice; please report it with the logs",
            )
        step.detail = (
            f"{service} killed and back with its state; {NAME} answered {poller.answered} of {poller.answered} requests"
        )


async def _cut_power(scene: Scene, before: Inventory) -> None:
    """Cut the power, start without the stores, see guests return, then start the stores."""
    async with scene.journal.step(
        "guests back from local copies", "cutting the power of everything", "plasmavmc-agent"
    ) as step:
        await scene.cloud.stack.power_cut()
        step.say("starting again from disk, without chainfire and flaredb")
        await _launch_without_stores(scene)
        address = scene.machine.address
        page = await _wait_guest(scene, address)
        statuses = await scene.cloud.stack.statuses()
        assert all(statuses[name].phase is Phase.STOPPED for name in STORES), statuses
        if page.field("boot-id") == scene.machine.page.field("boot-id"):
            raise QuickstartError(f"{NAME} was not restarted at all", remedy="the power cut did not work; report it")
        step.detail = (
            f"power cut; without chainfire and flaredb, the host's copy brought back networks and {NAME} at {address}"
        )
    async with scene.journal.step("everything back from disk", "starting chainfire and flaredb", "flaredb") as step:
        await scene.cloud.stack.start(STORES)
        await scene.cloud.stack.wait_until(_are_all_ready, RETURN_SECONDS)
        _compare(before, await inventory(scene.cloud, scene.identity), "after the power cut")
        step.detail = f"chainfire and flaredb back; {len(before)} things, from the token to the VMs, are as before"


async def _launch_without_stores(scene: Scene) -> None:
    """Start the stack again, but for chainfire and flaredb."""
    cluster = scene.cloud.cluster
    whole = clusters.stack(cluster)
    programs = tuple(replace(program, waits=program.name in STORES) for program in whole.programs)
    await stacks.launch(
        replace(whole, programs=programs), cluster.layout.plan, cluster.layout.log("supervisor"), (scene.lock,)
    )


async def _wait_guest(scene: Scene, address: str) -> http.Page:
    """Wait for the probe's namespace to be there again, then for the guest."""
    network = scene.network.after_restart(scene.cloud)
    async with asyncio.timeout(BOOT_SECONDS):
        while not network.probe.is_there:  # noqa: ASYNC110 - the kernel tells nobody
            await asyncio.sleep(http.ATTEMPT_EVERY_S)
    return await http.wait_answered(network.probe, address, "/", BOOT_SECONDS)


def _are_all_ready(statuses: stacks.Statuses) -> bool:
    return all(status.phase is Phase.READY for status in statuses.values())
