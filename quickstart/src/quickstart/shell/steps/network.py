"""Step 4: a private network in each project, with the same address range, and a probe inside the first."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from quickstart.shell.cloud import Cloud, is_ready, wait_for
from quickstart.shell.journal import Journal
from quickstart.shell.netns import Namespace
from quickstart.shell.steps.identity import OTHER_PROJECT, PROJECT, Identity
from ultracloud.api.prismnet.v1.prismnet_pb2 import (
    CreatePortRequest,
    CreateSecurityGroupRequest,
    CreateSubnetRequest,
    CreateVpcRequest,
    Port,
    PortSpec,
    Rule,
    SecurityGroupSpec,
    SubnetSpec,
    UpdateSecurityGroupRequest,
    VpcSpec,
)
from ultracloud.api.resource.v1.resource_pb2 import GetRequest, WatchRequest

VPC, SUBNET, GROUP, PROBE = "net", "front", "web", "probe"
VPC_RANGE, SUBNET_RANGE = "10.20.0.0/16", "10.20.1.0/24"
READY_SECONDS = 20.0
"""Devices and rules stand within half a second; a loaded machine gets more."""
WEB_RULE = Rule(
    direction=Rule.INGRESS, protocol=Rule.TCP, port_min=80, port_max=80, remote_cidr="0.0.0.0/0", description="HTTP"
)


@dataclass(frozen=True, slots=True)
class Network:
    """What stands in the first project.

    Attributes:
        probe_path: Where the probe's namespace is, as the host's agent names it.
        probe: That namespace: from there HTTP is tried as a neighbour of the VM would.
    """

    probe_path: str
    probe: Namespace
    probe_address: str

    def after_restart(self, cloud: Cloud) -> Network:
        """The same network under another supervisor."""
        return replace(self, probe=cloud.namespace(self.probe_path))


async def make(journal: Journal, cloud: Cloud, identity: Identity) -> Network:
    """Make the networks and wait until the host has built them.

    Raises:
        StepFailedError: prismnet refused, or its agent could not build.
    """
    async with journal.step("network built", "making two private networks", "prismnet-agent") as step:
        await asyncio.gather(*(_make_vpc(identity, project) for project in (PROJECT, OTHER_PROJECT)))
        probe = await _make_probe(cloud, identity)
        step.detail = (
            f"VPC {VPC_RANGE} with subnet {SUBNET_RANGE}, DHCP, metadata, NAT and deny-by-default rules, "
            f"in {PROJECT} and again in {OTHER_PROJECT}"
        )
    path = probe.status.device_name
    return Network(path, cloud.namespace(path), probe.status.address)


async def set_rules(identity: Identity, rules: list[Rule]) -> None:
    """Replace the rules of the first project's security group."""
    group = await identity.tenant.groups.get(GetRequest(project=PROJECT, ref=GROUP))
    await identity.tenant.groups.update(
        UpdateSecurityGroupRequest(
            project=PROJECT,
            ref=GROUP,
            etag=group.metadata.etag,
            update_mask=["rules"],
            spec=SecurityGroupSpec(rules=rules),
        )
    )


async def _make_vpc(identity: Identity, project: str) -> None:
    """VPC, subnet and group of one project."""
    tenant = identity.tenant
    spec = VpcSpec(cidr=VPC_RANGE, egress_nat=True)
    await tenant.vpcs.create(CreateVpcRequest(project=project, name=VPC, spec=spec, idempotency_key="vpc"))
    await tenant.subnets.create(
        CreateSubnetRequest(
            project=project, name=SUBNET, spec=SubnetSpec(vpc=VPC, cidr=SUBNET_RANGE), idempotency_key="subnet"
        )
    )
    await tenant.groups.create(
        CreateSecurityGroupRequest(
            project=project, name=GROUP, spec=SecurityGroupSpec(description="web servers"), idempotency_key="group"
        )
    )


async def _make_probe(cloud: Cloud, identity: Identity) -> Port:
    """A port that is a namespace rather than a tap device."""
    spec = PortSpec(subnet=SUBNET, host=cloud.cluster.host, attachment=PortSpec.NETNS)
    made = await identity.tenant.ports.create(
        CreatePortRequest(project=PROJECT, name=PROBE, spec=spec, idempotency_key="probe")
    )
    return await wait_for(
        lambda: identity.tenant.ports.watch(WatchRequest(project=PROJECT)),
        made.metadata.id,
        is_ready,
        READY_SECONDS,
    )
