"""Lane fresh-smoke: three new machines become a cloud, and one of them may die."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from test_cluster.backend import Cluster
from ultracloud.api.flaredb.v1.cluster_pb2 import RegionsRequest
from ultracloud.api.flaredb.v1.cluster_rpc import ClusterClient
from ultracloud.api.iam.v1 import iam_pb2 as iam
from ultracloud.api.iam.v1.iam_rpc import OrganisationsClient, ProjectsClient
from ultracloud.api.prismnet.v1 import prismnet_pb2 as net
from ultracloud.api.prismnet.v1.prismnet_rpc import PortsClient, SubnetsClient, VpcsClient
from ultracloud.api.resource.v1.resource_pb2 import GetRequest
from ultracloud.base.faults import DeadlineExceededError, NotFoundError, UnavailableError
from ultracloud.servicekit import pki
from ultracloud.servicekit.channels import connect

PROFILE = "ha-control-plane"
STORED_S = 60.0
"""After a machine has died, elections and new leaders of regions take seconds; two cores may take many."""


async def play(cluster: Cluster, tell: Callable[[str], None]) -> None:
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
        cluster.cut_power(third)
        tell(f"{third} loses its power")
        assert await within(STORED_S, lambda: ada.finds_a_network("blue", second)) == made
        tell(f"she finds it at {second} still")
        await within(STORED_S, lambda: ada.makes_a_network("green", second))
        tell("she makes another one with two machines left")
        cluster.start(third)
        cluster.wait_ready(third)
        tell(f"{third} has power again and is ready")
        await within(STORED_S, lambda: ada.finds_a_network("green", third))
        tell("it has what was made without it")


class Operator:
    """ada, with her certificate, at whichever machine she is told."""

    def __init__(self, cluster: Cluster, stack: AsyncExitStack) -> None:
        self._cluster = cluster
        self._stack = stack
        self._files = pki.TlsIdentity(*cluster.certificate(cluster.machines[0].operators[0]))

    def _channel(self, process: str, machine: str):  # noqa: ANN202 - a channel, whose type is the kit's own
        found = next(each for each in self._cluster.machines if each.name == machine)
        channel = connect(found.programs[process].listen, self._files, pki.service_identity(process))
        self._stack.push_async_callback(channel.close)
        return channel

    async def makes_a_project(self, machine: str) -> None:
        """An organisation `acme` with a project `web`."""
        channel = self._channel("iam", machine)
        await OrganisationsClient(channel).create(iam.CreateOrganisationRequest(name="acme"))
        await ProjectsClient(channel).create(iam.CreateProjectRequest(project="acme", name="web"))

    async def makes_a_network(self, name: str, machine: str) -> str:
        """A VPC in the project; its id."""
        request = net.CreateVpcRequest(project="acme/web", name=name, spec=net.VpcSpec(cidr="10.0.0.0/16"))
        return str((await VpcsClient(self._channel("prismnet", machine)).create(request)).metadata.id)

    async def finds_a_network(self, name: str, machine: str) -> str:
        """The id of a VPC of the project."""
        found = await VpcsClient(self._channel("prismnet", machine)).get(GetRequest(project="acme/web", ref=name))
        return str(found.metadata.id)

    async def makes_a_port(self, name: str, network: str, machine: str) -> None:
        """A port in a new subnet of a network, on a machine."""
        channel = self._channel("prismnet", machine)
        subnet = net.SubnetSpec(vpc=network, cidr="10.0.1.0/24")
        await SubnetsClient(channel).create(net.CreateSubnetRequest(project="acme/web", name=name, spec=subnet))
        spec = net.PortSpec(subnet=name, host=machine, attachment=net.PortSpec.NETNS)
        await PortsClient(channel).create(net.CreatePortRequest(project="acme/web", name=name, spec=spec))

    async def sees_all_replicas(self, count: int, machine: str) -> str:
        """How flaredb's regions are, once each has `count` replicas that vote."""
        found = await ClusterClient(self._channel("flaredb", machine)).regions(RegionsRequest())
        for region in found.regions:
            if sum(not replica.is_learner for replica in region.replicas) < count:
                raise UnavailableError(f"region {region.id} has fewer replicas")
        return f"{len(found.regions)} regions"

    async def hears_of_a_port(self, name: str, machine: str) -> str:
        """Why a port is ready or will not be, once its host has said so."""
        port = await PortsClient(self._channel("prismnet", machine)).get(GetRequest(project="acme/web", ref=name))
        for condition in port.status.conditions:
            if condition.type == "Ready" and condition.reason not in ("Unplaced", "Pending"):
                return f"{condition.reason}{condition.message and ': '}{condition.message}"
        raise UnavailableError("its host has not said yet")


async def within(seconds: float, deed: Callable[[], Awaitable[str]]) -> str:
    """What `deed` gives once it can: while leaders are elected it is asked for again."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await deed()
            except (DeadlineExceededError, NotFoundError, UnavailableError):
                await asyncio.sleep(0.5)
