"""Lane fresh-smoke: three new machines become a cloud that runs VMs, and one of them may die."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from test_cluster.backend import Cluster, VmCluster
from test_cluster.vms import BOOT_S, Vms
from ultracloud.api.flaredb.v1.cluster_pb2 import RegionsRequest
from ultracloud.api.flaredb.v1.cluster_rpc import ClusterClient
from ultracloud.api.iam.v1 import iam_pb2 as iam
from ultracloud.api.iam.v1.iam_rpc import OrganisationsClient, ProjectsClient
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import PortsClient, SubnetsClient, VpcsClient
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.base.faults import DeadlineExceededError, NotFoundError, UnavailableError
from ultracloud.servicekit import pki
from ultracloud.servicekit.channels import PeerChannel, connect

PROFILE = "ha-control-plane"
STORED_S = 60.0
"""After a machine has died, elections and new leaders of regions take seconds; two cores may take many."""


async def play(cluster: VmCluster, tell: Callable[[str], None]) -> None:
    """The lane, told step by step."""
    first, second, third = (machine.name for machine in cluster.machines)
    for left_out in cluster.left_out:
        tell(f"not on machines of this kind: {left_out}")
    for machine in cluster.machines:
        cluster.start(machine.name)
    for machine in cluster.machines:
        cluster.wait_ready(machine.name)
        assert cluster.unfenced(machine.name) == []
        tell(f"{machine.name} is ready, all of its processes, behind their units' fences")
    async with AsyncExitStack() as stack:
        ada = Operator(cluster, stack)
        await ada.makes_a_project(first)
        tell(f"ada, whom the configuration names, makes an organisation and a project at {first}")
        made = await within(STORED_S, lambda: ada.makes_a_network("blue", second))
        tell(f"she makes a network at {second}")
        assert await within(STORED_S, lambda: ada.finds_a_network("blue", third)) == made
        tell(f"she finds it at {third}")
        await ada.makes_a_port("probe", "blue", second)
        told = await within(STORED_S, lambda: ada.hears_of_a_port("probe", second))
        assert told == "Built", told
        tell(f"she makes a port on {second}, and the agent there builds it")
        # The store that founded flaredb's cluster has everything alone until the others have got their replicas.
        await within(STORED_S, lambda: ada.sees_all_replicas(len(cluster.machines), second))
        tell("everything is stored on all three")
        vms = Vms(ada.channel("plasmavmc", first))
        running = await runs_vms(vms, cluster, tell)
        cluster.cut_power(third)
        tell(f"{third} loses its power")
        assert await within(STORED_S, lambda: ada.finds_a_network("blue", second)) == made
        tell(f"she finds it at {second} still")
        await within(STORED_S, lambda: ada.makes_a_network("green", second))
        tell("she makes another one with two machines left")
        await misses_one(vms, running, third, tell)
        cluster.start(third)
        cluster.wait_ready(third)
        tell(f"{third} has power again and is ready")
        await within(STORED_S, lambda: ada.finds_a_network("green", third))
        tell("it has what was made without it")
        await sees_all_again(vms, running, third, tell)


async def runs_vms(vms: Vms, cluster: VmCluster, tell: Callable[[str], None]) -> dict[str, Run]:
    """A VM on each machine, by name; none where there is no image."""
    if cluster.vm_image is None:
        return {}
    count = len(cluster.machines)
    await within(STORED_S, lambda: vms.sees_hosts(count))
    await vms.registers(cluster.vm_image)
    hosts = {name: await vms.makes(name, "probe") for name in (f"vm{number}" for number in range(1, count + 1))}
    assert sorted(hosts.values()) == sorted(machine.name for machine in cluster.machines), hosts
    tell(f"she makes an image and {count} VMs, and each is placed on a machine of its own")
    running = {name: await starts(vms, name, host) for name, host in hosts.items()}
    tell("they run, have their addresses by DHCP and their names by metadata, and answer on their consoles")
    return running


async def starts(vms: Vms, name: str, host: str) -> Run:
    """How a VM runs, once it does."""
    address = await within(BOOT_S, lambda: vms.sees_running(name))
    assert f"dhcp: {address}/24 " in await within(BOOT_S, lambda: vms.reads_its_boot(name))
    return Run(host, address, await within(BOOT_S, lambda: vms.asks_its_boot(name)))


async def misses_one(vms: Vms, running: Mapping[str, Run], lost: str, tell: Callable[[str], None]) -> None:
    """Nothing has happened to VMs but to those of the machine that is lost."""
    if not running:
        return
    others = {name: run for name, run in running.items() if run.host != lost}
    for name, run in others.items():
        assert await starts(vms, name, run.host) == run
    tell(f"{' and '.join(others)} answer on their consoles, and were not started anew")


async def sees_all_again(vms: Vms, running: Mapping[str, Run], returned: str, tell: Callable[[str], None]) -> None:
    """The VMs of the machine that has returned were started anew as they were, the others were not."""
    for name, run in running.items():
        now = await starts(vms, name, run.host)
        assert (now.address == run.address, now.boot != run.boot) == (True, run.host == returned), (run, now)
    if running:
        tell("its VM was started anew, and has the address that it had; the others run on")


@dataclass(frozen=True, slots=True)
class Run:
    """A VM that runs: where, at which address of its network, since which boot."""

    host: str
    address: str
    boot: str


class Operator:
    """ada, with her certificate, at whichever machine she is told."""

    def __init__(self, cluster: Cluster, stack: AsyncExitStack) -> None:
        self._cluster = cluster
        self._stack = stack
        self._files = pki.TlsIdentity(*cluster.certificate(cluster.machines[0].operators[0]))

    def channel(self, process: str, machine: str) -> PeerChannel:
        """To a process of a machine."""
        found = next(each for each in self._cluster.machines if each.name == machine)
        channel = connect(found.programs[process].listen, self._files, pki.service_identity(process))
        self._stack.push_async_callback(channel.close)
        return channel

    async def makes_a_project(self, machine: str) -> None:
        """An organisation `acme` with a project `web`."""
        channel = self.channel("iam", machine)
        await OrganisationsClient(channel).create(iam.CreateOrganisationRequest(name="acme"))
        await ProjectsClient(channel).create(iam.CreateProjectRequest(project="acme", name="web"))

    async def makes_a_network(self, name: str, machine: str) -> str:
        """A VPC in the project; its id."""
        request = net.CreateVpcRequest(project="acme/web", name=name, spec=net.VpcSpec(cidr="10.0.0.0/16"))
        return str((await VpcsClient(self.channel("prismnet", machine)).create(request)).metadata.id)

    async def finds_a_network(self, name: str, machine: str) -> str:
        """The id of a VPC of the project."""
        found = await VpcsClient(self.channel("prismnet", machine)).get(GetRequest(project="acme/web", ref=name))
        return str(found.metadata.id)

    async def makes_a_port(self, name: str, network: str, machine: str) -> None:
        """A port in a new subnet of a network, on a machine."""
        channel = self.channel("prismnet", machine)
        subnet = net.SubnetSpec(vpc=network, cidr="10.0.1.0/24")
        await SubnetsClient(channel).create(net.CreateSubnetRequest(project="acme/web", name=name, spec=subnet))
        spec = net.PortSpec(subnet=name, host=machine, attachment=net.PortSpec.NETNS)
        await PortsClient(channel).create(net.CreatePortRequest(project="acme/web", name=name, spec=spec))

    async def sees_all_replicas(self, count: int, machine: str) -> str:
        """How flaredb's regions are, once each has `count` replicas that vote."""
        found = await ClusterClient(self.channel("flaredb", machine)).regions(RegionsRequest())
        for region in found.regions:
            if sum(not replica.is_learner for replica in region.replicas) < count:
                raise UnavailableError(f"region {region.id} has fewer replicas")
        return f"{len(found.regions)} regions"

    async def hears_of_a_port(self, name: str, machine: str) -> str:
        """Why a port is ready or will not be, once its host has said so."""
        port = await PortsClient(self.channel("prismnet", machine)).get(GetRequest(project="acme/web", ref=name))
        for condition in port.status.conditions:
            if condition.type == "Ready" and condition.reason not in ("Unplaced", "Pending"):
                return f"{condition.reason}{condition.message and ': '}{condition.message}"
        raise UnavailableError("its host has not said yet")


async def within(seconds: float, deed: Callable[[], Awaitable[str]]) -> str:
    """What `deed` gives once it can: while leaders are elected it is asked for again."""
    why = ""
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await deed()
                except (DeadlineExceededError, NotFoundError, UnavailableError) as error:
                    why = str(error)
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise TimeoutError(f"not within {seconds:g} s: {why}") from None
