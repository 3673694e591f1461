"""A prismnet server without wires: the four kinds over the memory store, called as its callers would."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from prismnet.shell.kinds import KINDS, PORT, SECURITY_GROUP, SUBNET, VPC
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.api.resource.v1 import resource_pb2
from ultracloud.base.policy import Principal
from ultracloud.base.principals import spiffe_principal
from ultracloud.servicekit.pki import service_identity
from ultracloud.servicekit.resources import KindServer, Resources
from ultracloud.servicekit.store import MemoryStore
from ultracloud.servicekit.testing import (
    DEVELOPER,
    STRANGER,
    FakeCall,
    SetClock,
    account_principal,
    sample_authority,
)

DEV = account_principal(DEVELOPER)
STRANGE = account_principal(STRANGER)
PLASMAVMC = spiffe_principal(service_identity("plasmavmc"))


class Cloud:
    """Project ``blue`` of a fresh cloud."""

    def __init__(self) -> None:
        self.resources = Resources(MemoryStore(), sample_authority(), SetClock(), KINDS)
        self.vpcs: KindServer[pb.Vpc] = KindServer(self.resources, VPC)
        self.subnets: KindServer[pb.Subnet] = KindServer(self.resources, SUBNET)
        self.groups: KindServer[pb.SecurityGroup] = KindServer(self.resources, SECURITY_GROUP)
        self.ports: KindServer[pb.Port] = KindServer(self.resources, PORT)

    def call(self, caller: Principal) -> FakeCall:
        return FakeCall(principal=caller)

    async def network(self) -> None:
        """A VPC ``v`` with a subnet ``s``."""
        await self.vpc("v")
        await self.subnet("s")

    async def vpc(self, name: str, caller: Principal = DEV) -> pb.Vpc:
        spec = pb.VpcSpec(cidr="10.0.0.0/16", egress_nat=True)
        return await self.vpcs.create(pb.CreateVpcRequest(project="blue", name=name, spec=spec), self.call(caller))

    async def subnet(self, name: str, cidr: str = "10.0.1.0/24", vpc: str = "v") -> pb.Subnet:
        spec = pb.SubnetSpec(vpc=vpc, cidr=cidr)
        return await self.subnets.create(pb.CreateSubnetRequest(project="blue", name=name, spec=spec), self.call(DEV))

    async def group(self, name: str, *rules: pb.Rule) -> pb.SecurityGroup:
        spec = pb.SecurityGroupSpec(rules=rules)
        request = pb.CreateSecurityGroupRequest(project="blue", name=name, spec=spec)
        return await self.groups.create(request, self.call(DEV))

    async def port(
        self,
        name: str,
        *,
        project: str = "blue",
        subnet: str = "s",
        groups: Sequence[str] = (),
        caller: Principal = DEV,
        **spec: Any,
    ) -> pb.Port:
        wanted = pb.PortSpec(subnet=subnet, security_groups=groups, **spec)
        request = pb.CreatePortRequest(project=project, name=name, spec=wanted)
        return await self.ports.create(request, self.call(caller))

    async def change_port(self, ref: str, spec: pb.PortSpec, *mask: str) -> pb.Port:
        request = pb.UpdatePortRequest(project="blue", ref=ref, spec=spec, update_mask=mask)
        return await self.ports.update(request, self.call(DEV))

    async def delete(self, server: KindServer[Any], ref: str, caller: Principal = DEV) -> None:
        await server.delete(resource_pb2.DeleteRequest(project="blue", ref=ref), self.call(caller))
