"""From changes of records to intents of hosts and figures of subnets: the reconciler's planner.

Keys are not resources but what follows from them: a host's intent, a subnet's count of addresses. Many changes that
concern one host while it is being planned are one plan: the reconciler keeps a key once, however often it is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

from prismnet.core.hosts import Records, plan_host
from prismnet.core.ids import GroupId
from prismnet.shell.intents import render_intent
from prismnet.shell.kinds import PORT, SECURITY_GROUP, SUBNET, VPC
from prismnet.shell.records import group_rules, port_record, subnet_record, vpc_record
from ultracloud.api.prismnet.v1 import prismnet_pb2 as pb
from ultracloud.servicekit.resources import HostFeed, Key, Resources, World

HOST = "host"


@dataclass(frozen=True, slots=True)
class Publish:
    """Give a host its intent."""

    intent: pb.HostIntent


@dataclass(frozen=True, slots=True)
class CountAddresses:
    """Write how many addresses of a subnet are in use."""

    subnet: str
    used: int


Action = Publish | CountAddresses


def host_key(host: str) -> Key:
    """The key of a host's intent."""
    return Key(HOST, host)


def affected(world: World, key: Key) -> Iterable[Key]:
    """Whom a changed record concerns."""
    match key.kind:
        case PORT.key:
            port = world.get(PORT, key.id)
            if port is None:
                return []
            return [Key(SUBNET.key, port.spec.subnet), *_hosts(world, vpc=port.status.vpc)]
        case SUBNET.key:
            subnet = world.get(SUBNET, key.id)
            return [key, *_hosts(world, vpc=subnet.spec.vpc)] if subnet else []
        case VPC.key:
            return _hosts(world, vpc=key.id)
        case _:
            group = world.get(SECURITY_GROUP, key.id)
            return _hosts(world, project=group.metadata.project) if group else []


def _hosts(world: World, *, vpc: str = "", project: str = "") -> list[Key]:
    """Hosts that have ports of a VPC, or of a project."""
    ports = world.all(PORT)
    hosts = {
        port.spec.host
        for port in ports
        if port.spec.host and (port.status.vpc == vpc or port.metadata.project == project)
    }
    return [host_key(host) for host in sorted(hosts)]


@dataclass(frozen=True, slots=True)
class HostPlanner:
    """Decides and publishes."""

    resources: Resources
    feed: HostFeed[pb.HostIntent]

    def plan(self, world: World, key: Key) -> Sequence[Action]:
        """What follows from the world for one key."""
        if key.kind == HOST:
            return [Publish(render_intent(plan_host(key.id, world.version, records_for(world, key.id))))]
        subnet = world.get(SUBNET, key.id) if key.kind == SUBNET.key else None
        if subnet is None:
            return []
        used = sum(port.spec.subnet == key.id for port in world.all(PORT))
        return [CountAddresses(key.id, used)] if used != subnet.status.addresses_used else []

    async def act(self, action: Action) -> None:
        """Do it; twice is harmless."""
        match action:
            case Publish(intent):
                self.feed.offer(intent)
            case CountAddresses(subnet, used):

                def count(message: pb.Subnet) -> None:
                    message.status.addresses_used = used

                await self.resources.change_status(SUBNET, subnet, count)
            case _:
                assert_never(action)


def records_for(world: World, host: str) -> Records:
    """What one host's intent is made of: VPCs with ports there, with all that these rest on."""
    vpcs = {port.status.vpc for port in world.all(PORT) if port.spec.host == host}
    ports = tuple(port_record(port) for port in world.all(PORT) if port.status.vpc in vpcs)
    wanted = {group for one in ports if one.host == host for group in one.groups}
    found = {identifier: world.get(SECURITY_GROUP, identifier) for identifier in wanted}
    return Records(
        vpcs=tuple(vpc_record(vpc) for vpc in world.all(VPC) if vpc.metadata.id in vpcs),
        subnets=tuple(subnet_record(subnet) for subnet in world.all(SUBNET) if subnet.spec.vpc in vpcs),
        groups={GroupId(identifier): group_rules(group) for identifier, group in found.items() if group},
        ports=ports,
    )
